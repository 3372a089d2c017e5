#include "outbox_writer.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/assert.hpp"
#include "base/backoff.hpp"

namespace postbox {
namespace {

// A disk that was full or locked is worth asking often: callers are waiting.
constexpr std::chrono::milliseconds kLongestWait{2'000};

// In thousandths: a cart must never take the last room from a purchase.
constexpr std::uint32_t kCrowded = 900;
constexpr std::chrono::milliseconds kLook{1'000};

}  // namespace

SteadyTime OutboxWriter::run_once(SteadyTime now) {
  appended_ = appended_several_ = false;
  report_refusals();
  if (batch_.records.empty()) batch_ = parts_.intake.take();
  if (batch_.records.empty() && !looks_for_room()) return SteadyTime::max();
  if (now < retry_at_) return retry_at_;
  if (batch_.records.empty() && now < look_at_) return look_at_;

  const auto appended = append(now);
  if (batch_.records.empty()) return looks_for_room() ? look_at_ : SteadyTime::max();
  if (!appended) {
    fail(now, appended.error());
    return retry_at_;
  }
  POSTBOX_ASSERT(appended->inserted + appended->duplicates <= batch_.records.size());
  failures_in_a_row_ = 0;
  appended_ = true;
  appended_several_ = batch_.offered.size() > 1;
  look_at_what_was_appended(*appended);
  const auto bytes = std::accumulate(
      batch_.records.begin(), batch_.records.end(), std::uint64_t{0},
      [](std::uint64_t sum, const EventRecord& record) { return sum + footprint(record); });
  const auto events = static_cast<std::size_t>(std::ranges::count_if(batch_.records, has_event));
  POSTBOX_ASSERT(events <= batch_.records.size());
  measure();
  batch_ = {};
  parts_.intake.settle_durable(events, bytes);
  return now;  // more may have gathered meanwhile
}

Result<Appended> OutboxWriter::append(SteadyTime now) {
  asked_.store(false);
  auto appended = parts_.outbox.append(batch_.records);
  const bool full = !appended && appended.error().code == ErrorCode::kOutboxFull;
  // A row takes more than its event, and an index more than that.
  if (full || appended) {
    room_.store(full ? 0 : appended->room.count / 4 * 3, std::memory_order_relaxed);
  }
  crowded_.store(full || (appended && appended->fullness >= kCrowded), std::memory_order_relaxed);
  look_at_ = now + kLook;
  return appended;
}

void OutboxWriter::look_at_what_was_appended(const Appended& appended) {
  timed_ = false;
  queues_ = {};
  // An event that gave way to a newer one may have stood before others, of any queue.
  if (appended.duplicates > 0) queues_ = Queues::any();
  for (const EventRecord& record : batch_.records) {
    const bool waits = record.timing && record.timing->debounce.count() > 0;
    timed_ |= waits || (record.timing && record.timing->timer);
    if (has_event(record) && !waits) queues_.add(Queues::of(record.queue));
  }
}

void OutboxWriter::fail(SteadyTime now, const Error& error) {
  add<&Stats::outbox_failures>(parts_.counters, 1);
  ++failures_in_a_row_;
  retry_at_ = now + full_jitter(std::min(backoff_ceiling(failures_in_a_row_), kLongestWait),
                                *parts_.random);
  parts_.logger.log(LogLevel::kError, parts_.failure_prefix + ": " + error.message +
                                          "; events wait in memory until it can be written");
}

void OutboxWriter::measure() {
  const WallTime now = parts_.clock->wall_now();
  for (const auto& [at, events] : batch_.offered) {
    if (events > 0) parts_.metrics.to_disk.add(now - at, events);
  }
}

void OutboxWriter::report_refusals() {
  const auto full = parts_.counters.of<&Stats::full>().load(std::memory_order_relaxed);
  if (full == reported_full_) return;
  reported_full_ = full;
  parts_.logger.log(LogLevel::kError,
                    parts_.failure_prefix +
                        ": a cap is reached, new events are refused; see "
                        "POSTBOX_MAX_MEMORY, POSTBOX_MAX_DISK and the outbox's disk");
}

}  // namespace postbox
