// The catalogue: every type of event that this library has, with its field table as data.
//
// Place:     read by KLAVIYO_METRIC_NAMES, by the command line (postbox schema) and by tests.
// Threads:   pure functions.
// Lifetime:  the views are constants.
// Failure:   none.
#pragma once

#include <postbox/event.hpp>
#include <postbox/schema_description.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace klaviyo {

struct EventType {
  std::string_view metric;  // the library's name
  std::string log_name;     // what log lines call it
  const postbox::Family* family;
  bool has_value;  // it may have one: what it is worth, as money
  postbox::ObjectDescription properties;
};

// "Points Earned" as log lines have it: "points earned".
[[nodiscard]] std::string log_name_of(std::string_view metric);

// The type of what event() takes, a TypedEvent.
template <class T>
[[nodiscard]] EventType type_of() {
  return {T::kMetric, log_name_of(T::kMetric), &T::kFamily, true, postbox::describe<T>()};
}

// In order of families. An integration's events/<module>.cpp says which are its own.
[[nodiscard]] std::vector<EventType> every_event_type();

}  // namespace klaviyo
