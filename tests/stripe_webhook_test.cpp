#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

#include "support/stripe_events.hpp"
#include "support/stripe_shop.hpp"

namespace postbox::tests {
namespace {

Json trial_ending() {
  Json subscription = stripe_subscription("trialing");
  subscription["trial_end"] = kStripeStart + 86'400;
  return stripe_event("customer.subscription.trial_will_end", subscription);
}

std::vector<std::string> emails(StripeShop& shop) {
  std::vector<std::string> all;
  for (const Json& event : shop.recorded()) {
    all.push_back(event["email"].is_string() ? event["email"] : event["external_id"]);
  }
  return all;
}

using Names = std::vector<std::string>;

TEST(StripeWebhook, AnEventOfAKnownCustomerGoesToTheAddress) {
  StripeShop shop;
  shop.deliver(stripe_event("customer.created", stripe_customer()).dump());
  EXPECT_EQ(shop.deliver(trial_ending().dump()).reason, "1 events");
  EXPECT_EQ(emails(shop), Names{kStripeEmail});
}

TEST(StripeWebhook, AnEventWaitsForItsCustomerAndGoesAsSoonAsTheAddressIsKnown) {
  StripeShop shop;
  const auto answer = shop.deliver(trial_ending().dump());
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.reason, "waits for customer:cus_1");
  shop.pass(59s);
  EXPECT_TRUE(shop.recorded().empty());
  shop.deliver(stripe_event("customer.created", stripe_customer()).dump());
  EXPECT_EQ(emails(shop), Names{kStripeEmail});
}

TEST(StripeWebhook, ACustomerWhomNoBodyTellsIsKnownByStripesId) {
  StripeShop shop;
  shop.deliver(trial_ending().dump());
  shop.pass(60s);
  EXPECT_EQ(emails(shop), Names{"cus_1"});
}

TEST(StripeWebhook, WhatWaitsSurvivesARestart) {
  StripeShop shop;
  shop.deliver(trial_ending().dump());
  shop.restart_webhook();
  shop.pass(60s);
  EXPECT_EQ(emails(shop), Names{"cus_1"});
}

// A body waits for nobody's call: the webhook's own thread tracks it when its time has come. It is
// woken by another one that waits.
TEST(StripeWebhook, ItsThreadTracksWhatHasWaitedLongEnough) {
  StripeShop shop;
  shop.config.threads = true;
  EXPECT_EQ(shop.deliver(trial_ending().dump()).reason, "waits for customer:cus_1");
  shop.clock->advance(60s);
  Json other = trial_ending();
  other["id"] = "evt_other";
  other["created"] = kStripeStart + 60;
  other["data"]["object"]["customer"] = "cus_2";
  EXPECT_EQ(shop.deliver(other.dump()).reason, "waits for customer:cus_2");
  for (int looks = 0; shop.tracker->stats().accepted == 0; ++looks) {
    ASSERT_LT(looks, 10'000'000) << "nothing wakes the thread";
    std::this_thread::yield();
  }
  shop.restart_webhook();
  EXPECT_EQ(emails(shop), Names{"cus_1"});
}

TEST(StripeWebhook, WhatStripeDeliversLateWaitsOnlyForItsCompany) {
  StripeShop shop(WallTime(std::chrono::seconds(kStripeStart) + 24h));
  shop.deliver(trial_ending().dump());
  shop.pass(2s);
  EXPECT_EQ(emails(shop), Names{"cus_1"});
}

TEST(StripeWebhook, TheResolverIsAskedForTheCustomerOfTheAccount) {
  StripeShop shop;
  shop.config.resolver = [](std::string_view customer, std::string_view account) {
    return std::optional(std::string(customer) + "." + std::string(account) +
                         "@goldenacre.example");
  };
  Json body = trial_ending();
  body["account"] = "acct_7";
  shop.deliver(body.dump());
  EXPECT_EQ(emails(shop), Names{"cus_1.acct_7@goldenacre.example"});
}

TEST(StripeWebhook, AResolverThatThrowsIsNoAnswer) {
  StripeShop shop;
  shop.config.resolver = [](std::string_view, std::string_view) -> std::optional<std::string> {
    throw std::runtime_error("no network");
  };
  EXPECT_EQ(shop.deliver(trial_ending().dump()).status, 200);
  shop.pass(60s);
  EXPECT_EQ(emails(shop), Names{"cus_1"});
}

TEST(StripeWebhook, ADeletedCustomersAddressIsForgotten) {
  StripeShop shop;
  shop.deliver(stripe_event("customer.created", stripe_customer()).dump());
  shop.deliver(stripe_event("customer.deleted", stripe_customer(), nullptr, 1).dump());
  shop.deliver(trial_ending().dump());
  EXPECT_EQ(emails(shop), Names{"cus_1"});
}

TEST(StripeWebhook, AnOlderAddressDoesNotReplaceANewerOne) {
  StripeShop shop;
  Json moved = stripe_customer();
  moved["email"] = "new@goldenacre.example";
  shop.deliver(stripe_event("customer.updated", moved, nullptr, 10).dump());
  shop.deliver(stripe_event("customer.created", stripe_customer()).dump());
  shop.deliver(trial_ending().dump());
  EXPECT_EQ(emails(shop), Names{"new@goldenacre.example"});
}

TEST(StripeWebhook, AnAddressThatKlaviyoWouldDropIsNotUsed) {
  StripeShop shop;
  Json session = stripe_session();
  session["customer"] = nullptr;
  session["customer_details"]["email"] = "somebody@example.com";
  shop.deliver(stripe_event("checkout.session.completed", session).dump());
  EXPECT_EQ(emails(shop), Names{"pi_1"});
}

TEST(StripeWebhook, ARefundWaitsForTheOrderThatItsPaymentHasPaid) {
  StripeShop shop;
  shop.deliver(stripe_event("customer.created", stripe_customer()).dump());
  shop.deliver(
      stripe_event("charge.refunded", stripe_charge(3000), {{"amount_refunded", 0}}).dump());
  shop.deliver(stripe_event("invoice_payment.paid", stripe_invoice_payment("in_9", "pi_1")).dump());
  const auto events = shop.recorded();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["metric"], "Refunded Order");
  EXPECT_EQ(events[0]["properties"]["$event_id"], "stripe:in_9");
}

