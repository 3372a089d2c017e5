// The settings in force, as a log line shows them: at a start, and when they have changed, by
// reload() or since the last start.
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
  std::string_view name;   // the variable; constant
  std::string shown;       // as a log may show it: a secret is masked
  std::string identity{};  // tells two values apart where `shown` does not: a secret's hash
  bool needs_restart = false;
};

// Every setting that has a variable, in the order of .env.example.
[[nodiscard]] std::vector<Setting> settings_of(const Config& config);

// "NAME old -> new" for each that differs and that reload() can apply, or cannot.
[[nodiscard]] std::vector<std::string> changes_between(std::span<const Setting> old,
                                                       std::span<const Setting> now,
                                                       bool needs_restart);

// What an outbox keeps until the next start: of a secret what a log shows of it, and no hash by
// which it could be guessed. On disk: do not change.
[[nodiscard]] std::string kept_form(std::span<const Setting> settings);

// As changes_between(), of all that two kept_form()s both name: a version that knows other settings
// changes none. Two secrets that a log shows alike are one.
[[nodiscard]] std::vector<std::string> changes_since(std::string_view before, std::string_view now);

// "NAME=value, NAME=value".
[[nodiscard]] std::string in_a_line(std::span<const Setting> settings);

}  // namespace klaviyo
