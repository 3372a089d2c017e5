#include <gtest/gtest.h>

#include <klaviyo/encode.hpp>
#include <thread>

#include "support/klaviyo_test_data.hpp"

namespace {

using klaviyo_test::attributes_of;
using klaviyo_test::cart;
using klaviyo_test::destination;
using klaviyo_test::Json;
using klaviyo_test::order;
using klaviyo_test::parse;
using klaviyo_test::records_of;
using klaviyo_test::request_for;
using klaviyo_test::subscription;
using postbox::EventRecord;
using postbox::HttpResponse;
using postbox::LogLevel;
using postbox::TransportFailure;
using postbox::TransportFault;
using postbox::Verdict;
using postbox::VerdictKind;
using namespace std::chrono_literals;

using Headers = std::vector<std::pair<std::string, std::string>>;

Verdict verdict_for(int status, std::size_t events = 1, std::string body = "",
                    Headers headers = {}) {
  const EventRecord record;
  const std::vector<const EventRecord*> records(events, &record);
  return destination().verdict(HttpResponse{status, std::move(headers), std::move(body)}, records,
                               klaviyo_test::now());
}

std::optional<std::chrono::milliseconds> wait_for(std::string value) {
  return verdict_for(429, 1, "", {{"retry-after", std::move(value)}}).retry_after;
}

std::string error_body(std::string code, std::string title, std::string detail,
                       std::string pointer) {
  return Json{{"errors",
               {{{"id", "1"},
                 {"code", code},
                 {"title", title},
                 {"detail", detail},
                 {"source", {{"pointer", pointer}}}}}}}
      .dump();
}

// What the official schema requires of an event's attributes.
void expect_required(const Json& attributes) {
  EXPECT_TRUE(attributes["properties"].is_object());
  EXPECT_EQ(attributes["metric"]["data"]["type"], "metric");
  EXPECT_TRUE(attributes["metric"]["data"]["attributes"]["name"].is_string());
  EXPECT_TRUE(attributes["unique_id"].is_string());
  EXPECT_TRUE(attributes["time"].is_string());
}

TEST(KlaviyoRequest, OneRecordGoesToTheSingleEndpoint) {
  const auto records = records_of(order_placed(order()));
  const auto request = request_for({records[0]});
  EXPECT_EQ(request.url, "https://a.klaviyo.com/api/events");
  EXPECT_EQ(request.headers,
            (std::vector<std::string>{
                "Authorization: Klaviyo-API-Key pk_0123456789abcdef", "revision: 2026-10-15",
                "Content-Type: application/vnd.api+json", "Accept: application/vnd.api+json"}));
  const Json body = Json::parse(request.body);
  EXPECT_EQ(body["data"]["type"], "event");
  const Json& attributes = body["data"]["attributes"];
  expect_required(attributes);
  EXPECT_EQ(attributes["profile"], Json::parse(R"({"data": {"type": "profile", "attributes": {
    "email": "anna@goldenacre.example", "phone_number": "+491701234567", "external_id": "u-1",
    "first_name": "Anna"}}})"));
}

TEST(KlaviyoRequest, SeveralGoToTheBulkEndpointGroupedByProfile) {
  auto records = records_of(order_placed(order()));
  auto other = subscription();
  other.customer = {};
  other.customer.email = "bert@goldenacre.example";
  const auto more = records_of(subscription_started(other));
  records.insert(records.begin() + 1, more[0]);
  const auto request = request_for(records);
  EXPECT_EQ(request.url, "https://a.klaviyo.com/api/event-bulk-create-jobs");
  const Json body = Json::parse(request.body);
  EXPECT_EQ(body["data"]["type"], "event-bulk-create-job");
  const Json& groups = body["data"]["attributes"]["events-bulk-create"]["data"];
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0]["type"], "event-bulk-create");
  EXPECT_EQ(groups[0]["attributes"]["profile"]["data"]["type"], "profile");
  const Json& events = groups[0]["attributes"]["events"]["data"];
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(groups[1]["attributes"]["events"]["data"].size(), 1U);
  for (const Json& event : events) {
    EXPECT_EQ(event["type"], "event");
    expect_required(event["attributes"]);
    EXPECT_FALSE(event["attributes"].contains("profile"));
  }
  Json single = Json::parse(request_for({records[0]}).body)["data"]["attributes"];
  single.erase("profile");
  EXPECT_EQ(events[0]["attributes"], single);
}

