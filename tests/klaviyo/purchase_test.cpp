#include <gtest/gtest.h>

#include <klaviyo/schemas/purchase_fields.hpp>
#include <limits>
#include <postbox/event.hpp>
#include <postbox/services.hpp>

#include "support/klaviyo_test_data.hpp"

namespace {

using klaviyo::MinorUnits;
using klaviyo::Order;
using klaviyo::order_placed;
using klaviyo_test::attributes_of;
using klaviyo_test::Json;
using klaviyo_test::order;
using klaviyo_test::records_of;
using klaviyo_test::rule_at;
using klaviyo_test::violations_of;

std::string rule_for(const Order& order, std::string_view path) {
  return rule_at(violations_of(order_placed(order)), path);
}

TEST(PlacedOrder, HasTheDocumentedShape) {
  auto full = order();
  full.items[0].url = "https://shop.goldenacre.example/p1";
  full.items[0].image_url = "https://shop.goldenacre.example/p1.jpg";
  full.billing_address =
      klaviyo::Address{"Anna", "M", "Weg 1", "Ulm", "BW", "DE", "89073", "+49731"};
  full.properties = {{"Gift", false},
                     {"Points", std::int64_t{7}},
                     {"Tip", klaviyo::Money{5, "EUR"}},
                     {"Note", std::string("a \"b\"")},
                     {"Tags", std::vector<std::string>{"x", "y"}}};
  const auto records = records_of(order_placed(full));
  ASSERT_EQ(records.size(), 3U);
  const Json got = attributes_of(records[0]);
  EXPECT_EQ(got["metric"]["data"]["attributes"]["name"], "Placed Order");
  EXPECT_EQ(got["unique_id"], "1001");
  EXPECT_EQ(got["time"], "2026-11-22T10:00:00Z");
  EXPECT_EQ(got["value_currency"], "EUR");
  EXPECT_DOUBLE_EQ(got["value"].get<double>(), 32.0);  // 28.00 + 4.90 + 2.10 - 3.00
  EXPECT_EQ(got["properties"], Json::parse(R"({
    "OrderId": "1001", "Categories": ["Tea"], "ItemNames": ["Thé P1", "Thé P2"], "Brands": ["Acre"],
    "DiscountCode": "AUTUMN", "DiscountValue": 3.00,
    "Items": [
      {"ProductID": "P1", "SKU": "S-P1", "ProductName": "Thé P1", "Quantity": 2, "ItemPrice": 12.50,
       "RowTotal": 25.00, "ProductURL": "https://shop.goldenacre.example/p1",
       "ImageURL": "https://shop.goldenacre.example/p1.jpg", "Categories": ["Tea"], "Brand": "Acre"},
      {"ProductID": "P2", "SKU": "S-P2", "ProductName": "Thé P2", "Quantity": 1, "ItemPrice": 3.00,
       "RowTotal": 3.00, "Categories": ["Tea"], "Brand": "Acre"}],
    "BillingAddress": {"FirstName": "Anna", "LastName": "M", "Address1": "Weg 1", "City": "Ulm",
      "RegionCode": "BW", "CountryCode": "DE", "Zip": "89073", "Phone": "+49731"},
    "Gift": false, "Points": 7, "Tip": 0.05, "Note": "a \"b\"", "Tags": ["x", "y"]})"));
}

TEST(OrderedProduct, IsOnePerLineWithTheLinesTotal) {
  const auto records = records_of(order_placed(order()));
  ASSERT_EQ(records.size(), 3U);
  const Json got = attributes_of(records[1]);
  EXPECT_EQ(got["metric"]["data"]["attributes"]["name"], "Ordered Product");
  EXPECT_EQ(got["unique_id"], "1001_1");
  EXPECT_DOUBLE_EQ(got["value"].get<double>(), 25.0);
  EXPECT_EQ(got["properties"], Json::parse(R"({"OrderId": "1001", "ProductID": "P1", "SKU": "S-P1",
    "ProductName": "Thé P1", "Quantity": 2, "Categories": ["Tea"], "ProductBrand": "Acre"})"));
  EXPECT_EQ(attributes_of(records[2])["unique_id"], "1001_2");
}

TEST(OrderedProduct, AStockCodeRepeatedWithinAnOrderIsTwoEvents) {
  auto twice = order();
  twice.items[1] = twice.items[0];
  const auto records = records_of(order_placed(twice));
  ASSERT_EQ(records.size(), 3U);
  EXPECT_NE(records[1].dedup_key, records[2].dedup_key);
  EXPECT_EQ(attributes_of(records[0])["properties"]["ItemNames"].size(), 1U);
}

TEST(PlacedOrder, ARepeatedReportHasTheSameKeysAndBytes) {
  const auto first = records_of(order_placed(order()));
  const auto again = records_of(order_placed(order()));
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].dedup_key, again[i].dedup_key);
    EXPECT_EQ(first[i].payload, again[i].payload);
  }
}

