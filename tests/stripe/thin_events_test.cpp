// Thin events: kept, fetched from Stripe in the background, and tracked as a snapshot would be.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <mutex>
#include <thread>

#include "support/loopback_server.hpp"
#include "support/stripe_events.hpp"
#include "support/stripe_shop.hpp"

namespace postbox::tests {
namespace {

// The thin form of `event`, as Stripe sends it since 2026-09-30.
Json thin_of(const Json& event, const std::string& url) {
  return {{"id", "evt_thin_" + event["id"].get<std::string>()},
          {"object", "v2.core.event"},
          {"type", "v1." + event["type"].get<std::string>()},
          {"created", "2026-05-28T20:26:40.330Z"},
          {"livemode", event["livemode"]},
          {"context", nullptr},
          {"snapshot_event", event["id"]},
          {"related_object",
           {{"id", event["data"]["object"]["id"]},
            {"type", event["data"]["object"]["object"]},
            {"url", url}}}};
}

// Stripe's API as a script: what it has at which path, and how it answers otherwise.
class ThinShop : public StripeShop {
 public:
  explicit ThinShop(std::string key = "rk_test_1") {
    api->on_request([this](const HttpRequest& request) { return answer(request); });
    config.http = api;
    config.api_key = std::move(key);
  }

  // Of one metric, what was recorded.
  std::vector<Json> recorded(std::string_view metric) {
    std::vector<Json> found;
    for (Json& event : StripeShop::recorded()) {
      if (event["metric"] == metric) found.push_back(std::move(event));
    }
    return found;
  }

  [[nodiscard]] std::vector<std::string> asked() const {
    std::vector<std::string> paths;
    for (const HttpRequest& request : api->requests()) {
      EXPECT_EQ(request.method, HttpMethod::kGet);
      EXPECT_TRUE(request.url.starts_with("https://api.stripe.com/"));
      paths.push_back(request.url.substr(22));
    }
    return paths;
  }

  [[nodiscard]] bool log_has(std::string_view text) const {
    return std::ranges::any_of(
        log, [&](const std::string& line) { return line.find(text) != std::string::npos; });
  }

  std::shared_ptr<testing::ScriptedHttpClient> api =
      std::make_shared<testing::ScriptedHttpClient>();
  std::map<std::string, Json> objects;
  std::optional<testing::ScriptedHttpClient::Answer> instead;

