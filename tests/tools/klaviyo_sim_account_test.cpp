// What the local Klaviyo records, drops, shows and throttles, without a socket.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "simulator.hpp"
#include "support/klaviyo_sim_requests.hpp"

namespace sim {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

class SimulatorAccount : public ::testing::Test {
 protected:
  Response send(const Request& request) { return simulator_.handle(request); }
  Response post(const char* path, const Json& body) {
    return send(request_for("POST", path, to_text(body)));
  }
  Response post_event(const Json& body) { return post("/api/events", body); }

  Json get(const char* path, const std::map<std::string, std::string>& query = {}) {
    Request request = request_for("GET", path);
    request.query.insert(query.begin(), query.end());
    return *parse_json(send(request).body).value;
  }

  // Faults as the program takes them.
  int put_faults(const std::string& script) {
    return send(request_for("PUT", "/sim/faults", script)).status;
  }

  EventCounts counts() const { return simulator_.stats().events; }

  std::chrono::system_clock::time_point now_ = kNow;
  std::vector<std::chrono::milliseconds> waits_;
  Simulator simulator_{{{},
                        true,
                        [this] { return now_; },
                        [this](std::chrono::milliseconds delay) { waits_.push_back(delay); }}};
};

Json order_event(const std::string& unique_id, const std::string& email = "jane@shop.fr",
                 const std::string& time = "2026-11-22T09:00:00Z") {
  Json attributes = event_attributes();
  attributes["unique_id"] = unique_id;
  attributes["profile"] = profile({{"email", email}});
  attributes["time"] = time;
  return event(attributes);
}

TEST_F(SimulatorAccount, AnEventIsShownWithItsMetricAndProfile) {
  Json body = order_event("u1");
  body["data"]["attributes"]["value"] = 10;
  body["data"]["attributes"]["value_currency"] = "EUR";
  body["data"]["attributes"]["properties"] = {
      {"kept", false}, {"zero", 0}, {"none", nullptr}, {"empty", ""}, {"name", "Th\xc3\xa9"}};
  ASSERT_EQ(post_event(body).status, 202);
  const Json shown = get("/api/events", {{"include", "metric,profile"}});
  ASSERT_EQ(shown["data"].size(), 1U);
  const Json& item = shown["data"][0];
  EXPECT_EQ(item["attributes"]["event_properties"], Json({{"kept", false},
                                                          {"name", "Thé"},
                                                          {"$value", 10},
                                                          {"$currency_code", "EUR"},
                                                          {"$event_id", "u1"}}));
  EXPECT_EQ(item["attributes"]["datetime"], "2026-11-22T09:00:00+00:00");
  EXPECT_EQ(item["attributes"]["timestamp"], (kNow - 1h).time_since_epoch().count());
  ASSERT_EQ(shown["included"].size(), 2U);
  EXPECT_EQ(shown["included"][0]["id"], item["relationships"]["metric"]["data"]["id"]);
  EXPECT_EQ(shown["included"][0]["attributes"]["name"], "Placed Order");
  EXPECT_EQ(shown["included"][1]["id"], item["relationships"]["profile"]["data"]["id"]);
  EXPECT_EQ(shown["included"][1]["attributes"]["email"], "jane@shop.fr");
}

TEST_F(SimulatorAccount, AMetricThatHadAValueShowsZeroWithoutOne) {
  Json body = order_event("u1");
  body["data"]["attributes"]["value"] = 10;
  post_event(body);
  post_event(order_event("u2"));
  const Json shown = get("/api/events", {{"sort", "datetime"}});
  EXPECT_EQ(shown["data"][1]["attributes"]["event_properties"]["$value"], 0);
}

TEST_F(SimulatorAccount, ARepeatedUniqueIdIsADuplicate) {
  EXPECT_EQ(post_event(order_event("u1")).status, 202);
  EXPECT_EQ(post_event(order_event("u1", "JANE@Shop.fr", "2026-11-22T08:00:00Z")).status, 202);
  EXPECT_EQ(post_event(order_event("u1", "john@shop.fr")).status, 202);
  Json other_metric = order_event("u1");
  other_metric["data"]["attributes"]["metric"] = metric("Refunded Order");
  EXPECT_EQ(post_event(other_metric).status, 202);
  EXPECT_EQ(counts().recorded, 3U);
  EXPECT_EQ(counts().duplicates, 1U);
}

TEST_F(SimulatorAccount, WithoutAUniqueIdTheSecondIsTheKey) {
  const auto at = [](const char* time) {
    Json body = order_event("", "jane@shop.fr", time);
    body["data"]["attributes"].erase("unique_id");
    return body;
  };
  post_event(at("2026-11-22T09:00:00.1Z"));
  post_event(at("2026-11-22T09:00:00.9Z"));
  post_event(at("2026-11-22T09:00:01Z"));
  EXPECT_EQ(counts().recorded, 2U);
  EXPECT_EQ(counts().duplicates, 1U);
}

TEST_F(SimulatorAccount, TestAddressesAndUnknownProfilesAreDropped) {
  EXPECT_EQ(post_event(order_event("u1", "jane@example.com")).status, 202);
  EXPECT_EQ(post_event(order_event("u2", "jane@TEST.com")).status, 202);
  Json unknown = order_event("u3");
  unknown["data"]["attributes"]["profile"]["data"]["id"] = "01NOBODY";
  EXPECT_EQ(post_event(unknown).status, 202);
  EXPECT_EQ(post_event(order_event("u4", "jane@my-example.com")).status, 202);
  EXPECT_EQ(counts().dropped, 3U);
  EXPECT_EQ(counts().recorded, 1U);
  EXPECT_EQ(get("/api/profiles")["data"].size(), 1U);
}

TEST_F(SimulatorAccount, ProfilesAreFoundByAnyIdentifier) {
  const auto import = [&](const Json& attributes) {
    return post("/api/profile-import", profile(attributes)).status;
  };
  EXPECT_EQ(import({{"email", "jane@shop.fr"}, {"external_id", "c-1"}}), 201);
  EXPECT_EQ(import({{"external_id", "c-1"}, {"phone_number", "+33612345678"}}), 200);
  EXPECT_EQ(import({{"phone_number", "+33612345678"}, {"first_name", "Jane"}}), 200);
  const Json found = get("/api/profiles", {{"filter", "equals(email,\"jane@shop.fr\")"}});
  ASSERT_EQ(found["data"].size(), 1U);
  EXPECT_EQ(found["data"][0]["attributes"]["first_name"], "Jane");
  EXPECT_EQ(get("/api/profiles", {{"filter", "any(external_id,['c-1','c-2'])"}})["data"].size(),
            1U);
}

TEST_F(SimulatorAccount, NullClearsAFieldAndAbsenceKeepsIt) {
  post("/api/profile-import", profile({{"email", "jane@shop.fr"},
                                       {"first_name", "Jane"},
                                       {"last_name", "Doe"},
                                       {"properties", {{"tier", "gold"}}}}));
  const Response response =
      post("/api/profile-import", profile({{"email", "jane@shop.fr"}, {"last_name", nullptr}}));
  const Json attributes = (*parse_json(response.body).value)["data"]["attributes"];
  EXPECT_EQ(attributes["first_name"], "Jane");
  EXPECT_EQ(attributes["last_name"], nullptr);
  EXPECT_EQ(attributes["properties"]["tier"], "gold");
}

TEST_F(SimulatorAccount, IdentifiersOfTwoProfilesAreAConflict) {
  post("/api/profile-import", profile({{"email", "jane@shop.fr"}}));
  post("/api/profile-import", profile({{"phone_number", "+33612345678"}}));
  const Response response =
      post("/api/profile-import",
           profile({{"email", "jane@shop.fr"}, {"phone_number", "+33612345678"}}));
  EXPECT_EQ(response.status, 409);
  const Json error = (*parse_json(response.body).value)["errors"][0];
  EXPECT_EQ(error["code"], "duplicate_profile");
  EXPECT_TRUE(error["meta"].contains("duplicate_profile_id"));
}

TEST_F(SimulatorAccount, EventsAreFilteredAndSorted) {
  post_event(order_event("u1", "jane@shop.fr", "2026-11-22T07:00:00Z"));
  post_event(order_event("u2", "john@shop.fr", "2026-11-22T08:00:00Z"));
  post_event(order_event("u3", "jane@shop.fr", "2026-11-22T09:00:00Z"));
  const auto ids = [&](const std::string& filter, const std::string& sort) {
    std::vector<std::string> found;
    const Json shown = get("/api/events", {{"filter", filter}, {"sort", sort}});
    for (const Json& item : shown["data"]) {
      found.push_back(item["attributes"]["event_properties"]["$event_id"]);
    }
    return found;
  };
  using ::testing::ElementsAre;
  EXPECT_THAT(ids("", ""), ElementsAre("u3", "u2", "u1"));
  EXPECT_THAT(ids("", "timestamp"), ElementsAre("u1", "u2", "u3"));
  EXPECT_THAT(ids("greater-than(datetime,2026-11-22T08:00:00Z)", ""), ElementsAre("u3"));
  EXPECT_THAT(ids("greater-or-equal(datetime,2026-11-22T08:00:00Z)", ""), ElementsAre("u3", "u2"));
  const std::string jane = get("/api/profiles")["data"][0]["id"];
  EXPECT_THAT(ids("and(equals(profile_id,'" + jane + "'),less-than(timestamp," +
                      std::to_string((kNow - 1h).time_since_epoch().count()) + "))",
                  ""),
              ElementsAre("u1"));
  const std::string placed = get("/api/metrics")["data"][0]["id"];
  EXPECT_EQ(ids("equals(metric_id,\"" + placed + "\")", "").size(), 3U);
  EXPECT_THAT(ids("equals(metric_id,\"nope\")", ""), ElementsAre());
}

TEST_F(SimulatorAccount, BadQueriesNameTheParameter) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"filter", "equals(metric_id"},
      {"filter", "equals(color,'red')"},
      {"sort", "color"},
      {"page[size]", "0"},
      {"page[size]", "1001"},
      {"page[cursor]", "x"},
      {"include", "lists"},
      {"filter", "less-than(datetime,yesterday)"}};
  for (const auto& [name, value] : bad) {
    const Json answer = get("/api/events", {{name, value}});
    EXPECT_EQ(answer["errors"][0]["source"]["parameter"], name) << value;
  }
}