TEST(PlacedOrder, AGivenTotalWinsAndAMissingTimeIsNow) {
  auto given = order();
  given.total = MinorUnits{2900};
  given.placed_at.reset();
  const Json got = attributes_of(records_of(order_placed(given))[0]);
  EXPECT_DOUBLE_EQ(got["value"].get<double>(), 29.0);
  EXPECT_EQ(got["time"], "2026-11-22T10:00:00Z");
}

TEST(PlacedOrder, AmountsHaveTheCurrencysDigitsInTheText) {
  auto yen = order();
  yen.currency = "JPY";
  EXPECT_NE(records_of(order_placed(yen))[0].payload.find(R"("ItemPrice":1250,)"),
            std::string::npos);
  auto dinar = order();
  dinar.currency = "KWD";
  EXPECT_NE(records_of(order_placed(dinar))[0].payload.find(R"("ItemPrice":1.250,)"),
            std::string::npos);
}

TEST(OrderRules, NegativeAndZeroQuantityAreRejectedWithTheirPath) {
  auto bad = order();
  bad.items[1].quantity = -2;
  EXPECT_EQ(rule_for(bad, "items[1].quantity"), "must be at least 1, found -2");
  bad.items[1].quantity = 0;
  EXPECT_EQ(rule_for(bad, "items[1].quantity"), "must be at least 1, found 0");
}

TEST(OrderRules, NegativePriceIsRejectedWithItsPath) {
  auto bad = order();
  bad.items[0].unit_price = {-1};
  EXPECT_EQ(rule_for(bad, "items[0].unit_price"), "must be at least 0, found -1");
}

TEST(OrderRules, AnEmptyOrderIsRejected) {
  auto bad = order();
  bad.items.clear();
  bad.discount = {};
  EXPECT_EQ(rule_for(bad, "items"), "must have at least 1 item, found 0");
}

TEST(OrderRules, AnUnknownCurrencyIsRejectedOnce) {
  auto bad = order();
  bad.currency = "EUx";
  const auto violations = violations_of(order_placed(bad));
  ASSERT_EQ(violations.size(), 1U);
  EXPECT_EQ(violations[0].path, "currency");
  EXPECT_EQ(violations[0].rule, "must be an ISO 4217 code such as \"EUR\", found \"EUx\"");
  bad.currency = {};
  EXPECT_EQ(rule_for(bad, "currency"), "is required");
}

TEST(OrderRules, InvalidUtf8IsMendedWithAWarningAtItsPathOnce) {
  auto mended = order();
  mended.items[1].name = "Th\xe9";
  postbox::EventBatch batch(klaviyo_test::now());
  order_placed(mended).encode(batch);
  EXPECT_TRUE(batch.violations().empty());
  ASSERT_EQ(batch.warnings().size(), 1U);
  EXPECT_EQ(batch.warnings()[0],
            (postbox::Violation{"items[1].name",
                                "is not valid UTF-8: what is broken was replaced by U+FFFD"}));
}

