// Consent: what is sent, what travels together, and that the last word of a person wins.
#include <gtest/gtest.h>

#include <klaviyo/cart_timers.hpp>
#include <map>
#include <postbox/operator.hpp>
#include <postbox/testing/manual_clock.hpp>
#include <postbox/testing/scripted_http_client.hpp>
#include <random>

#include "simulator.hpp"
#include "support/klaviyo_sim_requests.hpp"
#include "support/klaviyo_test_data.hpp"
#include "support/rounds.hpp"

namespace {

using klaviyo::Channel;
using klaviyo::Consent;
using klaviyo::subscribe;
using klaviyo::unsubscribe;
using klaviyo_test::customer;
using klaviyo_test::Json;
using klaviyo_test::now;
using klaviyo_test::parse;
using klaviyo_test::records_of;
using klaviyo_test::rule_at;
using klaviyo_test::violations_of;
using postbox::EventRecord;
using postbox::HttpRequest;
using postbox::testing::ScriptedHttpClient;
using namespace std::chrono_literals;

constexpr const char* kSubscribe = "/api/profile-subscription-bulk-create-jobs";
constexpr const char* kUnsubscribe = "/api/profile-subscription-bulk-delete-jobs";
constexpr std::size_t kLane = 3;

HttpRequest job_of(const std::vector<EventRecord>& records) {
  std::vector<const EventRecord*> pointers;
  for (const auto& record : records) pointers.push_back(&record);
  return klaviyo_test::destination().request(kLane, pointers);
}

klaviyo::Profile person(const std::string& name) { return {.email = name + "@goldenacre.example"}; }

TEST(Subscribe, SaysWhichChannelToWhichListAndFromWhere) {
  const auto records =
      records_of(subscribe(customer(), {.list = "Y6nRLr",
                                        .channels = {Channel::kSms, Channel::kEmail, Channel::kSms},
                                        .custom_source = "Checkout \"B\""}));
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].queue, klaviyo::kConsent.queue);
  const auto request = job_of({records[0]});
  EXPECT_TRUE(request.url.ends_with(kSubscribe)) << request.url;
  EXPECT_EQ(parse(request.body), parse(R"({"data": {
    "type": "profile-subscription-bulk-create-job",
    "attributes": {"profiles": {"data": [{"type": "profile", "attributes": {
        "email": "anna@goldenacre.example", "phone_number": "+491701234567",
        "subscriptions": {"email": {"marketing": {"consent": "SUBSCRIBED"}}}}}]},
      "custom_source": "Checkout \"B\""},
    "relationships": {"list": {"data": {"type": "list", "id": "Y6nRLr"}}}}})"));
  EXPECT_EQ(parse(job_of({records[1]}).body)["data"]["attributes"]["profiles"]["data"][0]
                                            ["attributes"]["subscriptions"],
            parse(R"({"sms": {"marketing": {"consent": "SUBSCRIBED"}}})"));
  EXPECT_EQ(klaviyo_test::destination().type_of(records[0]), "Subscribe");
}

TEST(Subscribe, WithoutAListAndASourceSaysNeither) {
  const auto request = job_of(records_of(subscribe(person("anna"))));
  EXPECT_EQ(parse(request.body), parse(R"({"data": {
    "type": "profile-subscription-bulk-create-job",
    "attributes": {"profiles": {"data": [{"type": "profile", "attributes": {
        "email": "anna@goldenacre.example",
        "subscriptions": {"email": {"marketing": {"consent": "SUBSCRIBED"}}}}}]}}}})"));
}

TEST(Subscribe, WhatWasAgreedToLongAgoIsAHistoricalImport) {
  const auto attributes = [](const Consent& consent) {
    return parse(job_of(records_of(subscribe(person("anna"), consent))).body)["data"]["attributes"];
  };
  const Json history = attributes({.consented_at = now() - 48h});
  EXPECT_EQ(history["historical_import"], true);
  EXPECT_EQ(history["profiles"]["data"][0]["attributes"]["subscriptions"]["email"]["marketing"],
            parse(R"({"consent": "SUBSCRIBED", "consented_at": "2026-11-20T10:00:00Z"})"));
  // A checkout that says when it was must not pass by the list's double opt-in.
  for (const auto when : {now(), now() - 5min, now() + 5min}) {
    const Json news = attributes({.consented_at = when});
    EXPECT_FALSE(news.contains("historical_import"));
    EXPECT_EQ(news.dump().find("consented_at"), std::string::npos);
  }
  EXPECT_NE(rule_at(violations_of(subscribe(person("anna"), {.consented_at = now() + 1h})),
                    "consented_at"),
            "");
}

