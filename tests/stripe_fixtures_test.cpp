#include <gtest/gtest.h>

#include "support/stripe_bodies.hpp"
#include "support/stripe_expected.hpp"

namespace postbox::tests {
namespace {

TEST(StripeFixtures, EveryBodyBecomesWhatIsExpected) {
  const auto bodies = stripe_bodies();
  if (bodies.empty()) GTEST_SKIP() << "no bodies in " << stripe_folder();
  const Json expected = Json::parse(read_file(stripe_folder() / "expected.json"));
  for (const auto& [name, body] : bodies) {
    SCOPED_TRACE(name);
    const auto mapping = stripe::to_events(body, {.test_mode = true, .lookup = {}});
    ASSERT_TRUE(mapping) << mapping.error().message;
    expect_mapping(*mapping, expected[name]);
  }
}

TEST(StripeFixtures, NothingOfTheTestModeIsMappedUnlessAsked) {
  for (const auto& [name, body] : stripe_bodies()) {
    const auto mapping = stripe::to_events(body);
    ASSERT_TRUE(mapping) << name;
    const Json json = Json::parse(body);
    const bool live =
        json.contains("livemode") ? json["livemode"] == true : json["detail"]["livemode"] == true;
    EXPECT_TRUE(live || (mapping->events.empty() && mapping->facts.empty())) << name;
  }
}

}  // namespace
}  // namespace postbox::tests
