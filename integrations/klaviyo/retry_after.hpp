// parse_retry_after() reads how long the vendor asks everyone to wait, parse_count() the numbers of
// the rate-limit headers, parse_http_date() the server's clock.
//
// Place:     used by Destination::verdict() and by probe().
// Threads:   a pure function.
// Lifetime:  nothing is kept.
// Failure:   what cannot be trusted is nothing, and the engine's own backoff decides.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <postbox/clock.hpp>
#include <string_view>

namespace klaviyo {

// A longer wait is taken as an hour: a header must not be able to stop a shop's events for a day.
inline constexpr std::chrono::hours kMaxRetryAfter{1};

// Accepts whole seconds, zero included, and the three forms of an HTTP date, in any case. Negative
// numbers, dates in the past, numbers that do not fit in 64 bits and anything else are nothing.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view text,
                                                                         postbox::WallTime now);

// Accepts the three forms of an HTTP date.
[[nodiscard]] std::optional<std::chrono::sys_seconds> parse_http_date(std::string_view text);

// Accepts digits whose value fits, and nothing else.
[[nodiscard]] std::optional<std::uint32_t> parse_count(std::string_view text);

}  // namespace klaviyo
