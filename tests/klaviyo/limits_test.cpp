// The limits of Klaviyo on sizes, names, numbers and keys. Those on times are in
// klaviyo_time_limits_test.cpp.
#include <algorithm>
#include <iterator>
#include <klaviyo/encode.hpp>
#include <klaviyo/schemas/profile_fields.hpp>
#include <limits>
#include <postbox/event.hpp>

#include "support/klaviyo_limits.hpp"

namespace {

using klaviyo::custom_event;
using klaviyo::Property;
using klaviyo::PropertyObject;
using klaviyo_test::Answer;
using klaviyo_test::ask;
using klaviyo_test::cart;
using klaviyo_test::customer;
using klaviyo_test::expect_to_hold;
using klaviyo_test::Limit;
using klaviyo_test::order;
using klaviyo_test::payment;
using klaviyo_test::records_of;
using klaviyo_test::subscription;
using postbox::EventRecord;

Answer with_property(klaviyo::PropertyValue value) {
  return ask(custom_event("Quiz Finished", customer(), {{"P", std::move(value)}}));
}

Answer with_payload(std::size_t bytes) {
  std::vector<Property> properties;
  for (int i = 0; i < 50; ++i) {
    properties.push_back({"p" + std::to_string(i), std::string(99'000, 'x')});
  }
  properties.push_back({"rest", std::string(1, 'x')});
  const auto event = [&] { return custom_event("Big", customer(), properties, {}, "big"); };
  const std::size_t least = records_of(event()).at(0).payload.size();
  properties.back().value = std::string(1 + bytes - least, 'x');
  return ask(event());
}

klaviyo::Profile profile_of(std::size_t bytes) {
  klaviyo::Profile profile = customer();
  std::string text;
  klaviyo::write_profile(profile, text);
  profile.first_name.append(bytes - text.size(), 'x');
  return profile;
}

std::vector<Property> many_properties(std::size_t count) {
  std::vector<Property> many;
  for (std::size_t i = 0; i < count; ++i) many.push_back({"P" + std::to_string(i), true});
  return many;
}

// An object with `levels` levels below its own.
PropertyObject nested(std::size_t levels) {
  PropertyObject object = {{"End", true}};
  for (std::size_t i = 0; i < levels; ++i) object = {{"Below", object}};
  return object;
}

std::string deepest_path() {
  std::string path = "properties";
  for (int level = 0; level < 10; ++level) path += "[0].value";
  return path;
}

std::vector<Limit> sizes() {
  return {
      {"payload", [](std::size_t more) { return with_payload(klaviyo::kMaxEventBytes + more); },
       "event", "must have at most 4999000 bytes (5 MB), found 4999001"},
      {"profile of an event",
       [](std::size_t more) { return ask(custom_event("Quiz", profile_of(95'000 + more))); },
       "customer", "must have at most 95000 bytes as JSON (95 KB), found 95001"},
      {"profile alone",
       [](std::size_t more) { return ask(klaviyo::identify(profile_of(100'000 + more))); },
       "profile", "must have at most 100000 bytes as JSON (100 KB), found 100001"},
      {"properties",
       [](std::size_t more) {
         return ask(custom_event("Quiz Finished", customer(), many_properties(400 + more)));
       },
       "properties", "must be at most 400 together with the event's own 0, found 401"},
      {"list of texts",
       [](std::size_t more) { return with_property(std::vector<std::string>(4'000 + more, "x")); },
       "properties[0].value", "must have at most 4000 items, found 4001"},
      {"list of objects",
       [](std::size_t more) {
         return with_property(std::vector<PropertyObject>(4'000 + more, {{"A", true}}));
       },
       "properties[0].value", "must have at most 4000 items, found 4001"},
      {"lines of a cart",
       [](std::size_t more) {
         auto full = cart();
         full.items.assign(4'000 + more, klaviyo_test::item("P", 1, 1));
         return ask(klaviyo::cart_updated(full));
       },
       "items", "must have at most 4000 items, found 4001"},
      {"levels of objects", [](std::size_t more) { return with_property(nested(8 + more)); },
       deepest_path(), "must not be nested more than 10 levels deep"},
  };
}

std::vector<Limit> names() {
  const auto of_customer = [](auto change) {
    return [change](std::size_t more) {
      klaviyo::Profile profile;  // another identifier would do instead
      change(profile, more);
      return ask(custom_event("Quiz Finished", profile));
    };
  };
  return {
      {"metric name",
       [](std::size_t more) { return ask(custom_event(std::string(127 + more, 'n'), customer())); },
       "name", "must have 1 to 127 characters, found 128"},
      {"e-mail address", of_customer([](klaviyo::Profile& profile, std::size_t more) {
         const std::string domain = "@" + std::string(50, 'd') + ".example";
         profile.email = std::string(99 + more - domain.size(), 'a') + domain;
       }),
       "customer.email", "must have at most 99 characters, found 100"},
      {"longest phone number", of_customer([](klaviyo::Profile& profile, std::size_t more) {
         profile.phone = "+" + std::string(15 + more, '4');
       }),
       "customer.phone", "E.164"},
      {"shortest phone number", of_customer([](klaviyo::Profile& profile, std::size_t more) {
         profile.phone = "+" + std::string(7 - more, '4');
       }),
       "customer.phone", "E.164"},
      {"external id", of_customer([](klaviyo::Profile& profile, std::size_t more) {
         profile.external_id.assign(255 + more, 'u');
       }),
       "customer.external_id", "must have at most 255 characters, found 256"},
      {"currency",
       [](std::size_t more) {
         const klaviyo::Money value{1, more == 0 ? "EUR" : "EURO"};
         return ask(custom_event("Quiz Finished", customer(), {}, value));
       },
       "value.currency", R"(must be an ISO 4217 code such as "EUR", found "EURO")"},
      {"amount",
       [](std::size_t more) {
         auto dear = order();
         dear.total = klaviyo::MinorUnits{1};
         dear.items = {klaviyo_test::item("P", 1, std::numeric_limits<std::int64_t>::max())};
         dear.items[0].quantity += static_cast<std::int64_t>(more);
         return ask(klaviyo::order_placed(dear));
       },
       "items[0].unit_price", "times the quantity must fit in 64 bits"},
  };
}

// A key of the caller's own, of whatever kind of event.
std::vector<Limit> unique_ids() {
  const auto limit = [](std::string name, std::string path, auto with_id) {
    return Limit{"unique_id of " + std::move(name),
                 [with_id](std::size_t more) { return with_id(std::string(255 + more, 'i')); },
                 std::move(path), "must have at most 255 characters, found 256"};
  };
  return {
      limit("an order", "unique_id",
            [](std::string id) {
              auto paid = order();
              paid.items.clear();  // a line would make it longer
              paid.lines_unknown = true;
              paid.total = klaviyo::MinorUnits{2'900};
              paid.unique_id = std::move(id);
              return ask(klaviyo::order_placed(paid));
            }),
      limit("a refund", "refund.unique_id",
            [](std::string id) {
              return ask(klaviyo::order_partially_refunded(
                  order(), {.amount = klaviyo::MinorUnits{1},
                            .total_refunded = klaviyo::MinorUnits{1},
                            .unique_id = std::move(id)}));
            }),
      limit("a cart", "unique_id",
            [](std::string id) {
              auto keyed = cart();
              keyed.unique_id = std::move(id);
              return ask(klaviyo::cart_updated(keyed));
            }),
      limit("a subscription", "unique_id",
            [](std::string id) {
              auto keyed = subscription();
              keyed.unique_id = std::move(id);
              return ask(klaviyo::subscription_paused(keyed));
            }),
      limit("a payment", "unique_id",
            [](std::string id) {
              auto keyed = payment();
              keyed.unique_id = std::move(id);
              return ask(klaviyo::payment_failed(keyed));
            }),
      limit("a custom event", "unique_id",
            [](std::string id) {
              return ask(custom_event("Quiz Finished", customer(), {}, {}, std::move(id)));
            }),
  };
}

std::vector<Limit> every_limit() {
  std::vector<Limit> all;
  for (const auto& some : {sizes(), names(), unique_ids()}) {
    std::ranges::copy(some, std::back_inserter(all));
  }
  return all;
}

class KlaviyoLimits : public testing::TestWithParam<Limit> {};

TEST_P(KlaviyoLimits, HoldFromBothSides) { expect_to_hold(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Each, KlaviyoLimits, testing::ValuesIn(every_limit()),
                         klaviyo_test::name_of);

TEST(KlaviyoLimit, TheLargestPayloadFitsItsRequestAloneAndInBulk) {
  const auto records = with_payload(klaviyo::kMaxEventBytes).records;
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].payload.size(), klaviyo::kMaxEventBytes);
  const auto klaviyo = klaviyo_test::destination();
  const EventRecord* one[] = {&records[0]};
  for (const std::size_t lane : {0U, 1U}) {
    EXPECT_LE(klaviyo.request(lane, one).body.size(), 5'000'000U);
  }
}

// As many events as `count`, each of a customer of its own, which is what a request costs most
// with.
std::vector<EventRecord> events_of(std::size_t count, std::size_t payload) {
  std::vector<EventRecord> records;
  for (std::size_t i = 0; i < count; ++i) {
    klaviyo::Profile profile;
    profile.external_id = "u-" + std::to_string(10'000 + i);
    std::vector<Property> filler = {{"f", "x"}};
    const auto event = [&] { return custom_event("Quiz Finished", profile, filler, {}, "once"); };
    const std::size_t least = records_of(event()).at(0).payload.size();
    if (payload > least) filler[0].value = std::string(1 + payload - least, 'x');
    records.push_back(records_of(event()).at(0));
  }
  return records;
}

sim::Response send_in_bulk(const std::vector<EventRecord>& records) {
  sim::Simulator simulator(
      {.keys = {}, .limits = false, .now = [] { return sim::kNow; }, .wait = {}});
  const auto request = klaviyo_test::request_for(records);
  EXPECT_LE(request.body.size(), 5'000'000U);
  return simulator.handle(sim::request_for("POST", "/api/event-bulk-create-jobs", request.body));
}

TEST(KlaviyoLimit, ABulkRequestHasAThousandEvents) {
  const auto klaviyo = klaviyo_test::destination();
  const postbox::Lane& bulk = klaviyo.lanes()[klaviyo.route(klaviyo::kCustom.queue).bulk];
  EXPECT_EQ(bulk.max_events, 1'000U);
  EXPECT_EQ(send_in_bulk(events_of(1'000, 0)).status, 202);
  EXPECT_EQ(send_in_bulk(events_of(1'001, 0)).status, 400);
  // The largest that the lane may pack.
  const std::size_t each = bulk.max_bytes.count / 1'000;
  EXPECT_EQ(send_in_bulk(events_of(1'000, each)).status, 202);
}

TEST(KlaviyoLimit, ATextOfAnyFieldIsCutToWhatKlaviyoTakes) {
  auto long_name = cart();
  long_name.items[0].name.assign(100'000, 'n');
  for (const Answer& answer :
       {with_property(std::string(100'000, 't')), ask(klaviyo::cart_updated(long_name))}) {
    ASSERT_EQ(answer.records.size(), 1U);
    klaviyo_test::expect_taken(answer.records[0]);
  }
}

TEST(KlaviyoLimit, IntegersHave64BitsWithASign) {
  for (const auto number :
       {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    const Answer answer = with_property(number);
    ASSERT_EQ(answer.records.size(), 1U);
    const auto properties = klaviyo_test::attributes_of(answer.records[0])["properties"];
    EXPECT_EQ(properties["P"].get<std::int64_t>(), number);
    klaviyo_test::expect_taken(answer.records[0]);
  }
}

TEST(KlaviyoLimit, AUniqueIdOfOneCharacterIsEnoughAndNoneBecomesTheDefault) {
  const auto id = [](const std::string& given) {
    const auto records = records_of(custom_event("Quiz", customer(), {}, {}, given));
    return klaviyo_test::attributes_of(records.at(0))["unique_id"].get<std::string>();
  };
  EXPECT_EQ(id("i"), "i");
  EXPECT_THAT(id(""), testing::SizeIs(testing::Gt(16U)));
}

TEST(KlaviyoLimit, AMetricHasAName) {
  const auto nameless = ask(custom_event("", customer()));
  ASSERT_EQ(nameless.violations.size(), 1U);
  EXPECT_EQ(nameless.violations[0].path, "name");
  EXPECT_EQ(nameless.violations[0].rule, "must have 1 to 127 characters, found 0");
}

// What a violation concerns as a whole has a name, too: a log line must not read "rejected: : …".
TEST(KlaviyoLimit, NoPathIsEmpty) {
  const auto path = [](const Answer& answer) {
    return answer.violations.size() == 1 ? answer.violations[0].path : "not one violation";
  };
  EXPECT_EQ(path(ask(klaviyo::identify({}))), "profile");
  EXPECT_EQ(path(ask(custom_event("Quiz", {}))), "customer");
  auto big = order();
  for (int i = 0; i < 60; ++i) {
    big.properties.push_back({"p" + std::to_string(i), std::string(99'000, 'x')});
  }
  EXPECT_EQ(path(ask(klaviyo::order_placed(big))), "event");
  EXPECT_EQ(path(ask(klaviyo::order_fulfilled(big))), "event");
}

}  // namespace
