// Flags say which event families may be sent, and for which share of the profiles.
//
// Place:     read by track() before anything else is done, and by the sender before each request.
// Threads:   Flag is a plain value; FlagSet is written and read from any thread without a lock.
// Lifetime:  a FlagSet lives as long as its tracker.
// Failure:   parse() names the value and what is accepted.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include <postbox/event.hpp>
#include <postbox/result.hpp>

namespace postbox {

// Off, on, or on for a percentage of the profiles. A profile keeps its side while the percentage
// stands, and one that was in stays in when the percentage grows.
class Flag {
 public:
  constexpr Flag() = default;  // off
  [[nodiscard]] static constexpr Flag off() { return Flag(0); }
  [[nodiscard]] static constexpr Flag on() { return Flag(100); }

  // Accepts "true", "false" (any case; also "1", "0", "on", "off", "yes", "no") and "0%" to "100%".
  [[nodiscard]] static Result<Flag> parse(std::string_view text);

  [[nodiscard]] constexpr bool is_off() const noexcept { return percent_ == 0; }
  [[nodiscard]] constexpr bool is_on() const noexcept { return percent_ >= 100; }
  [[nodiscard]] constexpr int percent() const noexcept { return percent_; }

  // True when the profile lies within the percentage: its key's first 32 bits, modulo 100.
  [[nodiscard]] bool includes(const Key& profile) const noexcept;

  // "true", "false" or "25%".
  [[nodiscard]] std::string to_string() const;

  friend constexpr bool operator==(Flag, Flag) = default;

 private:
  friend class FlagSet;
  constexpr explicit Flag(std::uint8_t percent) : percent_(percent) {}

  std::uint8_t percent_ = 0;
};

// One flag per queue. A queue that was never set is off.
class FlagSet {
 public:
  static constexpr std::size_t kMaxQueues = 32;

  [[nodiscard]] Flag get(QueueId queue) const noexcept;
  void set(QueueId queue, Flag flag) noexcept;  // ignores a queue number of kMaxQueues or above

 private:
  std::array<std::atomic<std::uint8_t>, kMaxQueues> percent_{};
};

}  // namespace postbox
