// MachineTime says when by the machine's clock to look whether a time has come by an injected one:
// a thread can wait for the machine's time only.
//
// Place:     wherever a thread waits.
// Threads:   constant after construction.
// Lifetime:  the clock outlives it.
// Failure:   none.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <typeinfo>

#include <postbox/clock.hpp>

namespace postbox {

class MachineTime {
 public:
  explicit MachineTime(const Clock& clock) : clock_(clock), is_machines_(is_machines(clock)) {}

  // That time itself, where the clock is the machine's own.
  [[nodiscard]] SteadyTime of(SteadyTime until) const noexcept {
    if (is_machines_) return until;
    const std::chrono::nanoseconds left = until - std::min(clock_.now(), until);
    return std::chrono::steady_clock::now() + std::min<std::chrono::nanoseconds>(left, kSlice);
  }

 private:
  static constexpr std::chrono::milliseconds kSlice{10};

  [[nodiscard]] static bool is_machines(const Clock& clock) {
    const std::shared_ptr<Clock> machines = system_clock();
    const Clock& known = *machines;
    return typeid(clock) == typeid(known);
  }

  const Clock& clock_;
  const bool is_machines_;
};

}  // namespace postbox
