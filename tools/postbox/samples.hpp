// A sample of each type of event, made by the builder that makes the real ones: what the pages of
// docs/events/ show.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <postbox/event.hpp>

namespace postbox::cli {

struct Sample {
  std::string metric;
  std::string_view call;  // of the builder: "klaviyo::order_placed(order)"
  EventRecord record;
};

// Nothing for a type that has none yet; the page then shows a value of each field.
[[nodiscard]] std::optional<Sample> sample_of(std::string_view metric);

}  // namespace postbox::cli
