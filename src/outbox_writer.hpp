// OutboxWriter makes events durable, as many as have gathered in one transaction (group commit).
//
// Place:     between IntakeQueue and Outbox.
// Threads:   run_once() from one thread; the writer's.
// Lifetime:  as long as the tracker.
// Failure:   a failed append is repeated with the same keys until it succeeds; the events stay in
//            memory and count against the intake's caps.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include <postbox/clock.hpp>
#include <postbox/event.hpp>
#include <postbox/outbox.hpp>

#include "base/counters.hpp"
#include "base/logger.hpp"
#include "base/metrics_table.hpp"
#include "base/queues.hpp"
#include "intake_queue.hpp"

namespace postbox {

struct WriterParts {
  IntakeQueue& intake;
  Outbox& outbox;
  Counters& counters;
  MetricsTable& metrics;
  Logger& logger;
  std::shared_ptr<const Clock> clock;
  std::shared_ptr<Random> random;
  std::string failure_prefix;
};

class OutboxWriter {
 public:
  explicit OutboxWriter(WriterParts parts) : parts_(std::move(parts)) {}

  // Append what there is. Returns when to try again, or the far future when nothing is left to do
  // before the next event.
  SteadyTime run_once(SteadyTime now);

  // False while a failed append is to be repeated first.
  [[nodiscard]] bool wants_events() const noexcept { return batch_.records.empty(); }

  // True while the store is so full that the rest is kept for what matters most. May be asked by
  // any thread.
  [[nodiscard]] bool is_crowded() const noexcept {
    return crowded_.load(std::memory_order_relaxed);
  }

  // The bytes of events that the store could take at the last append; none while it is full. What
  // waits in memory has to fit into it. May be asked by any thread.
  [[nodiscard]] Bytes room() const noexcept { return {room_.load(std::memory_order_relaxed)}; }

  // Somebody found too little room: look whether there is more now. Returns whether the writer's
  // thread has to be woken for it. From any thread.
  [[nodiscard]] bool ask_for_room() noexcept { return !asked_.exchange(true); }

  // Whether it looks for room by itself.
  [[nodiscard]] bool looks_for_room() const noexcept { return is_crowded() || asked_.load(); }

  // True when the last run_once() made events durable, so that the sender has work.
  [[nodiscard]] bool appended() const noexcept { return appended_; }

  // True when those came at several moments, so that more may come soon.
  [[nodiscard]] bool appended_several() const noexcept { return appended_several_; }

  // True when some of those start a timer or wait, so that something may be due earlier than it
  // seemed.
  [[nodiscard]] bool timed() const noexcept { return timed_; }

  // The queues that have more to claim because of it.
  [[nodiscard]] Queues queues() const noexcept { return queues_; }

 private:
  Result<Appended> append(SteadyTime now);
  void fail(SteadyTime now, const Error& error);
  void report_refusals();
  void measure();
  void look_at_what_was_appended(const Appended& appended);

  const WriterParts parts_;

  std::atomic<bool> crowded_{false};
  std::atomic<bool> asked_{true};  // nothing is known at the start
  std::atomic<std::uint64_t> room_{std::numeric_limits<std::uint64_t>::max()};

  // Only touched by the writer's thread.
  IntakeQueue::Taken batch_;
  SteadyTime retry_at_{};
  SteadyTime look_at_{};  // whether there is room again
  std::uint32_t failures_in_a_row_ = 0;
  std::uint64_t reported_full_ = 0;
  bool appended_ = false;
  bool appended_several_ = false;
  bool timed_ = false;
  Queues queues_{};
};

}  // namespace postbox
