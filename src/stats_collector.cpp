#include "stats_collector.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace postbox {
namespace {

std::uint64_t rows(const OutboxStats& stats) {
  std::uint64_t sum = stats.spilled;
  for (const QueueStats& queue : stats.queues) {
    sum += queue.ready + queue.leased + queue.delayed + queue.held + queue.dead;
  }
  return sum;
}

// Zero when the file was replaced by one that has counted less.
std::uint64_t grown(std::uint64_t before, std::uint64_t after) {
  return after > before ? after - before : 0;
}

}  // namespace

Result<void> StatsCollector::open() {
  {
    const MutexLock lock(mutex_);
    if (baseline_) return {};
  }
  auto found = outbox_.stats();
  if (!found) return found.error();
  const MutexLock lock(mutex_);
  if (!baseline_) baseline_ = *std::move(found);
  return {};
}

StatsCollector::Collected StatsCollector::collect(const Counters& counters,
                                                  std::uint64_t in_memory) {
  Collected collected;
  Stats& s = collected.stats;
  counters.read(s);
  s.waiting = in_memory;
  const auto current = open() ? outbox_.stats() : Error{ErrorCode::kOutboxUnavailable, {}};
  s.complete = current.has_value() && current->away.empty();
  if (current) s.spilled = current->spilled;
  s.waiting += s.spilled;
  if (!s.complete) return collected;
  collected.on_disk = current->queues;
  collected.inbox = current->inbox;

  for (const QueueStats& queue : current->queues) {
    const bool off = flags_.get(queue.queue).is_off();
    (off ? s.held : s.waiting) += queue.ready + queue.delayed;
    s.held += queue.held;
    s.in_flight += queue.leased;
    s.dead += queue.dead;
  }
  const MutexLock lock(mutex_);
  const OutboxTotals& before = baseline_->totals;
  const OutboxTotals& after = current->totals;
  s.delivered = grown(before.delivered, after.delivered);
  s.duplicates = grown(before.duplicates, after.duplicates);
  s.purged =
      grown(before.purged, after.purged) + grown(before.expired, after.expired) + s.duplicates;
  s.recovered = rows(*baseline_);
  if (outbox_.caps().shared) {
    const std::uint64_t arrived = grown(before.appended, after.appended) + s.duplicates;
    const std::uint64_t ours = s.accepted - std::min(s.accepted, in_memory);
    s.recovered += arrived - std::min(arrived, ours);
  }
  s.fired = grown(before.fired, after.fired);
  s.timers_pending = current->timers_pending;
  // Where no other process appends, nobody delivers what nobody accepted.
  POSTBOX_ASSERT(s.duplicates <= s.purged);
  s.offered += s.recovered + s.fired;
  s.accepted += s.recovered + s.fired;
  return collected;
}

}  // namespace postbox
