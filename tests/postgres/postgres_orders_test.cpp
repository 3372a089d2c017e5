// Orders and their events in one transaction of the shop's own, as far as Klaviyo.
#include <algorithm>
#include <pqxx/pqxx>

#include <postbox/postgres_backend.hpp>
#include <postbox/postgres_put.hpp>

#include "support/guest.hpp"
#include "support/postgres_fixture.hpp"

namespace postbox::tests {
namespace {

using testing::fresh_url;
using testing::Psql;

std::string uri_of(const std::string& url) { return "postgresql" + url.substr(url.find(':')); }

class PostgresOrders : public Guest {
 protected:
  using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;

  void SetUp() override {
    if (!testing::has_postgres()) GTEST_SKIP() << "no PostgreSQL server is installed";
    Guest::SetUp();
    url_ = fresh_url();
    Psql(url_).run("CREATE TABLE orders (id text PRIMARY KEY)");
    // The tables are made by whoever starts first.
    (void)open_outbox(config().engine.outbox, system_clock()).value()->stats();
  }

  [[nodiscard]] klaviyo::Config config() const override {
    klaviyo::Config config = Guest::config();
    config.engine.outbox.url = url_;
    config.engine.outbox.backends.push_back(&postgres_backend());
    config.engine.outbox.encryption_keys = keys_;
    // What a killed process had in hand comes back as soon as may be.
    config.engine.http.total_timeout = std::chrono::seconds(5);
    config.engine.lease = std::chrono::seconds(10);
    return config;
  }

  [[nodiscard]] Connection connect() const {
    return {PQconnectdb(uri_of(url_).c_str()), &PQfinish};
  }
  static bool run(PGconn* connection, const std::string& sql) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection, sql.c_str()),
                                                               &PQclear);
    return PQresultStatus(result.get()) == PGRES_COMMAND_OK;
  }

  // An order and its events, up to the commit.
  static bool insert(PGconn* shop, Tracker& tracker, const std::string& id) {
    const EventDraft draft = tracker.draft(placed(id));
    return run(shop, "BEGIN") && run(shop, "INSERT INTO orders VALUES ('" + id + "')") &&
           draft.result.status() == TrackStatus::kAccepted && put(shop, draft);
  }

  // Until what was committed before is with Klaviyo.
  void deliver(Tracker& tracker) const {
    EXPECT_TRUE(tracker.flush(10 * kPatience));  // inside the limits of the account
    EXPECT_TRUE(tracker.stats().conserved());
  }

  // Klaviyo has an event of each order that is in the database, and of no other.
  void expect_orders_recorded() {
    pqxx::connection connection(uri_of(url_));
    pqxx::work work(connection);
    std::set<std::string> ids;
    for (const auto& row : work.exec("SELECT id FROM orders")) ids.insert(row[0].as<std::string>());
    expect_recorded(ids);
  }

  std::string url_;
  std::vector<std::string> keys_;
};

TEST_F(PostgresOrders, AnEventExistsExactlyIfItsOrderDoes) {
  Tracker tracker = start();
  const Connection shop = connect();
  ASSERT_TRUE(insert(shop.get(), tracker, "1001"));
  EXPECT_TRUE(run(shop.get(), "COMMIT"));
  ASSERT_TRUE(insert(shop.get(), tracker, "1002"));
  EXPECT_TRUE(run(shop.get(), "ROLLBACK"));
  deliver(tracker);
  expect_recorded({"1001"});
  expect_orders_recorded();
}

TEST_F(PostgresOrders, ATransactionOfLibpqxxDoesTheSame) {
  Tracker tracker = start();
  pqxx::connection connection(uri_of(url_));
  const auto sell = [&](const std::string& id, bool commits) {
    pqxx::work work(connection);
    work.exec("INSERT INTO orders VALUES (" + work.quote(id) + ")");
    put(work, tracker.draft(placed(id)));
    if (commits) work.commit();
  };
  sell("1001", true);
  sell("1002", false);
  deliver(tracker);
  expect_recorded({"1001"});
  expect_orders_recorded();
}

TEST_F(PostgresOrders, WhatIsReportedAgainCountsOnce) {
  Tracker tracker = start();
  const Connection shop = connect();
  ASSERT_TRUE(insert(shop.get(), tracker, "1001"));
  const EventDraft again = tracker.draft(placed("1001"));
  EXPECT_TRUE(put(shop.get(), again));
  EXPECT_TRUE(run(shop.get(), "COMMIT"));
  EXPECT_TRUE(bought(tracker, "1001")) << "and by another way";
  deliver(tracker);
  expect_recorded({"1001"});
}

TEST_F(PostgresOrders, AnOrderEndsItsCartAlsoWhenItsFamilyIsOff) {
  Tracker tracker = start();
  klaviyo::Cart cart;
  cart.cart_id = "C1";
  cart.currency = "EUR";
  cart.customer.email = "customer-1001@goldenacre.example";
  cart.items = placed("1001").order().items;
  ASSERT_TRUE(tracker.track_durably(klaviyo::cart_updated(cart), kPatience));
  EXPECT_EQ(tracker.stats().timers_pending, 1U);
  (void)tracker.stop(kPatience);

  klaviyo::Config off = config();
  off.set(klaviyo::kFamilies.front(), Flag::off());
  Tracker without = klaviyo::start(off).value();
  const EventDraft draft = without.draft(placed("1001"));
  EXPECT_EQ(draft.result.status(), TrackStatus::kDisabled);
  const Connection shop = connect();
  ASSERT_TRUE(run(shop.get(), "BEGIN"));
  EXPECT_TRUE(put(shop.get(), draft));
  ASSERT_TRUE(run(shop.get(), "COMMIT"));
  deliver(without);
  EXPECT_EQ(without.stats().timers_pending, 0U);
  expect_recorded({});
}

