// Account is everything that one Klaviyo account holds.
//
// Place:     in Simulator; account_reads shows it, record_events fills it.
// Threads:   guarded by the simulator's mutex.
// Failure:   none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "consent_rules.hpp"
#include "deletion_rules.hpp"
#include "event_store.hpp"
#include "profile_store.hpp"

namespace sim {

struct Account {
  ProfileStore profiles;
  EventStore events;
  std::vector<DeletionJob> deletions;  // that are under way

  void clear() {
    profiles.clear();
    events.clear();
    deletions.clear();
  }
};

// What became of events that were answered with 202.
struct EventCounts {
  std::uint64_t recorded = 0;
  std::uint64_t dropped = 0;     // silently: the address or the profile id is not acceptable
  std::uint64_t duplicates = 0;  // the key was here before
};

// Records what passed the rules. As the real one does behind its 202, it silently drops events to
// @example.com and @test.com, events that name an unknown profile id, and duplicates.
EventCounts record_events(Account& account, const std::vector<EventGroup>& groups,
                          std::chrono::sys_seconds now);

// A bulk request that repeats a (profile, metric, unique_id) fails as a whole.
std::vector<Problem> find_repeated_events(const Account& account,
                                          const std::vector<EventGroup>& groups);

struct ImportResult {
  std::size_t profile = 0;
  bool created = false;
  std::vector<Problem> problems;  // when not empty nothing was changed
};

// POST /api/profile-import
ImportResult import_profile(Account& account, const ProfileInput& input,
                            std::chrono::sys_seconds now);

// POST /api/profile-subscription-bulk-create-jobs and …-delete-jobs, which passed the rules.
void apply_consent(Account& account, JobKind kind, const ConsentJob& job,
                   std::chrono::sys_seconds now);

// Deletes the profiles of the jobs that are due. Their events stay, of nobody.
void finish_deletions(Account& account, std::chrono::system_clock::time_point now);

}  // namespace sim
