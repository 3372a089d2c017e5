// Carts that come back, by the whole of klaviyo::start(): updates, orders, timers, links.
#include "support/abandoned_carts.hpp"

namespace {

using klaviyo::cart_updated;
using klaviyo::order_placed;
using klaviyo_test::AbandonedCarts;
using klaviyo_test::Json;
using klaviyo_test::now;
using klaviyo_test::order;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using namespace std::chrono_literals;

TEST_F(AbandonedCarts, AQuietCartBecomesAnAbandonedCheckoutWithAWayBack) {
  start();
  track(cart_updated(current()));
  EXPECT_EQ(tracker->stats().timers_pending, 1U);
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

TEST_F(AbandonedCarts, AnEmptiedCartIsNotAbandoned) {
  start();
  track(cart_updated(current()));
  run_for(1min);
  auto empty = current();
  empty.items.clear();
  track(cart_updated(empty));
  EXPECT_EQ(tracker->stats().timers_pending, 0U);
}

TEST_F(AbandonedCarts, TheShopMayReportItItself) {
  start();
  track(checkout_started(current()));
  EXPECT_EQ(tracker->stats().timers_pending, 1U);
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
  EXPECT_EQ(tracker->stats().timers_pending, 1U);
  run_for(31min);
  EXPECT_THAT(sent_metrics(), ElementsAre("Cart Updated", "Abandoned Checkout"));
}

TEST_F(AbandonedCarts, HistoryStartsNoClockAndDoesNotWait) {
  start();
  track(klaviyo::backfill(cart_updated(current())));
  EXPECT_EQ(tracker->stats().timers_pending, 0U);
  EXPECT_EQ(sent().size(), 1U);
}

TEST_F(AbandonedCarts, WithoutAnAddressThereIsNoLinkAndTheLogSaysSo) {
  config.app_url.clear();
  start();
  EXPECT_THAT(lines, Contains("Abandoned carts have no recovery link: VITE_APP_URL is not set"));
  track(cart_updated(current()));
  run_for(61min);
  ASSERT_EQ(sent().size(), 2U);
  EXPECT_FALSE(sent()[1]["properties"].contains("RecoveryURL"));
}

TEST_F(AbandonedCarts, WithoutASecretTheOutboxKeepsOneAndTheLogSaysHowToShareIt) {
  config.recovery_secrets.clear();
  start();
  const auto secrets = klaviyo::recovery_secrets(config, *tracker);
  ASSERT_EQ(secrets.size(), 1U);
  EXPECT_EQ(secrets[0].size(), 64U);
  EXPECT_THAT(lines, Contains(HasSubstr("set KLAVIYO_RECOVERY_SECRET to the same value")));
  EXPECT_THAT(lines, Not(Contains(HasSubstr(secrets[0]))));
  track(cart_updated(current()));
  run_for(61min);
  ASSERT_EQ(sent().size(), 2U);
  const std::string url = sent()[1]["properties"]["RecoveryURL"];
  const std::string token = url.substr(url.find('=') + 1);
  EXPECT_TRUE(klaviyo::verify_recovery_token(token, secrets, clock->wall_now()));

  start();
  EXPECT_EQ(klaviyo::recovery_secrets(config, *tracker), secrets) << "made once";
  config.recovery_secrets = {"a secret of the shop's own"};
  start();
  EXPECT_EQ(klaviyo::recovery_secrets(config, *tracker),
            (std::vector<std::string>{"a secret of the shop's own", secrets[0]}))
      << "links that were sent before stay good";
}

TEST_F(AbandonedCarts, WithASecretTheOutboxKeepsNone) {
  start();
  EXPECT_EQ(klaviyo::recovery_secrets(config, *tracker), config.recovery_secrets);
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
