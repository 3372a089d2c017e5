// StatsCollector turns what was counted into Stats: the counts of this run are what the outbox has
// counted since the run found it.
//
// Place:     beside the stages; reads, never decides.
// Threads:   every member may be called from several threads at once. 🔒
// Lifetime:  as long as the tracker.
// Failure:   while the outbox cannot be read there is no baseline, and Stats::complete is false.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <postbox/flag_set.hpp>
#include <postbox/outbox.hpp>
#include <postbox/stats.hpp>

#include "base/counters.hpp"
#include "base/mutex.hpp"

namespace postbox {

// Counts of a run are what the outbox has counted since it was opened, because only the
// store knows whether a settlement applied.
class StatsCollector {
 public:
  StatsCollector(Outbox& outbox, const FlagSet& flags) : outbox_(outbox), flags_(flags) {}

  // Read what the outbox holds before this run changes anything. Cheap once it has succeeded.
  Result<void> open() POSTBOX_EXCLUDES(mutex_);

  struct Collected {
    Stats stats;
    std::vector<QueueStats> on_disk{};  // what the outbox says of each queue
    std::uint64_t inbox = 0;            // OutboxStats::inbox
  };

  // `in_memory` is how many accepted events have not reached the outbox.
  [[nodiscard]] Collected collect(const Counters& counters, std::uint64_t in_memory)
      POSTBOX_EXCLUDES(mutex_);

 private:
  Outbox& outbox_;
  const FlagSet& flags_;

  Mutex mutex_;
  std::optional<OutboxStats> baseline_ POSTBOX_GUARDED_BY(mutex_);
};

}  // namespace postbox