TEST_F(SimulatorAccount, CursorsGoForthAndBack) {
  for (int i = 0; i < 5; ++i) post_event(order_event("u" + std::to_string(i)));
  const auto page = [&](const std::string& cursor) {
    return get("/api/events",
               {{"page[size]", "2"}, {"page[cursor]", cursor}, {"sort", "datetime"}});
  };
  const auto cursor_of = [](const Json& link) {
    const std::string text = link;
    const std::string name = "page%5Bcursor%5D=";
    const std::size_t begin = text.find(name) + name.size();
    return text.substr(begin, text.find('&', begin) - begin);
  };
  const Json first = page("");
  EXPECT_EQ(first["data"].size(), 2U);
  EXPECT_EQ(first["links"]["prev"], nullptr);
  const Json second = page(cursor_of(first["links"]["next"]));
  const Json third = page(cursor_of(second["links"]["next"]));
  EXPECT_EQ(third["data"].size(), 1U);
  EXPECT_EQ(third["links"]["next"], nullptr);
  EXPECT_EQ(page(cursor_of(third["links"]["prev"]))["data"], second["data"]);
  const Json back = page(cursor_of(second["links"]["prev"]));
  EXPECT_EQ(back["data"], first["data"]);
  EXPECT_EQ(back["links"]["prev"], nullptr);
}

