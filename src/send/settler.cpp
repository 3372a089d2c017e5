#include "settler.hpp"

#include <utility>

#include "base/assert.hpp"

namespace postbox {
namespace {

constexpr std::size_t kFull = 250;  // outcomes: an append waits for their transaction
constexpr std::size_t kMaxClaims = 64;

}  // namespace

void Settler::finish(ClaimToken token, Outcome outcome) {
  POSTBOX_ASSERT(outcome.delay >= std::chrono::milliseconds{});
  POSTBOX_ASSERT(outcome.kind == OutcomeKind::kDead || outcome.reason.empty());
  outcomes_[token].push_back(std::move(outcome));
  ++count_;
}

void Settler::release(const Parcel& parcel) {
  for (const Piece& piece : parcel.pieces) release(piece.token, piece.event.handle);
}

void Settler::release(ClaimToken token, EventHandle handle) {
  finish(token, {.handle = handle, .kind = OutcomeKind::kRetry, .spend_attempt = false});
}

void Settler::reconsider_holds() {
  for (auto& [token, outcomes] : outcomes_) {
    for (Outcome& outcome : outcomes) {
      if (outcome.kind != OutcomeKind::kHold) continue;
      outcome.kind = OutcomeKind::kRetry;
      outcome.spend_attempt = false;
    }
  }
}

Settler::Settlement Settler::settle(SteadyTime now, bool last) {
  Settlement settlement{.delayed_until = SteadyTime::max()};
  if (!turn_.works(now) || !(turn_.is_due() || is_full() || last)) return settlement;
  while (!outcomes_.empty()) {
    const auto& [token, outcomes] = *outcomes_.begin();
    POSTBOX_ASSERT(outcomes.size() <= count_);
    const auto settled = parts_.outbox.settle(token, outcomes);
    if (!settled) {
      report_outbox_failure(parts_, turn_, now, settled.error());
      return settlement;
    }
    turn_.used(now);
    POSTBOX_ASSERT(settled->applied + settled->stale <= outcomes.size());
    add<&Stats::stale_settles>(parts_.counters, settled->stale);
    settlement.any = true;
    // Stale events may be claimed again, and those that waited behind one that is gone.
    settlement.ready_again |= settled->stale > 0 || settled->ready_again;
    for (const Outcome& outcome : outcomes) {
      if (outcome.kind != OutcomeKind::kRetry) continue;
      settlement.ready_again |= outcome.delay.count() == 0;
      settlement.delayed_until = std::min(settlement.delayed_until, now + outcome.delay);
    }
    count_ -= outcomes.size();
    outcomes_.erase(outcomes_.begin());
  }
  POSTBOX_ASSERT(count_ == 0);
  return settlement;
}

SteadyTime Settler::next(SteadyTime now) const {
  if (outcomes_.empty()) return SteadyTime::max();
  return is_full() ? std::max(now, turn_.retry_at()) : std::max(now, turn_.next());
}

bool Settler::is_full() const noexcept { return count_ >= kFull; }

bool Settler::is_crowded() const noexcept { return outcomes_.size() >= kMaxClaims; }

}  // namespace postbox
