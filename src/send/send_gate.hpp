// SendGate decides whether a request may start now: it holds the pauses that concern more than one
// event.
//
// Place:     inside the sender: one for all lanes (parking for a bad key), one for each (breaker,
//            429, and parking for what concerns it alone).
// Threads:   one thread.
// Lifetime:  a plain value.
// Failure:   none.
//
//   open ──429──▶ paused until Retry-After or backoff ──▶ probing
//   open ──several failures in a row──▶ paused until backoff, 30 s at most ──▶ probing
//   open ──401, 403, 404 …──▶ parked until the probe interval, or reload ──▶ probing
//   probing: one request at a time; a success opens, a failure pauses again.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <postbox/clock.hpp>

#include "base/assert.hpp"
#include "base/backoff.hpp"

namespace postbox {

// Each lane has a breaker, which counts answers, not events: after five failures in a row one probe
// at a time goes out, at most 30 seconds apart, however large the backlog is. One breaker for all
// let a bulk endpoint that failed alone stop the single one.
class SendGate {
 public:
  explicit SendGate(std::chrono::milliseconds probe_interval) : probe_interval_(probe_interval) {}

  // How many requests may be in flight at `now`: none, one as a probe, or any number.
  [[nodiscard]] std::size_t width(SteadyTime now) const noexcept {
    if (now < closed_until_) return 0;
    return probing_ ? 1 : std::numeric_limits<std::size_t>::max();
  }

  // After a pause, until an answer shows that the way is open again.
  [[nodiscard]] bool is_probing() const noexcept { return probing_; }

  // The end of the current pause; in the past when there is none.
  [[nodiscard]] SteadyTime closed_until() const noexcept { return closed_until_; }

  void succeeded() noexcept {
    failures_ = 0;
    pauses_ = 0;
    probing_ = parked_ = false;
  }

  // One request failed by itself. From the fifth in a row on it is not the request but the way.
  // Those that were under way when the gate closed say nothing new and are not counted.
  void failed(SteadyTime now, Random& random) noexcept {
    if (now < closed_until_ || ++failures_ < kThreshold) return;
    back_off(now, random);
  }

  // It is the way for certain: something else than the vendor has answered.
  void blocked(SteadyTime now, Random& random) noexcept {
    if (now < closed_until_) return;
    failures_ = std::max(failures_ + 1, kThreshold);
    back_off(now, random);
  }

  // The vendor asked for a pause. Returns for how long, or zero when a pause at least as long
  // is in force already: answers to requests of the same moment ask for the same thing.
  std::chrono::milliseconds pause(SteadyTime now, std::chrono::milliseconds retry_after,
                                  Random& random) noexcept {
    if (now < closed_until_ && now + retry_after <= closed_until_) return {};
    POSTBOX_ASSERT(retry_after >= std::chrono::milliseconds{});
    const bool already = now < closed_until_;
    if (!already) ++pauses_;
    const auto wait = std::max(retry_after, full_jitter(backoff_ceiling(pauses_), random));
    close(now + wait);
    return already ? std::chrono::milliseconds{} : wait;
  }

  // Nothing can succeed until somebody changes a setting; look again after the probe interval.
  // One that is closed already stays so for as long as it was told first.
  void park(SteadyTime now) noexcept {
    if (now < closed_until_) return;
    close(now + probe_interval_);
    parked_ = true;  // until something else closes it
  }

  // Settings have changed: probe at once.
  void reopen() noexcept {
    closed_until_ = SteadyTime{};
    parked_ = false;
  }

  // The same, but a pause that the vendor asked for stays.
  void unpark() noexcept {
    POSTBOX_ASSERT(!parked_ || probing_);
    if (parked_) reopen();
  }

 private:
  static constexpr std::uint32_t kThreshold = 5;

  void back_off(SteadyTime now, Random& random) noexcept {
    constexpr std::chrono::milliseconds kMost{30'000};
    close(now + full_jitter(std::min(backoff_ceiling(failures_ - kThreshold + 1), kMost), random));
  }

  void close(SteadyTime until) noexcept {
    closed_until_ = std::max(closed_until_, until);
    probing_ = true;
    parked_ = false;
    POSTBOX_ASSERT(closed_until_ >= until);
  }

  std::chrono::milliseconds probe_interval_;
  SteadyTime closed_until_{};
  std::uint32_t failures_ = 0;  // in a row
  std::uint32_t pauses_ = 0;    // in a row
  bool probing_ = false;
  bool parked_ = false;
};

}  // namespace postbox
