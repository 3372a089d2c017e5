// POSTBOX_SPILL of a shop that is killed while its database is away.
#include "support/postgres_fixture.hpp"
#include "support/shop.hpp"

namespace postbox::tests {
namespace {

// The example's server, whose /checkout/complete answers 2xx after track_durably().
class PostgresSpillShop : public Shop {
 protected:
  void SetUp() override {
    if (!testing::has_postgres()) GTEST_SKIP() << "no PostgreSQL server is installed";
    Shop::SetUp();
    url = testing::fresh_url(database);
    server = open();
  }

  [[nodiscard]] std::unique_ptr<Program> open() const {
    Program::Variables settings = variables();
    settings["POSTBOX_OUTBOX"] = url;
    settings["POSTBOX_SPILL"] = folder.file("spill.db");
    return std::make_unique<Program>("checkout_server", std::vector<std::string>{"--port", "0"},
                                     settings, folder.path());
  }
  // Returns how many were acknowledged, all of which are kept.
  int buy(int orders) {
    auto http = client();
    int taken = 0;
    for (int i = 0; i < orders; ++i) {
      const std::string id = "o" + std::to_string(++sold);
      if (post_order(http, order(id)) != 201) continue;
      acknowledged.insert(id);
      ++taken;
    }
    return taken;
  }

  testing::PostgresServer database{testing::PostgresServer::Disk::kDurable};
  std::string url;
  std::set<std::string> acknowledged;
  int sold = 0;
};

TEST_F(PostgresSpillShop, WhatIsSoldWhileTheDatabaseIsAwayIsRecordedOnceWhoeverIsKilled) {
  EXPECT_EQ(buy(5), 5);
  wait_until_settled();
  database.kill_hard();
  // A session may outlive the server's death by some orders.
  while (metric(state("spilled")) == 0) EXPECT_EQ(buy(1), 1);
  EXPECT_EQ(buy(10), 10) << "they are durable on the server's own disk";
  EXPECT_EQ(server->end(SIGKILL), -SIGKILL);
  server = open();
  EXPECT_EQ(buy(10), 10) << "a server that starts while the database is away";
  EXPECT_EQ(server->end(SIGKILL), -SIGKILL);
  server = open();
  ASSERT_TRUE(database.start());
  EXPECT_EQ(buy(5), 5);
  wait_until_settled();
  while (metric("postbox_stats_complete") != 1) std::this_thread::yield();
  wait_until_settled();
  expect_conservation();
  EXPECT_EQ(metric(state("spilled")), 0);
  const Recorded found = recorded();
  EXPECT_GT(acknowledged.size(), 30U);
  for (const std::string& id : acknowledged) {
    EXPECT_EQ(found.events.count({"Placed Order", id}), 1U) << id;
  }
  EXPECT_EQ(found.most(), 1U);
}

}  // namespace
}  // namespace postbox::tests
