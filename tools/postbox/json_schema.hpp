// The JSON Schema (2020-12) of the events, and an example of each, from the tables that check and
// write them.
#pragma once

#include <klaviyo/catalogue.hpp>
#include <vector>

#include "output.hpp"

namespace postbox::cli {

// What Klaviyo gets as the attributes of an event of this type.
[[nodiscard]] Json schema_of(const klaviyo::EventType& type);

// A schema for an event of any of these types.
[[nodiscard]] Json schema_of(const std::vector<klaviyo::EventType>& types);

// The attributes of an event of this type: the sample's, else a value for each field of its table.
[[nodiscard]] Json example_of(const klaviyo::EventType& type);

}  // namespace postbox::cli
