#include "logger.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <utility>

namespace postbox {
namespace {

// Lines that name a user are all different; beyond this many they are no longer compared.
constexpr std::size_t kMaxRemembered = 512;

constexpr std::array<const char*, 5> kLevelNames{"debug", "info", "warn", "error", "off"};

std::string with_count(std::string_view line, std::uint64_t more) {
  return std::string(line) + " (" + std::to_string(more) + " more in 30 seconds)";
}

}  // namespace

void Logger::log_kind(LogLevel level, std::string_view kind, std::string_view line) noexcept {
  if (level < level_.load(std::memory_order_relaxed) || level == LogLevel::kOff) return;
  try {
    const auto suppressed = count_if_due(level, kind, line);
    if (suppressed == 0) write(level, line);
    if (suppressed > 0) write(level, with_count(line, *suppressed));
  } catch (...) {
    failures_.fetch_add(1, std::memory_order_relaxed);
  }
}

std::optional<std::uint64_t> Logger::count_if_due(LogLevel level, std::string_view kind,
                                                  std::string_view line) {
  const SteadyTime now = clock_->now();
  const MutexLock lock(mutex_);
  const auto found = repeats_.find(kind);
  if (found == repeats_.end()) {
    if (repeats_.size() >= kMaxRemembered) forget_finished(now);
    if (repeats_.size() < kMaxRemembered) {
      repeats_.emplace(kind, Repeat{level, now + kWindow, 0, {}});
    }
    return 0;
  }
  Repeat& repeat = found->second;
  if (now < repeat.until) {
    ++repeat.suppressed;
    if (line != kind) repeat.last = line;
    next_report_ = std::min(next_report_, repeat.until);
    return std::nullopt;
  }
  return std::exchange(repeat, Repeat{level, now + kWindow, 0, {}}).suppressed;
}

void Logger::forget_finished(SteadyTime now) {
  std::erase_if(repeats_, [now](const auto& entry) {
    return entry.second.suppressed == 0 && entry.second.until <= now;
  });
}

void Logger::report_repeats(bool all) noexcept {
  try {
    std::vector<std::pair<LogLevel, std::string>> lines;
    {
      const SteadyTime now = clock_->now();
      const MutexLock lock(mutex_);
      if (!all && now < next_report_) return;
      next_report_ = SteadyTime::max();
      for (auto& [kind, repeat] : repeats_) {
        if (repeat.suppressed == 0) continue;
        if (all || repeat.until <= now) {
          lines.emplace_back(repeat.level, with_count(repeat.last.empty() ? kind : repeat.last,
                                                      repeat.suppressed));
          repeat = Repeat{repeat.level, now + kWindow, 0, {}};
        } else {
          next_report_ = std::min(next_report_, repeat.until);
        }
      }
      forget_finished(now);
    }
    for (const auto& [level, line] : lines) write(level, line);
  } catch (...) {
    failures_.fetch_add(1, std::memory_order_relaxed);
  }
}

SteadyTime Logger::next_report() const noexcept {
  const MutexLock lock(mutex_);
  return next_report_;
}

void Logger::write(LogLevel level, std::string_view line) noexcept {
  try {
    if (sink_) sink_(level, line);
  } catch (...) {
    failures_.fetch_add(1, std::memory_order_relaxed);
  }
}

LogSink stderr_log() {
  return [](LogLevel level, std::string_view line) {
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    gmtime_r(&now, &utc);
    std::array<char, 32> stamp{};
    std::strftime(stamp.data(), stamp.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
    // One call, so that lines of several threads do not mix.
    std::fprintf(stderr, "%s %s %.*s\n", stamp.data(), kLevelNames[static_cast<std::size_t>(level)],
                 static_cast<int>(line.size()), line.data());
  };
}

}  // namespace postbox
