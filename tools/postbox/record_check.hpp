// Checks of an order, a cart and their like in JSON, by the rules of the events that are made of
// them.
#pragma once

#include <nlohmann/json.hpp>
#include <postbox/event.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace postbox::cli {

struct Checked {
  std::vector<Violation> violations;
  std::vector<Violation> warnings;  // what Klaviyo would leave out
};

// "order", "cart", "subscription", "profile", "product_view", "custom_event", "consent".
[[nodiscard]] const std::vector<std::string>& record_types();

// The type that an object's members tell; empty when they tell none.
[[nodiscard]] std::string guess_type(const nlohmann::json& object);

// `type` is one of record_types(), or empty: then it is guessed. `context` as a tracker has it.
// No value stands in what is returned.
[[nodiscard]] Checked check_record(std::string_view text, const std::string& type, WallTime now,
                                   const EventContext* context);

}  // namespace postbox::cli
