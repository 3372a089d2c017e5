// parse_time() reads the times of a request's body.
//
// Place:     used by ObjectReader.
// Threads:   a pure function.
// Lifetime:  a plain value.
// Failure:   nothing is returned for anything but an RFC 3339 time with a zone.
#pragma once

#include <optional>
#include <postbox/clock.hpp>
#include <string_view>

namespace checkout {

// "2026-11-22T10:00:00Z", "2026-11-22T11:00:00.250+01:00". Digits beyond milliseconds are dropped.
[[nodiscard]] std::optional<postbox::WallTime> parse_time(std::string_view text);

}  // namespace checkout
