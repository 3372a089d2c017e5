// A Sabotage is what a test breaks on purpose, to see that it is noticed: through the seams, so
// that the product's code has no hooks for it.
//
// Place:     around one shop's outbox; the destination and the network have theirs.
// Threads:   one.
// Lifetime:  as the outbox that it stands for.
// Failure:   on purpose.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <postbox/outbox.hpp>

#include "outbox_decorator.hpp"

namespace postbox::simulation {

enum class Sabotage : std::uint8_t {
  kNone,
  kNoSync,              // the disk is not synced
  kSettleBeforeAnswer,  // a request counts as delivered when it is sent
  kNewIdPerRequest,     // a retry sends another id
  kForeignBuries,       // an answer that is not the vendor's own is the end of an event
  kOneLane,             // where many events can travel together, they always do
  kNoLease,             // a claim excludes nobody
  kNoEnds,              // an order ends no timer
  kNoTimers,            // a cart starts none
  kFullForever,         // what was full once stays so
  kNeverAtRest,         // there is always something to do
  kPoisonSpreads,       // nobody knows how often an event has failed
  kNoOrder,             // updates of a profile overtake each other
  kCartsAhead,          // an order does not end carts whose clock is ahead
  kRefusedOrders,       // an order that was refused ends no cart
  kDeadCrowdOut,        // dead letters count against the cap
  kHistoryEnds,         // an import of history is remembered like what happens now
  kSpillComesBack,      // what was drained is not removed for certain
};

// Whether the outbox is what is broken.
constexpr bool is_of_outbox(Sabotage sabotage) {
  return sabotage >= Sabotage::kNoLease && sabotage != Sabotage::kSpillComesBack;
}

// ForgetfulSpill says that a text is on the disk, and all that came before, and that is not so.
class ForgetfulSpill final : public OutboxDecorator {
 public:
  using OutboxDecorator::OutboxDecorator;
  Result<std::string> exchange(std::string_view, std::string_view) override {
    return std::string();
  }
};

class BrokenOutbox final : public OutboxDecorator {
 public:
  BrokenOutbox(std::shared_ptr<Outbox> outbox, std::shared_ptr<Clock> clock, Sabotage sabotage)
      : OutboxDecorator(std::move(outbox)), clock_(std::move(clock)), sabotage_(sabotage) {}

  Result<Appended> append(std::span<const EventRecord> batch) override {
    if (is_full()) return Error{ErrorCode::kOutboxFull, "full"};
    std::vector<EventRecord> records;
    for (EventRecord record : batch) {
      if (record.timing != nullptr) {
        if (sabotage_ == Sabotage::kRefusedOrders && record.timing->effects_only) continue;
        auto timing = std::make_shared<Timing>(*record.timing);
        spoil(*timing);
        record.timing = std::move(timing);
      }
      records.push_back(std::move(record));
    }
    auto appended = OutboxDecorator::append(records);
    was_full_ |= !appended && appended.error().code == ErrorCode::kOutboxFull;
    return appended;
  }

  Result<Claim> claim(QueueId queue, const ClaimLimits& limits, milliseconds lease) override {
    if (sabotage_ == Sabotage::kNoLease) lease = milliseconds(0);
    auto claim = OutboxDecorator::claim(queue, limits, lease);
    if (!claim || sabotage_ != Sabotage::kPoisonSpreads) return claim;
    for (ClaimedEvent& event : claim->events) event.attempts = 1;
    return claim;
  }

  Result<Maintained> maintain(milliseconds retention) override {
    auto maintained = OutboxDecorator::maintain(retention);
    if (maintained && sabotage_ == Sabotage::kNeverAtRest) maintained->next_due = milliseconds(100);
    return maintained;
  }

 private:
  [[nodiscard]] bool is_full() {
    if (sabotage_ == Sabotage::kFullForever) return was_full_;
    if (sabotage_ != Sabotage::kDeadCrowdOut) return false;
    const auto found = OutboxDecorator::stats();
    std::uint64_t dead = 0;
    if (found) {
      for (const QueueStats& queue : found->queues) dead += queue.dead;
    }
    return dead > 100;
  }

  void spoil(Timing& timing) const {
    if (sabotage_ == Sabotage::kNoEnds) timing.cancels.clear();
    if (sabotage_ == Sabotage::kNoTimers) timing.timer.reset();
    if (sabotage_ == Sabotage::kNoOrder) timing.in_order = false;
    if (sabotage_ == Sabotage::kCartsAhead && !timing.cancels.empty()) timing.as_of -= minutes(2);
    if (sabotage_ == Sabotage::kHistoryEnds && timing.as_of + hours(24) < clock_->wall_now()) {
      timing.as_of = clock_->wall_now();
    }
  }

  std::shared_ptr<Clock> clock_;
  Sabotage sabotage_;
  bool was_full_ = false;
};

}  // namespace postbox::simulation