TEST(Unsubscribe, HasAJobOfItsOwnAndSaysWhenItIsGlobal) {
  const auto from_list = unsubscribe(
      customer(), {.list = "Y6nRLr", .channels = {Channel::kWhatsApp}, .custom_source = "Account"});
  const auto records = records_of(from_list);
  ASSERT_EQ(records.size(), 1U);
  const auto request = job_of(records);
  EXPECT_TRUE(request.url.ends_with(kUnsubscribe)) << request.url;
  EXPECT_EQ(parse(request.body), parse(R"({"data": {
    "type": "profile-subscription-bulk-delete-job",
    "attributes": {"profiles": {"data": [{"type": "profile", "attributes": {
        "email": "anna@goldenacre.example", "phone_number": "+491701234567",
        "subscriptions": {"whatsapp": {"marketing": {"consent": "UNSUBSCRIBED"}}}}}]}},
    "relationships": {"list": {"data": {"type": "list", "id": "Y6nRLr"}}}}})"));
  EXPECT_EQ(klaviyo_test::destination().type_of(records[0]), "Unsubscribe");

  const auto warnings_of = [](const klaviyo::ConsentUpdate& update) {
    postbox::EventBatch batch(now());
    update.encode(batch);
    return batch.warnings();
  };
  EXPECT_TRUE(warnings_of(from_list).empty());
  EXPECT_NE(rule_at(warnings_of(unsubscribe(customer())), "list").find("everything"),
            std::string::npos);
}

TEST(Consent, NeedsAChannelAndWhatItReaches) {
  const auto check = [](const klaviyo::Profile& profile, std::vector<Channel> channels) {
    return violations_of(subscribe(profile, {.channels = std::move(channels)}));
  };
  EXPECT_EQ(rule_at(check(customer(), {}), "channels"), "must have at least 1 item, found 0");
  EXPECT_NE(rule_at(check({.phone = "+491701234567"}, {Channel::kEmail}), "email"), "");
  EXPECT_NE(rule_at(check(person("anna"), {Channel::kSms}), "phone"), "");
  EXPECT_NE(rule_at(check(person("anna"), {Channel::kWhatsApp}), "phone"), "");
  EXPECT_NE(rule_at(check({.email = "anna@test.com"}, {Channel::kEmail}), "email"), "");
  EXPECT_TRUE(check({.email = "no address", .phone = "+491701234567"}, {Channel::kSms}).empty());
}

// What track() would say, and put into the outbox, with a default country.
postbox::EventBatch batch_of(const klaviyo::ConsentUpdate& update,
                             const klaviyo::CartTimers& context) {
  postbox::EventBatch batch(now(), nullptr, &context);
  update.encode(batch);
  return batch;
}

klaviyo::Config config_for(const std::string& country) {
  klaviyo::Config config;
  config.default_country = country;
  return config;
}

TEST(Consent, TakesIdentifiersAsPeopleTypeThem) {
  const klaviyo::CartTimers german(config_for("DE"));
  for (const auto& [typed, number] :
       std::vector<std::pair<std::string, std::string>>{{"0170 1234567", "+491701234567"},
                                                        {"(0170) 123-45.67", "+491701234567"},
                                                        {"+44 (0)20 7946 0018", "+442079460018"},
                                                        {"0033 1 23 45 67 89", "+33123456789"}}) {
    const auto update = subscribe({.phone = typed}, {.channels = {Channel::kSms}});
    auto batch = batch_of(update, german);
    ASSERT_EQ(batch.records().size(), 1U) << typed;
    EXPECT_TRUE(batch.warnings().empty()) << typed;
    EXPECT_NE(batch.records()[0].payload.find(number), std::string::npos) << typed;
    const klaviyo::Profile known{.phone = number};
    EXPECT_EQ(batch.records()[0].profile_key, klaviyo::consent_key(Channel::kSms, known)) << typed;
    EXPECT_EQ(update.profile_key(batch), klaviyo::consent_key(Channel::kSms, known)) << typed;
  }
  auto batch = batch_of(
      unsubscribe({.email = "Anna <ANNA@Golden\u200bAcre.example>,"}, {.list = "Y6nRLr"}), german);
  ASSERT_EQ(batch.records().size(), 1U);
  EXPECT_NE(batch.records()[0].payload.find("\"anna@goldenacre.example\""), std::string::npos);
  EXPECT_NE(rule_at(batch.warnings(), "email"), "") << "something was taken out of the middle";
  EXPECT_EQ(batch.mended(), 1U) << "which the log says, too";
}

