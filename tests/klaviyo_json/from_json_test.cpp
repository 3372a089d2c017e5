// Orders, carts and the like out of JSON: what is read, and what is said about what cannot be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <klaviyo/klaviyo.hpp>
#include <klaviyo_json/from_json.hpp>
#include <nlohmann/json.hpp>
#include <postbox/event.hpp>
#include <postbox/rfc3339.hpp>
#include <string>
#include <vector>

#include "support/field_cases.hpp"

namespace klaviyo {
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

std::vector<std::string> paths(const std::vector<Violation>& violations) {
  std::vector<std::string> list;
  for (const auto& violation : violations) list.push_back(violation.path);
  return list;
}

TEST(OrderJson, HalfASurrogatePairBecomesAReplacementCharacterWithAWarning) {
  const auto cases = postbox::tests::field_case("F15.json");
  if (cases.is_null()) GTEST_SKIP() << "no cases from the field";
  for (const auto& [name, escaped] : cases.items()) {
    const std::string text =
        R"({"order_id": "1001", "currency": "EUR", "unread": ")" + escaped.get<std::string>() +
        R"(", "customer": {"email": "ines@goldenacre.example"},
      "items": [{"product_id": "P1", "name": ")" +
        escaped.get<std::string>() + R"(", "quantity": 2, "unit_price": 1250}]})";
    const auto body = parse_json<Order>(text);
    EXPECT_TRUE(body.is_object) << name;
    EXPECT_THAT(body.violations, IsEmpty()) << name;
    ASSERT_EQ(body.value.items.size(), 1U) << name;
    const bool is_half =
        name.starts_with("truncated") || name.starts_with("low half") || name.starts_with("halves");
    EXPECT_EQ(body.value.items[0].name.find("\ufffd") != std::string::npos, is_half) << name;
    EXPECT_EQ(paths(body.warnings),
              is_half ? std::vector<std::string>{"body"} : std::vector<std::string>{})
        << name;
    postbox::EventBatch batch{postbox::WallTime(1'780'000'000s)};
    order_placed(body.value).encode(batch);
    EXPECT_THAT(batch.violations(), IsEmpty()) << name;
  }
}

// An order that is valid but for one line, in which `from` is replaced by `to`.
FromJson<Order> read_changed(const std::string& from, const std::string& to) {
  std::string text = kMinimal;
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return parse_json<Order>(text.replace(at, from.size(), to));
}

TEST(OrderJson, ReadsAnOrderWithOnlyWhatIsRequired) {
  const auto body = parse_json<Order>(kMinimal);
  EXPECT_THAT(body.violations, IsEmpty());
  EXPECT_EQ(body.value.order_id, "1001");
  EXPECT_EQ(body.value.currency, Currency("EUR"));
  EXPECT_EQ(body.value.customer.email, "ines@goldenacre.example");
  ASSERT_EQ(body.value.items.size(), 1U);
  EXPECT_EQ(body.value.items[0].name, "Thé vert");
  EXPECT_EQ(body.value.items[0].quantity, 2);
  EXPECT_EQ(body.value.items[0].unit_price.count, 1250);
  EXPECT_FALSE(body.value.placed_at || body.value.total || body.value.billing_address);
}

TEST(OrderJson, ReadsEverythingAnOrderMayHave) {
  const auto body = parse_json<Order>(R"({"order_id": "1", "currency": "EUR", "cart_id": "c-7",
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
  const auto body =
      parse_json<Order>(R"({"order_id": 7, "currency": "EUR", "placed_at": "yesterday",
    "customer": {"email": ["a"]}, "items": [{"quantity": "2"}, "tea", {"categories": "Tea"}],
    "discount": 3, "properties": {"price": 1e300, "a b": [[]], "tags": [1]}})");
  EXPECT_THAT(paths(body.violations),
              UnorderedElementsAre("order_id", "placed_at", "customer.email", "items[0].quantity",
                                   "items[0].unit_price", "items[1]", "items[2].quantity",
                                   "items[2].unit_price", "items[2].categories", "discount",
                                   "properties.price", "properties[0][0]", "properties.tags[0]"));
  EXPECT_EQ(body.value.items.size(), 3U) << "positions of later violations would shift";
}

