// What was reported once stays the same event, whatever is known when it is reported again.
#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>
#include <utility>

#include "support/stripe_events.hpp"
#include "support/stripe_shop.hpp"

namespace postbox::tests {
namespace {

using Names = std::vector<std::string>;

Names recorded(StripeShop& shop) {
  Names all;
  for (const Json& event : shop.recorded()) {
    const Json& whose = event["email"].is_string() ? event["email"] : event["external_id"];
    const std::string metric = event["metric"];
    const std::string id = event["properties"]["$event_id"];
    all.push_back(metric + " " + id + " " + whose.get<std::string>());
  }
  std::ranges::sort(all);
  return all;
}

Json full_refund() {
  return stripe_event("charge.refunded", stripe_charge(3000), {{"amount_refunded", 0}}, 60);
}

Json invoice_of(const char* email) {
  Json invoice = stripe_invoice("in_1", "manual", 3000);
  invoice["customer_email"] = email;
  return stripe_event("invoice.paid", invoice);
}

Json session_of(const char* email) {
  Json session = stripe_session();
  session["invoice"] = "in_1";
  session["customer_details"]["email"] = email;
  return stripe_event("checkout.session.completed", session);
}

TEST(StripeDecisions, ARefundWaitsForTheOrderThatItsPaymentHasPaid) {
  StripeShop shop;
  shop.deliver(stripe_event("customer.created", stripe_customer()).dump());
  shop.deliver(full_refund().dump());
  shop.deliver(stripe_event("invoice_payment.paid", stripe_invoice_payment("in_9", "pi_1")).dump());
  EXPECT_EQ(recorded(shop), Names{"Refunded Order stripe:in_9 jenny@goldenacre.example"});
}

TEST(StripeDecisions, ARefundThatIsReportedAgainIsOneThoughItsOrderBecameKnownMeanwhile) {
  StripeShop shop;
  shop.deliver(stripe_event("customer.created", stripe_customer()).dump());
  shop.deliver(full_refund().dump());
  shop.pass(5min + 1s);
  shop.deliver(stripe_event("invoice_payment.paid", stripe_invoice_payment("in_9", "pi_1")).dump());
  shop.deliver(full_refund().dump());
  shop.pass(1h);
  EXPECT_EQ(recorded(shop), Names{"Refunded Order stripe:pi_1 jenny@goldenacre.example"});
}

TEST(StripeDecisions, AnOrderThatIsReportedAgainWithAnotherAddressStaysOneOrder) {
  StripeShop shop;
  shop.deliver(invoice_of("billing@goldenacre.example").dump());
  shop.deliver(session_of("typed@goldenacre.example").dump());
  EXPECT_EQ(recorded(shop), Names{"Placed Order stripe:in_1 billing@goldenacre.example"});
}

// Calls `then` once between the first look at a decision and what is made of it.
class Between : public stripe::FactStore {
 public:
  explicit Between(std::shared_ptr<stripe::FactStore> store) : store_(std::move(store)) {}

  Result<void> put_facts(const std::vector<stripe::Fact>& facts, WallTime now,
                         WallTime expires) override {
    return store_->put_facts(facts, now, expires);
  }
  Result<std::optional<std::string>> find_fact(std::string_view key, WallTime at,
                                               WallTime now) override {
    return store_->find_fact(key, at, now);
  }
  Result<bool> put_decisions(const std::vector<stripe::Decision>& decisions, WallTime now,
                             WallTime expires) override {
    return store_->put_decisions(decisions, now, expires);
  }
  Result<std::optional<std::string>> find_decision(std::string_view key, WallTime now) override {
    auto result = store_->find_decision(key, now);
    if (then) std::exchange(then, {})();
    return result;
  }
  Result<void> put_body(const stripe::WaitingBody& body) override {
    if (before_body) std::exchange(before_body, {})();
    return store_->put_body(body);
  }
  Result<std::vector<stripe::WaitingBody>> ready_bodies(const std::vector<stripe::Fact>& facts,
                                                        WallTime now) override {
    return store_->ready_bodies(facts, now);
  }
  Result<std::vector<std::string>> awaited_keys() override { return store_->awaited_keys(); }
  Result<std::optional<WallTime>> next_due() override { return store_->next_due(); }
  Result<bool> remove_body(std::string_view event_id) override {
    return store_->remove_body(event_id);
  }
  Result<std::size_t> forget(std::string_view email) override { return store_->forget(email); }

  std::function<void()> then;
  std::function<void()> before_body;

