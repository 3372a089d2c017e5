// Compares events with the collection's expected.json, where an amount is a text with the digits
// that Stripe gives the currency, and a time is in Unix seconds.
#pragma once

#include <gtest/gtest.h>

#include "rfc3339.hpp"
#include "stripe_bodies.hpp"

namespace postbox::tests {

inline bool is_expected(const Json& actual, const Json& expected) {
  // Klaviyo reads a zero as never set.
  if (expected.is_string() && actual.is_null())
    return expected.get<std::string>().find_first_not_of("0.") == std::string::npos;
  if (expected.is_string() && actual.is_number()) {
    return actual.get<double>() == std::strtod(expected.get<std::string>().c_str(), nullptr);
  }
  if (expected.is_number() && actual.is_string()) {
    const auto time = sim::parse_date_time(actual.get<std::string>());
    return time && time->time_since_epoch().count() == expected.get<std::int64_t>();
  }
  if (expected.is_object()) {
    for (const auto& [name, value] : expected.items()) {
      if (!actual.contains(name) || !is_expected(actual[name], value)) return false;
    }
    return true;
  }
  if (!expected.is_array()) return actual == expected;
  if (!actual.is_array() || actual.size() != expected.size()) return false;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (!is_expected(actual[i], expected[i])) return false;
  }
  return true;
}

// `actual` has "metric", "time" and "properties", with Klaviyo's own among them.
inline void expect_event(const Json& actual, const Json& expected) {
  const Json& properties = actual["properties"];
  EXPECT_EQ(actual["metric"], expected["metric"]);
  EXPECT_EQ(properties["$event_id"], expected["unique_id"]);
  EXPECT_TRUE(is_expected(actual["time"], expected["time"])) << actual["time"];
  EXPECT_EQ(properties.contains("$value"), !expected["value"].is_null());
  if (!expected["value"].is_null()) {
    EXPECT_TRUE(is_expected(properties["$value"], expected["value"])) << properties["$value"];
    EXPECT_EQ(properties["$currency_code"], expected["currency"]);
  }
  for (const auto& [name, value] : expected["properties"].items()) {
    const Json found = properties.value(name, Json());
    EXPECT_TRUE(is_expected(found, value)) << name << " is " << found << ", expected " << value;
  }
}

inline void expect_recorded(const std::vector<Json>& events, const Json& expected) {
  const Json wanted = expected.value("events", Json::array());
  ASSERT_EQ(events.size(), wanted.size());
  for (const Json& event : wanted) {
    const auto found = std::ranges::find_if(
        events, [&](const Json& actual) { return actual["metric"] == event["metric"]; });
    ASSERT_NE(found, events.end()) << event["metric"];
    expect_event(*found, event);
    if (expected["email"].is_string()) {
      EXPECT_EQ((*found)["email"], expected["email"]);
    } else if (expected["customer"].is_string()) {
      EXPECT_EQ((*found)["external_id"], expected["customer"]);
    }
  }
}

inline void expect_facts(const stripe::Mapping& mapping, const Json& expected) {
  if (!expected.contains("cache")) return;
  const std::string key = "customer:" + expected["cache"]["customer"].get<std::string>();
  const auto email = expected["cache"]["email"].get<std::string>();
  EXPECT_TRUE(std::ranges::any_of(mapping.facts, [&](const stripe::Fact& fact) {
    return fact.key == key && fact.value == email;
  }));
}

}  // namespace postbox::tests
