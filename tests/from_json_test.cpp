// The example server's reader of orders, carts and subscriptions: what it takes, and what it says
// about what it does not take.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <klaviyo/klaviyo.hpp>
#include <klaviyo_json/from_json.hpp>
#include <postbox/rfc3339.hpp>
#include <string>
#include <vector>

#include "../examples/checkout_server/metrics.hpp"
#include "support/field_cases.hpp"

namespace checkout {
namespace {

using namespace std::chrono_literals;
using postbox::Violation;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr auto kMinimal = R"({"order_id": "1001", "currency": "EUR",
  "customer": {"email": "ines@goldenacre.example"},
  "items": [{"product_id": "P1", "name": "Thé vert", "quantity": 2, "unit_price": 1250}]})";

std::vector<std::string> paths(const Violations& violations) {
  std::vector<std::string> list;
  for (const auto& violation : violations) list.push_back(violation.path);
  return list;
}

TEST(ReadOrder, HalfASurrogatePairBecomesAReplacementCharacterWithAWarning) {
  const auto cases = postbox::tests::field_case("F15.json");
  if (cases.is_null()) GTEST_SKIP() << "no cases from the field";
  for (const auto& [name, escaped] : cases.items()) {
    const std::string text =
        R"({"order_id": "1001", "currency": "EUR", "unread": ")" + escaped.get<std::string>() +
        R"(", "customer": {"email": "ines@goldenacre.example"},
      "items": [{"product_id": "P1", "name": ")" +
        escaped.get<std::string>() + R"(", "quantity": 2, "unit_price": 1250}]})";
    const auto body = read_order(text);
    EXPECT_TRUE(body.readable) << name;
    EXPECT_THAT(body.violations, IsEmpty()) << name;
    ASSERT_EQ(body.value.items.size(), 1U) << name;
    const bool is_half =
        name.starts_with("truncated") || name.starts_with("low half") || name.starts_with("halves");
    EXPECT_EQ(body.value.items[0].name.find("\ufffd") != std::string::npos, is_half) << name;
    EXPECT_EQ(paths(body.warnings),
              is_half ? std::vector<std::string>{"body"} : std::vector<std::string>{})
        << name;
    postbox::EventBatch batch{postbox::WallTime(1'780'000'000s)};
    klaviyo::order_placed(body.value).encode(batch);
    EXPECT_THAT(batch.violations(), IsEmpty()) << name;
  }
}

// An order that is valid but for one line, in which `from` is replaced by `to`.
Body<klaviyo::Order> read_changed(const std::string& from, const std::string& to) {
  std::string text = kMinimal;
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return read_order(text.replace(at, from.size(), to));
}

TEST(OrderJson, ReadsAnOrderWithOnlyWhatIsRequired) {
  const auto body = read_order(kMinimal);
  EXPECT_THAT(body.violations, IsEmpty());
  EXPECT_EQ(body.value.order_id, "1001");
  EXPECT_EQ(body.value.currency, klaviyo::Currency("EUR"));
  EXPECT_EQ(body.value.customer.email, "ines@goldenacre.example");
  ASSERT_EQ(body.value.items.size(), 1U);
  EXPECT_EQ(body.value.items[0].name, "Thé vert");
  EXPECT_EQ(body.value.items[0].quantity, 2);
  EXPECT_EQ(body.value.items[0].unit_price.count, 1250);
  EXPECT_FALSE(body.value.placed_at || body.value.total || body.value.billing_address);
}

TEST(OrderJson, ReadsEverythingAnOrderMayHave) {
  const auto body = read_order(R"({"order_id": "1", "currency": "EUR", "cart_id": "c-7",
    "placed_at": "2026-11-22T10:00:00Z", "customer": {"phone": "+49170", "external_id": "u",
    "first_name": "A", "last_name": "B"}, "items": [{"line_id": "L", "product_id": "P", "sku": "S",
    "name": "N", "quantity": 1, "unit_price": 1, "url": "U", "image_url": "I",
    "categories": ["Tea", "Green"], "brand": "B"}], "discount": {"code": "AUTUMN", "amount": 300},
    "shipping": 490, "tax": 210, "total": 2900, "billing_address": {"address1": "Street 1",
    "city": "C", "region_code": "R", "country_code": "DE", "zip": "1", "phone": "+49"},
    "shipping_address": {"first_name": "F", "last_name": "L"},
    "properties": {"gift": true, "floor": -2, "note": "n", "tags": ["a"]}, "unknown": {"a": [1]}})");
  const auto& order = body.value;
  EXPECT_THAT(body.violations, IsEmpty());
  EXPECT_EQ(order.placed_at, postbox::parse_rfc3339("2026-11-22T10:00:00Z"));
  EXPECT_EQ(order.customer.last_name, "B");
  EXPECT_EQ(order.items[0].line_id, "L");
  EXPECT_THAT(order.items[0].categories, ElementsAre("Tea", "Green"));
  EXPECT_EQ(order.discount.amount.count, 300);
  EXPECT_EQ(order.shipping.count + order.tax.count + order.total->count, 490 + 210 + 2900);
  EXPECT_EQ(order.billing_address->zip, "1");
  EXPECT_EQ(order.shipping_address->last_name, "L");
  ASSERT_EQ(order.properties.size(), 4U);
  EXPECT_EQ(std::get<std::int64_t>(order.properties[0].value), -2);
  EXPECT_EQ(std::get<bool>(order.properties[1].value), true);
}

