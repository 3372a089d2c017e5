// What ends the timer of a cart: purchases, in whatever order they are reported, and whatever the
// flag of their own family is.
#include "support/abandoned_carts.hpp"

namespace {

using klaviyo::cart_updated;
using klaviyo::order_placed;
using klaviyo_test::AbandonedCarts;
using klaviyo_test::cart;
using klaviyo_test::now;
using klaviyo_test::order;
using testing::Contains;
using testing::ElementsAre;
using testing::Not;
using namespace std::chrono_literals;

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
    EXPECT_EQ(tracker->stats().timers_pending, 0U) << what;
    run_for(1s);
  }
  run_for(3h);
  EXPECT_THAT(sent_metrics(), testing::Not(Contains("Abandoned Checkout")));
}

// The shop has sold something, whether Klaviyo can be told of it or not.
TEST_F(AbandonedCarts, AnOrderThatIsRejectedEndsItsCart) {
  start();
  track(cart_updated(current()));
  run_for(1s);
  auto placed = bought();
  placed.items.front().quantity = 0;
  EXPECT_EQ(tracker->track(order_placed(placed)).status(), postbox::TrackStatus::kRejected);
  run_for(3h);
  EXPECT_THAT(sent_metrics(), Not(Contains("Abandoned Checkout")));
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
  EXPECT_EQ(tracker->stats().timers_pending, 0U);
  run_for(1s);
  track(cart_updated(current()));
  EXPECT_EQ(tracker->stats().timers_pending, 1U) << "a new cart of the same customer";
}

TEST_F(AbandonedCarts, AnOrderEndsACartWhoseClockIsAhead) {
  start();
  for (const auto ahead : {std::chrono::milliseconds(10s), std::chrono::milliseconds(24h * 300)}) {
    for (const bool by_cart : {true, false}) {
      auto left = current();
      *left.updated_at += ahead;
      auto placed = bought();
      placed.order_id = std::to_string(ahead.count()) + (by_cart ? "c" : "u");
      placed.placed_at = clock->wall_now();
      if (by_cart) placed.customer = {.email = "ines@goldenacre.example"};
      placed.cart_id = by_cart ? "c-7" : "another";
      ASSERT_TRUE(tracker->track(cart_updated(left)));
      clock->advance(5ms);
      ASSERT_TRUE(tracker->track(order_placed(placed)));
      run_for(0ms);
      EXPECT_EQ(tracker->stats().timers_pending, 0U) << ahead.count() << by_cart;
      run_for(1min);
    }
  }
  track(cart_updated(current()));
  EXPECT_EQ(tracker->stats().timers_pending, 1U) << "a new cart under the same id";
  run_for(2h);
  EXPECT_THAT(sent_metrics(), Contains("Abandoned Checkout").Times(1));
}

TEST_F(AbandonedCarts, AnOrderThatIsReportedLateEndsTheVeryCartOfASlightlyFastClock) {
  start();
  run_for(10s);
  auto placed = bought();
  placed.cart_id = "c-7";
  placed.customer = {.email = "ines@goldenacre.example"};
  run_for(58min);
  auto left = current();
  left.updated_at = *placed.placed_at + 90s;
  track(cart_updated(left));
  run_for(5min);
  track(order_placed(placed));
  EXPECT_EQ(tracker->stats().timers_pending, 0U);
}

TEST_F(AbandonedCarts, AnOrderThatWasPlacedBeforeTheLastUpdateAndIsReportedAfterItEndsIt) {
  start();
  run_for(10s);
  auto placed = bought();  // when the customer went to pay
  run_for(10s + 1ms);
  track(cart_updated(current()));
  run_for(30min);
  placed.cart_id = "another";
  track(order_placed(placed));
  EXPECT_EQ(tracker->stats().timers_pending, 0U);
}

TEST_F(AbandonedCarts, AnOrderOfTheSameSecondEndsItAlthoughTheShopNotesNoFractions) {
  start();
  run_for(700ms);
  const auto left = current();
  run_for(100ms);
  auto placed = bought();
  placed.placed_at = now();
  track(order_placed(placed));
  track(cart_updated(left));
  EXPECT_EQ(tracker->stats().timers_pending, 0U);
}

