// Logger writes each line once, and says how often a repeated one would have been written.
//
// Place:     shared by all stages.
// Threads:   every member may be called from several threads at once; the sink is called outside
//            the lock.
// Lifetime:  as long as the tracker.
// Failure:   an exception from the sink is caught and counted.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <postbox/clock.hpp>
#include <postbox/log.hpp>

#include "mutex.hpp"

namespace postbox {

class Logger {
 public:
  static constexpr std::chrono::seconds kWindow{30};

  Logger(LogSink sink, LogLevel level, std::shared_ptr<const Clock> clock)
      : sink_(std::move(sink)), clock_(std::move(clock)), level_(level) {}

  // Write `line`, unless the same line was written within the last 30 seconds: then count it.
  void log(LogLevel level, std::string_view line) noexcept { log_kind(level, line, line); }

  // The same for lines that differ and are of one kind: the first is written, and the last one with
  // the count.
  void log_kind(LogLevel level, std::string_view kind, std::string_view line) noexcept;

  // Write the counts of repeated lines whose 30 seconds are over; with `all`, of every line.
  void report_repeats(bool all) noexcept;

  // The time of the next report, or the far future.
  [[nodiscard]] SteadyTime next_report() const noexcept;

  void set_level(LogLevel level) noexcept { level_.store(level, std::memory_order_relaxed); }
  [[nodiscard]] LogLevel level() const noexcept { return level_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t sink_failures() const noexcept { return failures_.load(); }

 private:
  struct Repeat {
    LogLevel level;
    SteadyTime until;
    std::uint64_t suppressed;
    std::string last;  // line, where it is not the kind itself
  };

  // So that a repeated line is found without a copy.
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };

  // Returns how often the line was suppressed since it was written last, or nothing for one that is
  // suppressed again.
  std::optional<std::uint64_t> count_if_due(LogLevel level, std::string_view kind,
                                            std::string_view line) POSTBOX_EXCLUDES(mutex_);
  void forget_finished(SteadyTime now) POSTBOX_REQUIRES(mutex_);
  void write(LogLevel level, std::string_view line) noexcept;

  // Constant after construction.
  const LogSink sink_;
  const std::shared_ptr<const Clock> clock_;

  std::atomic<LogLevel> level_;
  std::atomic<std::uint64_t> failures_{0};

  mutable Mutex mutex_;
  std::unordered_map<std::string, Repeat, Hash, std::equal_to<>> repeats_
      POSTBOX_GUARDED_BY(mutex_);
  SteadyTime next_report_ POSTBOX_GUARDED_BY(mutex_) = SteadyTime::max();
};

}  // namespace postbox