TEST(Consent, WithoutACountryANationalNumberIsNone) {
  const klaviyo::CartTimers nowhere(config_for(""));
  const klaviyo::Profile both{.email = "anna@goldenacre.example", .phone = "0170 1234567"};
  auto refused = batch_of(subscribe(both, {.channels = {Channel::kSms}}), nowhere);
  EXPECT_NE(rule_at(refused.violations(), "phone").find("known country"), std::string::npos);
  EXPECT_TRUE(refused.records().empty());

  auto by_mail = batch_of(subscribe(both), nowhere);
  ASSERT_EQ(by_mail.records().size(), 1U);
  EXPECT_EQ(by_mail.records()[0].payload.find("0170"), std::string::npos);
  EXPECT_NE(rule_at(by_mail.warnings(), "phone").find("left out"), std::string::npos);
}

TEST(Consent, OfSeveralChannelsThoseThatReachSomebodyGoOn) {
  const klaviyo::CartTimers nowhere(config_for(""));
  const std::vector<Channel> all = {Channel::kWhatsApp, Channel::kSms, Channel::kEmail};
  for (const std::string phone : {"", "0170 1234567"}) {
    for (const auto& update :
         {subscribe({.email = "anna@goldenacre.example", .phone = phone}, {.channels = all}),
          unsubscribe({.email = "anna@goldenacre.example", .phone = phone},
                      {.list = "Y6nRLr", .channels = all})}) {
      auto batch = batch_of(update, nowhere);
      EXPECT_TRUE(batch.violations().empty());
      ASSERT_EQ(batch.records().size(), 1U);
      EXPECT_NE(batch.records()[0].payload.find(R"("email":{"marketing")"), std::string::npos);
      const std::string rule = rule_at(batch.warnings(), "channels");
      EXPECT_NE(rule.find("sms"), std::string::npos) << rule;
      EXPECT_EQ(batch.mended(), batch.warnings().size()) << "the log says it, too";
      EXPECT_EQ(rule_at(batch.warnings(), "phone").empty(), phone.empty());
      EXPECT_EQ(update.profile_key(batch),
                klaviyo::consent_key(Channel::kEmail, {.email = "anna@goldenacre.example"}));
    }
  }
  auto by_phone = batch_of(
      subscribe({.email = "a..b@docomo.ne.jp", .phone = "+491701234567"}, {.channels = all}),
      nowhere);
  EXPECT_EQ(by_phone.records().size(), 2U);
  EXPECT_NE(rule_at(by_phone.warnings(), "email").find("left out"), std::string::npos);
  EXPECT_NE(rule_at(by_phone.warnings(), "channels").find("email"), std::string::npos);
  EXPECT_EQ(by_phone.records()[0].payload.find("docomo"), std::string::npos);

  auto nobody = batch_of(
      subscribe({.email = "qa@test.com", .external_id = "u-1"}, {.channels = all}), nowhere);
  EXPECT_TRUE(nobody.records().empty());
  EXPECT_EQ(nobody.violations().size(), 2U) << "one for each of what is missing";
  EXPECT_NE(rule_at(nobody.violations(), "email").find("test.com"), std::string::npos);
  EXPECT_NE(rule_at(nobody.violations(), "phone").find("is required"), std::string::npos);
}

TEST(Consent, AnAddressThatIsTooLongIsRefusedHere) {
  const klaviyo::Profile person{.email = std::string(60, 'a') + "@" + std::string(40, 'b') + ".de"};
  EXPECT_NE(rule_at(violations_of(subscribe(person)), "email").find("99"), std::string::npos);
}

