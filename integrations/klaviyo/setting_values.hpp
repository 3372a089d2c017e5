// Parsers of the settings' values, and how a log shows them.
//
// Place:     inside the integration: rows of the table Config::settings().
// Threads:   pure functions.
// Lifetime:  plain values.
// Failure:   kInvalidConfig with the value, never a secret, and what is accepted.
#pragma once

#include <chrono>
#include <postbox/result.hpp>
#include <postbox/trackable.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace klaviyo {

// The value is a secret, so that the messages describe it instead of showing it.
[[nodiscard]] postbox::Result<std::string> parse_key(std::string_view key);

// "2026-10-15", or with a suffix: "2026-10-15.pre".
[[nodiscard]] postbox::Result<std::string> parse_revision(std::string_view text);

// ISO 3166-1 alpha-2.
[[nodiscard]] postbox::Result<std::string> parse_country(std::string_view text);

[[nodiscard]] postbox::Result<std::chrono::milliseconds> parse_abandoned_after(
    std::string_view text);
[[nodiscard]] postbox::Result<std::chrono::milliseconds> parse_quiet_time(std::string_view text);

// Secrets, so that the messages describe them instead of showing them.
[[nodiscard]] postbox::Result<void> check_secrets(const std::vector<std::string>& secrets);
[[nodiscard]] postbox::Result<std::vector<std::string>> parse_secrets(std::string_view text);

// "gift, channel".
[[nodiscard]] postbox::Result<std::vector<std::string>> parse_property_names(std::string_view text);

[[nodiscard]] std::string show_list(const std::vector<std::string>& texts);
[[nodiscard]] std::string show_metric_names(const postbox::TypeNames& names);

}  // namespace klaviyo
