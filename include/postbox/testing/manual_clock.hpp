// ManualClock is a Clock that stands still until a test moves it.
//
// Place:     handed to whatever takes a Clock.
// Threads:   every member may be called from several threads at once.
// Lifetime:  shared with the code under test.
// Failure:   none.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <postbox/clock.hpp>
#include <postbox/services.hpp>  // which brings it to a tracker

namespace postbox::testing {

class ManualClock final : public Clock {
 public:
  // Starts at `wall`; defaults to a fixed day in 2026, so that every run sees the same times.
  explicit ManualClock(WallTime wall = WallTime(std::chrono::milliseconds(1'780'000'000'000)))
      : wall_(wall.time_since_epoch().count()) {}

  [[nodiscard]] SteadyTime now() const noexcept override {
    return SteadyTime(std::chrono::nanoseconds(steady_.load()));
  }
  [[nodiscard]] WallTime wall_now() const noexcept override {
    return WallTime(std::chrono::milliseconds(wall_.load()) +
                    std::chrono::floor<std::chrono::milliseconds>(
                        std::chrono::nanoseconds(steady_.load() - kSteadyStart)));
  }

  // Time passes: both clocks move.
  void advance(std::chrono::nanoseconds duration) noexcept { steady_ += duration.count(); }

  // Somebody sets the machine's clock, forward or back: only the wall clock moves.
  void jump_wall(std::chrono::milliseconds duration) noexcept { wall_ += duration.count(); }

 private:
  // Not zero: a deadline computed by subtraction stays positive.
  static constexpr std::int64_t kSteadyStart = 1'000'000'000'000;

  std::atomic<std::int64_t> steady_{kSteadyStart};
  std::atomic<std::int64_t> wall_;
};

}  // namespace postbox::testing
