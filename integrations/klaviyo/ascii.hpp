// Characters of ASCII, whatever the locale of the host.
//
// Place:     inside the integration, for what reads settings, profiles, answers and error texts.
// Threads:   pure functions.
// Lifetime:  values.
// Failure:   none.
#pragma once

namespace klaviyo {

[[nodiscard]] constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

[[nodiscard]] constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace klaviyo
