#include "shared_rate_gate.hpp"

#include <algorithm>
#include <utility>

#include "base/backoff.hpp"

namespace postbox::postgres {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A question's grant should last so long; half of it while the server's part grows.
constexpr milliseconds kSpan{500};

// Not more often, even if grants are small because little is left.
constexpr milliseconds kAskEvery{100};

// The part of the burst that a server begins with, and the least it asks for.
constexpr std::int64_t kFirstPart = 16;
constexpr std::int64_t kLeastPart = 64;
constexpr std::int64_t kGrowth = 4;

constexpr std::int64_t kBurstParts = 10;

// The network may bring so much closer together what was apart by a burst window.
constexpr milliseconds kJitter{20};

// As the gate of a single server.
constexpr seconds kRounding{1};
constexpr std::int64_t kUnlimited = 100'000;
constexpr milliseconds kMostScatter{10'000};

bool is_unlimited(const Lane& lane) { return lane.steady.requests == 0; }

}  // namespace

SharedRateGate::SharedRateGate(std::shared_ptr<RateLedger> ledger, const Lane& lane,
                               std::unique_ptr<RateGate> alone, std::shared_ptr<Random> random)
    : ledger_(std::move(ledger)),
      lane_(lane),
      random_(std::move(random)),
      alone_(std::move(alone)) {
  wish_ = burst() / kFirstPart + 1;
}

// Its part of the limits, when nobody hands them out.
RateGate& SharedRateGate::alone() {
  alone_->set_share(
      static_cast<std::uint32_t>(std::max<std::int64_t>(1, per_mille_ / ledger_->servers())));
  return *alone_;
}

std::int64_t SharedRateGate::limit() const noexcept {
  return grant_.limit > 0 ? grant_.limit : lane_.steady.requests;
}

// In proportion when the account's limit is not the documented one.
std::int64_t SharedRateGate::burst() const noexcept {
  const std::int64_t documented = lane_.burst.requests;
  const std::int64_t steady = std::max<std::int64_t>(1, lane_.steady.requests);
  return std::max<std::int64_t>(1, documented * limit() / steady * per_mille_ / 1000);
}

std::int64_t SharedRateGate::allowance() const noexcept {
  return std::max<std::int64_t>(1, limit() * per_mille_ / 1000);
}

bool SharedRateGate::has_grant(SteadyTime now) const noexcept {
  return unused_ > 0 && now < grant_.last;
}

SteadyTime& SharedRateGate::again(Pace pace) noexcept {
  return pace == Pace::kEven ? again_even_ : again_fast_;
}

SteadyTime SharedRateGate::nth_last_start(std::int64_t n) const {
  const auto size = static_cast<std::int64_t>(starts_.size());
  return n > size ? SteadyTime::min() : starts_[static_cast<std::size_t>(size - n)];
}

SteadyTime SharedRateGate::next(SteadyTime now, Pace pace) {
  if (is_unlimited(lane_)) return now;
  if (!has_grant(now)) {
    if (!ledger_->is_there(now)) return alone().next(now, pace);
    if (now < again(pace)) return again(pace);
    adapt_wish(now);
    const RateQuestion question{.wanted = std::min(wish_, burst()),
                                .span = wish_ < burst() ? kSpan / 2 : kSpan,
                                .evenly = pace == Pace::kEven};
    if (!ask(question, pace, now)) return alone().next(now, pace);
    if (!has_grant(now)) return std::max(again(pace), now + milliseconds(1));
  }
  return next_of_grant(pace);
}

// Within our part of the burst, and a tenth of it in each tenth of a second.
SteadyTime SharedRateGate::next_of_grant(Pace pace) const {
  const std::int64_t part = (grant_.share + kBurstParts - 1) / kBurstParts;
  const SteadyTime at =
      std::max({grant_.first, nth_last_start(grant_.share) + lane_.burst.length + kJitter,
                nth_last_start(part) + lane_.burst.length / kBurstParts});
  if (pace == Pace::kFast || starts_.empty()) return at;
  return std::max(at, starts_.back() + grant_.gap);
}

// Four times as much when the last grant was used up, and as much as was used when it was not.
void SharedRateGate::adapt_wish(SteadyTime now) {
  if (grant_.requests == 0) return;
  if (unused_ <= 0) {
    const bool is_recent = now < grant_.last + RateLedger::kLease;
    if (is_recent) wish_ = std::min(burst(), wish_ * kGrowth);
    return;
  }
  const std::int64_t least = burst() / kLeastPart + 1;
  wish_ = std::clamp(2 * (grant_.requests - unused_), least, std::max(least, burst()));
}

bool SharedRateGate::ask(RateQuestion question, Pace pace, SteadyTime now) {
  while (!starts_.empty() && starts_.front() <= now - lane_.burst.length - kJitter)
    starts_.pop_front();
  question.per_mille = per_mille_;
  question.recent = static_cast<std::int64_t>(starts_.size());
  question.window = grant_.window;
  question.unused = unused_;
  question.seen = seen_;
  const auto grant = ledger_->ask(lane_, question);
  if (!grant) {
    grant_.requests = 0;
    return false;
  }
  seen_.reset();
  take_in(*grant, pace);
  return true;
}

void SharedRateGate::take_in(const RateGrant& grant, Pace pace) {
  const SteadyTime asked = grant.last - RateLedger::kLease;
  grant_ = grant;
  unused_ = grant.requests;
  if (grant.requests > 0) {
    again_fast_ = again_even_ = asked + kAskEvery;
    return;
  }
  // Those who wait for the same moment do not ask together.
  const SteadyTime at = std::max(grant.again, asked + kAskEvery) +
                        full_jitter(kAskEvery * (1 + ledger_->servers() / 50), *random_);
  again(pace) = at;
  if (grant.shut || grant.room <= 0) again_fast_ = again_even_ = at;
}

std::optional<SteadyTime> SharedRateGate::window_end(SteadyTime now) const {
  return grant_.window_end && now < *grant_.window_end ? grant_.window_end : std::nullopt;
}

std::size_t SharedRateGate::capacity(SteadyTime now, milliseconds span) {
  if (is_unlimited(lane_)) return static_cast<std::size_t>(kUnlimited);
  if (!ledger_->is_there(now)) return alone().capacity(now, span);
  const bool is_known = window_end(now).has_value();
  const auto granted = has_grant(now) ? unused_ : 0;
  const std::int64_t left =
      is_known ? std::max<std::int64_t>(0, grant_.room) + granted : allowance();
  const SteadyTime opens = granted > 0 ? now : std::max(now, again_fast_);
  const auto usable = std::max(now + span - opens, SteadyTime::duration::zero());
  const std::int64_t part = std::max<std::int64_t>({1, grant_.share, burst() / ledger_->servers()});
  std::chrono::duration<double> each = std::chrono::duration<double>(lane_.burst.length) / part;
  if (grant_.spread) each = std::max<std::chrono::duration<double>>(each, grant_.gap);
  return static_cast<std::size_t>(std::min(static_cast<double>(left), usable / each));
}

void SharedRateGate::started(SteadyTime now) {
  alone_->started(now);
  --unused_;
  starts_.push_back(now);
  while (static_cast<std::int64_t>(starts_.size()) > burst()) starts_.pop_front();
}

void SharedRateGate::ended(SteadyTime start, SteadyTime now, const std::optional<RateHint>& hint) {
  alone_->ended(start, now, hint);
  if (!hint) return;
  see({.limit = hint->limit,
       .remaining = hint->remaining,
       .end_from = start + hint->reset - kRounding,
       .end_to = now + hint->reset + kRounding});
}

// Of the latest window alone.
void SharedRateGate::see(const RateSeen& seen) {
  if (seen_ && seen.end_to < seen_->end_from) return;
  if (!seen_ || seen.end_from > seen_->end_to) {
    seen_ = seen;
    return;
  }
  seen_->limit = seen.limit;
  seen_->remaining = std::min(seen_->remaining, seen.remaining);
  seen_->end_from = std::max(seen_->end_from, seen.end_from);
  seen_->end_to = std::min(seen_->end_to, seen.end_to);
}

RateUse SharedRateGate::use(SteadyTime now) const {
  if (is_unlimited(lane_)) return {};
  const auto whole = [](std::int64_t requests) {
    return static_cast<std::uint32_t>(std::max<std::int64_t>(0, requests));
  };
  const auto end = window_end(now);
  RateUse use{.limit = whole(allowance()), .left = whole(allowance())};
  if (!end) return use;
  use.left = whole(std::max<std::int64_t>(0, grant_.room) + std::max<std::int64_t>(0, unused_));
  use.resets_in = std::chrono::ceil<milliseconds>(*end - now);
  return use;
}

// Told at once: it is for everybody. Whoever else was refused was told the same time.
void SharedRateGate::refused(SteadyTime now, milliseconds retry_after) {
  alone_->refused(now, retry_after);
  if (is_unlimited(lane_)) return;
  const milliseconds until =
      retry_after + full_jitter(std::min(retry_after / 2, kMostScatter), *random_);
  if (grant_.shut && grant_.again >= now + retry_after) return;  // told already
  (void)ask({.refused_for = until}, Pace::kFast, now);
}

NewRateGate shared_rate_gates(std::shared_ptr<RateLedger> ledger, std::shared_ptr<Random> random) {
  return [ledger = std::move(ledger), random = std::move(random)](std::size_t place,
                                                                  const Lane& lane) {
    return std::make_unique<SharedRateGate>(ledger, lane,
                                            single_server_rate_gate(random)(place, lane), random);
  };
}

NewRateGate shared_rate_gates(SharedRate shared) {
  const auto server = static_cast<std::int64_t>(shared.random->next());
  return shared_rate_gates(
      std::make_shared<DatabaseLedger>(std::move(shared.store), std::move(shared.account), server),
      std::move(shared.random));
}

}  // namespace postbox::postgres
