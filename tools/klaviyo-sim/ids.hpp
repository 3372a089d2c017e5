// Identifiers that look like Klaviyo's and never repeat within one run.
//
// Threads:   pure functions of a serial number.
#pragma once

#include <cstdint>
#include <string>

namespace sim {

std::string make_uuid(std::uint64_t serial);        // "8c8f4aea-…"
std::string make_event_id(std::uint64_t serial);    // 11 letters and digits
std::string make_profile_id(std::uint64_t serial);  // 26 letters and digits, "01" first
std::string make_metric_id(std::uint64_t serial);   // 6 letters and digits

}  // namespace sim