TEST_F(SimulatorAccount, TheBurstWindowIsOneSecond) {
  const Request request = request_for("GET", "/api/metrics");
  for (int i = 0; i < 10; ++i) ASSERT_EQ(send(request).status, 200);
  const Response refused = send(request);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.header("Retry-After"), "1");
  EXPECT_FALSE(refused.has_header("RateLimit-Limit"));
  EXPECT_EQ((*parse_json(refused.body).value)["errors"][0]["code"], "throttled");
  EXPECT_EQ(send(request_for("GET", "/api/events")).status, 200);
  now_ += 1s;
  EXPECT_EQ(send(request).status, 200);
}

TEST_F(SimulatorAccount, TheSteadyWindowIsOneMinuteForAllKeys) {
  Request request = request_for("GET", "/api/accounts");
  for (int i = 0; i < 15; ++i) {
    request.headers["authorization"] = "Klaviyo-API-Key pk_" + std::to_string(i);
    const Response response = send(request);
    ASSERT_EQ(response.status, 200);
    EXPECT_EQ(response.header("RateLimit-Limit"), "15");
    EXPECT_EQ(response.header("RateLimit-Remaining"), std::to_string(14 - i));
    EXPECT_EQ(response.header("RateLimit-Reset"), std::to_string(60 - i));
    now_ += 1s;
  }
  EXPECT_EQ(send(request).header("Retry-After"), "45");
  now_ += 45s;
  EXPECT_EQ(send(request).status, 200);
}

