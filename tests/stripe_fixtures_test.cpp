#include <gtest/gtest.h>

#include "support/stripe_bodies.hpp"
#include "support/stripe_expected.hpp"
#include "support/stripe_shop.hpp"

namespace postbox::tests {
namespace {

TEST(StripeFixtures, EveryBodyTellsTheAddressThatItHas) {
  const auto bodies = stripe_bodies();
  if (bodies.empty()) GTEST_SKIP() << "no bodies in " << stripe_folder();
  const Json expected = Json::parse(read_file(stripe_folder() / "expected.json"));
  for (const auto& [name, body] : bodies) {
    SCOPED_TRACE(name);
    const auto mapping = stripe::to_events(body, {.test_mode = true, .lookup = {}});
    ASSERT_TRUE(mapping) << mapping.error().message;
    EXPECT_EQ(mapping->events.size(), expected[name].value("events", Json::array()).size());
    EXPECT_EQ(mapping->ignored.empty(), !mapping->events.empty());
    expect_facts(*mapping, expected[name]);
  }
}

TEST(StripeFixtures, KlaviyoRecordsWhatIsExpectedOfEveryBody) {
  const auto bodies = stripe_bodies();
  if (bodies.empty()) GTEST_SKIP() << "no bodies in " << stripe_folder();
  const Json expected = Json::parse(read_file(stripe_folder() / "expected.json"));
  for (const auto& [name, body] : bodies) {
    SCOPED_TRACE(name);
    StripeShop shop(WallTime(std::chrono::sys_days(std::chrono::year(2026) / 11 / 24)));
    EXPECT_EQ(shop.deliver(body).status, 200);
    shop.pass(5min);  // for the customer to become known, which does not happen here
    expect_recorded(shop.recorded(), expected[name]);
  }
}

TEST(StripeFixtures, NothingOfTheTestModeIsMappedUnlessAsked) {
  const auto bodies = stripe_bodies();
  if (bodies.empty()) GTEST_SKIP() << "no bodies in " << stripe_folder();
  for (const auto& [name, body] : bodies) {
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
