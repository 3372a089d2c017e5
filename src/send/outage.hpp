// Outage decides when the log says that events do not get through, and that they do again.
//
// Place:     inside the sender, beside the verdicts.
// Threads:   one thread.
// Lifetime:  a plain value.
// Failure:   none.
//
// A single failure among requests that succeed is no outage: it takes two in a row, or one after
// which its lane does not succeed for five seconds, or an answer that says by itself that nobody
// gets through. Each reason is said once, and every five minutes while it lasts. The end is said
// when a lane that failed succeeds, or another one while nothing fails for a minute. An outage that
// comes back within a minute is said when the minute is over.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <postbox/clock.hpp>
#include <postbox/destination.hpp>

namespace postbox {

class Outage {
 public:
  static constexpr std::chrono::seconds kPatience{5};
  static constexpr std::chrono::minutes kReminder{5};
  static constexpr std::chrono::minutes kCalm{1};

  // A line that is to be said now.
  struct Notice {
    bool is_over = false;
    LogLine line{};      // of the failure; empty when it is over
    SteadyTime since{};  // the first failure
  };

  // A request on `lane` failed for `reason`; `line` tells the operator. With `is_certain` it is not
  // the request's own trouble.
  void failed(std::size_t lane, const std::string& reason, LogLine line, bool is_certain,
              SteadyTime now);

  void succeeded(std::size_t lane) noexcept;

  [[nodiscard]] std::optional<Notice> take(SteadyTime now);

  // When take() may have something, though nothing happens until then; or SteadyTime::max().
  [[nodiscard]] SteadyTime next() const noexcept;

 private:
  [[nodiscard]] bool is_failing() const noexcept { return lanes_ != 0; }
  [[nodiscard]] bool is_said() const noexcept { return !said_.empty(); }
  [[nodiscard]] bool is_new() const;
  [[nodiscard]] bool seems_over() const noexcept { return is_said() && succeeded_last_; }
  [[nodiscard]] SteadyTime begins_at() const noexcept;

  std::uint64_t lanes_ = 0;  // those that failed and have not succeeded since, a bit each
  std::uint32_t failures_ = 0;
  bool is_certain_ = false;
  bool failed_since_said_ = false;
  bool succeeded_last_ = false;
  std::string reason_;  // of the last failure
  LogLine line_;
  std::vector<std::string> said_;  // the reasons
  SteadyTime since_{};
  SteadyTime failed_at_{};
  SteadyTime said_at_{};
  SteadyTime calm_until_{};
};

}  // namespace postbox