TEST(Consent, IsOrderedByWhatTheChannelReaches) {
  const auto key = [](const klaviyo::Profile& profile, Channel channel) {
    return records_of(subscribe(profile, {.channels = {channel}})).at(0).profile_key;
  };
  auto phone_alone = customer();
  phone_alone.email = "";
  EXPECT_EQ(key(customer(), Channel::kSms), key(phone_alone, Channel::kSms));
  EXPECT_EQ(key(customer(), Channel::kSms), key(customer(), Channel::kWhatsApp));
  EXPECT_NE(key(customer(), Channel::kSms), key(customer(), Channel::kEmail));
  auto upper = customer();
  upper.email = " ANNA@goldenacre.example";
  EXPECT_EQ(key(customer(), Channel::kEmail), key(upper, Channel::kEmail));
  // An update of the profile that cannot be sent must not hold it up.
  EXPECT_NE(key(customer(), Channel::kEmail), klaviyo::profile_key(customer()));

  const auto first = records_of(subscribe(customer())).at(0);
  const auto again = records_of(subscribe(customer())).at(0);
  EXPECT_TRUE(first.timing->in_order);
  EXPECT_NE(first.dedup_key, again.dedup_key);
  EXPECT_NE(first.timing->slot, again.timing->slot);
}

TEST(Consent, OfHistoryKeepsItsBytesAndItsLane) {
  const auto normal = records_of(subscribe(customer())).at(0);
  const auto history = records_of(klaviyo::backfill(subscribe(customer()))).at(0);
  EXPECT_EQ(history.payload, normal.payload);
  EXPECT_EQ(history.queue, postbox::QueueId{22});
  EXPECT_EQ(klaviyo_test::destination().route(history.queue).bulk, kLane);
  EXPECT_TRUE(history.timing->in_order);
}

TEST(Consent, ADamagedRecordIsAJobThatKlaviyoRefuses) {
  EventRecord record = records_of(subscribe(customer())).at(0);
  record.payload = "1 9 consent";
  const Json body = parse(job_of({record}).body);
  EXPECT_EQ(body["data"]["attributes"]["profiles"]["data"][0]["attributes"], Json::object());
}

// What docs/consent.md shows.
void route(postbox::Tracker& tracker, const klaviyo::Order& order, const klaviyo::Profile& customer,
           klaviyo::Cart& cart, std::string_view cookie_header) {
  klaviyo::Consent consent;
  consent.list = "Y6nRLr";
  consent.channels = {klaviyo::Channel::kEmail, klaviyo::Channel::kSms};
  consent.custom_source = "Checkout";
  tracker.track(klaviyo::subscribe(order.customer, consent));

  tracker.track(klaviyo::unsubscribe(customer, {.list = "Y6nRLr"}));

  klaviyo::read_cookie(cookie_header, cart.customer);
}

// A tracker before the local Klaviyo, on virtual time.
class ConsentShop : public ::testing::Test {
 protected:
  using Answer = ScriptedHttpClient::Answer;

  // `trouble` may answer in Klaviyo's place.
  void start(std::function<std::optional<Answer>(const HttpRequest&)> trouble = {}) {
    http->on_request([this, trouble](const HttpRequest& request) -> Answer {
      if (trouble) {
        if (auto answer = trouble(request)) return *std::move(answer);
      }
      return ask_klaviyo(request);
    });
    klaviyo::Config config;
    config.api_key = "pk_0123456789abcdef";
    config.engine.outbox.url = "memory:";
    config.engine.log = [this](postbox::LogLevel, std::string_view line) {
      lines.emplace_back(line);
    };
    config.default_country = "DE";
    config.set(klaviyo::kConsent, postbox::Flag::on());
    config.set(klaviyo::kProfile, postbox::Flag::on());
    auto started = klaviyo::start(config, {.http = http, .clock = clock, .threads = false});
    ASSERT_TRUE(started) << started.error().message;
    tracker.emplace(*std::move(started));
  }

