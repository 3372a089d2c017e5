// Compares events with the collection's expected.json, where an amount is a text with the digits
// that Stripe gives the currency, and a time is in Unix seconds.
#pragma once

#include <gtest/gtest.h>

#include "rfc3339.hpp"
#include "stripe_bodies.hpp"

namespace postbox::tests {

inline bool is_expected(const Json& actual, const Json& expected) {
  if (expected.is_string() && actual.is_number()) {
    return actual.get<double>() == std::stod(expected.get<std::string>());
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

inline void expect_event(const Json& actual, const Json& expected) {
  EXPECT_EQ(actual["metric"]["data"]["attributes"]["name"], expected["metric"]);
  EXPECT_EQ(actual["unique_id"], expected["unique_id"]);
  EXPECT_TRUE(is_expected(actual["time"], expected["time"])) << actual["time"];
  EXPECT_EQ(actual.contains("value"), !expected["value"].is_null());
  if (!expected["value"].is_null()) {
    EXPECT_TRUE(is_expected(actual["value"], expected["value"])) << actual["value"];
    EXPECT_EQ(actual["value_currency"], expected["currency"]);
  }
  for (const auto& [name, value] : expected["properties"].items()) {
    EXPECT_TRUE(actual["properties"].contains(name)) << name;
    EXPECT_TRUE(is_expected(actual["properties"].value(name, Json()), value))
        << name << " is " << actual["properties"].value(name, Json()) << ", expected " << value;
  }
}

inline void expect_mapping(const stripe::Mapping& mapping, const Json& expected) {
  const Json events = expected.value("events", Json::array());
  ASSERT_EQ(mapping.events.size(), events.size()) << mapping.ignored;
  EXPECT_EQ(mapping.ignored.empty(), !events.empty());
  for (std::size_t i = 0; i < events.size(); ++i) {
    std::vector<Violation> violations;
    const auto sent = written(mapping.events[i], violations);
    for (const auto& violation : violations)
      ADD_FAILURE() << violation.path << " " << violation.rule;
    ASSERT_EQ(sent.size(), 1U);
    expect_event(sent.front(), events[i]);
    if (expected["email"].is_string()) {
      EXPECT_EQ(sent.front()["profile"]["email"], expected["email"]);
    }
  }
  if (expected.contains("cache")) {
    const std::string key = "customer:" + expected["cache"]["customer"].get<std::string>();
    EXPECT_TRUE(std::ranges::any_of(mapping.facts, [&](const stripe::Fact& fact) {
      return fact.key == key && fact.value == expected["cache"]["email"];
    }));
  }
}

}  // namespace postbox::tests
