// AgeClock tells how long something has lasted, whatever somebody does to the machine's clock.
//
// Place:     the outboxes', for what is given up or removed by its age.
// Threads:   constant after construction.
// Lifetime:  as long as the outbox.
// Failure:   none.
//
// Rows outlive a process, so their times are wall times. A wall clock that is set forward makes
// them old at once: a month for six seconds, and every dead letter has expired. Here time passes as
// the steady clock says, from the wall time at the start on. What had been wrong at the start
// cannot be told from a long stop: for an hour nothing from before the start is older than the
// start.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <postbox/clock.hpp>
#include <utility>

namespace postbox {

class AgeClock {
 public:
  explicit AgeClock(std::shared_ptr<Clock> clock)
      : clock_(std::move(clock)), start_(wall()), steady_start_(clock_->now()) {}

  // In milliseconds since 1970, if nobody has set the clock since the start.
  [[nodiscard]] std::int64_t now() const noexcept { return start_ + uptime().count(); }

  // How long ago `then` was, a now() of this process or of an earlier one.
  [[nodiscard]] std::chrono::milliseconds since(std::int64_t then) const noexcept {
    if (then >= start_) return std::chrono::milliseconds(now() - then);
    if (!is_old()) return uptime();
    return std::chrono::milliseconds(std::max<std::int64_t>(0, earliest() - then));
  }

  // Whether what was there at the start may be removed for its age.
  [[nodiscard]] bool is_old() const noexcept { return uptime() >= std::chrono::hours(1); }

  // By this clock or by the wall's, whichever has less: what both say has been.
  [[nodiscard]] std::int64_t earliest() const noexcept { return std::min(now(), wall()); }

 private:
  [[nodiscard]] std::int64_t wall() const noexcept {
    return clock_->wall_now().time_since_epoch().count();
  }
  [[nodiscard]] std::chrono::milliseconds uptime() const noexcept {
    return std::chrono::floor<std::chrono::milliseconds>(clock_->now() - steady_start_);
  }

  std::shared_ptr<Clock> clock_;
  std::int64_t start_;
  SteadyTime steady_start_;
};

}  // namespace postbox