TEST(OrderJson, NullIsTheSameAsAbsent) {
  EXPECT_THAT(read_changed("{\"order_id\"",
                           "{\"tax\": null, \"properties\": {\"a\": null}, "
                           "\"billing_address\": null, \"order_id\"")
                  .violations,
              IsEmpty());
  EXPECT_THAT(paths(read_changed("\"quantity\": 2", "\"quantity\": null").violations),
              ElementsAre("items[0].quantity"));
}

TEST(OrderJson, TakesNoNumberThatIsNotAnInteger) {
  for (const std::string bad : {"12.5", "12.0", "1e3", "9223372036854775808", "-1e2",
                                "18446744073709551616", "\"1250\"", "true", "[1250]"}) {
    EXPECT_THAT(paths(read_changed("1250", bad).violations), ElementsAre("items[0].unit_price"))
        << bad;
  }
  EXPECT_EQ(read_changed("1250", "9223372036854775807").value.items[0].unit_price.count,
            std::numeric_limits<std::int64_t>::max());
}

TEST(OrderJson, ReportsEveryViolationWithItsPath) {
  const auto body = read_order(R"({"order_id": 7, "currency": "EUR", "placed_at": "yesterday",
    "customer": {"email": ["a"]}, "items": [{"quantity": "2"}, "tea", {"categories": "Tea"}],
    "discount": 3, "properties": {"price": 1.5, "a b": {}, "tags": [1]}})");
  EXPECT_THAT(paths(body.violations),
              UnorderedElementsAre("order_id", "placed_at", "customer.email", "items[0].quantity",
                                   "items[0].unit_price", "items[1]", "items[2].quantity",
                                   "items[2].unit_price", "items[2].categories", "discount",
                                   "properties.price", "properties[0]", "properties.tags[0]"));
  EXPECT_EQ(body.value.items.size(), 3U) << "positions of later violations would shift";
}

TEST(OrderJson, NeverQuotesWhatItFound) {
  const auto body = read_order(R"({"order_id": {"ines@goldenacre.example": "+491701234567"},
    "customer": "ines@goldenacre.example", "currency": "EUR", "placed_at": "+491701234567",
    "properties": {"ines@goldenacre.example": {}}, "items": ["+491701234567"]})");
  ASSERT_EQ(body.violations.size(), 5U);
  for (const auto& [path, rule] : body.violations) {
    EXPECT_EQ((path + rule).find_first_of("@+"), std::string::npos) << path << ": " << rule;
  }
}

TEST(OrderJson, SaysSoWhenThereIsNoObject) {
  const std::string deep(200'000, '[');
  for (const std::string& text : {std::string(), std::string("{"), std::string("[]"),
                                  std::string("null"), std::string("{\"a\": \xff}"), deep}) {
    const auto body = read_order(text);
    EXPECT_FALSE(body.readable);
    EXPECT_THAT(body.violations, ElementsAre(Field(&Violation::rule, HasSubstr("must be"))));
  }
}

TEST(OrderJson, ABrokenByteCostsNoOrder) {
  const auto body =
      read_changed("Thé vert", "Th\xe9 vert \xf0\x9f\x8d");  // Latin-1, and a cut emoji
  EXPECT_THAT(body.violations, IsEmpty());
  EXPECT_EQ(body.value.items.at(0).name, "Th\ufffd vert \ufffd");
  EXPECT_THAT(body.warnings, ElementsAre(Field(&Violation::rule, HasSubstr("not UTF-8"))));
}

TEST(CartJson, TheUserIsTheCustomerWhenNobodyElseIs) {
  const auto anonymous = read_cart(R"({"cart_id": "c", "currency": "EUR", "items": [],
    "version": 3, "updated_at": "2026-11-22T10:00:00Z"})",
                                   "u-7");
  EXPECT_THAT(anonymous.violations, IsEmpty());
  EXPECT_EQ(anonymous.value.user_id, "u-7");
  EXPECT_EQ(anonymous.value.customer.external_id, "u-7");
  EXPECT_EQ(anonymous.value.version, 3);
  const auto known = read_cart(R"({"customer": {"email": "a@goldenacre.example"}})", "u-7");
  EXPECT_EQ(known.value.customer.external_id, "");
  EXPECT_THAT(paths(known.violations), ElementsAre("items"));
}

