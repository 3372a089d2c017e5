// The whole of klaviyo::start() on an outbox in memory and an injected clock, with carts that
// become abandoned: a fixture for tests.
#pragma once

#include <gmock/gmock.h>

#include <klaviyo/cart_timers.hpp>
#include <optional>
#include <postbox/outbox.hpp>
#include <postbox/testing/manual_clock.hpp>
#include <postbox/testing/scripted_http_client.hpp>
#include <string>
#include <vector>

#include "klaviyo_test_data.hpp"

namespace klaviyo_test {

using namespace std::chrono_literals;

class AbandonedCarts : public ::testing::Test {
 protected:
  void SetUp() override {
    config.api_key = "pk_0123456789";
    config.app_url = "https://shop.goldenacre.example/";
    config.recovery_secrets = {"a secret of the shop's own"};
    config.set(klaviyo::kCart, postbox::Flag::on()).set(klaviyo::kPurchase, postbox::Flag::on());
    config.engine.log = [this](postbox::LogLevel, std::string_view line) {
      lines.emplace_back(line);
    };
    outbox = postbox::open_outbox({.url = "memory:"}, clock).value();
  }
  void TearDown() override {
    const postbox::Stats stats = tracker->stats();
    EXPECT_TRUE(stats.complete && stats.conserved());
  }

  // Also anew: only the outbox stays.
  void start() {
    tracker.reset();
    auto started =
        klaviyo::start(config, {.outbox = outbox, .http = http, .clock = clock, .threads = false});
    ASSERT_TRUE(started) << started.error().message;
    tracker.emplace(*std::move(started));
  }
  template <class Event>
  postbox::TrackResult track(const Event& event) {
    auto result = tracker->track(event);
    EXPECT_EQ(result.to_string().substr(0, 8), "accepted");
    run_for(0ms);
    return result;
  }
  void run_for(std::chrono::milliseconds time) {
    const auto end = clock->now() + time;
    for (int steps = 0; steps < 10'000; ++steps) {
      const auto next = tracker->run_once();
      if (http->unanswered() > 0) continue;
      if (next > end) break;
      if (next > clock->now()) clock->advance(next - clock->now());
    }
    if (clock->now() < end) clock->advance(end - clock->now());
  }
  [[nodiscard]] std::vector<Json> sent() const {
    std::vector<Json> events;
    for (const auto& request : http->requests()) {
      events.push_back(parse(request.body)["data"]["attributes"]);
    }
    return events;
  }
  [[nodiscard]] std::vector<std::string> sent_metrics() const {
    std::vector<std::string> names;
    for (const Json& event : sent()) {
      names.push_back(event["metric"]["data"]["attributes"]["name"]);
    }
    return names;
  }
  // The cart as it is now.
  [[nodiscard]] klaviyo::Cart current() const {
    klaviyo::Cart changed = cart();
    changed.updated_at = clock->wall_now();
    return changed;
  }
  [[nodiscard]] klaviyo::Order bought() const {
    auto placed = order();
    placed.items.resize(1);
    placed.placed_at = clock->wall_now();
    return placed;
  }

  klaviyo::Config config;
  std::shared_ptr<postbox::testing::ScriptedHttpClient> http =
      std::make_shared<postbox::testing::ScriptedHttpClient>();
  std::shared_ptr<postbox::testing::ManualClock> clock =
      std::make_shared<postbox::testing::ManualClock>(now());
  std::shared_ptr<postbox::Outbox> outbox;
  std::vector<std::string> lines;
  std::optional<postbox::Tracker> tracker;
};

}  // namespace klaviyo_test