  Answer ask_klaviyo(const HttpRequest& request) {
    const std::size_t path = request.url.find("/api/");
    auto asked = sim::request_for("POST", request.url.c_str() + path, request.body);
    const sim::Response response = klaviyo_.handle(asked);
    std::vector<std::pair<std::string, std::string>> headers;
    for (auto [name, value] : response.headers) {
      std::ranges::transform(name, name.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      });
      headers.emplace_back(name, value);
    }
    headers.emplace_back("content-type", response.content_type);
    return postbox::HttpResponse{response.status, headers, response.body};
  }

  // "SUBSCRIBED" and so on, of the profile with that address.
  [[nodiscard]] std::string consent_of(const std::string& email, const char* channel = "email") {
    auto asked = sim::request_for("GET", "/api/profiles");
    asked.query = {{"filter", "equals(email,\"" + email + "\")"},
                   {"additional-fields[profile]", "subscriptions"}};
    const Json data = parse(klaviyo_.handle(asked).body)["data"];
    if (data.empty()) return "nobody";
    return data[0]["attributes"]["subscriptions"][channel]["marketing"]["consent"];
  }
  [[nodiscard]] std::vector<HttpRequest> sent_to(std::string_view path) const {
    std::vector<HttpRequest> found;
    for (const HttpRequest& request : http->requests()) {
      if (request.url.ends_with(path)) found.push_back(request);
    }
    return found;
  }
  static std::size_t profiles_in(const HttpRequest& request) {
    return parse(request.body)["data"]["attributes"]["profiles"]["data"].size();
  }
  void run_for(std::chrono::milliseconds time) {
    const auto end = clock->now() + time;
    while (clock->now() < end) {
      tracker->run_once();
      clock->advance(100ms);
    }
  }

  std::shared_ptr<ScriptedHttpClient> http = std::make_shared<ScriptedHttpClient>();
  std::shared_ptr<postbox::testing::ManualClock> clock =
      std::make_shared<postbox::testing::ManualClock>(now());
  std::vector<std::string> lines;
  std::optional<postbox::Tracker> tracker;
  sim::Simulator klaviyo_{
      {.keys = {},
       .limits = true,
       .now =
           [this] {
             return std::chrono::time_point_cast<std::chrono::system_clock::duration>(
                 clock->wall_now());
           },
       .wait = {}}};
};

TEST_F(ConsentShop, TheDefaultCountryMakesOneNumberOfItsSpellings) {
  start();
  const Consent by_sms{.channels = {Channel::kSms}};
  ASSERT_TRUE(tracker->track(subscribe({.phone = "0170 1234567"}, by_sms)));
  ASSERT_TRUE(tracker->track(unsubscribe({.phone = "+49 170 1234567"}, by_sms)));
  const auto result =
      tracker->track(subscribe(person("anna"), {.channels = {Channel::kEmail, Channel::kSms}}));
  ASSERT_TRUE(result);
  EXPECT_NE(rule_at(result.warnings(), "channels"), "");
  run_for(3s);
  ASSERT_EQ(sent_to(kUnsubscribe).size(), 1U);
  EXPECT_NE(sent_to(kUnsubscribe)[0].body.find("+491701234567"), std::string::npos);
  EXPECT_EQ(consent_of("anna@goldenacre.example"), "SUBSCRIBED");
  EXPECT_EQ(tracker->stats().delivered, 3U);
  EXPECT_TRUE(tracker->stats().conserved());
  EXPECT_TRUE(std::ranges::any_of(lines, [](const std::string& line) {
    return line.starts_with("an event was changed to be accepted: Subscribe: channels: ");
  }));
}

TEST_F(ConsentShop, ArrivesAndIsShown) {
  start();
  ASSERT_TRUE(tracker->track(subscribe(
      customer(), {.list = "Y6nRLr", .channels = {Channel::kEmail, Channel::kWhatsApp}})));
  run_for(2s);
  EXPECT_EQ(consent_of(customer().email), "SUBSCRIBED");
  EXPECT_EQ(consent_of(customer().email, "whatsapp"), "SUBSCRIBED");
  EXPECT_EQ(consent_of(customer().email, "sms"), "NEVER_SUBSCRIBED");
  EXPECT_NE(std::ranges::find(lines, "Klaviyo consent sent successfully"), lines.end());
  EXPECT_TRUE(tracker->stats().conserved());
}