TEST(KlaviyoRequest, AnEventThatStandsTwiceInABatchIsWrittenOnce) {
  const auto records = records_of(subscription_started(subscription()));
  const Json body = Json::parse(request_for({records[0], records[0]}).body);
  const Json& groups = body["data"]["attributes"]["events-bulk-create"]["data"];
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(groups[0]["attributes"]["events"]["data"].size(), 1U);
}

TEST(KlaviyoRequest, ADamagedPayloadBecomesAnEventThatKlaviyoRefuses) {
  auto records = records_of(order_placed(order()));
  records[1].payload.resize(20);
  const Json bulk = Json::parse(request_for(records).body);
  const Json& groups = bulk["data"]["attributes"]["events-bulk-create"]["data"];
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[1]["attributes"]["events"]["data"][0]["attributes"], Json::object());
  EXPECT_EQ(Json::parse(request_for({records[1]}).body)["data"]["attributes"], Json::object());
}

TEST(KlaviyoPayload, IsReadableAndDecodesIntoItsParts) {
  const auto records = records_of(cart_updated(cart()));
  EXPECT_TRUE(records[0].payload.starts_with("1 "));
  EXPECT_NE(records[0].payload.find(" cart updated\tuser-42\n{\"type\":\"profile\""),
            std::string::npos);
  const auto payload = klaviyo::decode(records[0].payload);
  ASSERT_TRUE(payload);
  EXPECT_EQ(payload->log_name, "cart updated");
  EXPECT_EQ(payload->subject, "user-42");
}

TEST(KlaviyoPayload, ATruncatedOneIsNeverReadBeyondItsEnd) {
  const std::string whole = records_of(cart_updated(cart()))[0].payload;
  for (std::size_t length = 0; length < whole.size(); ++length) {
    // An own allocation, so that a sanitizer sees a read past the end.
    const std::string part = whole.substr(0, length);
    const auto payload = klaviyo::decode(part);
    if (payload) {
      EXPECT_LE(payload->members.size(), length);
    }
  }
  for (const char* text :
       {"", "1", "1 ", "2 3 a\t\n{}x", "1 99999999999999999999 a\t\n{}", "1 5 a\n{}",
        "1 -1 a\t\n{}", "1 2 a\t\n{}", "1 2 a\t\n[]\"properties\":{"}) {
    EXPECT_FALSE(klaviyo::decode(text)) << text;
  }
}

TEST(KlaviyoVerdict, FollowsTheTable) {
  struct Row {
    int status;
    VerdictKind single;
    VerdictKind batch;
  };
  using enum VerdictKind;
  for (const Row& row : {Row{200, kDelivered, kDelivered}, Row{201, kDelivered, kDelivered},
                         Row{202, kDelivered, kDelivered}, Row{204, kDelivered, kDelivered},
                         Row{429, kPause, kPause},         Row{408, kRetry, kRetry},
                         Row{500, kRetry, kRetry},         Row{502, kRetry, kRetry},
                         Row{503, kRetry, kRetry},         Row{525, kRetry, kRetry},
                         Row{401, kPark, kPark},           Row{403, kPark, kPark},
                         Row{404, kPark, kPark},           Row{410, kPark, kPark},
                         Row{301, kPark, kPark},           Row{302, kPark, kPark},
                         Row{308, kPark, kPark},           Row{400, kDead, kSplit},
                         Row{409, kDead, kSplit},          Row{413, kDead, kSplit},
                         Row{415, kDead, kSplit},          Row{422, kDead, kSplit},
                         Row{100, kRetry, kRetry},         Row{0, kRetry, kRetry},
                         Row{-1, kRetry, kRetry},          Row{999, kRetry, kRetry}}) {
    EXPECT_EQ(verdict_for(row.status, 1).kind, row.single) << row.status;
    EXPECT_EQ(verdict_for(row.status, 2).kind, row.batch) << row.status;
    EXPECT_EQ(verdict_for(row.status, 1).http_status, row.status);
  }
}

