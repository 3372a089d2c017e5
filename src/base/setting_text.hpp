// Settings as a log shows them: values, what is in force, what has changed.
//
// Place:     used by each Config's table, by starts and by reload(); below everything, also below
//            the integrations.
// Threads:   pure functions.
// Lifetime:  return strings of their own.
// Failure:   none but for want of memory.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <postbox/bytes.hpp>
#include <postbox/settings.hpp>

namespace postbox {

// But for a secret that somebody has put into the wrong variable.
[[nodiscard]] std::string as_it_is(const std::string& text);
[[nodiscard]] std::string or_none(const std::string& text);  // "none" when it is empty
[[nodiscard]] std::string in_number(const std::vector<std::string>& secrets);  // "2 set"
[[nodiscard]] std::string in_ms(std::chrono::milliseconds time);
[[nodiscard]] std::string in_bytes(Bytes size);

// The values of "one, two", without what wraps each.
[[nodiscard]] std::vector<std::string> split_list(std::string_view text);

// "NAME=value, NAME=value".
[[nodiscard]] std::string in_a_line(std::span<const SettingInForce> settings);

// "NAME old -> new" for each that differs and that reload() can apply, or cannot.
[[nodiscard]] std::vector<std::string> changes_between(std::span<const SettingInForce> old,
                                                       std::span<const SettingInForce> now,
                                                       bool needs_restart);

}  // namespace postbox
