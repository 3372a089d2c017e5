// Flags say which event families may be sent, and for which share of the profiles.
//
// Place:     read by track() before anything else is done, and by the sender before each request.
// Threads:   a plain value; flag_set.hpp has those that threads share.
// Lifetime:  a plain value.
// Failure:   parse() names the value and what is accepted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <postbox/result.hpp>
#include <postbox/trackable.hpp>

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

// A flag per queue is kept for so many queues, by their numbers.
inline constexpr std::size_t kMaxQueues = 32;

}  // namespace postbox
