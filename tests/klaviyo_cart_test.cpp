#include <gtest/gtest.h>

#include "klaviyo_test_data.hpp"

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
      "ItemPrice": 12.50, "RowTotal": 25.00, "Categories": ["Tea"], "Brand": "Acre"}]})"));
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