TEST_F(ConsentShop, TheDocumentsExampleSubscribesAndTakesOffTheList) {
  start();
  auto cart = klaviyo_test::cart();
  route(*tracker, klaviyo_test::order(), person("ben"), cart, "__kla_id=eyJjaWQiOiJhYmMifQ==");
  EXPECT_EQ(cart.customer.anonymous_id, "abc");
  run_for(5s);
  EXPECT_EQ(consent_of(customer().email), "SUBSCRIBED");
  EXPECT_EQ(consent_of(customer().email, "sms"), "SUBSCRIBED");
  EXPECT_EQ(consent_of("ben@goldenacre.example"), "UNSUBSCRIBED");
}

TEST_F(ConsentShop, YesNoYesDuringAnOutageEndsAsYes) {
  bool is_out = true;
  start([&](const HttpRequest&) -> std::optional<Answer> {
    if (is_out) return ScriptedHttpClient::answer(503);
    return std::nullopt;
  });
  for (const bool yes : {true, false, true}) {
    ASSERT_TRUE(tracker->track(yes ? subscribe(customer()) : unsubscribe(customer())));
    run_for(20s);
  }
  is_out = false;
  run_for(10min);
  EXPECT_EQ(consent_of(customer().email), "SUBSCRIBED");
  EXPECT_EQ(tracker->stats().delivered, 3U);
  ASSERT_TRUE(tracker->track(unsubscribe(customer())));
  run_for(10s);
  EXPECT_EQ(consent_of(customer().email), "UNSUBSCRIBED");
  EXPECT_TRUE(tracker->stats().conserved());
}

TEST_F(ConsentShop, ABacklogTravelsInJobsOfOneListOneSourceAndOneKind) {
  start();
  for (int i = 0; i < 2'400; ++i) {
    const auto who = person("p" + std::to_string(i));
    const Consent consent{.list = i % 2 == 0 ? "Y6nRLr" : "Abc123"};
    ASSERT_TRUE(tracker->track(i % 12 == 0 ? unsubscribe(who, consent) : subscribe(who, consent)));
  }
  run_for(30s);
  EXPECT_EQ(tracker->stats().delivered, 2'400U);
  std::size_t most = 0;
  for (const auto& request : sent_to(kSubscribe)) {
    most = std::max(most, profiles_in(request));
    EXPECT_LE(profiles_in(request), 1'000U);
  }
  EXPECT_GT(most, 200U);
  for (const auto& request : sent_to(kUnsubscribe)) EXPECT_LE(profiles_in(request), 100U);
  EXPECT_LT(http->requests().size(), 20U);
  EXPECT_EQ(consent_of("p7@goldenacre.example"), "SUBSCRIBED");
  EXPECT_EQ(consent_of("p12@goldenacre.example"), "UNSUBSCRIBED");
}

TEST_F(ConsentShop, OneProfileThatIsRefusedIsTakenOutAlone) {
  start([](const HttpRequest& request) -> std::optional<Answer> {
    const Json profiles = parse(request.body)["data"]["attributes"]["profiles"]["data"];
    for (std::size_t i = 0; i < profiles.size(); ++i) {
      if (profiles[i]["attributes"]["email"] != "p5@goldenacre.example") continue;
      return ScriptedHttpClient::answer(
          400, R"({"errors":[{"code":"invalid","title":"Invalid input.","detail":"No.","source":)"
               R"({"pointer":"/data/attributes/profiles/data/)" +
                   std::to_string(i) + R"(/attributes/email"}}]})");
    }
    return std::nullopt;
  });
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(tracker->track(subscribe(person("p" + std::to_string(i)))));
  }
  run_for(20s);
  EXPECT_EQ(tracker->stats().delivered, 39U);
  EXPECT_EQ(tracker->stats().dead, 1U);
  EXPECT_EQ(http->requests().size(), 3U);
  const auto letters = tracker->dead_letters({.type = "Subscribe"}, postbox::EventHandle{0}, 10);
  ASSERT_TRUE(letters);
  EXPECT_EQ(letters->size(), 1U);
}

