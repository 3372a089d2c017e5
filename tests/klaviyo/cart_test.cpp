#include <gtest/gtest.h>

#include "support/klaviyo_test_data.hpp"

namespace {

using klaviyo::cart_updated;
using klaviyo_test::attributes_of;
using klaviyo_test::cart;
using klaviyo_test::Json;
using klaviyo_test::records_of;
using klaviyo_test::rule_at;
using klaviyo_test::violations_of;

postbox::Key key_of(const klaviyo::Cart& cart) {
  return records_of(cart_updated(cart))[0].dedup_key;
}

TEST(CartUpdated, HasWhatLiesInTheCartAsItsValue) {
  const auto records = records_of(cart_updated(cart()));
  ASSERT_EQ(records.size(), 1U);
  const Json got = attributes_of(records[0]);
  EXPECT_EQ(got["metric"]["data"]["attributes"]["name"], "Cart Updated");
  EXPECT_DOUBLE_EQ(got["value"].get<double>(), 25.0);
  EXPECT_EQ(got["properties"], Json::parse(R"({"CartId": "c-7", "UserId": "user-42",
    "IsEmpty": false, "ItemCount": 1, "Categories": ["Tea"], "ItemNames": ["Thé P1"],
    "CheckoutURL": "https://shop.goldenacre.example/checkout",
    "Items": [{"ProductID": "P1", "SKU": "S-P1", "ProductName": "Thé P1", "Quantity": 2,
      "ItemPrice": 12.50, "RowTotal": 25.00, "ProductCategories": ["Tea"], "Brand": "Acre"}]})"));
}

TEST(CartUpdated, TheSameUpdateIsOneEventAndANewStateIsANewOne) {
  EXPECT_EQ(key_of(cart()), key_of(cart()));
  auto more = cart();
  more.items[0].quantity = 3;
  EXPECT_NE(key_of(more), key_of(cart()));
  auto later = cart();
  later.updated_at = *later.updated_at + std::chrono::seconds(1);
  EXPECT_NE(key_of(later), key_of(cart()));
  auto same_second = cart();
  same_second.updated_at = *same_second.updated_at + std::chrono::milliseconds(999);
  EXPECT_EQ(key_of(same_second), key_of(cart()));
}

TEST(CartUpdated, AVersionStandsForTheContents) {
  auto versioned = cart();
  versioned.version = 4;
  EXPECT_EQ(attributes_of(records_of(cart_updated(versioned))[0])["unique_id"], "c-7_4_1795341600");
  auto next = versioned;
  next.version = 5;
  EXPECT_NE(key_of(next), key_of(versioned));
}

TEST(CartUpdated, AnEmptiedCartIsAStateToo) {
  auto empty = cart();
  empty.items.clear();
  const Json got = attributes_of(records_of(cart_updated(empty))[0]);
  EXPECT_EQ(got["properties"]["IsEmpty"], true);
  EXPECT_EQ(got["value"], 0.0);
  empty.currency = {};
  EXPECT_TRUE(violations_of(cart_updated(empty)).empty());
  EXPECT_FALSE(attributes_of(records_of(cart_updated(empty))[0]).contains("value"));
}

TEST(AddedToCart, NamesTheItemAndHasTheCartsValue) {
  const auto event = added_to_cart(cart(), klaviyo_test::item("P1", 1, 1250));
  const auto records = records_of(event);
  ASSERT_EQ(records.size(), 1U);
  const Json got = attributes_of(records[0]);
  EXPECT_EQ(got["metric"]["data"]["attributes"]["name"], "Added to Cart");
  EXPECT_DOUBLE_EQ(got["value"].get<double>(), 25.0);
  Json expected = attributes_of(records_of(cart_updated(cart()))[0])["properties"];
  expected.erase("IsEmpty");
  expected.update(Json::parse(R"({"AddedItemProductID": "P1", "AddedItemSKU": "S-P1",
    "AddedItemProductName": "Thé P1", "AddedItemQuantity": 1, "AddedItemPrice": 12.50,
    "AddedItemCategories": ["Tea"], "AddedItemBrand": "Acre"})"));
  EXPECT_EQ(got["properties"], expected);
}

TEST(AddedToCart, TwoItemsInOneSecondAreTwoEventsAlsoWithAVersion) {
  auto versioned = cart();
  versioned.version = 4;
  const auto key = [&](const klaviyo::CartItem& added) {
    return records_of(added_to_cart(versioned, added))[0].dedup_key;
  };
  EXPECT_EQ(key(klaviyo_test::item("P1", 1, 1)), key(klaviyo_test::item("P1", 1, 1)));
  EXPECT_NE(key(klaviyo_test::item("P1", 1, 1)), key(klaviyo_test::item("P2", 1, 1)));
  EXPECT_NE(key(klaviyo_test::item("P1", 1, 1)), key(klaviyo_test::item("P1", 2, 1)));
}

TEST(StartedCheckout, MayHappenToACartAgain) {
  const Json got = attributes_of(records_of(checkout_started(cart()))[0]);
  EXPECT_EQ(got["metric"]["data"]["attributes"]["name"], "Started Checkout");
  EXPECT_EQ(got["unique_id"], "c-7_1795341600");
  EXPECT_DOUBLE_EQ(got["value"].get<double>(), 25.0);
  Json expected = attributes_of(records_of(cart_updated(cart()))[0])["properties"];
  expected.erase("IsEmpty");
  EXPECT_EQ(got["properties"], expected);
  auto later = cart();
  later.updated_at = *later.updated_at + std::chrono::hours(1);
  EXPECT_EQ(attributes_of(records_of(checkout_started(later))[0])["unique_id"], "c-7_1795345200");
}

TEST(AbandonedCheckout, HasTheWayBackAndItsAmountAsAProperty) {
  const auto event =
      checkout_abandoned(cart(), {.recovery_url = "https://shop.goldenacre.example/r?token=t",
                                  .abandoned_at = klaviyo_test::now() + std::chrono::hours(1)});
  const Json got = attributes_of(records_of(event)[0]);
  EXPECT_EQ(got["metric"]["data"]["attributes"]["name"], "Abandoned Checkout");
  EXPECT_EQ(got["unique_id"], "c-7_1795341600");
  EXPECT_EQ(got["time"], "2026-11-22T11:00:00Z");
  EXPECT_FALSE(got.contains("value"));
  Json expected = attributes_of(records_of(checkout_started(cart()))[0])["properties"];
  expected.update(Json::parse(R"({"RecoveryURL": "https://shop.goldenacre.example/r?token=t",
    "Amount": 25.0, "Currency": "EUR"})"));
  EXPECT_EQ(got["properties"], expected);
}

TEST(AbandonedCheckout, NeedsNoLinesWhenTheAmountIsKnown) {
  klaviyo::Cart session;
  session.cart_id = "cs_1";
  session.currency = "USD";
  session.total = klaviyo::MinorUnits{4'900};
  session.customer = klaviyo_test::customer();
  session.unique_id = "stripe:cs_1";
  const Json got = attributes_of(records_of(checkout_abandoned(session))[0]);
  EXPECT_EQ(got["unique_id"], "stripe:cs_1");
  EXPECT_EQ(got["properties"],
            Json::parse(R"({"CartId": "cs_1", "Amount": 49.0, "Currency": "USD"})"));
}

TEST(CartEvents, TheLogLineNamesTheUser) {
  const std::vector<klaviyo::CartEvent> events = {
      cart_updated(cart()), added_to_cart(cart(), klaviyo_test::item("P1", 1, 1)),
      checkout_started(cart()), checkout_abandoned(cart())};
  ASSERT_EQ(events.size(), klaviyo::kCartMetrics.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    const auto line = klaviyo_test::destination().log_line(
        records_of(events[i])[0], {.kind = postbox::VerdictKind::kDelivered, .http_status = 202});
    EXPECT_EQ(line.text, "Klaviyo " + std::string(klaviyo::kCartMetrics[i].log_name) +
                             " event sent for user: user-42");
  }
}

TEST(CartRules, ACheckoutHasSomethingInIt) {
  auto empty = cart();
  empty.items.clear();
  for (const auto& event :
       {checkout_started(empty), checkout_abandoned(empty), added_to_cart(empty, {})}) {
    EXPECT_EQ(rule_at(violations_of(event), "items"), "must have at least 1 item, found 0");
  }
  empty.total = klaviyo::MinorUnits{1};
  EXPECT_TRUE(violations_of(checkout_started(empty)).empty());
  empty.total = klaviyo::MinorUnits{-1};
  EXPECT_EQ(rule_at(violations_of(checkout_started(empty)), "total"),
            "must be at least 0, found -1");
}

TEST(CartRules, TheDetailsHaveRulesToo) {
  klaviyo::CartItem bad;
  bad.quantity = 0;
  bad.unit_price = {-1};
  const auto added = violations_of(added_to_cart(cart(), bad));
  EXPECT_EQ(rule_at(added, "added.product_id"), "is required");
  EXPECT_EQ(rule_at(added, "added.name"), "is required");
  EXPECT_EQ(rule_at(added, "added.quantity"), "must be at least 1, found 0");
  EXPECT_EQ(rule_at(added, "added.unit_price"), "must be at least 0, found -1");
  const auto late = violations_of(
      checkout_abandoned(cart(), {.abandoned_at = klaviyo_test::now() + std::chrono::days(400)}));
  EXPECT_FALSE(rule_at(late, "abandonment.abandoned_at").empty());
}

TEST(CartRules, EveryBrokenRuleIsReportedWithItsPath) {
  auto bad = cart();
  bad.cart_id = "";
  bad.currency = {};
  bad.items[0].quantity = -1;
  bad.items[0].product_id = "";
  bad.customer = {};
  const auto violations = violations_of(cart_updated(bad));
  EXPECT_EQ(rule_at(violations, "cart_id"), "is required");
  EXPECT_EQ(rule_at(violations, "currency"), "is required");
  EXPECT_EQ(rule_at(violations, "items[0].quantity"), "must be at least 1, found -1");
  EXPECT_EQ(rule_at(violations, "items[0].product_id"), "is required");
  EXPECT_FALSE(rule_at(violations, "customer").empty());
}

}  // namespace