TEST(StripeWebhook, AnOrderThatIsReportedAgainWithAnotherAddressStaysOneOrder) {
  StripeShop shop;
  Json session = stripe_session();
  session["invoice"] = "in_1";
  session["customer_details"]["email"] = "other@goldenacre.example";
  shop.deliver(stripe_event("invoice.paid", stripe_invoice("in_1", "manual")).dump());
  shop.deliver(stripe_event("checkout.session.completed", session).dump());
  EXPECT_EQ(emails(shop), Names{kStripeEmail});
}

TEST(StripeWebhook, WithoutItsMemoryItGoesOn) {
  StripeShop shop;
  shop.config.memory_path = "/nonexistent/folder/memory.db";
  EXPECT_EQ(shop.deliver(trial_ending().dump()).status, 200);
  EXPECT_EQ(emails(shop), Names{"cus_1"});
  EXPECT_FALSE(shop.log.empty());
}

TEST(StripeWebhook, TheMemoryIsForItsOwnerOnly) {
  StripeShop shop;
  shop.deliver(stripe_event("customer.created", stripe_customer()).dump());
  struct stat status {};
  ASSERT_EQ(stat(shop.config.memory_path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST(StripeWebhook, WhatCannotBeKeptIsAnsweredWith503) {
  StripeShop shop;
  shop.tracker->stop(1s);
  EXPECT_EQ(shop.deliver(stripe_purchase()[2].dump()).status, 503);
}

TEST(StripeWebhook, WhatNoEventCanBeMadeOfIsAnsweredWith400AndLogged) {
  StripeShop shop;
  Json session = stripe_session();
  session["amount_total"] = "3000";
  const auto answer = shop.deliver(stripe_event("checkout.session.completed", session).dump());
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.reason, "data.object.amount_total must be an integer, found string");
  EXPECT_EQ(shop.log.size(), 1U);
}

TEST(StripeWebhook, ABodyBeyondTheLimitIsRefusedAndOneUpToItIsNot) {
  StripeShop shop;
  shop.config.max_body = kibibytes(256);
  std::string body = stripe_event("price.created", {{"id", "price_1"}}).dump();
  body.resize(256 * 1024, ' ');
  EXPECT_EQ(shop.deliver(body).status, 200);
  EXPECT_EQ(shop.deliver(body + " ").status, 400);
}

TEST(StripeWebhook, WithoutASecretEverythingIsAnsweredWith503) {
  StripeShop shop;
  shop.config.secrets.clear();
  EXPECT_EQ(shop.deliver(trial_ending().dump()).status, 503);
}

TEST(StripeWebhook, RefusalsAreLoggedOnceInAWhileWithoutTheBody) {
  StripeShop shop;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(shop.webhook().handle("{}", "t=1,v1=00").status, 400);
  shop.pass(31s);
  EXPECT_EQ(shop.webhook().handle("{}", "").status, 400);
  EXPECT_EQ(shop.log, (Names{"Stripe webhook: refused: signature_mismatch",
                             "Stripe webhook: refused: missing_header (and 2 lines before it)"}));
}

TEST(StripeConfig, ReadsTheEnvironment) {
  const auto config = stripe::Config::from(
      Environment::parse("STRIPE_WEBHOOK_SECRET=whsec_a,whsec_b\nSTRIPE_TEST_MODE=true\n"
                         "POSTBOX_OUTBOX=sqlite:/var/lib/shop/outbox.db\n")
          .value());
  ASSERT_TRUE(config);
  EXPECT_EQ(config->secrets, (Names{"whsec_a", "whsec_b"}));
  EXPECT_TRUE(config->test_mode);
  EXPECT_EQ(config->memory_path, "/var/lib/shop/outbox.db-stripe");
}

TEST(StripeConfig, NamesTheVariableThatDoesNotParse) {
  for (const auto& [text, name] : std::vector<std::pair<std::string, std::string>>{
           {"STRIPE_WEBHOOK_SECRET=whsec_a,", "STRIPE_WEBHOOK_SECRET: "},
           {"STRIPE_TEST_MODE=yes", "STRIPE_TEST_MODE: 'yes'"}}) {
    const auto config = stripe::Config::from(Environment::parse(text).value());
    ASSERT_FALSE(config) << text;
    EXPECT_TRUE(config.error().message.starts_with(name)) << config.error().message;
  }
}

TEST(StripeConfig, ABlankSecretIsAnErrorOfStart) {
  StripeShop shop;
  for (const char* secret : {"", " ", "whsec a"}) {
    shop.config.secrets = {secret};
    EXPECT_FALSE(stripe::Webhook::start(shop.config, *shop.tracker)) << secret;
  }
}

}  // namespace
}  // namespace postbox::tests
