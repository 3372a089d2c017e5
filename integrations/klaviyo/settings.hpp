// The settings in force, as a log line shows them: at a start, and when they have changed.
//
// Place:     inside the integration, used by start() and by reload().
// Threads:   pure functions.
// Lifetime:  plain values.
// Failure:   none.
#pragma once

#include <klaviyo/config.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace klaviyo {

struct Setting {
  std::string_view name;  // the variable; constant
  std::string shown;      // as a log may show it: a secret is masked
  std::string identity;   // tells two values apart where `shown` does not: a secret's hash
  bool needs_restart = false;
};

// Every setting that has a variable, in the order of .env.example.
[[nodiscard]] std::vector<Setting> settings_of(const Config& config);

// "NAME old -> new" for each that differs and that reload() can apply, or cannot.
[[nodiscard]] std::vector<std::string> changes_between(std::span<const Setting> old,
                                                       std::span<const Setting> now,
                                                       bool needs_restart);

// "NAME=value, NAME=value".
[[nodiscard]] std::string in_a_line(std::span<const Setting> settings);

}  // namespace klaviyo
