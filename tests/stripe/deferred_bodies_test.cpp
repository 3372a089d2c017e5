// Bodies that wait: for a fact, for the resolver, and until their time has come.
#include <gtest/gtest.h>

#include <thread>

#include "support/stripe_events.hpp"
#include "support/stripe_shop.hpp"

namespace postbox::tests {
namespace {

using Names = std::vector<std::string>;

TEST(StripeDeferredBodies, AnEventOfAKnownCustomerGoesToTheAddress) {
  StripeShop shop;
  shop.deliver(stripe_event("customer.created", stripe_customer()).dump());
  EXPECT_EQ(shop.deliver(stripe_trial_ending().dump()).reason, "1 events");
  EXPECT_EQ(shop.recorded_identifiers(), Names{kStripeEmail});
}

TEST(StripeDeferredBodies, AnEventWaitsForItsCustomerAndGoesAsSoonAsTheAddressIsKnown) {
  StripeShop shop;
  const auto answer = shop.deliver(stripe_trial_ending().dump());
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.reason, "waits for customer:cus_1");
  shop.pass(299s);
  EXPECT_TRUE(shop.recorded().empty());
  shop.deliver(stripe_event("customer.created", stripe_customer()).dump());
  EXPECT_EQ(shop.recorded_identifiers(), Names{kStripeEmail});
}

TEST(StripeDeferredBodies, ACustomerWhomNoBodyTellsIsKnownByStripesId) {
  StripeShop shop;
  shop.deliver(stripe_trial_ending().dump());
  shop.pass(5min);
  EXPECT_EQ(shop.recorded_identifiers(), Names{"cus_1"});
}

TEST(StripeDeferredBodies, WhatWaitsSurvivesARestart) {
  StripeShop shop;
  shop.deliver(stripe_trial_ending().dump());
  shop.restart_webhook();
  shop.pass(5min);
  EXPECT_EQ(shop.recorded_identifiers(), Names{"cus_1"});
}

// A body waits for nobody's call: the webhook's own thread tracks it when its time has come. It is
// woken by another one that waits.
TEST(StripeDeferredBodies, ItsThreadTracksWhatHasWaitedLongEnough) {
  StripeShop shop;
  shop.config.threads = true;
  EXPECT_EQ(shop.deliver(stripe_trial_ending().dump()).reason, "waits for customer:cus_1");
  shop.clock->advance(5min);
  Json other = stripe_trial_ending();
  other["id"] = "evt_other";
  other["data"]["object"]["id"] = "sub_2";
  other["data"]["object"]["customer"] = "cus_2";
  EXPECT_EQ(shop.deliver(other.dump()).reason, "waits for customer:cus_2");
  for (int looks = 0; shop.tracker->stats().accepted == 0; ++looks) {
    ASSERT_LT(looks, 10'000'000) << "nothing wakes the thread";
    std::this_thread::yield();
  }
  shop.restart_webhook();
  EXPECT_EQ(shop.recorded_identifiers(), Names{"cus_1"});
}

TEST(StripeDeferredBodies, WhatStripeDeliversLateWaitsAsLongAsWhatComesAtOnce) {
  StripeShop shop(WallTime(std::chrono::seconds(kStripeStart) + 24h));
  shop.deliver(stripe_trial_ending().dump());
  shop.pass(299s);
  EXPECT_TRUE(shop.recorded().empty());
  shop.pass(1s);
  EXPECT_EQ(shop.recorded_identifiers(), Names{"cus_1"});
}

TEST(StripeDeferredBodies, AnEventThatIsAheadOfTheClockWaitsNoLonger) {
  StripeShop shop;
  Json body = stripe_trial_ending();
  body["created"] = kStripeStart + 86'400 * 300;
  shop.deliver(body.dump());
  shop.pass(5min);
  EXPECT_EQ(shop.recorded_identifiers(), Names{"cus_1"});
}

TEST(StripeDeferredBodies, WhatWouldBeRefusedAfterItHasWaitedIsRefusedAtOnce) {
  StripeShop shop;
  Json body = stripe_trial_ending();
  body["data"]["object"].erase("items");
  const auto answer = shop.deliver(body.dump());
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.reason, "rejected: price.currency: is required; plan_id: is required");
}

TEST(StripeDeferredBodies, TheResolverIsAskedOutsideTheRequestOnceForEachCustomerOfAnAccount) {
  StripeShop shop;
  int calls = 0;
  shop.config.resolver = [&](std::string_view customer, std::string_view account) {
    ++calls;
    return std::optional(std::string(customer) + "." + std::string(account) +
                         "@goldenacre.example");
  };
  Json body = stripe_trial_ending();
  body["account"] = "acct_7";
  EXPECT_EQ(shop.deliver(body.dump()).reason, "waits for customer:acct_7:cus_1");
  body["id"] = "evt_other";
  body["data"]["object"]["id"] = "sub_2";
  EXPECT_EQ(shop.deliver(body.dump()).status, 200);
  EXPECT_EQ(calls, 0);
  shop.pass(0s);
  EXPECT_EQ(shop.recorded_identifiers(),
            (Names{"cus_1.acct_7@goldenacre.example", "cus_1.acct_7@goldenacre.example"}));
  EXPECT_EQ(calls, 1);
}

TEST(StripeDeferredBodies, AResolverThatCannotTellIsAskedOnceAndAgainAfterARestart) {
  StripeShop shop;
  int calls = 0;
  shop.config.resolver = [&](std::string_view, std::string_view) -> std::optional<std::string> {
    return ++calls < 2 ? std::nullopt : std::optional<std::string>(kStripeEmail);
  };
  shop.deliver(stripe_trial_ending().dump());
  shop.pass(1s);
  shop.pass(1s);
  EXPECT_EQ(calls, 1);
  shop.restart_webhook();
  shop.pass(1s);
  EXPECT_EQ(shop.recorded_identifiers(), Names{kStripeEmail});
}

TEST(StripeDeferredBodies, ARefundThatMissesBothTakesWhatTheResolverTellsAndWaitsForTheOrder) {
  StripeShop shop;
  shop.config.resolver = [](std::string_view, std::string_view) {
    return std::optional<std::string>(kStripeEmail);
  };
  shop.deliver(
      stripe_event("charge.refunded", stripe_charge(3000), {{"amount_refunded", 0}}).dump());
  shop.pass(1s);
  EXPECT_TRUE(shop.recorded().empty());
  shop.pass(5min);
  EXPECT_EQ(shop.recorded_identifiers(), Names{kStripeEmail});
}

TEST(StripeDeferredBodies, AResolverThatThrowsIsNoAnswer) {
  StripeShop shop;
  shop.config.resolver = [](std::string_view, std::string_view) -> std::optional<std::string> {
    throw std::runtime_error("no network");
  };
  EXPECT_EQ(shop.deliver(stripe_trial_ending().dump()).status, 200);
  shop.pass(5min);
  EXPECT_EQ(shop.recorded_identifiers(), Names{"cus_1"});
}

}  // namespace
}  // namespace postbox::tests