TEST(OrderRules, ANegativeTotalIsRejected) {
  auto bad = order();
  bad.discount.amount = {5'000};
  EXPECT_EQ(rule_for(bad, "total"), "must be at least 0, found -1500");
  bad = order();
  bad.total = MinorUnits{-1};
  EXPECT_EQ(rule_for(bad, "total"), "must be at least 0, found -1");
}

TEST(OrderRules, NegativeShippingTaxAndDiscountAreRejected) {
  auto bad = order();
  bad.shipping = {-1};
  bad.tax = {-2};
  bad.discount.amount = {-3};
  EXPECT_EQ(rule_for(bad, "shipping"), "must be at least 0, found -1");
  EXPECT_EQ(rule_for(bad, "tax"), "must be at least 0, found -2");
  EXPECT_EQ(rule_for(bad, "discount.amount"), "must be at least 0, found -3");
}

TEST(OrderRules, SumsThatOverflowAreRejected) {
  auto bad = order();
  bad.items[0].unit_price = {std::numeric_limits<std::int64_t>::max()};
  EXPECT_NE(rule_for(bad, "items[0].unit_price").find("must fit in 64 bits"), std::string::npos);
  EXPECT_NE(rule_for(bad, "total").find("must fit in 64 bits"), std::string::npos);
}

TEST(OrderRules, FourThousandLinesAreTheMost) {
  auto big = order();
  big.items.assign(4'000, klaviyo_test::item("P", 1, 1));
  big.discount = {};
  EXPECT_EQ(records_of(order_placed(big)).size(), 4'001U);
  big.items.push_back(big.items[0]);
  EXPECT_EQ(rule_for(big, "items"), "must have at most 4000 items, found 4001");
  EXPECT_TRUE(records_of(order_placed(big)).empty());
}

TEST(OrderRules, ARepeatedLineKeyIsRejectedAlsoWhenItIsAPosition) {
  auto bad = order();
  bad.items[0].line_id = bad.items[1].line_id = "l-1";
  EXPECT_EQ(rule_for(bad, "items[1].line_id"),
            "must be unique within the order, found the key of items[0]");
  bad.items[0].line_id = "2";
  bad.items[1].line_id = "";
  EXPECT_FALSE(rule_for(bad, "items[1].line_id").empty());
}

TEST(OrderRules, UniqueIdsHaveAtMost255Characters) {
  auto bad = order();
  bad.order_id = std::string(253, 'o');
  EXPECT_TRUE(violations_of(order_placed(bad)).empty());
  bad.order_id += 'o';
  EXPECT_NE(rule_for(bad, "items[0].line_id").find("255"), std::string::npos);
  bad.order_id = std::string(256, 'o');
  EXPECT_EQ(rule_for(bad, "order_id"), "must have at most 255 characters, found 256");
  bad.order_id = "";
  EXPECT_EQ(rule_for(bad, "order_id"), "is required");
}

// A note of 99 KB on each of 170 lines is 17 MB that nobody reads.
TEST(PropertyRules, LongOnesStandOnTheOrderAlone) {
  auto long_note = order();
  long_note.properties = {{"note", std::string(3'000, 'x')}};
  postbox::EventBatch batch(klaviyo_test::now());
  klaviyo::order_placed(long_note).encode(batch);
  ASSERT_GT(batch.records().size(), 1U);
  EXPECT_TRUE(attributes_of(batch.records()[0])["properties"].contains("note"));
  EXPECT_FALSE(attributes_of(batch.records()[1])["properties"].contains("note"));
  ASSERT_EQ(batch.warnings().size(), 1U);
  EXPECT_EQ(batch.warnings()[0].path, "properties");

  auto short_note = order();
  short_note.properties = {{"note", std::string(1'000, 'x')}};
  for (const auto& record : records_of(klaviyo::order_placed(short_note))) {
    EXPECT_TRUE(attributes_of(record)["properties"].contains("note"));
  }
}

TEST(PropertyRules, FourHundredInAllAreTheMost) {
  auto many = order();
  // Placed Order has seven members of its own here, Ordered Product as many.
  for (int i = 0; i < 393; ++i) many.properties.push_back({"p" + std::to_string(i), true});
  const auto records = records_of(order_placed(many));
  ASSERT_FALSE(records.empty());
  EXPECT_EQ(attributes_of(records[0])["properties"].size(), 400U);
  many.properties.push_back({"one more", true});
  EXPECT_EQ(rule_for(many, "properties"),
            "must be at most 400 together with the event's own 7, found 401");
  many.properties.resize(0);
  for (int i = 0; i < 401; ++i) many.properties.push_back({"p" + std::to_string(i), true});
  EXPECT_NE(rule_for(many, "properties").find("at most 400"), std::string::npos);
}

TEST(PropertyRules, ReservedTakenEmptyAndRepeatedNamesAreRejected) {
  auto bad = order();
  bad.properties = {{"$value", true}, {"OrderId", true}, {"ProductBrand", true},
                    {"", true},       {"a", true},       {"a", false}};
  EXPECT_NE(rule_for(bad, "properties[0].name").find("reserves"), std::string::npos);
  EXPECT_NE(rule_for(bad, "properties[1].name").find("OrderId"), std::string::npos);
  EXPECT_NE(rule_for(bad, "properties[2].name").find("ProductBrand"), std::string::npos);
  EXPECT_EQ(rule_for(bad, "properties[3].name"), "is required");
  EXPECT_NE(rule_for(bad, "properties[5].name").find("repeat"), std::string::npos);
}

TEST(PropertyRules, ValuesAreChecked) {
  auto bad = order();
  bad.properties = {{"a", klaviyo::Money{1, "eurr"}}, {"b", klaviyo::Decimal{1, 19}}};
  EXPECT_NE(rule_for(bad, "properties[0].value.currency").find("\"eurr\""), std::string::npos);
  EXPECT_FALSE(rule_for(bad, "properties[1].value.digits").empty());
}

TEST(PropertyRules, WhatKlaviyoIgnoresIsReportedAndRefusesNothing) {
  auto vain = order();
  vain.properties = {{"zero", std::int64_t{0}},
                     {"free", klaviyo::Money{0, "EUR"}},
                     {"none", std::string()},
                     {"no list", std::vector<std::string>{}},
                     {"off", false},
                     {"one", std::int64_t{1}}};
  klaviyo::Config config;
  config.api_key = "pk_0123456789abcdef";
  config.engine.outbox.url = "memory:";
  config.set(klaviyo::kPurchase, postbox::Flag::on());
  auto tracker = klaviyo::start(config, {.threads = false});
  ASSERT_TRUE(tracker) << tracker.error().message;
  const auto result = tracker->track(order_placed(vain));
  EXPECT_EQ(result.status(), postbox::TrackStatus::kAccepted);
  EXPECT_TRUE(result.violations().empty());
  ASSERT_EQ(result.warnings().size(), 4U) << result.to_string();
  EXPECT_EQ(rule_at(result.warnings(), "properties[0].value"),
            "is zero, which Klaviyo reads as never set");
  EXPECT_FALSE(rule_at(result.warnings(), "properties[1].value").empty());
  EXPECT_EQ(rule_at(result.warnings(), "properties[2].value"),
            "is empty and not sent: Klaviyo reads it as never set");
  EXPECT_FALSE(rule_at(result.warnings(), "properties[3].value").empty());
  EXPECT_NE(result.to_string().find("accepted: properties[0].value: is zero"), std::string::npos);
  EXPECT_TRUE(tracker->track(order_placed(order())).warnings().empty());
}

TEST(OrderRules, APayloadOfMoreThan5MegaBytesIsRejectedAsAWhole) {
  auto big = order();
  for (int i = 0; i < 60; ++i) {
    big.properties.push_back({"p" + std::to_string(i), std::string(99'000, 'x')});
  }
  const auto violations = violations_of(order_placed(big));
  ASSERT_EQ(violations.size(), 1U);
  EXPECT_NE(violations[0].rule.find("5 MB"), std::string::npos);
  EXPECT_TRUE(records_of(order_placed(big)).empty());
}

TEST(OrderRules, EveryBrokenRuleIsReportedAtOnceWithoutPersonalData) {
  auto bad = order();
  bad.customer.email = "secret-name@";
  bad.customer.phone = "0170secret";
  bad.customer.external_id.clear();
  bad.items[0].quantity = 0;
  bad.currency = "XXX";
  const auto violations = violations_of(order_placed(bad));
  EXPECT_EQ(violations.size(), 4U);
  for (const auto& violation : violations) {
    EXPECT_EQ(violation.rule.find("secret"), std::string::npos);
  }
}

TEST(OrderRules, LinesMayBeUnknownWhenTheTotalIsNot) {
  auto paid = order();
  paid.items.clear();
  paid.lines_unknown = true;
  EXPECT_EQ(rule_for(paid, "total"), "is required");
  paid.total = MinorUnits{2'900};
  const auto records = records_of(order_placed(paid));
  ASSERT_EQ(records.size(), 1U);
  const Json got = attributes_of(records[0]);
  EXPECT_DOUBLE_EQ(got["value"].get<double>(), 29.0);
  EXPECT_FALSE(got["properties"].contains("Items"));
}

TEST(OrderRules, AnIdOfTheCallersOwnIsTheKeyOfEveryEvent) {
  auto adapted = order();
  adapted.unique_id = "stripe:in_1";
  const auto records = records_of(order_placed(adapted));
  ASSERT_EQ(records.size(), 3U);
  EXPECT_EQ(attributes_of(records[0])["unique_id"], "stripe:in_1");
  EXPECT_EQ(attributes_of(records[0])["properties"]["OrderId"], "1001");
  EXPECT_EQ(attributes_of(records[2])["unique_id"], "stripe:in_1_2");
  adapted.unique_id.assign(256, 'x');
  EXPECT_EQ(rule_for(adapted, "unique_id"), "must have at most 255 characters, found 256");
}

TEST(OrderRules, ALineOfAnInvoiceHasATotalOfItsOwn) {
  auto invoice = order();
  invoice.items = {klaviyo_test::item("P1", 3, 0)};
  invoice.items[0].row_total = MinorUnits{1'000};
  invoice.items[0].price_id = "price_1";
  invoice.items[0].proration = true;
  const auto records = records_of(order_placed(invoice));
  ASSERT_EQ(records.size(), 2U);
  const Json got = attributes_of(records[0]);
  EXPECT_DOUBLE_EQ(got["value"].get<double>(), 14.0);  // 10.00 + 4.90 + 2.10 - 3.00
  const Json line = got["properties"]["Items"][0];
  EXPECT_DOUBLE_EQ(line["RowTotal"].get<double>(), 10.0);
  EXPECT_FALSE(line.contains("ItemPrice"));
  EXPECT_EQ(line["PriceID"], "price_1");
  EXPECT_EQ(line["Proration"], true);
  EXPECT_DOUBLE_EQ(attributes_of(records[1])["value"].get<double>(), 10.0);
  invoice.items[0].row_total = MinorUnits{-1};
  EXPECT_EQ(rule_for(invoice, "items[0].row_total"), "must be at least 0, found -1");
}

}  // namespace