TEST_F(AbandonedCarts, AnOrderThatIsReportedLaterThanThatEndsWhatIsOlder) {
  start();
  track(cart_updated(current()));
  const auto placed = bought();
  run_for(2h);
  auto next = current();
  next.cart_id = "c-8";
  track(cart_updated(next));
  track(order_placed(placed));
  EXPECT_EQ(tracker->stats().timers_pending, 1U) << "the cart of today";
  run_for(2h);
  EXPECT_THAT(sent_metrics(), Contains("Abandoned Checkout").Times(2));
}

TEST_F(AbandonedCarts, ASubscriptionThatBeginsEndsIt) {
  config.set(klaviyo::kSubscription, postbox::Flag::on());
  start();
  for (const bool trial : {false, true}) {
    track(cart_updated(current()));
    run_for(1s);
    auto begun = klaviyo_test::subscription();
    begun.cart_id = "c-7";
    begun.customer = {.external_id = "u-9"};
    begun.started_at = clock->wall_now();
    begun.trial_end = clock->wall_now() + 24h;
    trial ? track(subscription_trial_started(begun)) : track(subscription_started(begun));
    EXPECT_EQ(tracker->stats().timers_pending, 0U) << trial;
    run_for(1s);
  }
  track(cart_updated(current()));
  track(subscription_renewed(klaviyo_test::subscription()));
  EXPECT_EQ(tracker->stats().timers_pending, 1U);
}

TEST_F(AbandonedCarts, APurchaseEndsItWhileTheFlagOfPurchasesIsOff) {
  config.set(klaviyo::kPurchase, postbox::Flag::off());
  config.set(klaviyo::kSubscription, postbox::Flag::off());
  start();
  track(cart_updated(current()));
  auto placed = bought();
  EXPECT_EQ(tracker->track(order_placed(placed)).status(), postbox::TrackStatus::kDisabled);
  EXPECT_EQ(tracker->stats().waiting, 1U) << "the cart's update";
  run_for(0ms);
  EXPECT_EQ(tracker->stats().timers_pending, 0U);

  run_for(10s);
  track(cart_updated(current()));
  EXPECT_EQ(tracker->stats().timers_pending, 1U);
  auto begun = klaviyo_test::subscription();
  begun.started_at = clock->wall_now();
  EXPECT_EQ(tracker->track(subscription_started(begun)).status(), postbox::TrackStatus::kDisabled);
  run_for(3h);
  EXPECT_THAT(sent_metrics(), ElementsAre("Cart Updated", "Cart Updated"));
  EXPECT_EQ(tracker->stats().disabled, 3U);
}

TEST_F(AbandonedCarts, AnOrderEndsItWhileItsCustomerIsOutsideThePercentage) {
  config.set(klaviyo::kPurchase, postbox::Flag::parse("1%").value());
  start();
  track(cart_updated(current()));
  EXPECT_EQ(tracker->track(order_placed(bought())).status(), postbox::TrackStatus::kDisabled);
  run_for(3h);
  EXPECT_THAT(sent_metrics(), ElementsAre("Cart Updated"));
}

TEST_F(AbandonedCarts, AnOrderEndsWhatRunsAlthoughCartsHaveBeenSwitchedOffMeanwhile) {
  klaviyo::CartTimers context(config);
  context.switch_to(false);
  postbox::EventBatch on(now(), nullptr, &context);
  order_placed(order()).encode(on);
  ASSERT_NE(on.records().at(0).timing, nullptr);
  EXPECT_EQ(on.records().at(0).timing->cancels.size(), 3U);
  EXPECT_EQ(on.records().at(1).timing, nullptr) << "once is enough";
  start();
}

// A timer may run since before the flag was switched off, or in another process.
TEST_F(AbandonedCarts, AnOrderIsAnEndAlsoWhereCartsHaveNeverBeenOn) {
  config.set(klaviyo::kCart, postbox::Flag::off());
  const klaviyo::CartTimers context(config);
  postbox::EventBatch batch(now(), nullptr, &context);
  order_placed(order()).encode(batch);
  ASSERT_NE(batch.records().at(0).timing, nullptr);
  postbox::EventBatch disabled(now(), nullptr, &context);
  order_placed(order()).encode_disabled(disabled);
  ASSERT_EQ(disabled.records().size(), 1U);
  EXPECT_TRUE(disabled.records().front().timing->effects_only);
  start();
}

}  // namespace
