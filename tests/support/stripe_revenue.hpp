// What Klaviyo believes that a shop has earned: Placed Order less what was refunded and cancelled.
#pragma once

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "stripe_bodies.hpp"

namespace postbox::tests {

// In hundredths.
inline long revenue_of(const std::vector<Json>& events) {
  const std::map<std::string, int> kSigns = {{"Placed Order", 1},
                                             {"Refunded Order", -1},
                                             {"Partially Refunded Order", -1},
                                             {"Cancelled Order", -1}};
  long sum = 0;
  for (const Json& event : events) {
    const auto sign = kSigns.find(event["metric"].get<std::string>());
    if (sign == kSigns.end()) continue;
    const double value = event["properties"].value("$value", 0.0);
    sum += sign->second * std::lround(value * 100);
  }
  return sum;
}

inline long count_of(const std::vector<Json>& events, std::string_view metric) {
  return std::ranges::count_if(events, [&](const Json& e) { return e["metric"] == metric; });
}

}  // namespace postbox::tests
