// Random events of every builder, alone and in bulk: what keeps the rules is accepted, and recorded
// by klaviyo-sim as the caller said it; what breaks one is rejected with a path; what is not
// recorded was warned of. The seed is in every test's name.
#include <gmock/gmock.h>

#include <algorithm>
#include <klaviyo/catalogue.hpp>
#include <klaviyo/destination.hpp>
#include <klaviyo/schemas/profile_fields.hpp>
#include <map>
#include <postbox/event.hpp>
#include <set>

#include "simulator.hpp"
#include "support/random_builders.hpp"
#include "support/rounds.hpp"

namespace {

using klaviyo::Property;
using klaviyo::PropertyObject;
using postbox::EventRecord;
using postbox::Violation;
using postbox::tests::rounds;
using random_events::Dice;
using random_events::Offer;
using random_events::Shown;
using sim::Json;
using testing::IsEmpty;

Json number(const klaviyo::Money& money) { return Json::parse(klaviyo::to_decimal(money)); }

// The properties as Klaviyo must show them: what is empty is not sent.
Json shown(const std::vector<Property>& properties);

struct ToJson {
  Json operator()(const klaviyo::Money& money) const { return number(money); }
  Json operator()(const klaviyo::Decimal& decimal) const {
    std::string text;
    postbox::append_decimal(decimal.scaled, decimal.digits, text);
    return Json::parse(text);
  }
  Json operator()(postbox::WallTime time) const {
    std::string text;
    postbox::append_time(time, text);
    return text;
  }
  Json operator()(const PropertyObject& object) const { return shown(object); }
  Json operator()(const std::vector<PropertyObject>& list) const {
    Json all = Json::array();
    for (const PropertyObject& object : list) all.push_back(shown(object));
    return all;
  }
  template <class T>
  Json operator()(const T& value) const {
    return value;
  }
};

bool is_empty(const Json& value) {
  return (value.is_string() && value == "") || (value.is_structured() && value.empty());
}
bool is_zero(const Json& value) { return value.is_number() && value.get<double>() == 0; }

bool is_empty_value(const klaviyo::PropertyValue& value) {
  const auto* object = std::get_if<PropertyObject>(&value);
  const auto* list = std::get_if<std::vector<PropertyObject>>(&value);
  if (object != nullptr) return object->empty();
  if (list != nullptr) return list->empty();
  return is_empty(std::visit(ToJson(), value));
}

Json shown(const std::vector<Property>& properties) {
  Json all = Json::object();
  for (const Property& property : properties) {
    if (!is_empty_value(property.value)) all[property.name] = std::visit(ToJson(), property.value);
  }
  return all;
}

// The paths of what is empty, at any depth.
void find_empty(const std::vector<Property>& properties, const std::string& path,
                std::multiset<std::string>& found) {
  for (std::size_t i = 0; i < properties.size(); ++i) {
    const std::string value = path + "[" + std::to_string(i) + "].value";
    if (is_empty_value(properties[i].value)) found.insert(value);
    if (const auto* object = std::get_if<PropertyObject>(&properties[i].value)) {
      find_empty(*object, value, found);
    }
    const auto* list = std::get_if<std::vector<PropertyObject>>(&properties[i].value);
    for (std::size_t at = 0; list != nullptr && at < list->size(); ++at) {
      find_empty((*list)[at], value + "[" + std::to_string(at) + "]", found);
    }
  }
}

Json or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json shown_profile(const klaviyo::Profile& profile) {
  return {{"email", or_null(profile.email)},
          {"phone_number", or_null(profile.phone)},
          {"external_id", or_null(profile.external_id)},
          {"first_name", or_null(profile.first_name)},
          {"last_name", or_null(profile.last_name)},
          {"title", or_null(profile.title)},
          {"location_city", or_null(profile.location.city)},
          {"properties", shown(profile.properties)}};
}

// The same of what klaviyo-sim answers.
Json profile_of(const Json& attributes) {
  Json profile;
  for (const char* name :
       {"email", "phone_number", "external_id", "first_name", "last_name", "title", "properties"}) {
    profile[name] = attributes[name];
  }
  profile["location_city"] = attributes["location"]["city"];
  return profile;
}

class RandomEvents : public testing::TestWithParam<unsigned> {
 protected:
  void offer(const Offer& offer) {
    postbox::EventBatch batch{postbox::WallTime(sim::kNow)};
    offer.encode(batch);
    const auto& violations = batch.violations();
    ASSERT_EQ(violations.empty(), !offer.is_broken)
        << (offer.events.empty() ? "Profile" : offer.events[0].metric) << ": "
        << (violations.empty() ? "accepted" : violations[0].path + ": " + violations[0].rule);
    if (!violations.empty()) return expect_refusal(batch);
    const bool is_profile = offer.events.empty();
    ASSERT_EQ(batch.records().size(), is_profile ? 1U : offer.events.size());
    if (sent.size() + batch.records().size() > 900) expect_recorded();
    std::multiset<std::string> unset;
    find_empty(offer.customer.properties, is_profile ? "properties" : "customer.properties", unset);
    if (is_profile) {
      expect_warnings(batch, unset, 0);
      return import(batch.records().front(), shown_profile(offer.customer));
    }
    find_empty(offer.properties, "properties", unset);
    for (std::size_t i = 0; i < offer.properties.size(); ++i) {
      const Json value = std::visit(ToJson(), offer.properties[i].value);
      if (is_zero(value)) unset.insert("properties[" + std::to_string(i) + "].value");
    }
    std::size_t typed_unset = 0;
    for (std::size_t i = 0; i < offer.events.size(); ++i) {
      typed_unset += expect(batch.records()[i], offer.events[i], offer);
      waiting.push_back(batch.records()[i]);
    }
    const bool are_long = klaviyo::json_size_hint(offer.properties) > 2'048;
    const bool has_lines = offer.events.size() > 1;
    const bool by_phone = klaviyo::has_phone_alone(offer.customer);
    expect_warnings(batch, unset,
                    typed_unset + (are_long && has_lines ? 1 : 0) + (by_phone ? 1 : 0));
  }

