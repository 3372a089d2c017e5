// identify(): profiles without an event, on a way of their own.
#include <gtest/gtest.h>

#include <postbox/event.hpp>
#include <postbox/http_client.hpp>
#include <postbox/operator.hpp>
#include <postbox/testing/manual_clock.hpp>
#include <postbox/testing/scripted_http_client.hpp>

#include "support/klaviyo_test_data.hpp"

namespace {

using klaviyo::identify;
using klaviyo_test::customer;
using klaviyo_test::parse;
using klaviyo_test::records_of;
using klaviyo_test::rule_at;
using klaviyo_test::violations_of;
using postbox::HttpRequest;
using postbox::testing::ScriptedHttpClient;

klaviyo::Profile with_tier(std::string tier) {
  klaviyo::Profile profile = customer();
  profile.properties = {{"Tier", std::move(tier)}, {"Points", std::int64_t{0}}};
  return profile;
}

TEST(Profile, ItsPropertiesTravelWithAnyEvent) {
  klaviyo::Order order = klaviyo_test::order();
  order.customer = with_tier("gold");
  for (const auto& record : records_of(klaviyo::order_placed(order))) {
    const auto profile = klaviyo_test::attributes_of(record)["profile"]["data"]["attributes"];
    EXPECT_EQ(profile["properties"], parse(R"({"Tier": "gold", "Points": 0})"));
    EXPECT_EQ(profile["email"], customer().email);
  }
  order.customer.properties.push_back({"Tier", true});
  order.customer.properties.push_back({"$consent", true});
  const auto violations = violations_of(klaviyo::order_placed(order));
  EXPECT_NE(rule_at(violations, "customer.properties[2].name"), "");
  EXPECT_NE(rule_at(violations, "customer.properties[3].name"), "");
}

TEST(Identify, IsCheckedAtItsOwnPaths) {
  klaviyo::Profile profile;
  profile.phone = "0170";
  profile.properties = {{"", true}};
  const auto violations = violations_of(identify(profile));
  EXPECT_NE(rule_at(violations, "phone"), "");
  EXPECT_EQ(rule_at(violations, "properties[0].name"), "is required");
}

TEST(Identify, UpdatesOfTheSameFieldsHaveOneSlotAndEachAKeyOfItsOwn) {
  const auto record = [](const klaviyo::Profile& profile) {
    return records_of(identify(profile)).at(0);
  };
  const auto slot = [&](const klaviyo::Profile& profile) { return record(profile).timing->slot; };
  EXPECT_TRUE(record(with_tier("gold")).timing->in_order);
  EXPECT_NE(record(with_tier("gold")).dedup_key, record(with_tier("gold")).dedup_key);
  EXPECT_EQ(slot(with_tier("gold")), slot(with_tier("a \"name\": {[ \\")));
  klaviyo::Profile turned = with_tier("gold");
  std::ranges::reverse(turned.properties);
  EXPECT_EQ(slot(with_tier("gold")), slot(turned));
  klaviyo::Profile less = with_tier("gold");
  less.properties.pop_back();
  EXPECT_NE(slot(with_tier("gold")), slot(less));
  less.properties.push_back({"points", std::int64_t{0}});
  EXPECT_NE(slot(with_tier("gold")), slot(less));
  klaviyo::Profile other = with_tier("gold");
  other.email = "ines@goldenacre.example";
  EXPECT_NE(slot(with_tier("gold")), slot(other));
  klaviyo::Profile top = customer();
  top.properties = {{"email", std::string("x")}};
  klaviyo::Profile nested = customer();
  nested.properties = {{"first_name", std::string("x")}};
  EXPECT_NE(slot(top), slot(nested));
}

TEST(Identify, APropertyCanBeUnset) {
  klaviyo::Profile profile = with_tier("gold");
  profile.unset = {"Old \"tier\"", "Coupon", "Coupon"};
  const auto record = records_of(identify(profile)).at(0);
  const postbox::EventRecord* const records[] = {&record};
  const auto body = parse(klaviyo_test::destination().request(2, records).body)["data"];
  EXPECT_EQ(body["meta"], parse(R"({"patch_properties": {"unset": ["Coupon", "Old \"tier\""]}})"));
  EXPECT_EQ(body["attributes"]["properties"]["Tier"], "gold");
  EXPECT_FALSE(body["attributes"].contains("meta"));

  klaviyo::Profile other = profile;
  other.unset = {"Coupon"};
  EXPECT_NE(records_of(identify(other)).at(0).timing->slot, record.timing->slot);
  profile.unset.push_back("Tier");
  profile.unset.emplace_back();
  const auto violations = violations_of(identify(profile));
  EXPECT_EQ(rule_at(violations, "unset[4]"), "is required");
  EXPECT_NE(rule_at(violations, "unset[3]"), "");
}

