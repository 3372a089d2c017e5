#include "outbox_writer.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/backoff.hpp"

namespace postbox {
namespace {

// A disk that was full or locked is worth asking often: callers are waiting.
constexpr std::chrono::milliseconds kLongestWait{2'000};

// Between commits, while nobody waits for one.
constexpr std::chrono::milliseconds kRhythm{10};

// In thousandths: a cart must never take the last room from a purchase.
constexpr std::uint32_t kCrowded = 900;
constexpr std::chrono::milliseconds kLook{1'000};

}  // namespace

OutboxWriter::OutboxWriter(IntakeQueue& intake, Outbox& outbox, Counters& counters, Logger& logger,
                           std::shared_ptr<Random> random, std::string failure_prefix)
    : intake_(intake),
      outbox_(outbox),
      counters_(counters),
      logger_(logger),
      random_(std::move(random)),
      failure_prefix_(std::move(failure_prefix)) {}

SteadyTime OutboxWriter::run_once(SteadyTime now) {
  appended_ = false;
  report_refusals();
  if (batch_.empty()) batch_ = intake_.take();
  if (batch_.empty() && !looks_for_room()) return SteadyTime::max();
  if (now < retry_at_) return retry_at_;
  if (batch_.empty() && now < look_at_) return look_at_;

  const auto appended = append(now);
  if (batch_.empty()) return looks_for_room() ? look_at_ : SteadyTime::max();
  if (!appended) {
    fail(now, appended.error());
    return retry_at_;
  }
  failures_in_a_row_ = 0;
  appended_ = true;
  timed_ = std::ranges::any_of(batch_,
                               [](const EventRecord& record) { return record.timing != nullptr; });
  gather_until_ = now + kRhythm;
  const auto bytes = std::accumulate(
      batch_.begin(), batch_.end(), std::uint64_t{0},
      [](std::uint64_t sum, const EventRecord& record) { return sum + footprint(record); });
  const auto events = static_cast<std::size_t>(std::ranges::count_if(batch_, has_event));
  batch_.clear();
  intake_.settle_durable(events, bytes);
  return now;  // more may have gathered meanwhile
}

Result<Appended> OutboxWriter::append(SteadyTime now) {
  asked_.store(false);
  auto appended = outbox_.append(batch_);
  const bool full = !appended && appended.error().code == ErrorCode::kOutboxFull;
  // A row takes more than its event, and an index more than that.
  if (full || appended) {
    room_.store(full ? 0 : appended->room.count / 4 * 3, std::memory_order_relaxed);
  }
  crowded_.store(full || (appended && appended->fullness >= kCrowded), std::memory_order_relaxed);
  look_at_ = now + kLook;
  return appended;
}

void OutboxWriter::fail(SteadyTime now, const Error& error) {
  add(counters_.outbox_failures, 1);
  ++failures_in_a_row_;
  retry_at_ =
      now + full_jitter(std::min(backoff_ceiling(failures_in_a_row_), kLongestWait), *random_);
  logger_.log(LogLevel::kError, failure_prefix_ + ": " + error.message +
                                    "; events wait in memory until it can be written");
}

void OutboxWriter::report_refusals() {
  const auto full = counters_.full.load(std::memory_order_relaxed);
  if (full == reported_full_) return;
  reported_full_ = full;
  logger_.log(LogLevel::kError, failure_prefix_ +
                                    ": a cap is reached, new events are refused; see "
                                    "POSTBOX_MAX_MEMORY, POSTBOX_MAX_DISK and the outbox's disk");
}

}  // namespace postbox
