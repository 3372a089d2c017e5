// The flags are set to false, the server starts anew, somebody buys meanwhile, and the flags are
// set again: whoever has bought gets no reminder. With the outbox in a file, which is all that
// stays.
#include <postbox/operator.hpp>
#include <postbox/outbox.hpp>

#include "support/abandoned_carts.hpp"
#include "support/temporary_folder.hpp"

namespace klaviyo_test {
namespace {

using klaviyo::cart_updated;
using klaviyo::order_placed;
using postbox::Flag;
using postbox::TrackStatus;
using ::testing::Contains;
using ::testing::Not;

class Rollback : public AbandonedCarts {
 protected:
  void SetUp() override {
    AbandonedCarts::SetUp();
    outbox = open_file();
    set_all(Flag::on());
    start();
  }

  std::shared_ptr<postbox::Outbox> open_file() const {
    return postbox::open_outbox({.url = "sqlite:" + folder.file("outbox.db")}, clock).value();
  }
  void set_all(Flag flag) {
    for (const postbox::Family& family : klaviyo::kFamilies) config.set(family, flag);
  }
  // A new process: nothing but the file stays.
  void restart() {
    tracker.reset();
    outbox = open_file();
    start();
    run_for(1s);
  }
  void roll_back() {
    set_all(Flag::off());
    restart();
  }
  void switch_on() {
    set_all(Flag::on());
    restart();
    run_for(3h);
  }
  void buy() {
    const auto answer = tracker->track(order_placed(bought()));
    EXPECT_EQ(answer.status(), TrackStatus::kDisabled) << answer.to_string();
    run_for(1s);
  }
  void expect_reminder(bool expected) {
    if (expected) {
      EXPECT_THAT(sent_metrics(), Contains("Abandoned Checkout"));
    } else {
      EXPECT_THAT(sent_metrics(), Not(Contains("Abandoned Checkout")));
    }
    EXPECT_EQ(tracker->stats().timers_pending, 0U);
  }

  const postbox::tests::TemporaryFolder folder;
};

TEST_F(Rollback, WhoBuysWhileEverythingIsOffGetsNoReminder) {
  track(cart_updated(current()));
  roll_back();
  buy();
  switch_on();
  expect_reminder(false);
}

TEST_F(Rollback, NorDoesHeWhoseReminderWasDueAndHeldMeanwhile) {
  track(cart_updated(current()));
  run_for(1min);  // the update itself is sent
  roll_back();
  run_for(2h);
  EXPECT_EQ(tracker->stats().held, 1U);
  buy();
  EXPECT_EQ(tracker->stats().held, 0U);
  switch_on();
  expect_reminder(false);
}

TEST_F(Rollback, NorAfterDaysAndSeveralStarts) {
  track(cart_updated(current()));
  roll_back();
  run_for(48h);
  restart();
  buy();
  restart();
  run_for(72h);
  switch_on();
  expect_reminder(false);
}

TEST_F(Rollback, NorWhenTheCartIsReportedLate) {
  const auto cart = current();
  roll_back();
  run_for(10min);
  buy();
  set_all(Flag::on());
  restart();
  track(cart_updated(cart));
  run_for(3h);
  expect_reminder(false);
}

TEST_F(Rollback, NorWhoseSubscriptionBegins) {
  track(cart_updated(current()));
  roll_back();
  auto begun = klaviyo_test::subscription();
  begun.started_at = clock->wall_now();
  EXPECT_EQ(tracker->track(klaviyo::subscription_started(begun)).status(), TrackStatus::kDisabled);
  switch_on();
  expect_reminder(false);
}

TEST_F(Rollback, NorWhoEmptiesTheCart) {
  track(cart_updated(current()));
  roll_back();
  auto empty = current();
  empty.items.clear();
  empty.updated_at = clock->wall_now() + 1s;
  run_for(1min);
  EXPECT_EQ(tracker->track(cart_updated(empty)).status(), TrackStatus::kDisabled);
  switch_on();
  expect_reminder(false);
}

TEST_F(Rollback, OfTheCartsAloneOrOfThePurchasesAloneIsNoDifferent) {
  for (const postbox::Family& family : {klaviyo::kCart, klaviyo::kPurchase}) {
    track(cart_updated(current()));
    config.set(family, Flag::off());
    restart();
    (void)tracker->track(order_placed(bought()));
    run_for(1s);
    switch_on();
    expect_reminder(false);
    run_for(24h);
  }
}

TEST_F(Rollback, WhoHasNotBoughtIsRemindedWhenTheFlagsAreOnAgain) {
  track(cart_updated(current()));
  roll_back();
  run_for(2h);
  EXPECT_THAT(sent_metrics(), Not(Contains("Abandoned Checkout")));
  switch_on();
  expect_reminder(true);
}

TEST_F(Rollback, WhatIsHeldCanBeLookedAtSentAndRemoved) {
  track(cart_updated(current()));
  run_for(1min);
  roll_back();
  run_for(2h);
  // What docs/operations.md shows.
  const auto held =
      tracker->held_events({.type = "Abandoned Checkout"}, postbox::EventHandle{0}, 100);
  const auto removed = tracker->purge_held({.waits_for = std::chrono::hours(72)});
  const auto sent = tracker->send_held({.type = "Placed Order"});
  ASSERT_EQ(held.value().size(), 1U);
  EXPECT_EQ(held->front().type, "Abandoned Checkout");
  EXPECT_EQ(removed.value(), 0U);
  EXPECT_EQ(sent.value(), 0U);
  EXPECT_EQ(tracker->send_held({.type = "Abandoned Checkout"}).value(), 1U);
  run_for(1min);
  EXPECT_THAT(sent_metrics(), Contains("Abandoned Checkout"));
  EXPECT_EQ(tracker->stats().held, 0U);
}

// Nothing is kept without a key: who has none has no tracker's duties either.
TEST_F(Rollback, WithoutAKeyNothingIsNoted) {
  config.api_key.clear();
  restart();
  const auto used = outbox->stats().value();
  EXPECT_EQ(tracker->track(order_placed(bought())).status(), TrackStatus::kDisabled);
  run_for(1s);
  EXPECT_EQ(outbox->stats().value().used, used.used);
}

}  // namespace
}  // namespace klaviyo_test