TEST(SubscriptionJson, ReadsASubscription) {
  const auto body = read_subscription(R"({"subscription_id": "s", "plan_id": "p",
    "plan_name": "Tea", "currency": "KWD", "amount": 1900, "interval": "year", "interval_count": 2,
    "quantity": 3, "status": "trialing", "started_at": "2026-11-22T10:00:00Z",
    "trial_end": "2026-12-22T10:00:00Z", "current_period_end": "2027-11-22T10:00:00Z",
    "customer": {"external_id": "u"}})");
  EXPECT_THAT(body.violations, IsEmpty());
  EXPECT_EQ(body.value.price.minor, 1900);
  EXPECT_EQ(body.value.price.currency, klaviyo::Currency("KWD"));
  EXPECT_EQ(body.value.interval, klaviyo::Interval::kYear);
  EXPECT_EQ(body.value.interval_count, 2);
  EXPECT_TRUE(body.value.trial_end && body.value.current_period_end && body.value.started_at);
}

TEST(SubscriptionJson, RefusesAnUnknownInterval) {
  const auto body = read_subscription(R"({"interval": "fortnight", "currency": "EUR"})");
  EXPECT_THAT(paths(body.violations), UnorderedElementsAre("interval", "amount"));
}

TEST(ConsentJson, ReadsAWordAboutMarketing) {
  using klaviyo::Channel;
  const auto body = read_consent(R"({"action": "subscribe", "email": "ines@goldenacre.example",
    "phone": "+491701234567", "channels": ["email", "sms", "whatsapp"], "list": "Y6nRLr",
    "consented_at": "2026-11-22T10:00:00Z", "custom_source": "Checkout"})");
  EXPECT_THAT(body.violations, IsEmpty());
  EXPECT_EQ(body.value.action, klaviyo::ConsentUpdate::Verb::kSubscribe);
  EXPECT_EQ(body.value.customer.email, "ines@goldenacre.example");
  EXPECT_EQ(body.value.customer.phone, "+491701234567");
  EXPECT_THAT(body.value.consent.channels,
              ElementsAre(Channel::kEmail, Channel::kSms, Channel::kWhatsApp));
  EXPECT_EQ(body.value.consent.list, "Y6nRLr");
  EXPECT_EQ(body.value.consent.consented_at, postbox::parse_rfc3339("2026-11-22T10:00:00Z"));
  EXPECT_EQ(body.value.consent.custom_source, "Checkout");

  const auto end = read_consent(R"({"action": "unsubscribe", "email": "i@goldenacre.example"})");
  EXPECT_THAT(end.violations, IsEmpty());
  EXPECT_EQ(end.value.action, klaviyo::ConsentUpdate::Verb::kUnsubscribe);
  EXPECT_THAT(end.value.consent.channels, ElementsAre(Channel::kEmail));
}

TEST(ConsentJson, SubscribesNobodyByAMistake) {
  for (const auto* bad :
       {R"({})", R"({"action": null})", R"({"action": "Subscribe"})", R"({"action": true})"}) {
    const auto body = read_consent(bad);
    EXPECT_THAT(paths(body.violations), ElementsAre("action")) << bad;
    EXPECT_EQ(body.value.action, klaviyo::ConsentUpdate::Verb::kUnsubscribe) << bad;
  }
  EXPECT_THAT(
      paths(read_consent(R"({"action": "subscribe", "channels": ["sms", "fax"]})").violations),
      ElementsAre("channels[1]"));
  EXPECT_THAT(paths(read_consent(R"({"action": "subscribe", "channels": "sms"})").violations),
              ElementsAre("channels"));
}

TEST(BodyPath, NamesWhatTheClientWrote) {
  const std::vector<klaviyo::Property> properties = {{"gift", true}, {"a@b", false}};
  EXPECT_EQ(body_path("price", properties), "amount");
  EXPECT_EQ(body_path("price.currency", properties), "currency");
  EXPECT_EQ(body_path("properties[0].name", properties), "properties.gift");
  EXPECT_EQ(body_path("properties[1].name", properties), "properties[1]");
  EXPECT_EQ(body_path("items[2].quantity", properties), "items[2].quantity");
}

TEST(Merge, LeavesOutWhatFollowsFromAnUnreadableValue) {
  const Violations body = {{"items[1]", "must be an object"}, {"order_id", "must be a string"}};
  const Violations event = {{"order_id", "is required"},
                            {"items[1].name", "is required"},
                            {"items[10].name", "is required"}};
  EXPECT_THAT(paths(merge(body, event)), ElementsAre("items[1]", "order_id", "items[10].name"));
}

TEST(Latency, QuantilesAreExactToASixteenth) {
  Latency latency;
  EXPECT_EQ(latency.quantile(0.5), 0);
  for (int i = 1; i <= 1000; ++i) latency.record(std::chrono::microseconds(i));
  latency.record(-1ns);
  EXPECT_EQ(latency.count(), 1001U);
  EXPECT_NEAR(latency.quantile(0.5), 500e-6, 500e-6 / 16);
  EXPECT_NEAR(latency.quantile(0.99), 990e-6, 990e-6 / 16);
  latency.record(std::chrono::nanoseconds::max());
  EXPECT_GT(latency.quantile(1), 1e9);
}

}  // namespace
}  // namespace checkout
