// WebhookLog writes the lines of webhooks. What can happen again and again is a line in a while,
// with the count of those left out.
//
// Place:     inside the integration: Reception.
// Threads:   every member may be called from several threads at once.
// Lifetime:  a member of Reception.
// Failure:   none; a sink that throws is the host's affair.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <postbox/clock.hpp>
#include <postbox/log.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace stripe {

class WebhookLog {
 public:
  // Each has a line of its own in a while, so that none hides another.
  enum class Kind : std::uint8_t {
    kRefusal,  // strangers provoke it
    kTrouble,  // of the memory
    kDamage,
    kFailure,  // an event is not kept
    kMended,
    kThin,  // an event cannot be fetched
  };

  explicit WebhookLog(postbox::LogSink sink) : sink_(std::move(sink)) {}

  void write(postbox::LogLevel level, const std::string& line) noexcept {
    try {
      if (sink_) sink_(level, line);
    } catch (...) {
      // Nobody is left to be told.
    }
  }

  void write_rarely(Kind kind, std::string_view what, postbox::WallTime now) {
    const auto left_out = admit(kind, now);
    if (!left_out) return;
    std::string line = "Stripe webhook: " + std::string(what);
    if (*left_out > 0) line += " (and " + std::to_string(*left_out) + " lines before it)";
    const bool is_warning =
        kind == Kind::kRefusal || kind == Kind::kTrouble || kind == Kind::kMended;
    write(is_warning ? postbox::LogLevel::kWarn : postbox::LogLevel::kError, line);
  }

 private:
  struct Line {
    postbox::WallTime next{};
    std::uint64_t left_out = 0;
  };

  // Returns how many were left out since the last one; nothing when this one is, too.
  std::optional<std::uint64_t> admit(Kind kind, postbox::WallTime now) {
    const std::lock_guard lock(mutex_);
    Line& line = lines_[static_cast<std::size_t>(kind)];
    if (now < line.next) {
      ++line.left_out;
      return std::nullopt;
    }
    line.next = now + std::chrono::seconds(30);
    return std::exchange(line.left_out, 0);
  }

  const postbox::LogSink sink_;
  std::mutex mutex_;
  std::array<Line, 6> lines_;  // guarded by mutex_
};

}  // namespace stripe
