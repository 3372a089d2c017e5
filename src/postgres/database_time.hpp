// DatabaseTime is what the PostgreSQL library knows of time: the database's clock, which servers
// with clocks of their own share.
//
// Place:     inside the PostgreSQL library. A statement that needs the time asks the server itself,
//            by postbox_now(); this is for what is computed here, such as ages.
// Threads:   every member may be called from several threads at once. 🔒
// Lifetime:  a member of Store.
// Failure:   none.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include <postbox/clock.hpp>

#include "base/age_clock.hpp"
#include "base/mutex.hpp"

namespace postbox::postgres {

// The time that postbox_now() returns.
enum class TimeSource : std::uint8_t {
  kServer,  // the server's clock
  kClock,   // the wall time of the clock that the outbox was opened with: for tests
};

class DatabaseTime {
 public:
  DatabaseTime(std::shared_ptr<Clock> clock, TimeSource source)
      : clock_(std::make_shared<ServerClock>(std::move(clock))), source_(source) {}

  // The argument of postbox_now(): null unless it is injected.
  [[nodiscard]] std::optional<std::int64_t> injected() const noexcept {
    if (source_ == TimeSource::kServer) return std::nullopt;
    return clock_->inner().wall_now().time_since_epoch().count();
  }

  [[nodiscard]] SteadyTime steady_now() const noexcept { return clock_->now(); }

  // The server has said what time it is.
  void heard(std::int64_t now) {
    clock_->set(now);
    const MutexLock lock(mutex_);
    if (!ages_) ages_.emplace(clock_);
  }

  // After heard(), which every new connection calls.
  [[nodiscard]] AgeClock ages() const {
    const MutexLock lock(mutex_);
    return *ages_;
  }

 private:
  // The server's wall time between two words of it.
  class ServerClock final : public Clock {
   public:
    explicit ServerClock(std::shared_ptr<Clock> inner) : inner_(std::move(inner)) {}
    [[nodiscard]] const Clock& inner() const noexcept { return *inner_; }
    [[nodiscard]] SteadyTime now() const noexcept override { return inner_->now(); }
    [[nodiscard]] WallTime wall_now() const noexcept override {
      return WallTime(std::chrono::milliseconds(ahead_.load() + steady()));
    }
    void set(std::int64_t wall) noexcept { ahead_ = wall - steady(); }

   private:
    [[nodiscard]] std::int64_t steady() const noexcept {
      return std::chrono::floor<std::chrono::milliseconds>(now().time_since_epoch()).count();
    }
    std::shared_ptr<Clock> inner_;
    std::atomic<std::int64_t> ahead_{0};
  };

  const std::shared_ptr<ServerClock> clock_;
  const TimeSource source_;
  mutable Mutex mutex_;
  std::optional<AgeClock> ages_ POSTBOX_GUARDED_BY(mutex_);
};

}  // namespace postbox::postgres
