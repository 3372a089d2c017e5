// A Sabotage is what a test breaks on purpose, to see that the fleet's checks notice it: through
// the seams, so that the product's code has no hooks for it.
//
// Place:     around a server's outbox; destinations, ways and servers have theirs.
// Threads:   one.
// Lifetime:  as the outbox that it stands for.
// Failure:   on purpose.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include <postbox/outbox.hpp>

#include "simulation/outbox_decorator.hpp"

namespace postbox::fleet {

enum class Sabotage : std::uint8_t {
  kNone,
  kNewIdPerRequest,   // a retry sends another id
  kFailureIsSuccess,  // an answer that is lost counts as delivered
  kFailureBuries,     // and as refused for good
  kNarrowWay,         // a server sends one request at a time, of all its accounts
  kOwnGates,          // servers share no quota
  kNoLease,           // a claim excludes nobody
  kLongLease,         // what a killed server had comes back after a day
  kNoEnds,            // an order ends no timer
  kNoTimers,          // a cart starts none
  kEarlyTimers,       // after half of their time
  kNoOrder,           // updates of a profile overtake each other
  kLosesAppends,      // one in fifty is not stored
  kNeverSettles,      // what was delivered waits again
  kNeverAtRest,       // there is always something to do
  kMiscounts,         // the totals are wrong
};

[[nodiscard]] constexpr bool is_of_store(Sabotage sabotage) noexcept {
  return sabotage >= Sabotage::kNoLease;
}

class SpoiledOutbox final : public simulation::OutboxDecorator {
 public:
  SpoiledOutbox(std::shared_ptr<Outbox> outbox, Sabotage sabotage)
      : OutboxDecorator(std::move(outbox)), sabotage_(sabotage) {}

  Result<Appended> append(std::span<const EventRecord> batch) override {
    if (sabotage_ == Sabotage::kLosesAppends && !batch.empty() && ++appends_ % 50 == 0) {
      return Appended{.inserted = batch.size()};
    }
    std::vector<EventRecord> records(batch.begin(), batch.end());
    for (EventRecord& record : records) {
      if (!record.timing) continue;
      Timing timing = *record.timing;
      if (sabotage_ == Sabotage::kNoEnds) timing.cancels.clear();
      if (sabotage_ == Sabotage::kNoTimers) timing.timer.reset();
      if (sabotage_ == Sabotage::kEarlyTimers && timing.timer) timing.timer->delay /= 2;
      if (sabotage_ == Sabotage::kNoOrder) timing.in_order = false;
      record.timing = std::move(timing);
    }
    return OutboxDecorator::append(records);
  }

  Result<Claim> claim(QueueId queue, const ClaimLimits& limits,
                      std::chrono::milliseconds lease) override {
    if (sabotage_ == Sabotage::kNoLease) lease = std::chrono::milliseconds(0);
    if (sabotage_ == Sabotage::kLongLease) lease = std::chrono::hours(24);
    return OutboxDecorator::claim(queue, limits, lease);
  }

  Result<Settled> settle_all(std::span<const Decision> decisions) override {
    if (sabotage_ != Sabotage::kNeverSettles) return OutboxDecorator::settle_all(decisions);
    Settled settled;
    for (const Decision& decision : decisions) {
      std::vector<Outcome> outcomes(decision.outcomes.begin(), decision.outcomes.end());
      for (Outcome& outcome : outcomes) {
        if (outcome.kind != OutcomeKind::kDelivered) continue;
        outcome.kind = OutcomeKind::kRetry;
        outcome.delay = std::chrono::seconds(30);
      }
      const auto some = settle(decision.token, outcomes);
      if (!some) return some.error();
      settled.applied += some->applied;
      settled.stale += some->stale;
    }
    return settled;
  }

  Result<Maintained> maintain(std::chrono::milliseconds retention) override {
    auto maintained = OutboxDecorator::maintain(retention);
    if (maintained && sabotage_ == Sabotage::kNeverAtRest) {
      maintained->next_due = std::chrono::milliseconds(100);
    }
    return maintained;
  }

  Result<OutboxStats> stats() override {
    auto stats = OutboxDecorator::stats();
    if (stats && sabotage_ == Sabotage::kMiscounts) stats->totals.delivered += ++asked_;
    return stats;
  }

 private:
  Sabotage sabotage_;
  std::size_t appends_ = 0;
  std::uint64_t asked_ = 0;
};

}  // namespace postbox::fleet