TEST(OrderJson, NeverQuotesWhatItFound) {
  const auto body = parse_json<Order>(R"({"order_id": {"ines@goldenacre.example": "+491701234567"},
    "customer": "ines@goldenacre.example", "currency": "EUR", "placed_at": "+491701234567",
    "properties": {"ines@goldenacre.example": [7]}, "items": ["+491701234567"]})");
  ASSERT_EQ(body.violations.size(), 5U);
  for (const auto& [path, rule] : body.violations) {
    EXPECT_EQ((path + rule).find_first_of("@+"), std::string::npos) << path << ": " << rule;
  }
}

TEST(OrderJson, SaysSoWhenThereIsNoObject) {
  const std::string deep(200'000, '[');
  for (const std::string& text : {std::string(), std::string("{"), std::string("[]"),
                                  std::string("null"), std::string("{\"a\": \xff}"), deep}) {
    const auto body = parse_json<Order>(text);
    EXPECT_FALSE(body.is_object);
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

TEST(CartJson, ReadsACart) {
  const auto body = parse_json<Cart>(R"({"cart_id": "c", "user_id": "u-7", "currency": "EUR",
    "items": [{"product_id": "P", "name": "N", "quantity": 1, "row_total": 300}], "total": 290,
    "version": 3, "updated_at": "2026-11-22T10:00:00Z", "checkout_url": "https://shop/c",
    "unique_id": "c_3"})");
  EXPECT_THAT(body.violations, IsEmpty());
  EXPECT_EQ(body->user_id, "u-7");
  EXPECT_EQ(body->items.at(0).row_total, MinorUnits{300});
  EXPECT_EQ(body->total, MinorUnits{290});
  EXPECT_EQ(body->version, 3);
  EXPECT_EQ(body->checkout_url, "https://shop/c");
  EXPECT_EQ(body->unique_id, "c_3");
}

TEST(CartJson, AForgottenListIsNoEmptiedCart) {
  const auto body = parse_json<Cart>(R"({"cart_id": "c", "currency": "EUR"})");
  EXPECT_THAT(paths(body.violations), ElementsAre("items"));
  EXPECT_TRUE(parse_json<Cart>(R"({"cart_id": "c", "items": []})"));
}

TEST(SubscriptionJson, ReadsASubscription) {
  const auto body = parse_json<Subscription>(R"({"subscription_id": "s", "plan_id": "p",
    "plan_name": "Tea", "currency": "KWD", "amount": 1900, "interval": "year", "interval_count": 2,
    "quantity": 3, "status": "trialing", "started_at": "2026-11-22T10:00:00Z",
    "trial_end": "2026-12-22T10:00:00Z", "current_period_end": "2027-11-22T10:00:00Z",
    "customer": {"external_id": "u"}})");
  EXPECT_THAT(body.violations, IsEmpty());
  EXPECT_EQ(body.value.price.minor, 1900);
  EXPECT_EQ(body.value.price.currency, Currency("KWD"));
  EXPECT_EQ(body.value.interval, Interval::kYear);
  EXPECT_EQ(body.value.interval_count, 2);
  EXPECT_TRUE(body.value.trial_end && body.value.current_period_end && body.value.started_at);
}

TEST(SubscriptionJson, RefusesAnUnknownInterval) {
  const auto body = parse_json<Subscription>(R"({"interval": "fortnight", "currency": "EUR"})");
  EXPECT_THAT(paths(body.violations), UnorderedElementsAre("interval", "amount"));
}

TEST(ConsentJson, ReadsAWordAboutMarketing) {
  const auto body =
      parse_json<ConsentWord>(R"({"action": "subscribe", "email": "ines@goldenacre.example",
    "phone": "+491701234567", "channels": ["email", "sms", "whatsapp"], "list": "Y6nRLr",
    "consented_at": "2026-11-22T10:00:00Z", "custom_source": "Checkout"})");
  EXPECT_THAT(body.violations, IsEmpty());
  EXPECT_EQ(body.value.action, ConsentUpdate::Verb::kSubscribe);
  EXPECT_EQ(body.value.customer.email, "ines@goldenacre.example");
  EXPECT_EQ(body.value.customer.phone, "+491701234567");
  EXPECT_THAT(body.value.consent.channels,
              ElementsAre(Channel::kEmail, Channel::kSms, Channel::kWhatsApp));
  EXPECT_EQ(body.value.consent.list, "Y6nRLr");
  EXPECT_EQ(body.value.consent.consented_at, postbox::parse_rfc3339("2026-11-22T10:00:00Z"));
  EXPECT_EQ(body.value.consent.custom_source, "Checkout");

  const auto end =
      parse_json<ConsentWord>(R"({"action": "unsubscribe", "email": "i@goldenacre.example"})");
  EXPECT_THAT(end.violations, IsEmpty());
  EXPECT_EQ(end.value.action, ConsentUpdate::Verb::kUnsubscribe);
  EXPECT_THAT(end.value.consent.channels, ElementsAre(Channel::kEmail));
}

TEST(ConsentJson, SubscribesNobodyByAMistake) {
  for (const auto* bad :
       {R"({})", R"({"action": null})", R"({"action": "Subscribe"})", R"({"action": true})"}) {
    const auto body = parse_json<ConsentWord>(bad);
    EXPECT_THAT(paths(body.violations), ElementsAre("action")) << bad;
    EXPECT_EQ(body.value.action, ConsentUpdate::Verb::kUnsubscribe) << bad;
  }
  EXPECT_THAT(
      paths(parse_json<ConsentWord>(R"({"action": "subscribe", "channels": ["sms", "fax"]})")
                .violations),
      ElementsAre("channels[1]"));
  EXPECT_THAT(
      paths(parse_json<ConsentWord>(R"({"action": "subscribe", "channels": "sms"})").violations),
      ElementsAre("channels"));
}

TEST(ProfileJson, ReadsEverythingAProfileMayHave) {
  const auto profile = parse_json<Profile>(R"({"email": "ines@goldenacre.example",
    "phone": "+491701234567", "external_id": "u", "anonymous_id": "a", "kx": "k",
    "first_name": "F", "last_name": "L", "organization": "O", "title": "T", "image": "I",
    "locale": "de-DE", "location": {"address1": "1", "address2": "2", "city": "C", "region": "R",
    "zip": "Z", "country": "DE", "timezone": "Europe/Berlin"},
    "properties": {"tier": "gold"}, "unset": ["trial"]})");
  ASSERT_TRUE(profile);
  EXPECT_EQ(profile->kx + profile->organization + profile->locale, "kOde-DE");
  EXPECT_EQ(profile->location.address2 + profile->location.timezone, "2Europe/Berlin");
  ASSERT_EQ(profile->properties.size(), 1U);
  EXPECT_THAT(profile->unset, ElementsAre("trial"));
}