TEST(Identify, AnAnonymousIdIsLeftOutAndAloneIsRefused) {
  const auto alone = violations_of(identify({.anonymous_id = "ZWY1Y2E"}));
  EXPECT_NE(rule_at(alone, "anonymous_id"), "");
  const auto record = records_of(identify({.anonymous_id = "ZWY1Y2E", .kx = "x1.SiMu1A"})).at(0);
  EXPECT_EQ(record.payload.find("anonymous_id"), std::string::npos);
  EXPECT_NE(record.payload.find(R"("_kx":"x1.SiMu1A")"), std::string::npos);
}

TEST(Identify, ABackfillKeepsItsBytesAndWaitsBehindTheOthers) {
  const auto normal = records_of(identify(customer())).at(0);
  const auto history = records_of(klaviyo::backfill(identify(customer()))).at(0);
  EXPECT_EQ(history.payload, normal.payload);
  EXPECT_EQ(history.queue, postbox::QueueId{20});
  const auto destination = klaviyo_test::destination();
  EXPECT_EQ(destination.route(history.queue).bulk, 2U);
  EXPECT_EQ(destination.type_of(history), "Profile");
}

// A key that may do what `answer` says, and a tracker that does not wait.
class IdentifyShop : public ::testing::Test {
 protected:
  void start(std::function<ScriptedHttpClient::Answer(const HttpRequest&)> answer) {
    http->on_request(std::move(answer));
    klaviyo::Config config;
    config.cart_quiet_time = {};
    config.api_key = "pk_0123456789abcdef";
    config.engine.outbox.url = "memory:";
    config.engine.log = [this](postbox::LogLevel, std::string_view line) {
      lines.emplace_back(line);
    };
    config.set(klaviyo::kProfile, postbox::Flag::on()).set(klaviyo::kCart, postbox::Flag::on());
    auto started = klaviyo::start(config, {.http = http, .clock = clock, .threads = false});
    ASSERT_TRUE(started) << started.error().message;
    tracker.emplace(*std::move(started));
  }
  [[nodiscard]] std::size_t sent_to(std::string_view path) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        http->requests(), [&](const HttpRequest& request) { return request.url.ends_with(path); }));
  }
  // What the last request that names it says.
  [[nodiscard]] std::string last_tier() const {
    std::string tier;
    for (const HttpRequest& request : http->requests()) {
      const auto attributes = parse(request.body)["data"]["attributes"];
      if (!attributes.contains("properties")) continue;
      tier = attributes["properties"]["Tier"].get<std::string>();
    }
    return tier;
  }
  void run_for(std::chrono::milliseconds time) {
    const auto end = clock->now() + time;
    while (clock->now() < end) {
      tracker->run_once();
      clock->advance(std::chrono::milliseconds(100));
    }
  }

  std::shared_ptr<ScriptedHttpClient> http = std::make_shared<ScriptedHttpClient>();
  std::shared_ptr<postbox::testing::ManualClock> clock =
      std::make_shared<postbox::testing::ManualClock>(klaviyo_test::now());
  std::vector<std::string> lines;
  std::optional<postbox::Tracker> tracker;
};

TEST_F(IdentifyShop, SendsProfilesOneByOneInsideTheirOwnLimits) {
  start([](const HttpRequest&) { return ScriptedHttpClient::answer(201); });
  for (int i = 0; i < 2'000; ++i) {
    klaviyo::Profile profile = with_tier("tier " + std::to_string(i));
    profile.email = "anna." + std::to_string(i) + "@goldenacre.example";
    ASSERT_TRUE(tracker->track(identify(profile)));
  }
  run_for(std::chrono::seconds(50));
  // Nine tenths of 750 in a minute, while 2,000 wait: no bulk request, no event's request.
  EXPECT_LE(sent_to("/api/profile-import"), 675U);
  EXPECT_GT(sent_to("/api/profile-import"), 600U);
  EXPECT_EQ(http->requests().size(), sent_to("/api/profile-import"));
  const auto body = parse(http->requests().front().body);
  EXPECT_EQ(body["data"]["type"], "profile");
  EXPECT_EQ(body["data"]["attributes"]["properties"]["Tier"], "tier 0");
  EXPECT_NE(std::ranges::find(lines, "Klaviyo profile sent successfully"), lines.end());
  EXPECT_TRUE(tracker->stats().conserved());
}

TEST_F(IdentifyShop, OfThreeUpdatesDuringAnOutageTheLastOneWins) {
  int status = 503;
  start([&](const HttpRequest&) { return ScriptedHttpClient::answer(status); });
  for (const std::string tier : {"true", "false", "true"}) {
    ASSERT_TRUE(tracker->track(identify(with_tier(tier))));
    run_for(std::chrono::seconds(20));
  }
  status = 201;
  run_for(std::chrono::minutes(10));
  EXPECT_EQ(last_tier(), "true");
  EXPECT_EQ(tracker->stats().waiting, 0U);
  EXPECT_TRUE(tracker->stats().conserved());
}

