// The limits on the values in `properties`: strings, arrays, integers, nesting.
//
// Threads:   pure functions.
// Failure:   every broken rule is a Problem with the pointer to the value.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "json_api.hpp"

namespace sim {

// The rules for every value under `properties`.
void check_values(const Json& properties, const std::string& pointer,
                  std::vector<Problem>& problems);

// As above, and the number of properties of an event.
void check_event_properties(const Json& properties, const std::string& pointer,
                            std::vector<Problem>& problems);

// Without the properties that Klaviyo treats as never set: 0, null and "".
Json without_unset(const Json& properties);

// Unicode characters of a UTF-8 text.
std::size_t count_characters(const std::string& text);

}  // namespace sim