TEST(ProductViewJson, HasOneCurrencyForBothPrices) {
  const auto view = parse_json<ProductView>(R"({"product_id": "P", "name": "N", "currency": "JPY",
    "price": 1250, "compare_at_price": 1500, "customer": {"external_id": "u"}})");
  ASSERT_TRUE(view);
  EXPECT_EQ(view->price, (Money{1250, "JPY"}));
  EXPECT_EQ(view->compare_at_price, (Money{1500, "JPY"}));
  EXPECT_FALSE(parse_json<ProductView>(R"({"currency": "JPY"})")->price);
}

TEST(CustomEventJson, HasTheShopsOwnNameAndAValueInOneCurrency) {
  const auto event = parse_json<CustomEvent>(R"({"name": "Quiz Finished", "currency": "JPY",
    "value": -1250, "customer": {"external_id": "u"}, "properties": {"Score": 7}})");
  ASSERT_TRUE(event);
  EXPECT_EQ(event->name, "Quiz Finished");
  EXPECT_EQ(event->value, (Money{-1250, "JPY"}));
  EXPECT_EQ(event->properties.size(), 1U);
  EXPECT_FALSE(parse_json<CustomEvent>(R"({"currency": "JPY"})")->value);
}

TEST(SubscriptionJson, AnExactOrMeteredPriceNeedsNoAmount) {
  const auto exact = parse_json<Subscription>(R"({"currency": "EUR", "exact_price": 0.0075})");
  ASSERT_TRUE(exact);
  EXPECT_EQ(exact->exact_price, (Decimal{.scaled = 75, .digits = 4}));
  EXPECT_TRUE(parse_json<Subscription>(R"({"currency": "EUR", "metered": true})"));
  EXPECT_THAT(paths(parse_json<Subscription>(R"({"metered": 1})").violations),
              ElementsAre("metered", "amount"));
}