TEST_F(SimulatorAccount, FaultsAreTakenInOrder) {
  ASSERT_EQ(put_faults(R"({"faults":[{"status":429,"retry_after":3},{"status":429},
      {"times":2,"status":503,"html":true,"headers":{"cf-mitigated":"challenge"}},
      {"match":{"path":"/api/metrics"},"status":500}]})"),
            204);
  EXPECT_EQ(post_event(order_event("u1")).header("Retry-After"), "3");
  EXPECT_FALSE(post_event(order_event("u1")).has_header("Retry-After"));
  const Response page = post_event(order_event("u1"));
  EXPECT_EQ(page.status, 503);
  EXPECT_EQ(page.content_type, "text/html; charset=UTF-8");
  EXPECT_EQ(page.header("cf-mitigated"), "challenge");
  const Json left = *parse_json(send(request_for("GET", "/sim/faults")).body).value;
  EXPECT_EQ(left["faults"].size(), 2U);
  EXPECT_EQ(left["faults"][0]["times"], 1);
  EXPECT_EQ(send(request_for("GET", "/api/metrics")).status, 500);
  EXPECT_EQ(post_event(order_event("u1")).status, 503);
  EXPECT_EQ(post_event(order_event("u1")).status, 202);
  EXPECT_EQ(counts().recorded, 1U);
}

TEST_F(SimulatorAccount, AFaultAfterwardsRecordsTheEvent) {
  put_faults(R"([{"reset":true},{"reset":true,"after":true},{"status":504,"after":true}])");
  EXPECT_EQ(post_event(order_event("u1")).delivery, Delivery::kReset);
  EXPECT_EQ(counts().recorded, 0U);
  EXPECT_EQ(post_event(order_event("u1")).delivery, Delivery::kReset);
  EXPECT_EQ(counts().recorded, 1U);
  EXPECT_EQ(post_event(order_event("u1")).status, 504);
  EXPECT_EQ(counts().duplicates, 1U);
  EXPECT_EQ(simulator_.stats().resets, 2U);
}

TEST_F(SimulatorAccount, ADelayWaitsAndGoesOn) {
  put_faults(R"([{"delay_ms":250}])");
  EXPECT_EQ(post_event(order_event("u1")).status, 202);
  EXPECT_THAT(waits_, ::testing::ElementsAre(250ms));
}

TEST_F(SimulatorAccount, AProbabilityIsRepeatable) {
  const auto pattern = [&] {
    put_faults(R"({"seed":7,"faults":[{"times":-1,"probability":0.5,"status":500}]})");
    std::string found;
    for (int i = 0; i < 100; ++i) found += post_event(order_event("u1")).status == 500 ? 'x' : '.';
    return found;
  };
  const std::string first = pattern();
  EXPECT_EQ(first, pattern());
  const auto count = std::count(first.begin(), first.end(), 'x');
  EXPECT_GT(count, 30);
  EXPECT_LT(count, 70);
}

TEST_F(SimulatorAccount, ABadScriptLeavesTheFaultsAsTheyWere) {
  put_faults(R"([{"times":-1,"status":500}])");
  for (const char* bad :
       {"{", "5", R"([{"statu":500}])", R"([{"status":"500"}])", R"([{"status":99}])", "[{}]",
        R"([{"body":"x"}])", R"([{"retry_after":1}])", R"([{"status":500,"times":-2}])",
        R"([{"status":500,"probability":1.5}])", R"({"fault":[]})", R"([{"reset":1}])",
        R"([{"headers":{"a":"b\r\nc"}}])"}) {
    EXPECT_EQ(put_faults(bad), 400) << bad;
  }
  EXPECT_EQ(post_event(order_event("u1")).status, 500);
  EXPECT_EQ(send(request_for("DELETE", "/sim/faults")).status, 204);
  EXPECT_EQ(post_event(order_event("u1")).status, 202);
}

