// Webhooks of one account that come to several servers, whose outbox and store are one database.
#include <barrier>
#include <stripe_postgres/fact_store.hpp>
#include <thread>

#include "support/postgres_fixture.hpp"
#include "support/stripe_events.hpp"
#include "support/stripe_shop.hpp"

namespace postbox::tests {
namespace {

using postbox::testing::Psql;

class PostgresStripe : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!postbox::testing::has_postgres()) GTEST_SKIP() << "no PostgreSQL server is installed";
    begin();
  }

  // Two servers on a database of their own.
  void begin() {
    shops_.clear();
    url_ = postbox::testing::fresh_url();
    clock_ = std::make_shared<postbox::testing::ManualClock>(WallTime(1'780'000'000s));
    for (int i = 0; i < 2; ++i) {
      shops_.push_back(std::make_unique<StripeShop>(clock_, postbox::testing::options_for(url_)));
      shops_.back()->config.fact_store = *stripe::postgres_fact_store(url_);
    }
  }

  StripeShop& one() { return *shops_[0]; }
  StripeShop& other() { return *shops_[1]; }

  // Whichever server has sent them.
  std::vector<Json> recorded() {
    std::vector<Json> all = one().recorded();
    const std::vector<Json> others = other().recorded();
    all.insert(all.end(), others.begin(), others.end());
    std::ranges::sort(all);
    return all;
  }

  std::vector<std::string> recorded_identifiers() {
    std::vector<std::string> all = one().recorded_identifiers();
    const auto others = other().recorded_identifiers();
    all.insert(all.end(), others.begin(), others.end());
    return all;
  }

  std::string url_;
  std::shared_ptr<postbox::testing::ManualClock> clock_;
  std::vector<std::unique_ptr<StripeShop>> shops_;
};

using Identifiers = std::vector<std::string>;

// Of a purchase, its refund and a subscription. What tells the customer and the order comes last.
std::vector<std::string> bodies_of_a_customer() {
  return {stripe_trial_ending().dump(),
          stripe_event("charge.refunded", stripe_charge(3000), {{"amount_refunded", 0}}).dump(),
          stripe_event("invoice.paid", stripe_invoice("in_1", "subscription_cycle")).dump(),
          stripe_event("checkout.session.completed", stripe_session()).dump(),
          stripe_event("customer.created", stripe_customer()).dump()};
}

TEST_F(PostgresStripe, WhicheverServerGetsAWebhookTheEventsAreThoseOfOneServer) {
  const auto bodies = bodies_of_a_customer();
  std::vector<Json> expected;
  {
    StripeShop alone;
    for (const std::string& body : bodies) EXPECT_EQ(alone.deliver(body).status, 200);
    alone.pass(5min);
    expected = alone.recorded();
    std::ranges::sort(expected);
  }
  ASSERT_GE(expected.size(), 4U);
  // Each of them alone at the other server, and in turns. A bit says where one comes.
  for (const unsigned split : {1U, 2U, 4U, 8U, 16U, 10U, 21U}) {
    begin();
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      EXPECT_EQ((((split >> i) & 1U) != 0 ? one() : other()).deliver(bodies[i]).status, 200);
    }
    one().pass(5min);
    other().pass(0s);
    EXPECT_EQ(recorded(), expected) << "split " << split;
  }
}

TEST_F(PostgresStripe, AFactThatComesToAnotherServerReleasesWhatWaitsAtOnce) {
  EXPECT_EQ(one().deliver(stripe_trial_ending().dump()).reason, "waits for customer:cus_1");
  EXPECT_EQ(one().webhook().counts().waiting, 1U);
  EXPECT_EQ(other().webhook().counts().waiting, 1U);
  EXPECT_EQ(other().deliver(stripe_event("customer.created", stripe_customer()).dump()).status,
            200);
  EXPECT_EQ(other().webhook().counts().released, 1U);
  EXPECT_EQ(one().webhook().counts().waiting, 0U);
  EXPECT_EQ(recorded_identifiers(), Identifiers{kStripeEmail});
}

TEST_F(PostgresStripe, WhatWaitsIsTrackedInTimeThoughItsServerIsGone) {
  other().webhook();
  EXPECT_EQ(other().webhook().run_once(), clock_->wall_now() + 15s)
      << "it looks for others' bodies";
  EXPECT_EQ(one().deliver(stripe_trial_ending().dump()).reason, "waits for customer:cus_1");
  one().restart_webhook();
  EXPECT_EQ(other().webhook().run_once(), clock_->wall_now() + 15s);
  clock_->advance(5min - 1s);
  EXPECT_EQ(other().webhook().run_once(), clock_->wall_now() + 1s);
  EXPECT_TRUE(recorded().empty());
  other().pass(1s);
  EXPECT_EQ(recorded_identifiers(), Identifiers{"cus_1"});
}