  void expect_refusal(postbox::EventBatch& batch) {
    ++rejected;
    EXPECT_THAT(batch.records(), IsEmpty());
    for (const Violation& violation : batch.violations()) {
      EXPECT_NE(violation.path, "") << violation.rule;
      EXPECT_NE(violation.rule, "");
    }
  }

  // `unset` are the paths of own properties; of typed fields only the number is known here.
  static void expect_warnings(postbox::EventBatch& batch, const std::multiset<std::string>& unset,
                              std::size_t typed) {
    std::multiset<std::string> own;
    std::size_t others = 0;
    for (const Violation& warning : batch.warnings()) {
      const bool is_own = warning.path.starts_with("properties[") ||
                          warning.path.starts_with("customer.properties[");
      if (is_own) own.insert(warning.path);
      others += is_own ? 0 : 1;
    }
    EXPECT_EQ(own, unset);
    EXPECT_EQ(others, typed);
  }

  // Remember what must be shown of the record. Returns how many typed fields Klaviyo ignores.
  std::size_t expect(const EventRecord& record, const Shown& event, const Offer& offer) {
    std::size_t ignored = 0;
    const EventRecord* one[] = {&record};
    const Json sent_now = Json::parse(destination.request(0, one).body)["data"]["attributes"];
    const Json own = shown(offer.properties);
    Json properties = Json::object();
    for (const auto& [name, value] : sent_now["properties"].items()) {
      const bool is_typed = !own.contains(name);
      if (!is_zero(value)) properties[name] = is_typed ? value : own[name];
      if (is_zero(value) && is_typed) ++ignored;
    }
    // Long ones stand on the order alone.
    const bool on_each_line = klaviyo::json_size_hint(offer.properties) <= 2'048;
    const bool is_line = sent_now["metric"]["data"]["attributes"]["name"] == "Ordered Product";
    for (const auto& [name, value] : own.items()) {
      const bool is_sent = sent_now["properties"].contains(name);
      EXPECT_TRUE(is_sent || (is_line && !on_each_line)) << name;
    }
    properties["$event_id"] = sent_now["unique_id"];
    if (event.value) properties["$value"] = number(*event.value);
    if (event.value) properties["$currency_code"] = event.value->currency.code();
    const auto second = std::chrono::floor<std::chrono::seconds>(event.time);
    sent.insert(Json{{"metric", event.metric},
                     {"timestamp", second.time_since_epoch().count()},
                     {"profile", shown_profile(offer.customer)},
                     {"properties", std::move(properties)}}
                    .dump());
    metrics.insert(event.metric);
    return ignored;
  }

  void import(const EventRecord& record, const Json& profile) {
    const EventRecord* one[] = {&record};
    const auto request = destination.request(destination.route(record.queue).single, one);
    const auto answer =
        simulator.handle(sim::request_for("POST", "/api/profile-import", request.body));
    ASSERT_EQ(answer.status / 100, 2) << answer.body;
    EXPECT_EQ(profile_of(Json::parse(answer.body)["data"]["attributes"]), profile);
    ++profiles;
  }

