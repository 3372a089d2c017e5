// parse_rfc3339() reads a time as JSON bodies write it.
//
// Place:     wherever a body is read.
// Threads:   a pure function.
// Lifetime:  a plain value.
// Failure:   nothing is returned for anything but an RFC 3339 time with a zone.
#pragma once

#include <optional>
#include <string_view>

#include <postbox/clock.hpp>

namespace postbox {

// "2026-11-22T10:00:00Z", "2026-11-22T11:00:00.250+01:00". Digits beyond milliseconds are dropped.
[[nodiscard]] std::optional<WallTime> parse_rfc3339(std::string_view text);

}  // namespace postbox
