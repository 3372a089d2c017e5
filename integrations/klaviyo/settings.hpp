// The settings in force, as a log line shows them, and as an outbox keeps them until the next
// start.
//
// Place:     inside the integration, used by start() and by reload().
// Threads:   pure functions.
// Lifetime:  plain values.
// Failure:   none.
#pragma once

#include <klaviyo/config.hpp>
#include <postbox/settings.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace klaviyo {

using Setting = postbox::SettingInForce;

// Every setting that has a variable, in the order of .env.example: the integration's, then the
// engine's.
[[nodiscard]] std::vector<Setting> settings_of(const Config& config);

// The settings that an outbox keeps until the next start: of a secret what a log shows of it, and
// no hash by which it could be guessed. On disk: do not change.
[[nodiscard]] std::string kept_form(std::span<const Setting> settings);

// The settings of a kept_form(), whose names are views of it.
[[nodiscard]] std::vector<Setting> read_kept(std::string_view text);

// "NAME old -> new" for each that differs, of all that two kept_form()s both name: a version that
// knows other settings changes none. Two secrets that a log shows alike are one.
[[nodiscard]] std::vector<std::string> changes_since(std::string_view before, std::string_view now);

}  // namespace klaviyo
