// StripeShop: a webhook, a tracker and a simulated Klaviyo in one thread on a manual clock.
#pragma once

#include <gtest/gtest.h>

#include <klaviyo/klaviyo.hpp>
#include <map>
#include <optional>
#include <stripe/stripe.hpp>

#include <postbox/http_client.hpp>
#include <postbox/testing/manual_clock.hpp>
#include <postbox/testing/scripted_http_client.hpp>

#include "simulator.hpp"
#include "stripe_bodies.hpp"
#include "temporary_folder.hpp"

namespace postbox::tests {

using namespace std::chrono_literals;

class StripeShop {
 public:
  static constexpr const char* kSecret = "whsec_for_tests";

  explicit StripeShop(WallTime now = WallTime(1'780'000'000s))
      : StripeShop(std::make_shared<testing::ManualClock>(now), {.url = "memory:"}) {}
  // One of several servers that share an outbox.
  StripeShop(std::shared_ptr<testing::ManualClock> common_clock, OutboxOptions outbox)
      : clock(std::move(common_clock)), outbox_(std::move(outbox)) {
    http->on_request([this](const HttpRequest& request) { return answer(request); });
    start_tracker(keys_of_this_test());
    config.secrets = {kSecret};
    config.test_mode = true;
    config.fact_store_path = folder.file("outbox.db-stripe");
    config.clock = clock;
    config.threads = false;
    config.log = [this](LogLevel, std::string_view line) { log.emplace_back(line); };
  }
  StripeShop(const StripeShop&) = delete;
  StripeShop& operator=(const StripeShop&) = delete;
  ~StripeShop() {
    const Stats stats = tracker->stats();
    EXPECT_TRUE(stats.complete && stats.conserved());
  }

  stripe::Answer deliver(std::string_view body) {
    return webhook().handle(body, stripe::sign(body, kSecret, clock->wall_now()));
  }

  // Started at its first use, so that a test can change `config` before.
  stripe::Webhook& webhook() {
    if (!webhook_) {
      auto started = stripe::Webhook::start(config, *tracker);
      EXPECT_TRUE(started);
      webhook_.emplace(*std::move(started));
    }
    return *webhook_;
  }

  // The process ends and starts again: only the fact store's file survives.
  void restart_webhook() { webhook_.reset(); }

  // The same with other encryption keys.
  void restart(const std::vector<std::string>& keys) {
    settle();
    webhook_.reset();
    tracker.reset();
    start_tracker(keys);
  }

  void pass(std::chrono::milliseconds time) {
    clock->advance(time);
    webhook().run_once();
  }

  // What Klaviyo has recorded: {"metric", "properties", "email", "external_id", "time"}.
  std::vector<Json> recorded() {
    settle();
    std::vector<Json> events;
    const Json page = Json::parse(read_events());
    std::map<std::string, Json> included;
    for (const Json& item : page.value("included", Json::array())) {
      included[item["id"]] = item["attributes"];
    }
    for (const Json& event : page["data"]) {
      const Json& links = event["relationships"];
      const Json& profile = included[links["profile"]["data"]["id"]];
      events.push_back({{"metric", included[links["metric"]["data"]["id"]]["name"]},
                        {"properties", event["attributes"]["event_properties"]},
                        {"time", event["attributes"]["datetime"]},
                        {"email", profile["email"]},
                        {"external_id", profile["external_id"]}});
    }
    return events;
  }

  // The address of each recorded event; its external id when it has none.
  std::vector<std::string> recorded_identifiers() {
    std::vector<std::string> all;
    for (const Json& event : recorded()) {
      all.push_back(event["email"].is_string() ? event["email"] : event["external_id"]);
    }
    return all;
  }

  // Lets the tracker deliver what it has.
  void settle() {
    for (int steps = 0; steps < 10'000; ++steps) {
      const SteadyTime next = tracker->run_once();
      if (http->unanswered() > 0) continue;
      const Stats stats = tracker->stats();
      if (stats.waiting == 0 && stats.in_flight == 0) return;
      if (next > clock->now()) clock->advance(next - clock->now());
    }
    FAIL() << "events are still waiting";
  }

  TemporaryFolder folder;
  std::shared_ptr<testing::ManualClock> clock;
  std::shared_ptr<testing::ScriptedHttpClient> http =
      std::make_shared<testing::ScriptedHttpClient>();
  sim::Simulator simulator{
      {.keys = {},
       .limits = false,
       .now = [this] { return std::chrono::system_clock::time_point(clock->wall_now()); },
       .wait = [](std::chrono::milliseconds) {}}};
  std::optional<Tracker> tracker;
  stripe::Config config;
  std::vector<std::string> log;

 private:
  // In half of the tests, always the same ones, what Stripe told lies encrypted.
  static std::vector<std::string> keys_of_this_test() {
    const std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    if (name.size() % 2 == 0) return {};
    return {std::string(64, 'e')};
  }

  void start_tracker(const std::vector<std::string>& encryption_keys) {
    klaviyo::Config settings;
    settings.api_key = "pk_for_tests";
    settings.engine.outbox = outbox_;
    settings.engine.outbox.encryption_keys = encryption_keys;
    settings.engine.log_level = LogLevel::kOff;
    for (const Family& family : klaviyo::kFamilies) settings.set(family, Flag::on());
    auto started = klaviyo::start(settings, {.http = http, .clock = clock, .threads = false});
    EXPECT_TRUE(started);
    tracker.emplace(*std::move(started));
  }

  testing::ScriptedHttpClient::Answer answer(const HttpRequest& request) {
    sim::Request asked;
    asked.method = "POST";
    asked.path = request.url.substr(request.url.find("/api/"));
    for (const std::string& header : request.headers) {
      const auto colon = header.find(": ");
      std::string name = header.substr(0, colon);
      std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
      asked.headers[name] = header.substr(colon + 2);
    }
    asked.body = request.body;
    const sim::Response response = simulator.handle(asked);
    return testing::ScriptedHttpClient::answer(response.status, response.body);
  }

  std::string read_events() {
    sim::Request asked;
    asked.method = "GET";
    asked.path = "/api/events";
    asked.headers = {{"authorization", "Klaviyo-API-Key pk_for_tests"}, {"revision", "2026-10-15"}};
    asked.query = {{"include", "metric,profile"}, {"page[size]", "1000"}};
    const sim::Response response = simulator.handle(asked);
    EXPECT_EQ(response.status, 200) << response.body;
    return response.body;
  }

  const OutboxOptions outbox_;
  std::optional<stripe::Webhook> webhook_;
};

}  // namespace postbox::tests