TEST(KlaviyoVerdict, A403OfTheEdgeIsRetried) {
  EXPECT_EQ(verdict_for(403, 1, "", {{"cf-mitigated", "challenge"}}).kind, VerdictKind::kRetry);
  EXPECT_EQ(verdict_for(403, 1, "", {{"content-type", "Text/HTML; charset=utf-8"}}).kind,
            VerdictKind::kRetry);
  EXPECT_EQ(verdict_for(403, 1, " \n<!DOCTYPE html>").kind, VerdictKind::kRetry);
  EXPECT_EQ(verdict_for(403, 1, error_body("permission_denied", "t", "d", "/data")).kind,
            VerdictKind::kPark);
}

// Proxies, filters, load balancers, a wrong URL: nothing is known of the event.
TEST(KlaviyoVerdict, AnAnswerThatIsNotTheApisOwnConcernsTheWayAndKeepsTheEvent) {
  const std::string page = "<html><body>Access denied</body></html>";
  const std::string api = error_body("invalid", "t", "d", "/data");
  const auto expect_foreign = [&](int status, const std::string& body, Headers headers = {}) {
    for (const std::size_t events : {1U, 2U}) {
      const Verdict verdict = verdict_for(status, events, body, headers);
      EXPECT_TRUE(verdict.foreign) << status << " " << body;
      EXPECT_EQ(verdict.kind, VerdictKind::kRetry) << status << " " << body;
    }
  };
  for (const int status : {400, 409, 415, 422, 402, 405, 406, 407, 421, 425, 431, 451, 499}) {
    expect_foreign(status, page);
    expect_foreign(status, "Bad Request");
    expect_foreign(status, R"({"message": "Forbidden"})");
  }
  for (const int status : {402, 405, 407, 421, 425, 431, 451}) expect_foreign(status, api);
  for (const int status : {200, 202}) {
    expect_foreign(status, page);
    expect_foreign(status, "", {{"content-type", "text/html"}});
  }
  for (const int status : {400, 409, 413, 415, 422}) {
    EXPECT_EQ(verdict_for(status, 1, api).kind, VerdictKind::kDead) << status;
    EXPECT_EQ(verdict_for(status, 2, api).kind, VerdictKind::kSplit) << status;
    EXPECT_FALSE(verdict_for(status, 1, api).foreign) << status;
  }
  EXPECT_FALSE(verdict_for(200, 1, R"({"data": {}})").foreign);
}

TEST(KlaviyoVerdict, ABatchThatIsTooLargeForAProxyIsHalved) {
  const Verdict batch = verdict_for(413, 2, "<html>Request Entity Too Large</html>");
  EXPECT_EQ(batch.kind, VerdictKind::kSplit);
  EXPECT_TRUE(verdict_for(413, 1, "<html>Request Entity Too Large</html>").foreign);
}

TEST(KlaviyoVerdict, ARefusalThatIsTooLongToBeKeptWholeIsTheApisAllTheSame) {
  const std::string cut = error_body("invalid", "t", "d", "/data").substr(0, 60);
  EXPECT_FALSE(verdict_for(400, 1, cut, {{"content-type", "application/vnd.api+json"}}).foreign);
  EXPECT_TRUE(verdict_for(400, 1, cut, {{"content-type", "text/html"}}).foreign);
}

TEST(KlaviyoVerdict, AnAddressThatIsMissingConcernsItsEndpointAndTheKeyConcernsAll) {
  for (const int status : {403, 404, 410, 301, 302, 308}) {
    EXPECT_TRUE(verdict_for(status).lane_only) << status;
  }
  EXPECT_FALSE(verdict_for(401).lane_only);
  EXPECT_FALSE(verdict_for(400, 1, error_body("not_authenticated", "t", "d", "")).lane_only);
}