// The one property of an order that has it.
PropertyValue property(const std::string& json) {
  const auto order = parse_json<Order>(R"({"properties": {"p": )" + json + "}}");
  EXPECT_THAT(order.violations, IsEmpty()) << json;
  return order->properties.empty() ? PropertyValue() : order->properties[0].value;
}

TEST(PropertiesJson, ANumberWithAFractionIsExact) {
  EXPECT_EQ(std::get<Decimal>(property("19.99")), (Decimal{1999, 2}));
  EXPECT_EQ(std::get<Decimal>(property("-0.1")), (Decimal{-1, 1}));
  EXPECT_EQ(std::get<Decimal>(property("12.0")), (Decimal{12, 0}));
  EXPECT_EQ(std::get<Decimal>(property("1e3")), (Decimal{1000, 0}));
  EXPECT_EQ(std::get<Decimal>(property("2.5e-3")), (Decimal{25, 4}));
  EXPECT_EQ(std::get<Decimal>(property("0.0")), (Decimal{0, 0}));
  EXPECT_EQ(std::get<Decimal>(property("1e-18")), (Decimal{1, 18}));
  EXPECT_EQ(property("7").index(), PropertyValue(std::int64_t{7}).index());
  for (const std::string bad :
       {"1e19", "1e-19", "1e300", "-1e300", "5e-324", "18446744073709551616"}) {
    EXPECT_THAT(paths(parse_json<Order>(R"({"properties": {"p": )" + bad + "}}").violations),
                ElementsAre("properties.p"))
        << bad;
  }
}

TEST(PropertiesJson, ObjectsAndListsOfThemAreRead) {
  const auto object = std::get<PropertyObject>(property(R"({"a": 1, "b": null, "c": {"d": "e"}})"));
  ASSERT_EQ(object.size(), 2U);
  EXPECT_EQ(std::get<PropertyObject>(object[1].value)[0].name, "d");
  const auto list = std::get<std::vector<PropertyObject>>(property(R"([{"a": 1}, {"a": 2}])"));
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(std::get<std::int64_t>(list[1][0].value), 2);
  EXPECT_THAT(std::get<std::vector<std::string>>(property("[]")), IsEmpty());
  EXPECT_THAT(paths(parse_json<Order>(R"({"properties": {"p": [{"a": [1]}, 2]}})").violations),
              ElementsAre("properties.p[0].a[0]", "properties.p[1]"));
}

