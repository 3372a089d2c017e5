// The fields of an event that may be stored: KLAVIYO_ALLOWED_PROPERTIES and Config::before_store.
#include <gmock/gmock.h>

#include <postbox/environment.hpp>
#include <postbox/http_client.hpp>
#include <postbox/operator.hpp>
#include <postbox/testing/manual_clock.hpp>
#include <postbox/testing/scripted_http_client.hpp>
#include <stdexcept>

#include "support/klaviyo_test_data.hpp"

namespace {

using namespace std::chrono_literals;
using klaviyo::FieldDecision;
using klaviyo::StoredField;
using klaviyo_test::cart;
using klaviyo_test::Json;
using klaviyo_test::order;
using klaviyo_test::parse;
using postbox::TrackStatus;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class FieldFilter : public ::testing::Test {
 protected:
  FieldFilter() {
    config_.api_key = "pk_0123456789abcdef";
    config_.engine.outbox.url = "memory:";
    config_.engine.log = nullptr;
    config_.cart_quiet_time = 0ms;
    config_.app_url = "https://shop.goldenacre.example";
    for (const auto& family : klaviyo::kFamilies) config_.set(family, postbox::Flag::on());
  }

  template <class Event>
  postbox::TrackResult track(const Event& event) {
    if (!tracker_) {
      auto started = klaviyo::start(config_, {.http = http_, .clock = clock_, .threads = false});
      EXPECT_TRUE(started) << started.error().message;
      tracker_.emplace(*std::move(started));
    }
    return tracker_->track(event);
  }

  void work(std::chrono::milliseconds time = 2s) {
    for (std::chrono::milliseconds done{0}; done < time; done += 100ms) {
      tracker_->run_once();
      clock_->advance(100ms);
    }
  }

  // The attributes of each event that was sent.
  std::vector<Json> sent() {
    work();
    std::vector<Json> all;
    for (const auto& request : http_->requests()) {
      all.push_back(parse(request.body)["data"]["attributes"]);
    }
    return all;
  }

  void remove(std::string path) {
    config_.before_store = [path = std::move(path)](const StoredField& field) {
      return field.path == path ? FieldDecision::remove() : FieldDecision::keep();
    };
  }

  static Json profile_of(const Json& event) { return event["profile"]["data"]["attributes"]; }

  klaviyo::Config config_;
  std::shared_ptr<postbox::testing::ScriptedHttpClient> http_ =
      std::make_shared<postbox::testing::ScriptedHttpClient>();
  std::shared_ptr<postbox::testing::ManualClock> clock_ =
      std::make_shared<postbox::testing::ManualClock>(klaviyo_test::now());
  std::optional<postbox::Tracker> tracker_;
};

TEST_F(FieldFilter, WithoutAWordOfTheHostEveryByteStaysAsItIs) {
  track(klaviyo::order_placed(order()));
  work();
  std::vector<std::string> plain;
  for (const auto& request : http_->requests()) plain.push_back(request.body);
  ASSERT_THAT(plain, SizeIs(3));

  tracker_.reset();
  http_ = std::make_shared<postbox::testing::ScriptedHttpClient>();
  clock_ = std::make_shared<postbox::testing::ManualClock>(klaviyo_test::now());
  config_.before_store = [](const StoredField&) { return FieldDecision::keep(); };
  track(klaviyo::order_placed(order()));
  work();
  std::vector<std::string> asked;
  for (const auto& request : http_->requests()) asked.push_back(request.body);
  EXPECT_EQ(asked, plain);
}

TEST_F(FieldFilter, AFieldThatIsRemovedIsNeitherStoredNorSent) {
  remove("profile.phone_number");
  track(klaviyo::order_placed(order()));
  const auto events = sent();
  ASSERT_THAT(events, SizeIs(3));
  for (const Json& event : events) {
    EXPECT_FALSE(profile_of(event).contains("phone_number"));
    EXPECT_EQ(profile_of(event)["email"], "anna@goldenacre.example");
  }
}

TEST_F(FieldFilter, AFieldGetsAnotherText) {
  config_.before_store = [](const StoredField& field) {
    return field.path == "properties.Items[].ProductName"
               ? FieldDecision::replace("\"" + std::string(field.value.substr(0, 2)) + "\"")
               : FieldDecision::keep();
  };
  track(klaviyo::order_placed(order()));
  const Json items = sent()[0]["properties"]["Items"];
  EXPECT_EQ(items[0]["ProductName"], "\"Th\"");
  EXPECT_EQ(items[1]["ProductName"], "\"Th\"");
  EXPECT_EQ(items[1]["ProductID"], "P2");
}

TEST_F(FieldFilter, TheExampleOfThePageDoesWhatItSays) {
  klaviyo::Config& config = config_;
  config.before_store = [](const klaviyo::StoredField& field) {
    if (field.path == "profile.phone_number") return klaviyo::FieldDecision::remove();
    if (field.path == "properties.note") return klaviyo::FieldDecision::replace("(a note)");
    return klaviyo::FieldDecision::keep();
  };
  auto own = order();
  own.properties = {{.name = "note", .value = std::string("ring twice")}};
  track(klaviyo::order_placed(own));
  const Json event = sent()[0];
  EXPECT_FALSE(profile_of(event).contains("phone_number"));
  EXPECT_EQ(event["properties"]["note"], "(a note)");
}

TEST_F(FieldFilter, AListLosesItsElementsAndAnEmptyOneGoes) {
  config_.before_store = [](const StoredField& field) {
    return field.path == "properties.Items[].Categories[]" || field.value == "AUTUMN"
               ? FieldDecision::remove()
               : FieldDecision::keep();
  };
  track(klaviyo::order_placed(order()));
  const Json properties = sent()[0]["properties"];
  EXPECT_FALSE(properties["Items"][0].contains("Categories"));
  EXPECT_FALSE(properties.contains("DiscountCode"));
  EXPECT_EQ(properties["Categories"], Json::array({"Tea"})) << "another field";
}

TEST_F(FieldFilter, TheHostSeesEachFieldWithItsMetricPathAndValue) {
  std::vector<std::string> seen;
  config_.before_store = [&seen](const StoredField& field) {
    seen.push_back(std::string(field.metric) + ' ' + std::string(field.path) + ' ' +
                   std::string(field.value));
    return FieldDecision::keep();
  };
  auto own = order();
  own.properties = {{.name = "gift", .value = true}};
  track(klaviyo::order_placed(own));
  EXPECT_THAT(seen, Contains("Placed Order properties.OrderId 1001"));
  EXPECT_THAT(seen, Contains("Placed Order properties.Items[].ItemPrice 12.50"));
  EXPECT_THAT(seen, Contains("Placed Order properties.Categories[] Tea"));
  EXPECT_THAT(seen, Contains("Placed Order properties.gift true"));
  EXPECT_THAT(seen, Contains("Ordered Product profile.first_name Anna"));
  EXPECT_THAT(seen, Not(Contains(HasSubstr("unique_id"))));

  seen.clear();
  klaviyo::Profile profile = klaviyo_test::customer();
  profile.properties = {{.name = "Tier", .value = std::string("gold")}};
  track(klaviyo::identify(profile));
  EXPECT_THAT(seen, Contains("Profile profile.properties.Tier gold"));
}

TEST_F(FieldFilter, WithoutAnIdentifierTheEventIsRejected) {
  config_.before_store = [](const StoredField& field) {
    return field.path.starts_with("profile.") ? FieldDecision::remove() : FieldDecision::keep();
  };
  const auto result = track(klaviyo::order_placed(order()));
  EXPECT_EQ(result.status(), TrackStatus::kRejected);
  EXPECT_EQ(result.to_string(),
            "rejected: customer: has no identifier left: before_store has removed all of them");
  EXPECT_THAT(sent(), IsEmpty());
}

TEST_F(FieldFilter, AnExceptionRejectsTheEventAndNothingElse) {
  config_.before_store = [](const StoredField& field) -> FieldDecision {
    if (field.value == "1001") throw std::runtime_error("no");
    return FieldDecision::keep();
  };
  EXPECT_EQ(track(klaviyo::order_placed(order())).status(), TrackStatus::kRejected);
  auto other = order();
  other.order_id = "1002";
  EXPECT_EQ(track(klaviyo::order_placed(other)).status(), TrackStatus::kAccepted);
}

TEST_F(FieldFilter, AReminderOfACartIsAskedForWhenItIsStored) {
  remove("profile.first_name");
  track(klaviyo::cart_updated(cart()));
  work(2h);
  const auto events = sent();
  ASSERT_THAT(events, SizeIs(2)) << "the update, and an hour later the abandoned cart";
  for (const Json& event : events) EXPECT_FALSE(profile_of(event).contains("first_name"));
}

TEST_F(FieldFilter, OnlyAllowedPropertiesOfTheShopsOwnAreSent) {
  config_.allowed_properties = {"gift"};
  config_.metric_names = {{"Placed Order", "Order"}};
  auto own = order();
  own.properties = {
      {.name = "gift", .value = true},
      {.name = "note", .value = std::string("ring twice")},
      {.name = "wrapping",
       .value = klaviyo::PropertyObject{{.name = "color", .value = std::string("red")}}}};
  own.customer.properties = {{.name = "Tier", .value = std::string("gold")}};
  const auto result = track(klaviyo::order_placed(own));
  EXPECT_EQ(result.status(), TrackStatus::kAccepted);
  std::vector<std::string> warned;
  for (const auto& warning : result.warnings()) warned.push_back(warning.path);
  EXPECT_THAT(warned,
              ElementsAre("customer.properties.Tier", "properties.note", "properties.wrapping"));
  const auto events = sent();
  ASSERT_THAT(events, SizeIs(3));
  for (const Json& event : events) {
    EXPECT_EQ(event["properties"]["gift"], true);
    EXPECT_FALSE(event["properties"].contains("note"));
    EXPECT_FALSE(event["properties"].contains("wrapping"));
    EXPECT_EQ(event["properties"]["OrderId"], "1001") << "the library's own stay";
    EXPECT_FALSE(profile_of(event).contains("properties"));
  }
}

TEST_F(FieldFilter, OfAnEventWithoutATypeEveryPropertyIsTheShopsOwn) {
  config_.allowed_properties = {"none"};
  klaviyo::CustomEvent event;
  event.name = "Quiz Done";
  event.unique_id = "q-1";
  event.customer = klaviyo_test::customer();
  event.properties = {{.name = "OrderId", .value = std::string("1001")}};
  EXPECT_EQ(track(klaviyo::custom_event(event)).status(), TrackStatus::kAccepted);
  EXPECT_THAT(sent()[0]["properties"], IsEmpty());
}

TEST_F(FieldFilter, ADeadLetterIsReplayedAsHistoryWithoutTheField) {
  remove("profile.first_name");
  http_->on_request([](const postbox::HttpRequest&) {
    return postbox::testing::ScriptedHttpClient::answer(
        400, R"({"errors":[{"code":"invalid","detail":"no","source":{"pointer":"/data"}}]})");
  });
  track(klaviyo::order_placed(order()));
  work();
  http_->on_request([](const postbox::HttpRequest&) {
    return postbox::testing::ScriptedHttpClient::answer(202, "");
  });
  const std::size_t before = http_->requests().size();
  ASSERT_EQ(*tracker_->replay({}, {.backfill = true}), 3U);
  const auto events = sent();
  ASSERT_EQ(events.size(), before + 3);
  EXPECT_EQ(events.back()["backfill"], true);
  EXPECT_EQ(events.back()["value"].dump(), events[2]["value"].dump());
}

TEST(AllowedProperties, AreNamesSeparatedByCommas) {
  using klaviyo::Config;
  using postbox::Environment;
  const auto read = [](const char* text) {
    return Config::from(*Environment::parse(std::string("KLAVIYO_ALLOWED_PROPERTIES=") + text));
  };
  EXPECT_THAT(read("gift, channel")->allowed_properties, ElementsAre("gift", "channel"));
  EXPECT_THAT(read("none")->allowed_properties, ElementsAre("none"));
  const auto wrong = read("gift,,channel");
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message, HasSubstr("KLAVIYO_ALLOWED_PROPERTIES: 'gift,,channel'"));
}

}  // namespace