TEST(KlaviyoVerdict, A400ThatBlamesTheKeyParksAndAnEventThatMentionsOneDoesNot) {
  EXPECT_EQ(verdict_for(400, 5, error_body("not_authenticated", "t", "d", "")).kind,
            VerdictKind::kPark);
  EXPECT_EQ(
      verdict_for(400, 1, error_body("invalid", "t", "Missing or invalid API key", "/data")).kind,
      VerdictKind::kPark);
  EXPECT_EQ(
      verdict_for(400, 1,
                  error_body("invalid", "t", "'my api key' is no date", "/data/attributes/time"))
          .kind,
      VerdictKind::kDead);
}

TEST(KlaviyoVerdict, NoAnswerIsRetried) {
  for (const auto fault : {TransportFault::kDns, TransportFault::kConnect, TransportFault::kTls,
                           TransportFault::kTimeout, TransportFault::kReset,
                           TransportFault::kProtocol, TransportFault::kOther}) {
    const auto verdict =
        destination().verdict(TransportFailure{fault, "details"}, {}, klaviyo_test::now());
    EXPECT_EQ(verdict.kind, VerdictKind::kRetry);
    EXPECT_EQ(verdict.http_status, 0);
    EXPECT_TRUE(verdict.reason.starts_with("no answer: "));
  }
}

TEST(RetryAfter, SecondsAndDatesInAnyCaseAreRead) {
  EXPECT_EQ(wait_for("3"), 3s);
  EXPECT_EQ(wait_for(" 0 "), 0s);
  EXPECT_EQ(wait_for("3600"), 1h);
  EXPECT_EQ(wait_for("Sun, 22 Nov 2026 10:00:30 GMT"), 30s);
  EXPECT_EQ(wait_for("sun, 22 NOV 2026 10:00:30 gmt"), 30s);
  EXPECT_EQ(wait_for("Sunday, 22-Nov-26 10:01:00 GMT"), 60s);
  EXPECT_EQ(wait_for("Sun Nov 22 10:02:00 2026"), 120s);
  EXPECT_EQ(verdict_for(429, 1, "", {{"Retry-AFTER", "7"}}).retry_after, 7s);
  EXPECT_EQ(verdict_for(503, 1, "", {{"retry-after", "7"}}).retry_after, 7s);
}

TEST(RetryAfter, MoreThanAnHourIsAnHour) {
  EXPECT_EQ(wait_for("3601"), 1h);
  EXPECT_EQ(wait_for("99999999999"), 1h);
  EXPECT_EQ(wait_for("9223372036854775807"), 1h);
  EXPECT_EQ(wait_for("Sun, 22 Nov 2099 10:00:30 GMT"), 1h);
}

TEST(RetryAfter, WhatCannotBeTrustedIsNothing) {
  for (const char* value :
       {"", " ", "-1", "+1", "1.5", "soon", "9223372036854775808", "99999999999999999999999",
        "0x10", "1e3", "5 s", "Sun, 22 Nov 2026 09:59:59 GMT", "Sun, 31 Feb 2027 10:00:00 GMT",
        "Sun, 22 Nov 2026 25:00:00 GMT", "Sun, 22 Nov", "\xff\xff"}) {
    EXPECT_EQ(wait_for(value), std::nullopt) << value;
  }
  EXPECT_EQ(verdict_for(429).retry_after, std::nullopt);
}

TEST(KlaviyoReason, HasCodeTitlePointerAndDetail) {
  EXPECT_EQ(
      verdict_for(400, 1, error_body("invalid", "Invalid input.", "Not a number.", "/data/value"))
          .reason,
      "HTTP 400 invalid: Invalid input. (/data/value); detail: Not a number.");
}