TEST_F(ConsentShop, AListThatDoesNotExistStopsNobodyElse) {
  start();
  ASSERT_TRUE(tracker->track(subscribe(person("a"), {.list = "no list"})));
  ASSERT_TRUE(tracker->track(subscribe(person("b"), {.list = "Y6nRLr"})));
  run_for(10s);
  EXPECT_EQ(tracker->stats().dead, 1U);
  EXPECT_EQ(consent_of("b@goldenacre.example"), "SUBSCRIBED");
}

TEST_F(ConsentShop, AnAddressThatAnswers404IsNoReasonToGiveUp) {
  start([](const HttpRequest&) -> std::optional<Answer> {
    return ScriptedHttpClient::answer(404, "<html>list</html>", {{"content-type", "text/html"}});
  });
  ASSERT_TRUE(tracker->track(subscribe(person("a"), {.list = "Y6nRLr"})));
  run_for(10s);
  EXPECT_EQ(tracker->stats().dead, 0U);
  EXPECT_EQ(tracker->stats().parked, 1U);
}

TEST_F(ConsentShop, AKeyWithoutTheScopesHoldsUpConsentAlone) {
  bool may_subscribe = false;
  start([&](const HttpRequest& request) -> std::optional<Answer> {
    if (may_subscribe || !request.url.ends_with(kSubscribe)) return std::nullopt;
    return ScriptedHttpClient::answer(
        403, R"({"errors":[{"code":"permission_denied","detail":"no scope"}]})",
        {{"content-type", "application/vnd.api+json"}});
  });
  ASSERT_TRUE(tracker->track(subscribe(customer())));
  run_for(2s);
  ASSERT_TRUE(tracker->track(klaviyo::identify(customer())));
  run_for(2s);
  EXPECT_EQ(sent_to("/api/profile-import").size(), 1U);
  EXPECT_EQ(tracker->stats().waiting + tracker->stats().in_flight, 1U);
  EXPECT_TRUE(std::ranges::any_of(lines, [](const std::string& line) {
    return line.find("subscriptions:write") != std::string::npos;
  }));
  may_subscribe = true;
  run_for(310s);
  EXPECT_EQ(tracker->stats().delivered, 2U);
}

TEST_F(ConsentShop, WhoIsForgottenHasNoWordThatWaits) {
  start(
      [](const HttpRequest&) -> std::optional<Answer> { return ScriptedHttpClient::answer(503); });
  const Consent both{.channels = {Channel::kEmail, Channel::kSms}};
  ASSERT_TRUE(tracker->track_durably(subscribe(customer(), both), 1s));
  ASSERT_TRUE(tracker->track_durably(subscribe(person("ben")), 1s));
  EXPECT_EQ(klaviyo::forget(*tracker, customer()).value(), 2U);
  EXPECT_EQ(tracker->stats().waiting, 1U);
}

// Whatever the API does, each person ends as they said last, and every word is applied.
TEST_F(ConsentShop, OfRandomWordsInABadWeekTheLastOfEachPersonWins) {
  for (unsigned seed = 1; seed <= postbox::tests::rounds(6U); ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto below = [&random](std::size_t end) { return random() % end; };
    bool is_calm = false;
    lines.clear();
    klaviyo_.reset();
    start([&](const HttpRequest& request) -> std::optional<Answer> {
      if (is_calm) return std::nullopt;
      switch (below(8)) {
        case 0:
          return ScriptedHttpClient::answer(503);
        case 1:
          return ScriptedHttpClient::answer(429, "", {{"retry-after", "3"}});
        case 2:
          return ScriptedHttpClient::failure(postbox::TransportFault::kTimeout);
        case 3:  // done, and the answer is lost
          (void)ask_klaviyo(request);
          return ScriptedHttpClient::failure(postbox::TransportFault::kReset);
        default:
          return std::nullopt;
      }
    });
    std::map<std::string, std::string> last;
    std::size_t words = 0;
    for (int round = 0; round < 60; ++round) {
      for (std::size_t many = 1 + below(12); many > 0; --many, ++words) {
        const auto who = person("p" + std::to_string(below(15)));
        const bool yes = below(2) == 0;
        const Consent consent{.list = below(2) == 0 ? "" : "Y6nRLr"};
        // Off a list stays subscribed otherwise: what ends all of it is global.
        ASSERT_TRUE(tracker->track(yes ? subscribe(who, consent) : unsubscribe(who)));
        last[who.email] = yes ? "SUBSCRIBED" : "UNSUBSCRIBED";
      }
      run_for(std::chrono::milliseconds(100 * below(80)));
    }
    is_calm = true;
    run_for(15min);
    for (const auto& [email, consent] : last) EXPECT_EQ(consent_of(email), consent) << email;
    EXPECT_EQ(tracker->stats().delivered, words);
    EXPECT_TRUE(tracker->stats().conserved());
    tracker.reset();
  }
}