TEST_F(SimulatorAccount, AResetForgetsEverythingButTheFaults) {
  put_faults(R"([{"match":{"method":"GET"},"status":500}])");
  post_event(order_event("u1"));
  EXPECT_EQ(send(request_for("POST", "/sim/reset")).status, 204);
  EXPECT_EQ(simulator_.stats().requests, 0U);
  EXPECT_EQ(send(request_for("GET", "/api/events")).status, 500);
  EXPECT_EQ(get("/api/events")["data"].size(), 0U);
}

TEST_F(SimulatorAccount, EveryAnswerHasTheServersDate) {
  EXPECT_EQ(post_event(order_event("u1")).header("Date"), "Sun, 22 Nov 2026 10:00:00 GMT");
  put_faults(R"([{"headers":{"Date":"Sun, 22 Nov 2026 11:00:00 GMT"}}])");
  EXPECT_EQ(post_event(order_event("u2")).header("Date"), "Sun, 22 Nov 2026 11:00:00 GMT");
}

TEST(SimulatorScopes, AKeyMayDoWhatItsScopesSayWhateverTheBody) {
  SimulatorOptions options;
  options.scopes = {"events:write", "profiles:write"};
  Simulator simulator(std::move(options));
  const auto post = [&](const char* path) {
    return simulator.handle(request_for("POST", path, "{}"));
  };
  EXPECT_EQ(post("/api/events").status, 400);
  EXPECT_EQ(post("/api/event-bulk-create-jobs").status, 400);
  EXPECT_EQ(post("/api/profile-import").status, 400);
  const Response denied = post("/api/profile-subscription-bulk-create-jobs");
  EXPECT_EQ(denied.status, 403);
  EXPECT_THAT(denied.body, HasSubstr("permission_denied"));
  EXPECT_EQ(simulator.handle(request_for("GET", "/api/events")).status, 403);
}

Json deletion_job(const Json& attributes, const Json& id = nullptr) {
  Json person = {{"type", "profile"}, {"attributes", attributes}};
  if (!id.is_null()) person["id"] = id;
  return {
      {"data",
       {{"type", "data-privacy-deletion-job"}, {"attributes", {{"profile", {{"data", person}}}}}}}};
}

TEST_F(SimulatorAccount, ADeletionJobTakesItsTime) {
  post_event(order_event("u1"));
  post_event(order_event("u2", "john@shop.fr"));
  EXPECT_EQ(
      post("/api/data-privacy-deletion-jobs", deletion_job({{"email", "Jane@shop.fr"}})).status,
      202);
  EXPECT_EQ(get("/api/profiles")["data"].size(), 2U);
  now_ += 2s;
  EXPECT_EQ(get("/api/profiles")["data"].size(), 1U);
  EXPECT_THAT(get("/api/profiles", {{"filter", R"(equals(email,"jane@shop.fr"))"}})["data"],
              ::testing::IsEmpty());
  EXPECT_EQ(get("/api/events")["data"].size(), 2U) << "the history stays";
  post_event(order_event("u1"));
  EXPECT_EQ(get("/api/profiles")["data"].size(), 2U) << "somebody new";
  EXPECT_EQ(counts().recorded, 3U);
}

TEST_F(SimulatorAccount, ADeletionJobNamesOneIdentifier) {
  const Json jane = {{"email", "jane@shop.fr"}};
  for (const Json& body :
       {deletion_job(Json::object()), deletion_job(jane, "01ABC"),
        deletion_job({{"email", "jane@shop.fr"}, {"phone_number", "+33123456789"}}),
        deletion_job({{"email", "jane"}}), deletion_job({{"external_id", "42"}}), Json::object()}) {
    EXPECT_EQ(post("/api/data-privacy-deletion-jobs", body).status, 400) << body;
    now_ += 1s;
  }
}

}  // namespace
}  // namespace sim
