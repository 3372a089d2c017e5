// The rules of the local Klaviyo, on both sides of every limit, without a socket.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "rfc3339.hpp"
#include "simulator.hpp"
#include "support/klaviyo_sim_requests.hpp"

namespace sim {
namespace {

using ::testing::IsEmpty;

constexpr const char* kSingle = "/data/attributes";

class SimulatorRules : public ::testing::Test {
 protected:
  Response post(const char* path, const Json& body) {
    return simulator_.handle(request_for("POST", path, to_text(body)));
  }
  Response post_event(const Json& body) { return post("/api/events", body); }
  Response post_bulk(const Json& body) { return post("/api/event-bulk-create-jobs", body); }

  Json get(const char* path, std::multimap<std::string, std::string> query = {}) {
    Request request = request_for("GET", path);
    request.query = std::move(query);
    return *parse_json(simulator_.handle(request).body).value;
  }

  // The pointers of the answer's errors.
  static std::vector<std::string> pointers(const Response& response) {
    std::vector<std::string> found;
    if (response.body.empty()) return found;
    const ParsedJson document = parse_json(response.body);
    for (const Json& error : document.value->at("errors")) {
      found.push_back(error["source"]["pointer"]);
    }
    return found;
  }

  void expect_accepted(const Json& body) {
    const Response response = post_event(body);
    EXPECT_EQ(response.status, 202) << response.body.substr(0, 500);
    EXPECT_THAT(response.body, IsEmpty());
  }

  void expect_refused(const Json& body, const std::string& pointer) {
    const Response response = post_event(body);
    EXPECT_EQ(response.status, 400) << pointer;
    EXPECT_THAT(pointers(response), ::testing::ElementsAre(pointer));
  }