// The local Klaviyo refuses what the real one documents as wrong.
class ConsentRules : public ::testing::Test {
 protected:
  static Json profile(const Json& marketing) {
    return {
        {"type", "profile"},
        {"attributes",
         {{"email", "jane@shop.fr"}, {"subscriptions", {{"email", {{"marketing", marketing}}}}}}}};
  }
  static Json job(const std::string& kind, Json profiles, Json more = Json::object()) {
    more["profiles"] = {{"data", std::move(profiles)}};
    return {
        {"data", {{"type", "profile-subscription-bulk-" + kind + "-job"}, {"attributes", more}}}};
  }
  // "202", or "400 <pointer of the first error>".
  std::string answer(const char* path, const Json& body) {
    const auto response = klaviyo_.handle(sim::request_for("POST", path, body.dump()));
    if (response.status == 202) return "202";
    return std::to_string(response.status) + " " +
           parse(response.body)["errors"][0]["source"]["pointer"].get<std::string>();
  }
  std::string subscribed(const Json& one, const Json& more = Json::object()) {
    return answer(kSubscribe, job("create", Json::array({one}), more));
  }

  const std::string first = "400 /data/attributes/profiles/data/0/attributes/";
  const Json yes = {{"consent", "SUBSCRIBED"}};
  sim::Simulator klaviyo_{{.keys = {}, .limits = false, .now = {}, .wait = {}}};
};

TEST_F(ConsentRules, AreThoseOfTheDocuments) {
  EXPECT_EQ(subscribed(profile(yes)), "202");
  EXPECT_EQ(subscribed(profile({{"consent", "UNSUBSCRIBED"}})),
            first + "subscriptions/email/marketing/consent");
  Json no_email = profile(yes);
  no_email["attributes"].erase("email");
  no_email["attributes"]["phone_number"] = "+33612345678";
  EXPECT_EQ(subscribed(no_email), first + "email");
  Json unknown = profile(yes);
  unknown["attributes"]["first_name"] = "Jane";
  EXPECT_EQ(subscribed(unknown), first + "first_name");
  EXPECT_EQ(answer(kSubscribe, job("delete", Json::array({profile(yes)}))), "400 /data/type");
  EXPECT_EQ(answer(kSubscribe, job("create", Json::array())), "400 /data/attributes/profiles/data");
}

TEST_F(ConsentRules, ATimeNeedsAHistoricalImportAndItATime) {
  Json dated = yes;
  dated["consented_at"] = "2020-01-01T00:00:00Z";
  const std::string time = first + "subscriptions/email/marketing/consented_at";
  EXPECT_EQ(subscribed(profile(dated)), time);
  EXPECT_EQ(subscribed(profile(yes), {{"historical_import", true}}), time);
  EXPECT_EQ(subscribed(profile(dated), {{"historical_import", true}}), "202");
  dated["consented_at"] = "2999-01-01T00:00:00Z";
  EXPECT_EQ(subscribed(profile(dated), {{"historical_import", true}}), time);
}

TEST_F(ConsentRules, AJobHasAsManyProfilesAsDocumented) {
  const Json no = profile({{"consent", "UNSUBSCRIBED"}});
  EXPECT_EQ(answer(kUnsubscribe, job("delete", Json(100, no))), "202");
  EXPECT_EQ(answer(kUnsubscribe, job("delete", Json(101, no))),
            "400 /data/attributes/profiles/data");
  EXPECT_EQ(answer(kSubscribe, job("create", Json(1'000, profile(yes)))), "202");
  EXPECT_EQ(answer(kSubscribe, job("create", Json(1'001, profile(yes)))),
            "400 /data/attributes/profiles/data");
}

}  // namespace
