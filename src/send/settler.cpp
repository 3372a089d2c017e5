#include "settler.hpp"

#include <utility>

#include "base/assert.hpp"

namespace postbox {
namespace {

constexpr std::size_t kFull = 250;  // outcomes: an append waits for their transaction
constexpr std::size_t kMaxClaims = 64;

}  // namespace

void Settler::finish(ClaimToken token, Outcome outcome, SteadyTime settle_by) {
  POSTBOX_ASSERT(outcome.delay >= std::chrono::milliseconds{});
  POSTBOX_ASSERT(outcome.kind == OutcomeKind::kDead || outcome.reason.empty());
  outcomes_[token].push_back(std::move(outcome));
  ++count_;
  settle_by_ = std::min(settle_by_, settle_by);
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

bool Settler::is_wanted(SteadyTime now, Reason reason) const noexcept {
  if (outcomes_.empty() || !turn_.works(now)) return false;
  if (is_full() || reason == Reason::kLast) return true;
  return now >= settle_by_ && (turn_.is_due() || reason == Reason::kQuiet);
}

Settler::Settlement Settler::settle(SteadyTime now, Reason reason) {
  Settlement settlement{.delayed_until = SteadyTime::max()};
  if (!is_wanted(now, reason)) return settlement;
  while (!outcomes_.empty()) {
    std::vector<Decision> decisions;
    std::size_t offered = 0;
    auto end = outcomes_.begin();
    for (; end != outcomes_.end() && offered < kFull; ++end) {
      decisions.push_back({end->first, end->second});
      offered += end->second.size();
    }
    const auto settled = parts_.outbox.settle_all(decisions);
    if (!settled) {
      report_outbox_failure(parts_, turn_, now, settled.error());
      return settlement;
    }
    turn_.used(now);
    POSTBOX_ASSERT(settled->applied + settled->stale <= offered && offered <= count_);
    add<&Stats::stale_settles>(parts_.counters, settled->stale);
    settlement.any = true;
    // Stale events may be claimed again, and those that waited behind one that is gone.
    settlement.ready_again |= settled->stale > 0 || settled->ready_again;
    for (const Decision& decision : decisions) {
      for (const Outcome& outcome : decision.outcomes) note(outcome, now, settlement);
    }
    count_ -= offered;
    outcomes_.erase(outcomes_.begin(), end);
  }
  POSTBOX_ASSERT(count_ == 0);
  settle_by_ = SteadyTime::max();
  return settlement;
}

// When an event that is tried again is claimable.
void Settler::note(const Outcome& outcome, SteadyTime now, Settlement& settlement) {
  if (outcome.kind != OutcomeKind::kRetry) return;
  settlement.ready_again |= outcome.delay.count() == 0;
  settlement.delayed_until = std::min(settlement.delayed_until, now + outcome.delay);
}

SteadyTime Settler::next(SteadyTime now) const {
  if (outcomes_.empty()) return SteadyTime::max();
  return is_full() ? std::max(now, turn_.retry_at()) : std::max({now, settle_by_, turn_.next()});
}

bool Settler::is_full() const noexcept { return count_ >= kFull; }

bool Settler::is_crowded() const noexcept { return is_full() && outcomes_.size() >= kMaxClaims; }

}  // namespace postbox
