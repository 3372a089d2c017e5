// Date-times as Klaviyo reads and writes them.
//
// Threads:   pure functions.
// Failure:   a text that is not a date-time is std::nullopt.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace sim {

// Reads "2026-11-22T10:00:00.123+01:00" (T and Z in upper case, the offset required) and cuts it
// to the second, as Klaviyo does.
std::optional<std::chrono::sys_seconds> parse_date_time(std::string_view text);

// "2026-11-22T09:00:00+00:00"
std::string format_date_time(std::chrono::sys_seconds time);

// "Sun, 22 Nov 2026 09:00:00 GMT", as headers have it.
std::string format_http_date(std::chrono::sys_seconds time);

// Reads "2026-07-15", also before a suffix (".pre").
std::optional<std::chrono::sys_days> parse_date(std::string_view text);

}  // namespace sim
