// Webhooks as people who do this job have met them, and what must become of them.
#include <gtest/gtest.h>

#include "support/stripe_revenue.hpp"
#include "support/stripe_shop.hpp"

namespace postbox::tests {
namespace {

std::filesystem::path field_folder() { return stripe_folder().parent_path() / "field"; }

// Empty when the file is absent.
std::vector<Json> bodies_of(const std::string& name) {
  const std::string text = read_file(field_folder() / (name + ".json"));
  return text.empty() ? std::vector<Json>() : Json::parse(text).get<std::vector<Json>>();
}

constexpr auto kFieldNow = WallTime(1'795'750'000s);

// What Klaviyo records of them, each delivered twice.
std::vector<Json> recorded_twice(const std::vector<Json>& bodies) {
  StripeShop shop(kFieldNow);
  for (int turns = 0; turns < 2; ++turns) {
    for (const Json& body : bodies) EXPECT_EQ(shop.deliver(body.dump()).status, 200) << body;
  }
  shop.pass(6min);
  return shop.recorded();
}

class StripeField : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(field_folder())) GTEST_SKIP() << "no folder " << field_folder();
  }
};

TEST_F(StripeField, F01AReleasedHoldIsNoRefund) {
  for (const char* name : {"F01a", "F01b", "F01c"}) {
    EXPECT_TRUE(recorded_twice(bodies_of(name)).empty()) << name;
  }
  const auto events = recorded_twice(bodies_of("F01d"));
  EXPECT_EQ(count_of(events, "Placed Order"), 1);
  EXPECT_EQ(count_of(events, "Cancelled Order"), 1);
  EXPECT_EQ(revenue_of(events), 0);
}

TEST_F(StripeField, F02AHoldIsAnOrderOfWhatWasCaptured) {
  const auto revenue = [](const char* name, bool chosen) {
    StripeShop shop(kFieldNow);
    if (chosen) shop.config.reports.add(stripe::Report::kPaymentIntents);
    for (const Json& body : bodies_of(name)) EXPECT_EQ(shop.deliver(body.dump()).status, 200);
    shop.pass(6min);
    const auto events = shop.recorded();
    EXPECT_EQ(count_of(events, "Placed Order"), 1) << name;
    for (const Json& event : events) EXPECT_EQ(event["email"], "halina@goldenacre.example");
    return revenue_of(events);
  };
  for (const bool chosen : {false, true}) {
    EXPECT_EQ(revenue("F02a", chosen), 15'000);
    EXPECT_EQ(revenue("F02b", chosen), 0);
    EXPECT_EQ(revenue("F02c", chosen), 8'500);
  }
}

TEST_F(StripeField, F09FractionsOfACentAreExact) {
  const auto only = [](const char* name) {
    const auto events = recorded_twice(bodies_of(name));
    EXPECT_EQ(events.size(), 1U) << name;
    return events.empty() ? Json() : events[0];
  };
  const Json started = only("F09a");
  EXPECT_EQ(started["metric"], "Subscription Started");
  EXPECT_EQ(started["properties"]["Amount"], 0.0075);
  const Json more = only("F09b");
  EXPECT_EQ(more["metric"], "Subscription Upgraded");
  EXPECT_EQ(more["properties"]["Amount"], 0.0075);
  EXPECT_EQ(more["properties"]["Quantity"], 5000);
  const Json less = only("F09c");
  EXPECT_EQ(less["metric"], "Subscription Downgraded");
  EXPECT_EQ(less["properties"]["Amount"], 0.1);
  EXPECT_EQ(less["properties"]["PreviousAmount"], 0.125);
  EXPECT_EQ(only("F09d")["metric"], "Subscription Started");
}

TEST_F(StripeField, F11MoneyThatABankTakesIsShownOnceAndShownAgainWhenItComesBack) {
  auto bodies = bodies_of("F11a");
  const auto events = recorded_twice(bodies);
  EXPECT_EQ(revenue_of(events), 0);
  EXPECT_EQ(count_of(events, "Refunded Order") + count_of(events, "Partially Refunded Order"), 1);

  bodies[3]["data"]["object"]["status"] = "won";
  EXPECT_EQ(revenue_of(recorded_twice(bodies)), 500);
  Json reinstated = bodies[3];
  reinstated["id"] = "evt_again";
  reinstated["type"] = "charge.dispute.funds_reinstated";
  bodies.push_back(reinstated);
  EXPECT_EQ(revenue_of(recorded_twice(bodies)), 500);
  std::ranges::reverse(bodies);
  EXPECT_EQ(revenue_of(recorded_twice(bodies)), 500);
}

TEST_F(StripeField, F12AFreeOrderIsAnOrder) {
  const auto events = recorded_twice(bodies_of("F12"));
  EXPECT_EQ(count_of(events, "Placed Order"), 2);
  EXPECT_EQ(revenue_of(events), 0);
}

// A cart of each buyer waits to be abandoned; the checkouts are completed, paid or not.
TEST_F(StripeField, F12EveryCompletedSessionEndsTheCart) {
  for (const char* name : {"F12", "F12b"}) {
    const auto bodies = bodies_of(name);
    StripeShop shop(WallTime(std::chrono::seconds(bodies[0]["created"].get<long>())));
    for (std::size_t i = 0; i <= bodies.size(); ++i) {  // the last one belongs to somebody else
      klaviyo::Cart cart;
      cart.cart_id = "c-" + std::to_string(i);
      cart.currency = klaviyo::Currency("EUR");
      cart.items.push_back({});
      cart.items[0].product_id = cart.items[0].name = "P1";
      cart.items[0].quantity = 1;
      cart.items[0].unit_price = {1250};
      cart.customer.email =
          i == bodies.size()
              ? std::string("else@goldenacre.example")
              : bodies[i]["data"]["object"]["customer_details"]["email"].get<std::string>();
      ASSERT_TRUE(shop.tracker->track(klaviyo::cart_updated(cart)));
    }
    shop.tracker->run_once();
    for (const Json& body : bodies) EXPECT_EQ(shop.deliver(body.dump()).status, 200);
    for (int i = 0; i < 130; ++i) {
      shop.clock->advance(1min);
      shop.tracker->run_once();
    }
    const auto events = shop.recorded();
    EXPECT_EQ(count_of(events, "Abandoned Checkout"), 1) << name;
    for (const Json& event : events) {
      if (event["metric"] != "Abandoned Checkout") continue;
      EXPECT_EQ(event["email"], "else@goldenacre.example");
    }
  }
}

TEST_F(StripeField, F18ASessionAndItsInvoiceAreOneOrderInEveryOrderOfArrival) {
  for (const char* name : {"F18a", "F18b", "F18c", "F18d"}) {
    auto bodies = bodies_of(name);
    const auto by_id = [](const Json& a, const Json& b) { return a["id"] < b["id"]; };
    std::ranges::sort(bodies, by_id);
    do {
      const auto events = recorded_twice(bodies);
      EXPECT_EQ(count_of(events, "Placed Order"), 1) << name;
      EXPECT_EQ(revenue_of(events), 5'000) << name;
    } while (std::next_permutation(bodies.begin(), bodies.end(), by_id));
  }
}

}  // namespace
}  // namespace postbox::tests