 private:
  std::shared_ptr<stripe::FactStore> store_;
};

// Of a trial that ends, `second` after the start.
Json trial_ending(long second) {
  Json subscription = stripe_subscription("trialing");
  subscription["trial_end"] = kStripeStart + 86'400;
  return stripe_event("customer.subscription.trial_will_end", subscription, nullptr, second);
}

// Who is told the fact sees no body that waits for it, and the body has seen no fact.
TEST(StripeDecisions, AFactThatComesWhileABodyBeginsToWaitForItReleasesIt) {
  StripeShop shop;
  const auto store = std::make_shared<Between>(stripe::sqlite_fact_store(""));
  shop.config.fact_store = store;
  store->before_body = [&] {
    EXPECT_EQ(shop.deliver(stripe_event("customer.created", stripe_customer()).dump()).status, 200);
  };
  EXPECT_EQ(shop.deliver(trial_ending(1).dump()).reason, "waits for customer:cus_1");
  EXPECT_EQ(shop.recorded_identifiers(), Names{kStripeEmail});
  EXPECT_EQ(shop.webhook().counts().released, 1U);
  EXPECT_EQ(shop.webhook().counts().waiting, 0U);
}

// It has no more than a store had before records could be encrypted.
TEST(StripeDecisions, AStoreOfTheHostsOwnForgets) {
  StripeShop shop;
  shop.config.fact_store = std::make_shared<Between>(stripe::sqlite_fact_store(""));
  shop.deliver(stripe_event("customer.created", stripe_customer()).dump());
  const auto forgotten = shop.webhook().forget(kStripeEmail);
  ASSERT_TRUE(forgotten) << forgotten.error().message;
  EXPECT_EQ(*forgotten, 1U);
}

TEST(StripeDecisions, TwoReportsOfOneOrderAtTheSameTimeAreOneOrder) {
  StripeShop shop;
  const auto store = std::make_shared<Between>(stripe::sqlite_fact_store(""));
  shop.config.fact_store = store;
  store->then = [&] { shop.deliver(invoice_of("billing@goldenacre.example").dump()); };
  shop.deliver(session_of("typed@goldenacre.example").dump());
  EXPECT_EQ(recorded(shop), Names{"Placed Order stripe:in_1 billing@goldenacre.example"});
}

TEST(StripeDecisions, TwoProcessesThatAreToldOfOneOrderAtTheSameTimeMakeOneOrder) {
  StripeShop shop;
  stripe::Config other_config = shop.config;
  auto other = stripe::Webhook::start(other_config, *shop.tracker);
  ASSERT_TRUE(other);
  const auto store =
      std::make_shared<Between>(stripe::sqlite_fact_store(*shop.config.fact_store_path));
  shop.config.fact_store = store;
  const std::string invoice = invoice_of("billing@goldenacre.example").dump();
  store->then = [&] {
    const auto now = shop.clock->wall_now();
    EXPECT_EQ(other->handle(invoice, stripe::sign(invoice, StripeShop::kSecret, now)).status, 200);
  };
  shop.deliver(session_of("typed@goldenacre.example").dump());
  EXPECT_EQ(recorded(shop), Names{"Placed Order stripe:in_1 billing@goldenacre.example"});
}

TEST(StripeDecisions, WhatTheHostsMemoryThrowsStaysInsideAndIsTriedAgain) {
  StripeShop shop;
  const auto store = std::make_shared<Between>(stripe::sqlite_fact_store(""));
  shop.config.fact_store = store;
  const auto fail = [] { throw std::runtime_error("host"); };
  store->then = fail;
  EXPECT_EQ(shop.deliver(full_refund().dump()).status, 503);
  EXPECT_EQ(shop.webhook().counts().failed, 1U);
  EXPECT_EQ(shop.deliver(full_refund().dump()).reason, "waits for order:pi_1");
  shop.clock->advance(6min);
  store->then = fail;
  EXPECT_EQ(shop.webhook().run_once(), shop.clock->wall_now() + 1s);
  EXPECT_EQ(shop.webhook().run_once(), std::nullopt);
  EXPECT_EQ(recorded(shop), Names{"Refunded Order stripe:pi_1 cus_1"});
}

// It may have got there all the same.
TEST(StripeDecisions, AnEventThatCouldNotBeKeptInTimeKeepsItsProfile) {
  StripeShop shop;
  StripeShop closed;
  closed.config.fact_store_path = shop.config.fact_store_path;
  closed.tracker->stop(1s);
  EXPECT_EQ(closed.deliver(invoice_of("billing@goldenacre.example").dump()).status, 503);
  shop.deliver(session_of("typed@goldenacre.example").dump());
  EXPECT_EQ(recorded(shop), Names{"Placed Order stripe:in_1 billing@goldenacre.example"});
}

// Whose the trial is after the bodies, in this order and in the other one.
std::string whose(std::vector<Json> bodies, long second) {
  std::string result;
  for (int turns = 0; turns < 2; ++turns) {
    StripeShop shop(WallTime(std::chrono::seconds(kStripeStart) + 1h));
    for (const Json& body : bodies) shop.deliver(body.dump());
    shop.deliver(trial_ending(second).dump());
    shop.pass(5min);
    const Names names = recorded(shop);
    EXPECT_EQ(names.size(), 1U);
    const std::string name = names.empty() ? "" : names[0].substr(names[0].rfind(' ') + 1);
    EXPECT_TRUE(turns == 0 || name == result) << name << " and " << result;
    result = name;
    std::ranges::reverse(bodies);
  }
  return result;
}

Json customer_with(const Json& email) {
  Json customer = stripe_customer();
  customer["email"] = email;
  return customer;
}

const Json kCreated = stripe_event("customer.created", stripe_customer());
const Json kBefore = {{"email", kStripeEmail}};

TEST(StripeDecisions, ADeletedCustomerHasAnAddressUntilThenAndNoneAfterwards) {
  const Json deleted = stripe_event("customer.deleted", stripe_customer(), nullptr, 100);
  for (const auto& bodies : {std::vector{kCreated, deleted}, std::vector{deleted}}) {
    EXPECT_EQ(whose(bodies, 50), kStripeEmail);
    EXPECT_EQ(whose(bodies, 100), kStripeEmail);
    EXPECT_EQ(whose(bodies, 101), "cus_1");
  }
}

TEST(StripeDecisions, AnAddressThatIsRemovedIsNotUsedAnyMore) {
  for (const Json& email : {Json(), Json("nobody@example.com"), Json("no address")}) {
    const Json removed = stripe_event("customer.updated", customer_with(email), kBefore, 100);
    EXPECT_EQ(whose({kCreated, removed}, 99), kStripeEmail);
    EXPECT_EQ(whose({kCreated, removed}, 100), "cus_1");
  }
}

TEST(StripeDecisions, AnAddressThatIsChangedIsUsedFromThenOn) {
  const Json changed =
      stripe_event("customer.updated", customer_with("new@goldenacre.example"), kBefore, 100);
  for (const auto& bodies : {std::vector{kCreated, changed}, std::vector{changed}}) {
    EXPECT_EQ(whose(bodies, 99), kStripeEmail);
    EXPECT_EQ(whose(bodies, 100), "new@goldenacre.example");
  }
}

TEST(StripeDecisions, AnInvoicesAddressIsThatOfTheDayItWasMadeFinal) {
  const Json changed =
      stripe_event("customer.updated", customer_with("new@goldenacre.example"), kBefore, 100);
  Json invoice = stripe_invoice("in_1", "manual", 0);
  invoice["status_transitions"]["finalized_at"] = kStripeStart + 50;
  const Json paid = stripe_event("invoice.paid", invoice, nullptr, 200);
  EXPECT_EQ(whose({changed, paid}, 250), "new@goldenacre.example");
}

TEST(StripeDecisions, ACustomerOfBothGenerationsIsKnownByEither) {
  Json session = stripe_session();
  session["payment_status"] = "unpaid";
  session["customer_account"] = "acct_9";
  StripeShop shop;
  shop.deliver(stripe_event("checkout.session.completed", session).dump());
  Json trial = trial_ending(1);
  trial["data"]["object"]["customer"] = nullptr;
  trial["data"]["object"]["customer_account"] = "acct_9";
  EXPECT_EQ(shop.deliver(trial.dump()).reason, "1 events");
}

TEST(StripeDecisions, TheAddressOfAnExpandedCustomerIsRead) {
  StripeShop shop;
  Json trial = trial_ending(1);
  trial["data"]["object"]["customer"] = stripe_customer();
  EXPECT_EQ(shop.deliver(trial.dump()).reason, "1 events");
  EXPECT_EQ(recorded(shop), (Names{"Subscription Trial Ending stripe:sub_1:trial_will_end:"
                                   "1780086400 jenny@goldenacre.example"}));
}

}  // namespace
}  // namespace postbox::tests
