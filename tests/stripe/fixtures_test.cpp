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
    const auto mapping = stripe::to_events(body, {.test_mode = true, .find_fact = {}});
    ASSERT_TRUE(mapping) << mapping.error().message;
    EXPECT_EQ(mapping->events.size(), expected[name].value("events", Json::array()).size());
    EXPECT_EQ(mapping->ignored.empty(), !mapping->events.empty());
    expect_facts(*mapping, expected[name]);
  }
}

// The collection is older than the rule that a shop's own metadata.order_id is the order's key.
void take_own_key(const Json& body, Json& expected) {
  const Json& object = body.value("data", Json::object()).value("object", Json::object());
  if (object.value("object", "") != "checkout.session" || expected["events"].empty()) return;
  const Json& metadata = object.value("metadata", Json());
  if (!metadata.is_object() || !metadata.contains("order_id")) return;
  expected["events"][0]["unique_id"] = metadata["order_id"];
  expected["events"][0]["properties"]["OrderId"] = metadata["order_id"];
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
    Json wanted = expected[name];
    take_own_key(Json::parse(body), wanted);
    expect_recorded(shop.recorded(), wanted);
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
