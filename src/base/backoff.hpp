// Backoff: how long to wait before the next try. Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include <postbox/clock.hpp>

namespace postbox {

// The ceiling of the n-th wait (n counts from 1): 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300 …
// seconds.
[[nodiscard]] constexpr std::chrono::milliseconds backoff_ceiling(std::uint32_t attempt) noexcept {
  constexpr std::chrono::milliseconds kFirst{500};
  constexpr std::chrono::milliseconds kMost{300'000};
  const std::uint32_t doublings = std::min<std::uint32_t>(attempt > 0 ? attempt - 1 : 0, 10);
  return std::min(kFirst * (1U << doublings), kMost);
}

// Full jitter: anywhere between nothing and the ceiling, so that servers which failed together do
// not come back together (Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015).
[[nodiscard]] inline std::chrono::milliseconds full_jitter(std::chrono::milliseconds ceiling,
                                                           Random& random) noexcept {
  const auto span = static_cast<std::uint64_t>(std::max<std::int64_t>(ceiling.count(), 0)) + 1;
  return std::chrono::milliseconds(static_cast<std::int64_t>(random.next() % span));
}

// Retries are a fifth of the traffic at most, after a start of a hundred: when many single requests
// fail and others do not, repeating each soon would add load where there is too much already. What
// is not covered waits longer, it is not given up (gRPC's retry throttling, A6, does the latter).
class RetryBudget {
 public:
  void earn() noexcept { tokens_ = std::min(kMost, tokens_ + kPerRequest); }

  // Returns whether a retry is covered.
  [[nodiscard]] bool spend() noexcept {
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  static constexpr double kMost = 100;
  static constexpr double kPerRequest = 0.2;
  double tokens_ = kMost;
};

}  // namespace postbox