 private:
  testing::ScriptedHttpClient::Answer answer(const HttpRequest& request) {
    if (instead) return *instead;
    const auto found = objects.find(request.url.substr(22));
    return found == objects.end() ? testing::ScriptedHttpClient::answer(404, R"({"error":{}})")
                                  : testing::ScriptedHttpClient::answer(200, found->second.dump());
  }
};

Json paid_invoice() {
  Json event = stripe_event("invoice.paid", stripe_invoice("in_1", "manual"));
  event["id"] = "evt_1";
  return event;
}

TEST(StripeThinEvents, AreFetchedAndAreTheEventThatASnapshotIs) {
  ThinShop shop;
  const Json event = paid_invoice();
  shop.objects["/v1/events/" + event["id"].get<std::string>()] = event;
  const auto answer = shop.deliver(thin_of(event, "/v1/invoices/in_1").dump());
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.reason, "waits for thin:evt_thin_" + event["id"].get<std::string>());
  EXPECT_TRUE(shop.asked().empty()) << "Stripe was asked within its own request";
  shop.pass(0s);
  EXPECT_EQ(shop.asked(), std::vector<std::string>{"/v1/events/" + event["id"].get<std::string>()});
  EXPECT_EQ(shop.recorded("Placed Order").size(), 1U);
  const stripe::Counts counts = shop.webhook().counts();
  EXPECT_EQ(counts.waited, 1U);
  EXPECT_EQ(counts.released, 1U);
  EXPECT_EQ(counts.waiting, 0U);
  // The same by an endpoint of the other style, and once more by this one: one order.
  shop.deliver(event.dump());
  shop.deliver(thin_of(event, "/v1/invoices/in_1").dump());
  shop.pass(0s);
  EXPECT_EQ(shop.recorded("Placed Order").size(), 1U);
}

TEST(StripeThinEvents, TheRequestHasTheKeyTheVersionAndTheAccount) {
  ThinShop shop;
  Json event = paid_invoice();
  event["account"] = "acct_7";
  shop.objects["/v1/events/" + event["id"].get<std::string>()] = event;
  Json thin = thin_of(event, "/v1/invoices/in_1");
  thin["context"] = "acct_7";
  shop.deliver(thin.dump());
  shop.pass(0s);
  ASSERT_EQ(shop.api->requests().size(), 1U);
  const auto headers = shop.api->requests().front().headers;
  for (const char* wanted : {"Authorization: Bearer rk_test_1", "Stripe-Context: acct_7",
                             "Stripe-Version: 2026-10-28.endive"}) {
    EXPECT_TRUE(std::ranges::count(headers, wanted) == 1) << wanted;
  }
  EXPECT_EQ(shop.recorded("Placed Order").size(), 1U);
}

// Where Stripe has made no snapshot: the object as it is now, with the values of then of what has
// changed.
TEST(StripeThinEvents, WithoutASnapshotTheObjectIsFetchedWithWhatHasChangedThen) {
  ThinShop shop;
  for (const std::int64_t so_far : {1000, 2500}) {
    const Json now = stripe_charge(2500);
    const std::string id = "evt_refund_" + std::to_string(so_far);
    Json thin = thin_of(stripe_event("charge.refunded", now), "/v1/charges/ch_1");
    thin["id"] = id;
    thin.erase("snapshot_event");
    Json whole = thin;
    whole["changes"] = {{"before", {{"amount_refunded", so_far == 1000 ? 0 : 1000}}},
                        {"after", {{"amount_refunded", so_far}}}};
    shop.objects["/v2/core/events/" + id] = whole;
    shop.objects["/v1/charges/ch_1"] = now;
    EXPECT_EQ(shop.deliver(thin.dump()).status, 200);
  }
  for (int minutes = 0; minutes < 8; ++minutes) shop.pass(1min);
  const auto refunds = shop.recorded("Partially Refunded Order");
  ASSERT_EQ(refunds.size(), 2U);
  double sum = 0;
  for (const Json& refund : refunds) sum += refund["properties"]["$value"].get<double>();
  EXPECT_DOUBLE_EQ(sum, 25.0);
}

TEST(StripeThinEvents, WithoutAKeyTheyAreRefusedWithTheNameOfTheSetting) {
  ThinShop shop("");
  const auto answer = shop.deliver(thin_of(paid_invoice(), "/v1/invoices/in_1").dump());
  EXPECT_EQ(answer.status, 400);
  EXPECT_TRUE(shop.log_has("STRIPE_API_KEY"));
  EXPECT_TRUE(shop.log_has("snapshot"));
  EXPECT_EQ(shop.webhook().counts().unusable, 1U);
}

// Two of them would be one in the store, and the second gone with a 200.
TEST(StripeThinEvents, WithoutAnIdAreRefused) {
  ThinShop shop;
  Json thin = thin_of(paid_invoice(), "/v1/invoices/in_1");
  thin.erase("id");
  EXPECT_EQ(shop.deliver(thin.dump()).status, 400);
  EXPECT_EQ(shop.webhook().counts().waiting, 0U);
}

struct Trouble {
  const char* name;
  testing::ScriptedHttpClient::Answer answer;
  const char* line;
};

class StripeThinTroubles : public ::testing::TestWithParam<Trouble> {};

TEST_P(StripeThinTroubles, KeepTheEventAndSayWhy) {
  ThinShop shop;
  const Json event = paid_invoice();
  shop.objects["/v1/events/" + event["id"].get<std::string>()] = event;
  shop.instead = GetParam().answer;
  EXPECT_EQ(shop.deliver(thin_of(event, "/v1/invoices/in_1").dump()).status, 200);
  for (int hour = 0; hour < 48; ++hour) shop.pass(1h);
  EXPECT_TRUE(shop.log_has(GetParam().line));
  EXPECT_FALSE(shop.log_has("rk_test"));
  EXPECT_TRUE(shop.recorded("Placed Order").empty());
  EXPECT_LE(shop.asked().size(), 48U);
  shop.restart_webhook();
  shop.instead.reset();
  shop.pass(1h);
  EXPECT_EQ(shop.recorded("Placed Order").size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(
    Each, StripeThinTroubles,
    ::testing::Values(
        Trouble{"Unreachable", testing::ScriptedHttpClient::failure(TransportFault::kConnect),
                "Stripe cannot be reached"},
        Trouble{"WrongKey", testing::ScriptedHttpClient::answer(401, "{}"),
                "STRIPE_API_KEY is not valid"},
        Trouble{"NotAllowed", testing::ScriptedHttpClient::answer(403, "{}"), "may not read"},
        Trouble{"OtherAccount", testing::ScriptedHttpClient::answer(404, "{}"),
                "same account and mode"},
        Trouble{"TooMany", testing::ScriptedHttpClient::answer(429, "{}"), "429 for GET"},
        Trouble{"Down", testing::ScriptedHttpClient::answer(503, "{}"), "503 for GET"},
        Trouble{"AProxy", testing::ScriptedHttpClient::answer(200, "<html>log in</html>"),
                "is not Stripe"},
        Trouble{"AnotherEvent", testing::ScriptedHttpClient::answer(200, R"({"object":"event"})"),
                "another event"}),
    [](const auto& instance) { return instance.param.name; });

// One that always fails must not hold up the others, whatever order they are asked in.
TEST(StripeThinEvents, ThatCannotBeReadHoldUpNoOthers) {
  ThinShop shop;
  for (int i = 0; i < 20; ++i) {
    Json bad = thin_of(paid_invoice(), "/v1/invoices/in_1");
    bad["id"] = "evt_a" + std::to_string(i);
    bad["snapshot_event"] = "evt_gone_" + std::to_string(i);
    EXPECT_EQ(shop.deliver(bad.dump()).status, 200);
  }
  const Json event = paid_invoice();
  shop.objects["/v1/events/" + event["id"].get<std::string>()] = event;
  Json good = thin_of(event, "/v1/invoices/in_1");
  good["id"] = "evt_z";
  shop.deliver(good.dump());
  for (int steps = 0; steps < 4; ++steps) shop.pass(1ms);
  EXPECT_EQ(shop.recorded("Placed Order").size(), 1U);
  EXPECT_EQ(shop.webhook().counts().waiting, 20U);
}

TEST(StripeThinEvents, ThatWaitAreFetchedWhenAKeyIsSetAndTheWebhookReloads) {
  ThinShop shop;
  const Json event = paid_invoice();
  shop.instead = testing::ScriptedHttpClient::answer(401, "{}");
  const std::string file = shop.folder.file(".env");
  std::ofstream(file) << "STRIPE_WEBHOOK_SECRET=" << StripeShop::kSecret
                      << "\nSTRIPE_TEST_MODE=true\nSTRIPE_API_KEY=rk_test_2\n";
  shop.config.environment_file = file;
  EXPECT_EQ(shop.deliver(thin_of(event, "/v1/invoices/in_1").dump()).status, 200);
  for (int step = 0; step < 5; ++step) shop.pass(5min);
  shop.instead.reset();
  shop.objects["/v1/events/" + event["id"].get<std::string>()] = event;
  ASSERT_TRUE(shop.webhook().reload());
  EXPECT_TRUE(shop.log_has("STRIPE_API_KEY (set) -> (set)"));
  shop.pass(0s);
  EXPECT_EQ(shop.recorded("Placed Order").size(), 1U);
}

TEST(StripeThinEvents, MoreThanMayWaitAreLeftToStripe) {
  ThinShop shop;
  shop.config.fact_store_limits.waiting = 2;
  std::vector<int> answers;
  for (int i = 0; i < 3; ++i) {
    Json thin = thin_of(paid_invoice(), "/v1/invoices/in_1");
    thin["id"] = "evt_" + std::to_string(i);
    answers.push_back(shop.deliver(thin.dump()).status);
  }
  EXPECT_EQ(answers, (std::vector{200, 200, 503}));
}

TEST(StripeThinEvents, ThatStripeHasNoLongerAreGivenUpAloud) {
  ThinShop shop;
  shop.deliver(thin_of(paid_invoice(), "/v1/invoices/in_1").dump());
  shop.pass(24h * 31);
  EXPECT_TRUE(shop.log_has("for 30 days"));
  EXPECT_EQ(shop.webhook().counts().lost, 1U);
  EXPECT_EQ(shop.webhook().counts().waiting, 0U);
}

TEST(StripeThinEvents, WhoseLinkLeadsElsewhereAskNobodyElse) {
  for (const char* url :
       {"https://evil.example/v1/x", "/v1/../x?y", "/v2/x", "/v1/invoices/in 1", ""}) {
    ThinShop shop;
    Json thin = thin_of(paid_invoice(), url);
    thin.erase("snapshot_event");
    const std::string path = "/v2/core/events/" + thin["id"].get<std::string>();
    shop.objects[path] = thin;
    shop.deliver(thin.dump());
    shop.pass(0s);
    EXPECT_EQ(shop.asked(), std::vector<std::string>{path}) << url;
    EXPECT_TRUE(shop.log_has("names no object")) << url;
  }
}

// With real sockets and the webhook's own thread.
TEST(StripeThinEvents, AreFetchedFromARealServerByTheWebhooksOwnThread) {
  const Json event = paid_invoice();
  std::mutex mutex;
  std::vector<std::string> heads;
  test::LoopbackServer server([&](test::Connection& connection) {
    while (const auto request = connection.read_request()) {
      {
        const std::lock_guard lock(mutex);
        heads.push_back(request->head);
      }
      connection.send(test::http_answer(event.dump()));
    }
  });
  StripeShop shop;
  shop.config.threads = true;
  shop.config.api_key = "rk_test_1";
  shop.config.api_url = "http://" + server.authority();
  EXPECT_EQ(shop.deliver(thin_of(event, "/v1/invoices/in_1").dump()).status, 200);
  for (int looks = 0; shop.tracker->stats().accepted == 0; ++looks) {
    ASSERT_LT(looks, 100'000'000) << "nobody has fetched it";
    std::this_thread::yield();
  }
  shop.restart_webhook();
  EXPECT_EQ(shop.recorded().size(), 1U);
  const std::lock_guard lock(mutex);
  ASSERT_EQ(heads.size(), 1U);
  EXPECT_TRUE(heads.front().starts_with("GET /v1/events/")) << heads.front();
}

// A server that says nothing must not hold up the end of the program.
TEST(StripeThinEvents, AStopDoesNotWaitForAnAnswer) {
  std::atomic<int> asked = 0;
  test::LoopbackServer server([&](test::Connection& connection) {
    if (connection.read_request()) ++asked;
    connection.wait_for_close();
  });
  StripeShop shop;
  shop.config.threads = true;
  shop.config.api_key = "rk_test_1";
  shop.config.api_url = "http://" + server.authority();
  shop.deliver(thin_of(paid_invoice(), "/v1/invoices/in_1").dump());
  while (asked == 0) std::this_thread::yield();
  shop.restart_webhook();
  EXPECT_EQ(asked, 1);
}

TEST(StripeThinEvents, AKeyThatIsNoneIsRefusedByName) {
  const auto load = [](const std::string& line) {
    return stripe::Config::from(Environment::parse("STRIPE_API_KEY=" + line + "\n").value());
  };
  EXPECT_EQ(load("\"rk_live_abc\"").value().api_key, "rk_live_abc");
  for (const char* bad : {"whsec_abc", "pk_live_abc", "rk_live a", "abc"}) {
    const auto config = load(bad);
    ASSERT_FALSE(config) << bad;
    EXPECT_NE(config.error().message.find("STRIPE_API_KEY"), std::string::npos);
    EXPECT_EQ(config.error().message.find(bad), std::string::npos) << "a secret is shown";
  }
}

}  // namespace
}  // namespace postbox::tests
