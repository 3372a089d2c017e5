#include "pacer.hpp"

#include <algorithm>
#include <cmath>

#include "base/assert.hpp"
#include "base/backoff.hpp"

namespace postbox {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// RateLimit-Reset is in whole seconds, and nobody says how it is rounded.
constexpr seconds kRounding{1};

// Beyond it there is no limit in practice, and keeping the starts would only cost memory.
constexpr std::int64_t kUnlimited = 100'000;

// The others' rate in earlier windows weighs as much as this much of the present one.
constexpr double kPriorSeconds = 30;

// So many requests that nobody is expected to make must be left for another look at the window.
constexpr double kEnoughForALook = 3;

// Those who were refused together come back within this time, not together.
constexpr milliseconds kMostScatter{10'000};

constexpr int kBurstParts = 10;

double seconds_of(SteadyTime::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

bool Pacer::is_unlimited() const noexcept {
  return lane_.steady.requests == 0 || limit_ >= kUnlimited;
}

// Our share of a second is less than one request: whoever has the other shares has no more, and all
// of us must not begin together.
bool Pacer::is_sliver() const noexcept { return lane_.burst.requests * share_ < 1000; }

std::int64_t Pacer::allowance() const noexcept {
  return std::max<std::int64_t>(1, limit_ * share_ / 1000);
}

// In proportion when the account's limit is not the documented one.
std::int64_t Pacer::burst() const noexcept {
  const auto documented = static_cast<std::int64_t>(lane_.burst.requests);
  const auto steady = static_cast<std::int64_t>(lane_.steady.requests);
  return std::max<std::int64_t>(1, documented * limit_ / steady * share_ / 1000);
}

std::int64_t Pacer::started_since(SteadyTime time) const {
  return starts_.end() - std::ranges::upper_bound(starts_, time);
}

SteadyTime Pacer::nth_last_start(std::int64_t n) const {
  const auto size = static_cast<std::int64_t>(starts_.size());
  return n > size ? SteadyTime::min() : starts_[static_cast<std::size_t>(size - n)];
}

RateUse Pacer::use(SteadyTime now) const {
  if (is_unlimited()) return {};
  const auto whole = [](std::int64_t requests) {
    return static_cast<std::uint32_t>(std::max<std::int64_t>(0, requests));
  };
  // The present window may have ended, which the next request will find out.
  const bool is_known = end_ && end_->latest > now;
  const auto free = is_known || !end_ ? left(now) : allowance();
  RateUse use{.limit = whole(allowance()), .left = whole(free)};
  if (is_known) {
    use.resets_in = std::chrono::ceil<std::chrono::milliseconds>(end_->latest - now);
  }
  return use;
}

// Requests that may still start in the present window.
std::int64_t Pacer::left(SteadyTime now) const {
  if (!end_) return allowance() - started_since(now - lane_.steady.length);
  const auto for_others = static_cast<std::int64_t>(
      std::ceil(foreign_rate() * std::max(0.0, seconds_of(end_->latest - remaining_at_))));
  return std::min(allowance() - ours_, remaining_ - unanswered_ - for_others);
}

SteadyTime Pacer::next(SteadyTime now, Pace pace) {
  roll(now);
  if (is_unlimited()) return now;
  if (!first_asked_) first_asked_ = now;
  const std::int64_t part = (burst() + kBurstParts - 1) / kBurstParts;
  SteadyTime at = std::max({not_before_, nth_last_start(burst()) + lane_.burst.length,
                            nth_last_start(part) + lane_.burst.length / kBurstParts});
  const std::int64_t free = left(now);
  if (free <= 0) return std::max(at, next_chance());
  const bool spread = pace == Pace::kEven || in_company() || is_sliver();
  return spread ? std::max(at, next_even_start(free)) : at;
}

// The present window divided by what is free in it; the first of a window comes somewhere in its
// part, or all who share the account would begin together.
SteadyTime Pacer::next_even_start(std::int64_t free) const {
  const SteadyTime last = nth_last_start(1);
  if (!end_) {
    const auto part = lane_.steady.length / allowance();
    return starts_.empty() ? *first_asked_ + part * phase_ / 1000 : last + part;
  }
  const SteadyTime start = end_->latest - lane_.steady.length;
  // One part more than is free, so that the last request does not fall on the window's end.
  const auto part = (end_->latest - std::max(last, start)) / (free + 1);
  return last > start ? last + part : start + part * phase_ / 1000;
}

// When something may be free again, nothing being free now.
SteadyTime Pacer::next_chance() const {
  if (!end_) return nth_last_start(allowance()) + lane_.steady.length;
  // Our guess of what others need can be too large, and only an answer can show it: look
  // again half-way to the window's end, if something must be left then.
  const auto half = (end_->latest - remaining_at_) / 2;
  const double then =
      static_cast<double>(remaining_ - unanswered_) - foreign_rate() * seconds_of(half);
  if (ours_ < allowance() && then >= kEnoughForALook) return remaining_at_ + half;
  return end_->latest;
}

std::size_t Pacer::capacity(SteadyTime now, milliseconds span) {
  roll(now);
  if (is_unlimited()) return static_cast<std::size_t>(kUnlimited);
  const auto free = static_cast<double>(std::max<std::int64_t>(0, left(now)));
  const double rest = seconds_of(end_ ? end_->latest - now : lane_.steady.length);
  const double rate = in_company() ? free / std::max(rest, 1.0) : static_cast<double>(burst());
  return static_cast<std::size_t>(std::min(free, rate * seconds_of(span)));
}

void Pacer::started(SteadyTime now) {
  roll(now);
  POSTBOX_ASSERT(ours_ >= 0 && unanswered_ >= 0);
  ++ours_;
  ++unanswered_;
  if (is_unlimited()) return;
  starts_.push_back(now);
  while (static_cast<std::int64_t>(starts_.size()) > std::max(allowance(), burst())) {
    starts_.pop_front();
  }
}

void Pacer::ended(SteadyTime start, SteadyTime now, const std::optional<RateHint>& hint) {
  unanswered_ = std::max<std::int64_t>(0, unanswered_ - 1);
  roll(now);
  if (!hint || lane_.steady.requests == 0) return;
  POSTBOX_ASSERT(start <= now);
  limit_ = std::max<std::int64_t>(1, hint->limit);
  align({start + hint->reset - kRounding, now + hint->reset + kRounding}, now);
  if (now + hint->reset + kRounding < end_->earliest) return;  // of the window before
  if (hint->remaining <= remaining_) {
    remaining_ = hint->remaining;
    remaining_at_ = now;
  }
  // Those of ours that are under way may not be in the count yet: that hides as many of others, and
  // never takes ours for theirs.
  foreign_ = std::max(foreign_, limit_ - remaining_ - ours_ - blurred_);
}

void Pacer::refused(SteadyTime now, milliseconds retry_after) {
  unanswered_ = std::max<std::int64_t>(0, unanswered_ - 1);
  roll(now);
  limit_ = std::min<std::int64_t>(limit_, lane_.steady.requests);
  company_windows_ = 2;
  not_before_ = now + retry_after + full_jitter(std::min(retry_after / 2, kMostScatter), *random_);
}

std::optional<Pacer::End> Pacer::overlap(End a, End b) {
  const End both{std::max(a.earliest, b.earliest), std::min(a.latest, b.latest)};
  POSTBOX_ASSERT(a.earliest <= a.latest && b.earliest <= b.latest);
  if (both.earliest > both.latest) return std::nullopt;
  return both;
}

void Pacer::align(End seen, SteadyTime now) {
  // Another window than the one we believed to be in: the first, or one that came early.
  if (!end_) return begin_window(seen, now);
  if (seen.earliest > end_->latest) {
    const End following{end_->earliest + lane_.steady.length, end_->latest + lane_.steady.length};
    return begin_window(overlap(following, seen).value_or(seen), now);
  }
  if (const auto narrower = overlap(*end_, seen)) end_ = narrower;
}

void Pacer::roll(SteadyTime now) {
  if (!end_ || now < end_->latest) return;
  POSTBOX_ASSERT(lane_.steady.length.count() > 0);
  const auto windows = (now - end_->latest) / lane_.steady.length + 1;
  const auto later = windows * lane_.steady.length;
  begin_window({end_->earliest + later, end_->latest + later}, now);
}

void Pacer::begin_window(End end, SteadyTime now) {
  const SteadyTime start = end.latest - lane_.steady.length;
  if (end_) {
    known_foreign_rate_ = foreign_ > 0 ? foreign_rate() : 0;
    company_windows_ = foreign_ > 0 ? 1 : std::max(0, company_windows_ - 1);
  }
  // The first window that we learn of is one in which we are already.
  ours_ = end_ ? started_since(start) : started_since(now - lane_.steady.length);
  blurred_ = started_since(std::min(now, start) - 2 * kRounding) - started_since(start);
  end_ = end;
  remaining_ = limit_;
  remaining_at_ = start;
  foreign_ = 0;
  phase_ = static_cast<std::int64_t>(random_->next() % 1000);
}

// The others' requests per second that we must expect until the end of the window.
double Pacer::foreign_rate() const {
  if (!in_company()) return 0;
  const double watched = seconds_of(remaining_at_ - (end_->earliest - lane_.steady.length));
  const double prior = known_foreign_rate_ > 0 ? kPriorSeconds : 0;
  return (static_cast<double>(foreign_) + known_foreign_rate_ * prior) / (watched + prior + 1);
}

NewRateGate single_server_rate_gate(std::shared_ptr<Random> random) {
  return [random = std::move(random)](std::size_t /*place*/, const Lane& lane) {
    return std::make_unique<Pacer>(lane, random);
  };
}

}  // namespace postbox