  // Some alone, the others together.
  void deliver() {
    std::vector<const EventRecord*> together;
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      if (i % 3 != 0) {
        together.push_back(&waiting[i]);
        bytes += waiting[i].payload.size();
      } else {
        send(0, {&waiting[i]}, "/api/events");
      }
      const bool is_last = i + 1 == waiting.size();
      if (together.empty() || (bytes < 1'000'000 && !is_last)) continue;
      send(1, together, "/api/event-bulk-create-jobs");
      together.clear();
      bytes = 0;
    }
    waiting.clear();
  }
  void send(std::size_t lane, const std::vector<const EventRecord*>& records, const char* path) {
    const std::string body = destination.request(lane, records).body;
    const auto answer = simulator.handle(sim::request_for("POST", path, body));
    ASSERT_EQ(answer.status, 202) << answer.body << body.substr(0, 3'000);
    delivered += records.size();
  }

  // What was recorded is what was said, each once.
  void expect_recorded() {
    deliver();
    auto request = sim::request_for("GET", "/api/events");
    request.query = {{"page[size]", "1000"}, {"include", "metric,profile"}};
    const Json page = Json::parse(simulator.handle(request).body);
    std::map<std::string, Json> included;
    for (const Json& resource : page.value("included", Json::array())) {
      included[resource["type"].get<std::string>() + resource["id"].get<std::string>()] =
          resource["attributes"];
    }
    const auto related = [&](const Json& event, const std::string& kind) {
      return included[kind + event["relationships"][kind]["data"]["id"].get<std::string>()];
    };
    std::multiset<std::string> recorded;
    for (const Json& event : page["data"]) {
      Json properties = event["attributes"]["event_properties"];
      // Once a metric had a value, Klaviyo shows zero for an event without one.
      if (!properties.contains("$currency_code")) properties.erase("$value");
      recorded.insert(Json{{"metric", related(event, "metric")["name"]},
                           {"timestamp", event["attributes"]["timestamp"]},
                           {"profile", profile_of(related(event, "profile"))},
                           {"properties", std::move(properties)}}
                          .dump());
    }
    std::vector<std::string> missing;
    std::ranges::set_difference(sent, recorded, std::back_inserter(missing));
    EXPECT_THAT(missing, IsEmpty());
    EXPECT_EQ(recorded.size(), sent.size());
    sent.clear();
    simulator.reset();
  }

  void offer_every_builder(Dice& dice, int times) {
    const auto builders = random_events::every_builder();
    for (int round = 0; round < times && !HasFailure(); ++round) {
      for (const auto& build : builders) offer(build(dice));
    }
    expect_recorded();
  }

  klaviyo::Destination destination{{"pk_test", "https://a.klaviyo.com", "2026-10-15"}};
  sim::Simulator simulator{
      {.keys = {}, .limits = false, .now = [] { return sim::kNow; }, .wait = {}}};
  std::vector<EventRecord> waiting;
  std::size_t bytes = 0;
  std::multiset<std::string> sent;
  std::set<std::string> metrics;
  std::size_t profiles = 0;
  std::size_t delivered = 0;
  std::size_t rejected = 0;
};

TEST_P(RandomEvents, WithinEveryLimitAreAcceptedAndRecordedAsTheyWereSaid) {
  Dice dice(GetParam(), false);
  const int many = rounds(20);
  offer_every_builder(dice, many);
  EXPECT_EQ(rejected, 0U);
  EXPECT_GT(delivered, static_cast<std::size_t>(25 * many));
  EXPECT_GT(profiles, static_cast<std::size_t>(many / 2));
  for (const klaviyo::EventType& type : klaviyo::every_event_type()) {
    EXPECT_TRUE(metrics.contains(std::string(type.metric))) << type.metric;
  }
}

TEST_P(RandomEvents, BeyondALimitAreRejectedWithAPathAndTheOthersRecorded) {
  Dice dice(GetParam(), true);
  const int many = rounds(30);
  offer_every_builder(dice, many);
  // Both happen, or the dice are loaded.
  EXPECT_GT(delivered, static_cast<std::size_t>(10 * many));
  EXPECT_GT(rejected, static_cast<std::size_t>(3 * many));
}

// A profile is not an event: Klaviyo has it under its own endpoint, with the newest of each value.
TEST(IdentifiedProfile, IsReadBackWithItsNewestValues) {
  const klaviyo::Destination destination{{"pk_test", "https://a.klaviyo.com", "2026-10-15"}};
  sim::Simulator simulator{
      {.keys = {}, .limits = false, .now = [] { return sim::kNow; }, .wait = {}}};
  const auto identify = [&](const char* first_name, const char* tier) {
    klaviyo::Profile profile;
    profile.email = " Anna@GoldenAcre.example ";
    profile.external_id = "user-7";
    profile.first_name = first_name;
    profile.properties = {{"Tier", tier}};
    postbox::EventBatch batch{postbox::WallTime(sim::kNow)};
    klaviyo::identify(profile).encode(batch);
    ASSERT_EQ(batch.records().size(), 1U);
    const postbox::EventRecord* one[] = {&batch.records().front()};
    const auto lane = destination.route(one[0]->queue).single;
    const auto request = destination.request(lane, one);
    ASSERT_TRUE(request.url.ends_with("/api/profile-import")) << request.url;
    const auto answer =
        simulator.handle(sim::request_for("POST", "/api/profile-import", request.body));
    ASSERT_EQ(answer.status / 100, 2) << answer.body;
  };
  identify("Anna", "silver");
  identify("Anne", "gold");
  const Json page = Json::parse(simulator.handle(sim::request_for("GET", "/api/profiles")).body);
  ASSERT_EQ(page["data"].size(), 1U);
  const Json& attributes = page["data"][0]["attributes"];
  EXPECT_EQ(attributes["email"], "anna@goldenacre.example");
  EXPECT_EQ(attributes["external_id"], "user-7");
  EXPECT_EQ(attributes["first_name"], "Anne");
  EXPECT_EQ(attributes["properties"]["Tier"], "gold");
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomEvents, ::testing::Range(1U, 6U));

}  // namespace
