// Carts that come back, by the whole of klaviyo::start(): updates, orders, timers, links.
#include <gmock/gmock.h>

#include <klaviyo/cart_timers.hpp>
#include <postbox/testing/manual_clock.hpp>
#include <postbox/testing/scripted_http_client.hpp>

#include "klaviyo_test_data.hpp"

namespace {

using klaviyo::cart_updated;
using klaviyo::order_placed;
using klaviyo_test::cart;
using klaviyo_test::Json;
using klaviyo_test::now;
using klaviyo_test::order;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
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
      events.push_back(klaviyo_test::parse(request.body)["data"]["attributes"]);
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
    auto changed = cart();
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

TEST_F(AbandonedCarts, AQuietCartBecomesAnAbandonedCheckoutWithAWayBack) {
  start();
  track(cart_updated(current()));
  EXPECT_EQ(tracker->stats().armed, 1U);
  run_for(60min - 1ms);
  EXPECT_THAT(sent_metrics(), ElementsAre("Cart Updated"));
  run_for(1ms);
  run_for(0ms);
  ASSERT_THAT(sent_metrics(), ElementsAre("Cart Updated", "Abandoned Checkout"));
  EXPECT_EQ(tracker->stats().fired, 1U);

  const Json event = sent()[1];
  EXPECT_EQ(event["time"], "2026-11-22T11:00:00Z");
  EXPECT_EQ(event["unique_id"], "c-7_1795341600");
  const std::string url = event["properties"]["RecoveryURL"];
  constexpr std::string_view kPath = "https://shop.goldenacre.example/cart/recover?token=";
  ASSERT_THAT(url, testing::StartsWith(std::string(kPath)));
  const auto found = klaviyo::verify_recovery_token(url.substr(kPath.size()),
                                                    config.recovery_secrets, clock->wall_now());
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->cart_id, "c-7");
  EXPECT_EQ(found->expires_at, now() + 60min + std::chrono::days(30));
}

TEST_F(AbandonedCarts, TenClicksAreOneEventAndTheClockStartsAtTheLast) {
  start();
  for (int click = 1; click <= 10; ++click) {
    auto more = current();
    more.items[0].quantity = click;
    track(cart_updated(more));
    run_for(100ms);
  }
  EXPECT_THAT(sent(), IsEmpty());
  run_for(60min - 101ms);
  ASSERT_THAT(sent_metrics(), ElementsAre("Cart Updated"));
  EXPECT_EQ(sent()[0]["properties"]["Items"][0]["Quantity"], 10);
  EXPECT_EQ(tracker->stats().duplicates, 9U);
  run_for(1ms);
  run_for(0ms);
  ASSERT_EQ(sent().size(), 2U);
  EXPECT_EQ(sent()[1]["properties"]["Items"][0]["Quantity"], 10);
}

TEST_F(AbandonedCarts, AnOrderOfTheSameCartUserAddressOrPhoneEndsIt) {
  config.cart_quiet_time = 0ms;
  start();
  for (const int what : {0, 1, 2, 3}) {
    auto left = current();
    left.user_id = "u-1";
    left.customer.external_id = "";
    track(cart_updated(left));
    run_for(1s);
    auto placed = bought();
    placed.order_id = std::to_string(what);
    placed.cart_id = what == 0 ? "c-7" : "another";
    placed.customer = {.email = what == 2 ? "ANNA@goldenacre.example" : "",
                       .phone = what == 3 ? "+491701234567" : "",
                       .external_id = what < 2 ? (what == 1 ? "u-1" : "u-9") : ""};
    track(order_placed(placed));
    EXPECT_EQ(tracker->stats().armed, 0U) << what;
    run_for(1s);
  }
  run_for(3h);
  EXPECT_THAT(sent_metrics(), testing::Not(Contains("Abandoned Checkout")));
}

TEST_F(AbandonedCarts, AnOrderOfSomebodyElseDoesNot) {
  start();
  track(cart_updated(current()));
  auto placed = bought();
  placed.cart_id = "c-8";
  placed.customer = {.email = "ines@goldenacre.example"};
  track(order_placed(placed));
  run_for(61min);
  EXPECT_THAT(sent_metrics(), Contains("Abandoned Checkout"));
}

TEST_F(AbandonedCarts, AnOrderThatArrivesBeforeItsCartEndsIt) {
  start();
  const auto left = current();
  run_for(1s);
  track(order_placed(bought()));
  track(cart_updated(left));
  EXPECT_EQ(tracker->stats().armed, 0U);
  run_for(1s);
  track(cart_updated(current()));
  EXPECT_EQ(tracker->stats().armed, 1U) << "a new cart of the same customer";
}

TEST_F(AbandonedCarts, AnEmptiedCartIsNotAbandoned) {
  start();
  track(cart_updated(current()));
  run_for(1min);
  auto empty = current();
  empty.items.clear();
  track(cart_updated(empty));
  EXPECT_EQ(tracker->stats().armed, 0U);
}

TEST_F(AbandonedCarts, TheShopMayReportItItself) {
  start();
  track(checkout_started(current()));
  EXPECT_EQ(tracker->stats().armed, 1U);
  run_for(1min);
  track(checkout_abandoned(current()));
  run_for(3h);
  EXPECT_THAT(sent_metrics(), ElementsAre("Started Checkout", "Abandoned Checkout"));
}

TEST_F(AbandonedCarts, TimersSurviveARestart) {
  start();
  track(cart_updated(current()));
  run_for(30min);
  start();
  EXPECT_EQ(tracker->stats().armed, 1U);
  run_for(31min);
  EXPECT_THAT(sent_metrics(), ElementsAre("Cart Updated", "Abandoned Checkout"));
}

TEST_F(AbandonedCarts, HistoryStartsNoClockAndDoesNotWait) {
  start();
  track(klaviyo::backfill(cart_updated(current())));
  EXPECT_EQ(tracker->stats().armed, 0U);
  EXPECT_EQ(sent().size(), 1U);
}

TEST_F(AbandonedCarts, AnOrderCostsNothingMoreWhileCartsAreOff) {
  const auto timers = std::make_shared<klaviyo::CartTimers>(config);
  const std::any settings = timers;
  const auto timing_of = [&] {
    postbox::EventBatch batch(now(), nullptr, &settings);
    order_placed(order()).encode(batch);
    EXPECT_EQ(batch.records().at(1).timing, nullptr);
    return batch.records().at(0).timing;
  };
  EXPECT_NE(timing_of(), nullptr);
  timers->on = false;
  EXPECT_EQ(timing_of(), nullptr);
  start();
}

TEST_F(AbandonedCarts, WithoutASecretThereIsNoLinkAndTheLogSaysSo) {
  config.recovery_secrets.clear();
  start();
  EXPECT_THAT(lines, Contains("Abandoned carts have no recovery link: KLAVIYO_RECOVERY_SECRET is "
                              "not set"));
  track(cart_updated(current()));
  run_for(61min);
  ASSERT_EQ(sent().size(), 2U);
  EXPECT_FALSE(sent()[1]["properties"].contains("RecoveryURL"));
}

TEST_F(AbandonedCarts, ACartThatCannotBeAbandonedIsStillReported) {
  start();
  auto odd = current();
  odd.properties.push_back({"RecoveryURL", std::string("mine")});
  EXPECT_THAT(track(cart_updated(odd)).to_string(), HasSubstr("when it is abandoned"));
  run_for(61min);
  EXPECT_THAT(sent_metrics(), ElementsAre("Cart Updated"));
}

}  // namespace