TEST_F(IdentifyShop, AnUpdateThatMetOneFailureDoesNotArriveAfterANewerOne) {
  int failures = 1;
  start([&](const HttpRequest&) { return ScriptedHttpClient::answer(failures-- > 0 ? 503 : 201); });
  ASSERT_TRUE(tracker->track(identify(with_tier("bronze"))));
  run_for(std::chrono::milliseconds(200));
  ASSERT_TRUE(tracker->track(identify(with_tier("gold"))));
  klaviyo::Profile name = customer();
  name.first_name = "Ines";
  ASSERT_TRUE(tracker->track(identify(name)));
  run_for(std::chrono::minutes(5));
  EXPECT_EQ(last_tier(), "gold");
  EXPECT_EQ(parse(http->requests().back().body)["data"]["attributes"]["first_name"], "Ines");
  EXPECT_EQ(tracker->stats().waiting, 0U);
  EXPECT_TRUE(tracker->stats().conserved());
}

TEST_F(IdentifyShop, ADuplicateProfileIsADeadLetterWithTheReason) {
  start([](const HttpRequest&) {
    return ScriptedHttpClient::answer(
        409, R"({"errors":[{"code":"duplicate_profile","title":"Conflict.",)"
             R"("detail":"A profile already exists with one of these identifiers."}]})");
  });
  ASSERT_TRUE(tracker->track(identify(customer())));
  ASSERT_TRUE(tracker->flush(std::chrono::seconds(10)));
  const auto letters =
      tracker->dead_letters({.type = "Profile"}, postbox::EventHandle{0}, 10).value();
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_NE(letters[0].reason.find("duplicate_profile"), std::string::npos) << letters[0].reason;
  EXPECT_TRUE(tracker->stats().conserved());
}

TEST_F(IdentifyShop, AKeyWithoutTheScopeHoldsUpProfilesAlone) {
  bool may_write = false;
  start([&](const HttpRequest& request) {
    const bool refuse = request.url.ends_with("/api/profile-import") && !may_write;
    return refuse ? ScriptedHttpClient::answer(
                        403, R"({"errors":[{"code":"permission_denied","detail":"no scope"}]})",
                        {{"content-type", "application/vnd.api+json"}})
                  : ScriptedHttpClient::answer(202);
  });
  ASSERT_TRUE(tracker->track(identify(customer())));
  run_for(std::chrono::seconds(2));
  ASSERT_TRUE(tracker->track(klaviyo::cart_updated(klaviyo_test::cart())));
  run_for(std::chrono::seconds(2));
  EXPECT_EQ(sent_to("/api/events"), 1U);
  EXPECT_EQ(sent_to("/api/profile-import"), 1U);
  EXPECT_EQ(tracker->stats().waiting + tracker->stats().in_flight, 1U);
  EXPECT_EQ(std::ranges::count_if(lines,
                                  [](const std::string& line) {
                                    return line.find("profiles:write") != std::string::npos;
                                  }),
            1);
  EXPECT_EQ(tracker->stats().parked, 1U);
  EXPECT_EQ(tracker->stats().rate_limited, 0U);
  may_write = true;
  run_for(std::chrono::seconds(310));
  EXPECT_EQ(tracker->stats().delivered, 2U);
  EXPECT_TRUE(tracker->stats().conserved());
}

TEST(Forget, RemovesWhatWaitsOfEachIdentifierAndNothingElse) {
  klaviyo::Config config;
  config.api_key = "pk_0123456789abcdef";
  config.engine.outbox.url = "memory:";
  config.engine.log_level = postbox::LogLevel::kOff;
  config.set(klaviyo::kPurchase, postbox::Flag::on());
  config.set(klaviyo::kCart, postbox::Flag::on());
  const auto http = std::make_shared<ScriptedHttpClient>();
  auto tracker = klaviyo::start(config, {.http = http, .threads = false});
  ASSERT_TRUE(tracker);
  klaviyo::Order by_email = klaviyo_test::order();
  klaviyo::Order by_phone = klaviyo_test::order();
  by_phone.order_id = "1002";
  by_phone.customer.email = by_phone.customer.external_id = "";
  klaviyo::Order other = klaviyo_test::order();
  other.order_id = "1003";
  other.customer.email = "ben@goldenacre.example";
  for (const auto& order : {by_email, by_phone, other}) {
    ASSERT_TRUE(tracker->track_durably(klaviyo::order_placed(order), std::chrono::seconds(1)));
  }
  ASSERT_TRUE(
      tracker->track_durably(klaviyo::cart_updated(klaviyo_test::cart()), std::chrono::seconds(1)));
  klaviyo::Profile person = customer();
  person.email = "ANNA@goldenacre.example";
  const auto removed = klaviyo::forget(*tracker, person);
  ASSERT_TRUE(removed) << removed.error().message;
  const postbox::Stats stats = tracker->stats();
  EXPECT_EQ(stats.waiting, 3U) << "the other's order and its two lines";
  EXPECT_EQ(stats.timers_pending, 0U);
  EXPECT_EQ(stats.purged, 7U);
  EXPECT_TRUE(stats.conserved());
  EXPECT_EQ(klaviyo::forget(*tracker, person).value(), 0U);
}

}  // namespace