TEST(KlaviyoReason, ForeignBodiesAreNoFailure) {
  EXPECT_EQ(verdict_for(400).reason, "HTTP 400 (no reason given)");
  for (const char* body :
       {"{", "[]", "null", "42", R"({"errors":{}})", R"({"errors":[]})", R"({"errors":[1]})",
        R"({"errors":[{"code":1,"source":3}]})", "\xff\xfe"}) {
    EXPECT_TRUE(verdict_for(400, 1, body).reason.starts_with("HTTP 400")) << body;
  }
  EXPECT_EQ(verdict_for(502, 1, "<html>bad gateway").reason, "HTTP 502 (a web page, not the API)");
  EXPECT_TRUE(verdict_for(400, 1, std::string(60'000, '[')).reason.starts_with("HTTP 400"));
}

TEST(KlaviyoReason, IsOneShortLineWithoutAddresses) {
  for (const char* detail :
       {"'anna@goldenacre.example' is invalid", "Email <Anna@GOLDENACRE.example>.",
        "email=anna%40goldenacre.example", "phone +49 170 1234567 is bad", "+491701234567",
        "(0170) 123-456-789"}) {
    const auto reason = verdict_for(400, 1, error_body("invalid", detail, detail, "/data")).reason;
    for (const char* personal : {"nna", "oldenacre", "OLDENACRE", "1234567", "456"}) {
      EXPECT_EQ(reason.find(personal), std::string::npos) << reason;
    }
  }
  const auto lines = verdict_for(400, 1, error_body("invalid", "a\nb\x1b[31m", "d", "")).reason;
  EXPECT_EQ(lines.find_first_of("\n\x1b"), std::string::npos);
  std::string umlauts;
  for (int i = 0; i < 500; ++i) umlauts += "é";
  const auto cut = verdict_for(400, 1, error_body("invalid", umlauts, "", "")).reason;
  EXPECT_LE(cut.size(), 300U);
  EXPECT_TRUE(postbox::is_utf8(cut));
}

TEST(KlaviyoLog, TheFirstEventOfAPhoneNumberAloneIsAWarning) {
  const auto klaviyo = destination();
  const Verdict delivered{VerdictKind::kDelivered, 202, "", {}};
  auto by_phone = order();
  by_phone.customer.email = by_phone.customer.external_id = "";
  const auto level_of = [&](const klaviyo::Order& one) {
    return klaviyo.log_line(records_of(order_placed(one))[0], delivered).level;
  };
  EXPECT_EQ(level_of(order()), LogLevel::kInfo);
  const auto first = klaviyo.log_line(records_of(order_placed(by_phone))[0], delivered);
  EXPECT_EQ(first.level, LogLevel::kWarn);
  EXPECT_TRUE(first.text.starts_with("Klaviyo purchase event sent successfully. ")) << first.text;
  EXPECT_NE(first.text.find("without SMS"), std::string::npos);
  EXPECT_EQ(first.text.find("+49"), std::string::npos);
  EXPECT_EQ(level_of(by_phone), LogLevel::kInfo);
}

TEST(KlaviyoLog, FixedTextsComeFirst) {
  const auto klaviyo = destination();
  const auto purchase = records_of(order_placed(order()))[0];
  const auto started = records_of(subscription_started(subscription()))[0];
  const auto updated = records_of(cart_updated(cart()))[0];
  const Verdict delivered{VerdictKind::kDelivered, 202, "", {}};
  EXPECT_EQ(klaviyo.log_line(purchase, delivered).level, LogLevel::kInfo);
  EXPECT_EQ(klaviyo.log_line(purchase, delivered).text, "Klaviyo purchase event sent successfully");
  EXPECT_EQ(klaviyo.log_line(started, delivered).text,
            "Klaviyo subscription started event sent successfully");
  EXPECT_EQ(klaviyo.log_line(updated, delivered).text,
            "Klaviyo cart updated event sent for user: user-42");
  const auto dead =
      klaviyo.log_line(purchase, {VerdictKind::kDead, 400, "HTTP 400 invalid", "", {}});
  EXPECT_EQ(dead.level, LogLevel::kError);
  EXPECT_EQ(dead.text, "Failed to send Klaviyo purchase event: HTTP 400 invalid");
  const auto pause = klaviyo.log_line(purchase, {VerdictKind::kPause, 429, "", "", 1'001ms});
  EXPECT_EQ(pause.level, LogLevel::kWarn);
  EXPECT_EQ(pause.text, "Rate limit exceeded, retrying in 2 seconds (HTTP 429)");
  EXPECT_EQ(klaviyo.log_line(purchase, {VerdictKind::kSplit, 400, "", ""}).level, LogLevel::kOff);
  EXPECT_EQ(klaviyo.log_line(purchase, {VerdictKind::kRetry, 503, "r", ""}).level,
            LogLevel::kDebug);
  const auto outage = klaviyo.outage_line(purchase, {VerdictKind::kRetry, 503, "HTTP 503", ""});
  EXPECT_EQ(outage.level, LogLevel::kError);
  EXPECT_EQ(
      outage.text,
      "Failed to send Klaviyo purchase event: HTTP 503, https://a.klaviyo.com; it is kept and "
      "tried again");
  EXPECT_EQ(klaviyo.rejection_line({"Profile", "profile", ""}, "email is empty").text,
            "Failed to send Klaviyo profile: rejected: email is empty");
}

TEST(KlaviyoLog, ParkingSaysWhatToDo) {
  const auto klaviyo = destination();
  const auto event = records_of(order_placed(order()))[0];
  const auto key = klaviyo.log_line(event, {VerdictKind::kPark, 401, "HTTP 401", {}});
  EXPECT_EQ(key.level, LogLevel::kError);
  EXPECT_NE(key.text.find("KLAVIYO_API_KEY"), std::string::npos);
  EXPECT_NE(key.text.find("events:write"), std::string::npos);
  const auto address = klaviyo.log_line(event, {VerdictKind::kPark, 404, "HTTP 404", {}});
  EXPECT_NE(address.text.find("KLAVIYO_API_URL and KLAVIYO_REVISION"), std::string::npos);
}

TEST(KlaviyoLog, AUserIdThatIsAnAddressOrHasControlCharactersIsMasked) {
  const Verdict delivered{VerdictKind::kDelivered, 202, "", {}};
  auto by_email = cart();
  by_email.user_id = "anna@goldenacre.example";
  EXPECT_EQ(destination().log_line(records_of(cart_updated(by_email))[0], delivered).text,
            "Klaviyo cart updated event sent for user: [e-mail]");
  by_email.user_id = "+491701234567";
  EXPECT_EQ(destination().log_line(records_of(cart_updated(by_email))[0], delivered).text,
            "Klaviyo cart updated event sent for user: [phone]");
  by_email.user_id = "a\nb\tc";
  EXPECT_EQ(destination().log_line(records_of(cart_updated(by_email))[0], delivered).text,
            "Klaviyo cart updated event sent for user: a b c");
  by_email.user_id = "1234567890123";
  EXPECT_EQ(destination().log_line(records_of(cart_updated(by_email))[0], delivered).text,
            "Klaviyo cart updated event sent for user: 1234567890123");
}

TEST(KlaviyoLog, ADamagedPayloadIsReported) {
  EventRecord broken;
  broken.payload = "garbage";
  const auto line = destination().log_line(broken, {VerdictKind::kDead, 400, "HTTP 400", {}});
  EXPECT_EQ(
      line.text,
      "Failed to send Klaviyo unreadable event: the stored event is damaged: unknown version; "
      "HTTP 400");
}

TEST(KlaviyoDestination, IsReadyWithAKeyAndTakesANewOneWhileRequestsAreBuilt) {
  klaviyo::Destination klaviyo({"", "https://a.klaviyo.com", "2026-10-15"});
  EXPECT_FALSE(klaviyo.ready());
  const auto event = records_of(order_placed(order()))[0];
  std::jthread other([&] {
    const EventRecord* const one[] = {&event};
    for (int i = 0; i < 200; ++i) EXPECT_FALSE(klaviyo.request(0, one).body.empty());
  });
  for (int i = 0; i < 200; ++i) {
    klaviyo.apply({"pk_" + std::to_string(i), "http://127.0.0.1:1", "2026-10-15"});
  }
  other.join();
  EXPECT_TRUE(klaviyo.ready());
  const EventRecord* const one[] = {&event};
  EXPECT_EQ(klaviyo.request(0, one).headers[0], "Authorization: Klaviyo-API-Key pk_199");
  EXPECT_EQ(klaviyo.request(0, one).url, "http://127.0.0.1:1/api/events");
}

TEST(KlaviyoDestination, FamiliesAreInOrderOfPriorityAndTheirNumbersStand) {
  const auto klaviyo = destination();
  const std::vector<std::uint32_t> numbers = {1, 2, 3, 4, 5, 6};
  ASSERT_EQ(klaviyo.families().size(), 2 * numbers.size());
  EXPECT_EQ(klaviyo.families()[0].name, "purchase");
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    EXPECT_EQ(klaviyo.families()[i].queue, postbox::QueueId{numbers[i]});
    // Behind them what is history, under the same flags.
    const auto& history = klaviyo.families()[numbers.size() + i];
    EXPECT_EQ(history.queue, postbox::QueueId{16 + numbers[i]});
    EXPECT_EQ(history.variable, klaviyo.families()[i].variable);
  }
}

TEST(KlaviyoBackfill, IsTheSameEventMarkedAndInAQueueOfItsOwn) {
  const auto normal = records_of(order_placed(order()));
  const auto history = records_of(klaviyo::backfill(order_placed(order())));
  ASSERT_EQ(history.size(), normal.size());
  for (std::size_t i = 0; i < normal.size(); ++i) {
    EXPECT_EQ(history[i].queue, postbox::QueueId{17});
    EXPECT_EQ(history[i].dedup_key, normal[i].dedup_key);
    EXPECT_EQ(history[i].profile_key, normal[i].profile_key);
    Json expected = attributes_of(normal[i]);
    expected["backfill"] = true;
    EXPECT_EQ(attributes_of(history[i]), expected);
  }
  const Json bulk = parse(request_for(history).body);
  const Json& events =
      bulk["data"]["attributes"]["events-bulk-create"]["data"][0]["attributes"]["events"]["data"];
  ASSERT_EQ(events.size(), history.size());
  for (const Json& event : events) EXPECT_EQ(event["attributes"]["backfill"], true);
}

TEST(KlaviyoBackfill, MarkingADeadLetterKeepsItsKeysAndIsDoneOnce) {
  const auto klaviyo = destination();
  EventRecord record = records_of(cart_updated(cart())).at(0);
  const EventRecord before = record;
  klaviyo.mark_backfill(record);
  const EventRecord once = record;
  klaviyo.mark_backfill(record);
  EXPECT_EQ(record.payload, once.payload);
  EXPECT_EQ(record.queue, postbox::QueueId{19});
  EXPECT_EQ(record.dedup_key, before.dedup_key);
  EXPECT_EQ(attributes_of(record)["unique_id"], attributes_of(before)["unique_id"]);

  EventRecord damaged{.queue = postbox::QueueId{1}, .payload = "damaged"};
  klaviyo.mark_backfill(damaged);
  EXPECT_EQ(damaged.payload, "damaged");
  EXPECT_EQ(klaviyo.type_of(damaged), "");
}

TEST(KlaviyoDestination, KnowsTheTypeOfAStoredEvent) {
  const auto klaviyo = destination();
  const auto records = records_of(order_placed(order()));
  EXPECT_EQ(klaviyo.type_of(records[0]), "Placed Order");
  EXPECT_EQ(klaviyo.type_of(records[1]), "Ordered Product");
  EXPECT_EQ(klaviyo.type_of(records_of(subscription_started(subscription()))[0]),
            "Subscription Started");
  // A text that looks like the place where the name stands.
  auto sly = order();
  sly.items[0].name = R"(},"metric":{"data":{"type":"metric","attributes":{"name":"Other"}}})";
  EXPECT_EQ(klaviyo.type_of(records_of(order_placed(sly))[0]), "Placed Order");
}

}  // namespace