TEST_F(PostgresOrders, AnEncryptedOutboxIsToldNothingInPlain) {
  keys_ = {std::string(64, 'a')};
  Tracker tracker = start();
  const EventDraft draft = tracker.draft(placed("1001"));
  for (const EventRecord& record : draft.records) {
    EXPECT_EQ(record.payload.find("goldenacre"), std::string::npos);
  }
  const Connection shop = connect();
  ASSERT_TRUE(insert(shop.get(), tracker, "1001"));
  ASSERT_TRUE(run(shop.get(), "COMMIT"));
  deliver(tracker);
  expect_recorded({"1001"});
}

TEST_F(PostgresOrders, PutSaysWhatIsMissing) {
  Tracker tracker = start();
  const EventDraft draft = tracker.draft(placed("1001"));
  const Connection shop = connect();
  EXPECT_EQ(put(shop.get(), draft).error().code, ErrorCode::kInvalidArgument);
  ASSERT_TRUE(run(shop.get(), "BEGIN"));
  const auto nowhere = put(shop.get(), draft, "no \"such\" schema");
  ASSERT_FALSE(nowhere);
  EXPECT_NE(nowhere.error().message.find("no \"such\" schema"), std::string::npos)
      << nowhere.error().message;
  EXPECT_FALSE(put(shop.get(), draft)) << "the transaction has failed";
  ASSERT_TRUE(run(shop.get(), "ROLLBACK"));
  EXPECT_TRUE(put(shop.get(), {TrackResult(TrackStatus::kRejected)}).error().code ==
              ErrorCode::kInvalidArgument);
}

TEST_F(PostgresOrders, AnEventThatBreaksARuleIsRejectedAndSaysWhy) {
  Tracker tracker = start();
  klaviyo::Order order = placed("1001").order();
  order.currency = "euro";
  const EventDraft draft = tracker.draft(klaviyo::order_placed(order));
  EXPECT_EQ(draft.result.status(), TrackStatus::kRejected);
  EXPECT_NE(draft.result.to_string().find("currency"), std::string::npos);
  EXPECT_EQ(tracker.stats().rejected, placed("1001").size());
}

// The role of a shop's own, as docs/postgres.md says.
TEST_F(PostgresOrders, ARoleThatMayOnlyInsertIsEnough) {
  Psql owner(url_);
  const std::string schema = owner.run("SELECT current_schema()");
  const std::string role = "shop_" + schema;
  owner.run("CREATE ROLE " + role + " LOGIN; GRANT USAGE ON SCHEMA " + schema + " TO " + role +
            "; GRANT INSERT ON postbox_inbox, orders TO " + role);
  Tracker tracker = start();
  std::string url = url_;
  url.replace(url.find("user=postgres"), 13, "user=" + role);
  const Connection shop(PQconnectdb(uri_of(url).c_str()), &PQfinish);
  ASSERT_TRUE(insert(shop.get(), tracker, "1001"));
  ASSERT_TRUE(run(shop.get(), "COMMIT"));
  EXPECT_FALSE(run(shop.get(), "DELETE FROM postbox_inbox"));
  deliver(tracker);
  expect_recorded({"1001"});
  owner.run("DROP OWNED BY " + role + "; DROP ROLE " + role);
}

TEST_F(PostgresOrders, TheExampleSellsAnOrderOnce) {
  auto variables = this->variables();
  variables["POSTBOX_OUTBOX"] = url_;
  variables["DATABASE_URL"] = uri_of(url_);
  const Streams streams{.output = folder.file("out")};
  const auto sell = [&] {
    return Program("order_transaction", {"1001"}, variables, folder.path(), streams).wait();
  };
  EXPECT_EQ(sell(), 0);
  EXPECT_EQ(sell(), 1) << "it is there";
  Tracker tracker = start();
  deliver(tracker);
  expect_orders_recorded();
  expect_recorded({"1001"});
}

// POSTBOX_KILL_ROUNDS=200 postgres_tests --gtest_filter='*Killed*'   more than the usual rounds
TEST_F(PostgresOrders, AKilledShopHasNoOrderWithoutEventAndNoEventWithoutOrder) {
  if (!kForkIsTestable) GTEST_SKIP() << "the sanitizers themselves do not survive a fork";
  const char* const wish = std::getenv("POSTBOX_KILL_ROUNDS");  // NOLINT(concurrency-mt-unsafe)
  const int rounds = wish != nullptr ? std::stoi(wish) : 20;
  std::minstd_rand dice(1);
  for (int round = 0; round < rounds && !HasFailure(); ++round) {
    std::array<int, 2> progress{};
    ASSERT_EQ(pipe(progress.data()), 0);
    Child process([&] {
      Tracker tracker = start();
      const Connection shop = connect();
      for (int i = 0;; ++i) {
        const std::string id = std::to_string(round) + "-" + std::to_string(i);
        if (!insert(shop.get(), tracker, id)) return false;
        if (!run(shop.get(), i % 20 == 19 ? "ROLLBACK" : "COMMIT")) return false;
        if (write(progress[1], "!", 1) != 1) return false;
      }
    });
    close(progress[1]);
    // After some orders, and in the middle of whatever the next one is at.
    std::array<char, 1> step{};
    for (auto orders = 1 + dice() % 40; orders > 0; --orders) {
      ASSERT_EQ(read(progress[0], step.data(), step.size()), 1);
    }
    for (volatile auto spins = dice() % 400'000; spins > 0;) spins = spins - 1;
    process.end(SIGKILL);
    close(progress[0]);
  }
  Tracker tracker = start();
  deliver(tracker);
  expect_orders_recorded();
}

}  // namespace
}  // namespace postbox::tests