  Simulator simulator_{{{}, false, [] { return kNow; }, nullptr}};
};

TEST_F(SimulatorRules, ErrorsHaveEveryMember) {
  const Json error = (*parse_json(post_event(event_with("value", "9.99")).body).value)["errors"][0];
  for (const char* member :
       {"id", "code", "title", "detail", "source", "status", "links", "meta"}) {
    EXPECT_TRUE(error.contains(member)) << member;
  }
  EXPECT_EQ(error["code"], "invalid");
  EXPECT_EQ(error["status"], 400);
}

TEST_F(SimulatorRules, RequiredMembersAreNamed) {
  for (const char* name : {"properties", "metric", "profile"}) {
    Json attributes = event_attributes();
    attributes.erase(name);
    expect_refused(event(attributes), std::string(kSingle) + "/" + name);
  }
  expect_refused(Json::object(), "/data");
  expect_refused({{"data", {{"type", "event"}}}}, "/data/attributes");
  Json wrong_type = event(event_attributes());
  wrong_type["data"]["type"] = "events";
  expect_refused(wrong_type, "/data/type");
}

TEST_F(SimulatorRules, EveryBrokenRuleIsNamedInOneAnswer) {
  Json attributes = event_attributes();
  attributes["value"] = "9.99";
  attributes["unique_id"] = "";
  EXPECT_THAT(
      pointers(post_event(event(attributes))),
      ::testing::UnorderedElementsAre("/data/attributes/value", "/data/attributes/unique_id"));
}

TEST_F(SimulatorRules, UnknownAttributesAreRefused) {
  expect_refused(event_with("values", 1), "/data/attributes/values");
}

TEST_F(SimulatorRules, MetricNamesHaveFewerThan128Characters) {
  expect_accepted(event_with("metric", metric(std::string(127, 'a'))));
  std::string accents;
  for (int i = 0; i < 127; ++i) accents += "é";
  expect_accepted(event_with("metric", metric(accents)));
  const std::string pointer = "/data/attributes/metric/data/attributes/name";
  expect_refused(event_with("metric", metric(std::string(128, 'a'))), pointer);
  expect_refused(event_with("metric", metric("")), pointer);
  expect_refused(event_with("metric", metric(5)), pointer);
}

TEST_F(SimulatorRules, UniqueIdsHave1To255Characters) {
  expect_accepted(event_with("unique_id", "x"));
  expect_accepted(event_with("unique_id", std::string(255, 'x')));
  expect_accepted(event_with("unique_id", nullptr));
  expect_refused(event_with("unique_id", std::string(256, 'x')), "/data/attributes/unique_id");
  expect_refused(event_with("unique_id", ""), "/data/attributes/unique_id");
}

TEST_F(SimulatorRules, ValuesAreNumbersAndCurrenciesAreCodes) {
  expect_accepted(event_with("value", 9.99));
  expect_accepted(event_with("value", nullptr));
  expect_refused(event_with("value", "9.99"), "/data/attributes/value");
  expect_accepted(event_with("value_currency", "EUR"));
  expect_refused(event_with("value_currency", "eur"), "/data/attributes/value_currency");
  expect_refused(event_with("value_currency", "EURO"), "/data/attributes/value_currency");
}

TEST_F(SimulatorRules, TimesAreRfc3339WithinTheRange) {
  expect_accepted(event_with("time", "1990-01-01T00:00:00Z"));
  expect_accepted(event_with("time", "2026-11-22T11:00:00.123+01:00"));
  expect_accepted(event_with("time", "2027-11-22T10:00:00Z"));
  for (const char* bad :
       {"1989-12-31T23:59:59Z", "2027-11-22T10:00:01Z", "2026-11-22t10:00:00z", "2026-11-22",
        "2026-11-22T10:00:00", "2026-02-30T10:00:00Z", "1795341600", "yesterday"}) {
    expect_refused(event_with("time", bad), "/data/attributes/time");
  }
  expect_refused(event_with("time", 1795341600), "/data/attributes/time");
}

TEST_F(SimulatorRules, AProfileNeedsOneIdentifier) {
  const std::string pointer = "/data/attributes/profile/data/attributes";
  for (const char* name : {"external_id", "anonymous_id", "_kx"}) {
    expect_accepted(event_with("profile", profile({{name, "abc"}})));
  }
  expect_refused(event_with("profile", profile(Json::object())), pointer);
  expect_refused(event_with("profile", profile({{"first_name", "Jane"}})), pointer);
  expect_refused(event_with("profile", profile({{"email", nullptr}})), pointer);
  expect_refused(event_with("profile", profile({{"external_id", ""}})), pointer + "/external_id");
}

TEST_F(SimulatorRules, EmailsAreValidAndShort) {
  const std::string pointer = "/data/attributes/profile/data/attributes/email";
  const std::string domain(50, 'd');
  expect_accepted(event_with("profile", profile({{"email", "j+1@a-b.shop.fr"}})));
  expect_accepted(
      event_with("profile", profile({{"email", std::string(45, 'a') + "@" + domain + ".fr"}})));
  expect_refused(
      event_with("profile", profile({{"email", std::string(46, 'a') + "@" + domain + ".fr"}})),
      pointer);
  for (const char* bad : {"jane", "jane@", "@shop.fr", "jane@shop", "ja ne@shop.fr", "a..b@shop.fr",
                          "jane@shop..fr", "jane@-shop.fr"}) {
    expect_refused(event_with("profile", profile({{"email", bad}})), pointer);
  }
}

TEST_F(SimulatorRules, PhoneNumbersHaveTheE164Form) {
  const std::string pointer = "/data/attributes/profile/data/attributes/phone_number";
  expect_accepted(event_with("profile", profile({{"phone_number", "+33612345678"}})));
  expect_accepted(event_with("profile", profile({{"phone_number", "+123456789012345"}})));
  for (const char* bad : {"0612345678", "+0612345678", "+33 6 12 34 56 78", "+1234567890123456",
                          "+123456", "+3361234567x"}) {
    expect_refused(event_with("profile", profile({{"phone_number", bad}})), pointer);
  }
}

TEST_F(SimulatorRules, AProfileHasAtMost95Kilobytes) {
  const std::size_t rest = to_text(Json({{"email", "j@shop.fr"}, {"title", ""}})).size();
  Json attributes = {{"email", "j@shop.fr"}, {"title", std::string(95'000 - rest, 'x')}};
  expect_accepted(event_with("profile", profile(attributes)));
  attributes["title"] = std::string(95'001 - rest, 'x');
  expect_refused(event_with("profile", profile(attributes)), "/data/attributes/profile/data");
}

TEST_F(SimulatorRules, AnEventHasAtMost400Properties) {
  Json properties;
  for (int i = 0; i < 400; ++i) properties["p" + std::to_string(i)] = i;
  expect_accepted(event_with("properties", properties));
  properties["one more"] = 1;
  expect_refused(event_with("properties", properties), "/data/attributes/properties");
}

TEST_F(SimulatorRules, StringsHaveAtMost100Kilobytes) {
  expect_accepted(event_with("properties", {{"note", std::string(100'000, 'x')}}));
  expect_refused(event_with("properties", {{"a/b", {{"note", std::string(100'001, 'x')}}}}),
                 "/data/attributes/properties/a~1b/note");
}

TEST_F(SimulatorRules, ArraysHaveAtMost4000Items) {
  expect_accepted(event_with("properties", {{"items", std::vector<int>(4000, 1)}}));
  expect_refused(event_with("properties", {{"items", std::vector<int>(4001, 1)}}),
                 "/data/attributes/properties/items");
}

TEST_F(SimulatorRules, ObjectsNestAtMost10Levels) {
  const auto nested = [](int levels) {
    Json value = "leaf";
    for (int i = 0; i < levels; ++i) value = Json{{"o", value}};
    return value;
  };
  expect_accepted(event_with("properties", nested(10)));
  EXPECT_EQ(post_event(event_with("properties", nested(11))).status, 400);
  Json arrays = "leaf";
  for (int i = 0; i < 20; ++i) arrays = Json::array({arrays});
  expect_accepted(event_with("properties", {{"arrays", arrays}}));
}

TEST_F(SimulatorRules, IntegersFitIn64Bits) {
  const auto body_with = [](const std::string& number) {
    std::string body = to_text(event_with("properties", {{"n", 0}}));
    return body.replace(body.find("\"n\":0") + 4, 1, number);
  };
  for (const char* good : {"9223372036854775807", "-9223372036854775808", "1e300"}) {
    EXPECT_EQ(simulator_.handle(request_for("POST", "/api/events", body_with(good))).status, 202);
  }
  for (const char* bad : {"9223372036854775808", "99999999999999999999", "-9223372036854775809"}) {
    EXPECT_THAT(pointers(simulator_.handle(request_for("POST", "/api/events", body_with(bad)))),
                ::testing::ElementsAre("/data/attributes/properties/n"));
  }
}

TEST_F(SimulatorRules, ABodyHasAtMost5Megabytes) {
  std::string body = to_text(event(event_attributes()));
  body.append(5'000'000 - body.size(), ' ');
  EXPECT_EQ(simulator_.handle(request_for("POST", "/api/events", body)).status, 202);
  body += ' ';
  EXPECT_EQ(simulator_.handle(request_for("POST", "/api/events", body)).status, 413);
}

TEST_F(SimulatorRules, MalformedJsonIsExplained) {
  for (const std::string& bad :
       {std::string(), std::string("{"), std::string("{\"data\":}"), std::string(100'000, '['),
        std::string("[1]"), std::string("\"\xff\"")}) {
    const Response response = simulator_.handle(request_for("POST", "/api/events", bad));
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(response.content_type, kJsonApiType);
  }
}

TEST_F(SimulatorRules, ABulkRequestHasAtMost1000Events) {
  Json first = Json::array();
  Json second = Json::array();
  for (int i = 0; i < 500; ++i) {
    first.push_back(bulk_event("a" + std::to_string(i)));
    second.push_back(bulk_event("b" + std::to_string(i)));
  }
  const auto both = [&] {
    return bulk({bulk_group({{"email", "a@shop.fr"}}, first),
                 bulk_group({{"email", "b@shop.fr"}}, second)});
  };
  EXPECT_EQ(post_bulk(both()).status, 202);
  EXPECT_EQ(simulator_.stats().events.recorded, 1000U);
  second.push_back(bulk_event("one more"));
  EXPECT_THAT(pointers(post_bulk(both())),
              ::testing::ElementsAre("/data/attributes/events-bulk-create"));
  EXPECT_EQ(simulator_.stats().events.recorded, 1000U);
}

TEST_F(SimulatorRules, ABulkErrorPointsToTheEvent) {
  Json bad = bulk_event("");
  const Json body =
      bulk({bulk_group({{"email", "a@shop.fr"}}, Json::array({bulk_event("1")})),
            bulk_group({{"email", "b@shop.fr"}}, Json::array({bulk_event("2"), bad}))});
  EXPECT_THAT(pointers(post_bulk(body)),
              ::testing::ElementsAre("/data/attributes/events-bulk-create/data/1/attributes/events/"
                                     "data/1/attributes/unique_id"));
  EXPECT_EQ(simulator_.stats().events.recorded, 0U);
}

TEST_F(SimulatorRules, ABulkRequestThatRepeatsAnEventFailsAsAWhole) {
  const Json body =
      bulk({bulk_group({{"email", "a@shop.fr"}}, Json::array({bulk_event("1"), bulk_event("2")})),
            bulk_group({{"email", "A@Shop.fr"}}, Json::array({bulk_event("2")}))});
  EXPECT_THAT(pointers(post_bulk(body)),
              ::testing::ElementsAre("/data/attributes/events-bulk-create/data/1/attributes/events/"
                                     "data/0/attributes/unique_id"));
  EXPECT_EQ(simulator_.stats().events.recorded, 0U);
  EXPECT_EQ(get("/api/profiles")["data"].size(), 0U);
}

TEST_F(SimulatorRules, RfcDateTimesComeBackInUtc) {
  const auto time = parse_date_time("2026-11-22T11:00:00.9+01:00");
  ASSERT_TRUE(time.has_value());
  EXPECT_EQ(*time, kNow);
  EXPECT_EQ(format_date_time(*time), "2026-11-22T10:00:00+00:00");
}

}  // namespace
}  // namespace sim
