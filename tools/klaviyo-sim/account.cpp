#include "account.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_set>

namespace sim {
namespace {

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

std::string text_of(const Json& attributes, const char* name) {
  const auto found = attributes.find(name);
  return found != attributes.end() && found->is_string() ? found->get<std::string>() : "";
}

bool is_discarded_address(const Json& attributes) {
  const std::string email = lower_case(text_of(attributes, "email"));
  const std::string_view domain = std::string_view(email).substr(email.rfind('@') + 1);
  return domain == "example.com" || domain == "test.com";
}

// A name for the profile before it exists: its index when it does, else its first identifier.
std::string identity_of(const ProfileStore& profiles, const ProfileInput& input) {
  const auto index = profiles.find(input);
  if (index) return "#" + std::to_string(*index);
  if (input.id) return "id:" + *input.id;
  for (const char* name : kIdentifiers) {
    const std::string value = text_of(input.attributes, name);
    if (!value.empty()) return std::string(name) + ":" + lower_case(value);
  }
  return {};
}

void record_group(Account& account, const EventGroup& group, std::chrono::sys_seconds now,
                  EventCounts& counts) {
  auto index = account.profiles.find(group.profile);
  const bool is_unknown_id = group.profile.id && !index;
  if (is_unknown_id || is_discarded_address(group.profile.attributes)) {
    counts.dropped += group.events.size();
    return;
  }
  if (!index) index = account.profiles.create(now);
  account.profiles.merge(*index, group.profile.attributes, false, now);
  account.profiles.unset(*index, group.profile.unset);
  for (const EventInput& event : group.events) {
    if (account.events.record(*index, event, now)) {
      ++counts.recorded;
      account.profiles.note_event(*index, event.time.value_or(now));
    } else {
      ++counts.duplicates;
    }
  }
}

void subscribe(Profile& profile, const ConsentJob& job, const ChannelConsent& consent,
               std::chrono::sys_seconds now) {
  profile.subscriptions[consent.channel] = {true, consent.consented_at.value_or(now), now,
                                            job.custom_source};
  if (job.list) profile.lists.insert(*job.list);
}

// From the list; a profile that is not on it is unsubscribed from everything.
void unsubscribe(Profile& profile, bool was_on_list, const ChannelConsent& consent,
                 std::chrono::sys_seconds now) {
  if (was_on_list) return;
  profile.subscriptions[consent.channel] = {false, now, now, std::nullopt};
}

Problem duplicate_profile(const Profile& other) {
  Problem problem;
  problem.status = 409;
  problem.code = "duplicate_profile";
  problem.title = "Conflict.";
  problem.detail = "A profile already exists with one of these identifiers.";
  problem.pointer = "/data/attributes";
  problem.meta = {{"duplicate_profile_id", other.id}};
  return problem;
}

Problem unknown_profile(const std::string& id) {
  Problem problem = invalid("/data/id", "A profile with id '" + id + "' does not exist.");
  problem.status = 404;
  problem.code = "not_found";
  problem.title = "Not found.";
  return problem;
}

}  // namespace

EventCounts record_events(Account& account, const std::vector<EventGroup>& groups,
                          std::chrono::sys_seconds now) {
  EventCounts counts;
  for (const EventGroup& group : groups) {
    record_group(account, group, now, counts);
  }
  return counts;
}

std::vector<Problem> find_repeated_events(const Account& account,
                                          const std::vector<EventGroup>& groups) {
  std::vector<Problem> problems;
  std::unordered_set<std::string> keys;
  for (const EventGroup& group : groups) {
    const std::string profile = identity_of(account.profiles, group.profile);
    for (const EventInput& event : group.events) {
      if (!event.unique_id) continue;
      // A metric name cannot be told from a unique_id by any separator but its length.
      const std::string key = profile + '\n' + std::to_string(event.metric.size()) + '\n' +
                              event.metric + *event.unique_id;
      if (keys.insert(key).second) continue;
      problems.push_back(invalid(
          event.pointer + "/unique_id",
          "The unique_id '" + *event.unique_id + "' is repeated for the same profile and metric."));
    }
  }
  return problems;
}

ImportResult import_profile(Account& account, const ProfileInput& input,
                            std::chrono::sys_seconds now) {
  ImportResult result;
  const auto index = account.profiles.find(input);
  if (input.id && !index) {
    result.problems.push_back(unknown_profile(*input.id));
    return result;
  }
  const auto other = account.profiles.find_conflict(index, input);
  if (index && other) {
    result.problems.push_back(duplicate_profile(account.profiles.at(*other)));
    return result;
  }
  result.created = !index.has_value();
  result.profile = index ? *index : account.profiles.create(now);
  account.profiles.merge(result.profile, input.attributes, true, now);
  account.profiles.unset(result.profile, input.unset);
  return result;
}

void apply_consent(Account& account, JobKind kind, const ConsentJob& job,
                   std::chrono::sys_seconds now) {
  for (const ConsentOfProfile& one : job.profiles) {
    auto index = account.profiles.find(one.profile);
    if (one.profile.id && !index) continue;
    if (!index) index = account.profiles.create(now);
    account.profiles.merge(*index, one.profile.attributes, false, now);
    Profile& profile = account.profiles.at(*index);
    const bool was_on_list =
        kind == JobKind::kUnsubscribe && job.list && profile.lists.erase(*job.list) > 0;
    for (const ChannelConsent& consent : one.channels) {
      if (kind == JobKind::kSubscribe) {
        subscribe(profile, job, consent, now);
      } else {
        unsubscribe(profile, was_on_list, consent, now);
      }
    }
  }
}

void finish_deletions(Account& account, std::chrono::system_clock::time_point now) {
  std::erase_if(account.deletions, [&](const DeletionJob& job) {
    if (now < job.due) return false;
    const auto index = account.profiles.find(job.identifier, job.value);
    if (index) account.profiles.remove(*index);
    return true;
  });
}

}  // namespace sim