TEST(PropertiesJson, ADeepOneIsRefused) {
  std::string flat = "1";
  for (int i = 1; i < 10; ++i) flat = R"({"a":)" + flat + "}";
  EXPECT_TRUE(parse_json<Order>(R"({"properties": {"p": )" + flat + "}}"));
  const auto order = parse_json<Order>(R"({"properties": {"p": {"q": )" + flat + "}}}");
  ASSERT_EQ(order.violations.size(), 1U);
  EXPECT_THAT(order.violations[0].rule, HasSubstr("10 levels"));
}

TEST(FromJson, TakesWhatIsParsedAlready) {
  const nlohmann::json body = {{"order_id", "1001"}, {"total", 2900}};
  const auto order = from_json<Order>(body);
  ASSERT_TRUE(order);
  EXPECT_EQ(order->order_id, "1001");
  EXPECT_EQ((*order).total, MinorUnits{2900});
  for (const nlohmann::json& no_object :
       {nlohmann::json(), nlohmann::json("{}"), nlohmann::json::array({1}),
        nlohmann::json(nlohmann::json::value_t::discarded)}) {
    const auto nothing = from_json<Order>(no_object);
    EXPECT_FALSE(nothing || nothing.is_object);
    EXPECT_THAT(paths(nothing.violations), ElementsAre("body"));
  }
}

// docs/json.md: the example of each type, in the order of the page.
std::vector<nlohmann::json> documented_examples() {
  std::ifstream file(POSTBOX_SOURCE_DIR "/docs/json.md");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  std::vector<nlohmann::json> examples;
  constexpr std::string_view kBegin = "```json\n";
  for (auto at = page.find(kBegin); at != std::string::npos; at = page.find(kBegin, at)) {
    at += kBegin.size();
    const auto end = page.find("```", at);
    examples.push_back(nlohmann::json::parse(page.substr(at, end - at)));
    at = end;
  }
  return examples;
}

template <class E>
void expect_no_violation(const E& event) {
  postbox::EventBatch batch{postbox::parse_rfc3339("2026-11-23T10:00:00Z").value()};
  event.encode(batch);
  for (const auto& [path, rule] : batch.violations()) ADD_FAILURE() << path << ": " << rule;
}

// Each value of the example is read: in its place a value of no type is a violation there.
template <class T>
void expect_every_member_is_read(const nlohmann::json& example) {
  const nlohmann::json leaves = example.flatten();
  for (const auto& [pointer, value] : leaves.items()) {
    nlohmann::json changed = example;
    changed[nlohmann::json::json_pointer(pointer)] = nlohmann::json::array({7, 7});
    EXPECT_FALSE(from_json<T>(changed)) << pointer;
  }
}

TEST(Documents, TheExamplesOfTheFormAreReadToTheLastMember) {
  const auto examples = documented_examples();
  ASSERT_EQ(examples.size(), 7U);
  expect_every_member_is_read<Order>(examples[0]);
  expect_every_member_is_read<Cart>(examples[1]);
  expect_every_member_is_read<Subscription>(examples[2]);
  expect_every_member_is_read<Profile>(examples[3]);
  expect_every_member_is_read<ProductView>(examples[4]);
  expect_every_member_is_read<CustomEvent>(examples[5]);
  expect_every_member_is_read<ConsentWord>(examples[6]);

  expect_no_violation(order_placed(*from_json<Order>(examples[0])));
  expect_no_violation(cart_updated(*from_json<Cart>(examples[1])));
  expect_no_violation(subscription_started(*from_json<Subscription>(examples[2])));
  expect_no_violation(identify(*from_json<Profile>(examples[3])));
  expect_no_violation(product_viewed(*from_json<ProductView>(examples[4])));
  expect_no_violation(custom_event(*from_json<CustomEvent>(examples[5])));
  const auto word = from_json<ConsentWord>(examples[6]);
  EXPECT_EQ(word->action, ConsentUpdate::Verb::kSubscribe);
  expect_no_violation(subscribe(word->customer, word->consent));
}

}  // namespace
}  // namespace klaviyo