TEST_F(PostgresStripe, WhatTwoServersSeeComeAtOnceIsTrackedByOneOfThem) {
  constexpr std::size_t kBodies = 25;
  for (std::size_t i = 0; i < kBodies; ++i) {
    Json body = stripe_trial_ending();
    body["id"] = "evt_" + std::to_string(i);
    body["data"]["object"]["id"] = "sub_" + std::to_string(i);
    body["data"]["object"]["customer"] = "cus_" + std::to_string(i);
    EXPECT_EQ(one().deliver(body.dump()).status, 200);
  }
  clock_->advance(5min);
  std::barrier begin(2);
  const auto step = [&](stripe::Webhook& webhook) {
    begin.arrive_and_wait();
    webhook.run_once();
  };
  std::thread first([&] { step(one().webhook()); });
  std::thread second([&] { step(other().webhook()); });
  first.join();
  second.join();
  const auto counts = one().webhook().counts();
  const auto others = other().webhook().counts();
  EXPECT_EQ(counts.released + others.released, kBodies);
  EXPECT_EQ(counts.waiting, 0U);
  const Stats stats = one().tracker->stats();
  EXPECT_EQ(stats.waiting, kBodies);
  EXPECT_EQ(stats.duplicates, 0U);
  EXPECT_EQ(recorded().size(), kBodies);
}

TEST_F(PostgresStripe, WhatAServerHasTakenAndNotTrackedIsTheOthersAfterTenSeconds) {
  EXPECT_EQ(one().deliver(stripe_trial_ending().dump()).status, 200);
  clock_->advance(5min);
  const auto store = *stripe::postgres_fact_store(url_);
  const auto due = store->ready_bodies({}, clock_->wall_now()).value();
  ASSERT_EQ(due.size(), 1U);
  EXPECT_TRUE(store->put_off_body(due[0], clock_->wall_now() + 10s).value());
  other().pass(9s);
  EXPECT_TRUE(recorded().empty());
  other().pass(1s);
  EXPECT_EQ(recorded_identifiers(), Identifiers{"cus_1"});
}

// The outbox is elsewhere, and would take the event.
TEST_F(PostgresStripe, WithoutTheCommonStoreAWebhookIsDeliveredAgainAndThenAsEver) {
  postbox::testing::PostgresServer server;
  StripeShop shop;
  shop.config.fact_store = *stripe::postgres_fact_store(postbox::testing::fresh_url(server));
  EXPECT_EQ(shop.deliver(stripe_event("customer.created", stripe_customer()).dump()).status, 200);
  server.stop();
  EXPECT_EQ(shop.deliver(stripe_trial_ending().dump()).status, 503);
  EXPECT_EQ(shop.webhook().run_once(), clock_->wall_now() + 15s);
  EXPECT_EQ(shop.webhook().counts().failed, 1U);
  EXPECT_TRUE(shop.recorded().empty());
  ASSERT_TRUE(server.start());
  EXPECT_EQ(shop.deliver(stripe_trial_ending().dump()).status, 200);
  EXPECT_EQ(shop.recorded_identifiers(), Identifiers{kStripeEmail});
}

// With all that its outbox asks.
TEST_F(PostgresStripe, AnIdleServerWithWebhooksAsksLessThanOnceASecond) {
  postbox::testing::PostgresServer server;
  const std::string url = postbox::testing::fresh_url(server);
  StripeShop shop(clock_, postbox::testing::options_for(url));
  shop.config.fact_store = *stripe::postgres_fact_store(url);
  shop.deliver(stripe_event("invoice.paid", stripe_invoice("in_1", "manual")).dump());
  EXPECT_EQ(shop.recorded().size(), 1U);
  const auto pass = [&](std::chrono::seconds time) {
    const SteadyTime end = clock_->now() + time;
    SteadyTime next_look = clock_->now();
    while (clock_->now() < end) {
      if (clock_->now() >= next_look) {
        const auto due = shop.webhook().run_once();
        ASSERT_TRUE(due);
        next_look = clock_->now() + (*due - clock_->wall_now());
      }
      const SteadyTime next = std::min({shop.tracker->run_once(), next_look, end});
      clock_->advance(std::max<SteadyTime::duration>(next - clock_->now(), 1ms));
    }
  };
  Psql admin(server.url());
  admin.run("ALTER SYSTEM SET log_min_duration_statement = 0");
  admin.run("SELECT pg_reload_conf()");
  while (Psql(server.url()).run("SHOW log_min_duration_statement") != "0") {
  }
  // Each connection hears of it with its next statement.
  pass(6s);
  const std::size_t before = server.count_in_log("execute <unnamed>");
  pass(100s);
  const std::size_t asked = server.count_in_log("execute <unnamed>") - before;
  RecordProperty("asked", std::to_string(asked));
  EXPECT_GT(asked, 20U);
  EXPECT_LT(asked, 100U);
}

TEST_F(PostgresStripe, WhoForgetsTheCommonStoreIsWarnedAtTheStart) {
  const auto warnings = [](StripeShop& shop) {
    shop.webhook();
    return std::ranges::count_if(shop.log, [](const std::string& line) {
      return line.find("stripe::postgres_fact_store()") != std::string::npos;
    });
  };
  EXPECT_EQ(warnings(one()), 0);
  other().config.fact_store = nullptr;
  EXPECT_EQ(warnings(other()), 0) << "a path was set";
  other().restart_webhook();
  other().config.fact_store_path = std::nullopt;
  EXPECT_EQ(warnings(other()), 1);
  StripeShop alone;
  alone.config.fact_store_path = std::nullopt;
  EXPECT_EQ(warnings(alone), 0);
}

}  // namespace
}  // namespace postbox::tests
