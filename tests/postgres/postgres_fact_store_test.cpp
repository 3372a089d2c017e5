// What Stripe's webhooks tell, in tables of a real server: what every store does, and what only one
// that servers share can get wrong.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <barrier>
#include <map>
#include <stripe_postgres/fact_store.hpp>
#include <thread>

#include "stripe/fact_store_conformance.hpp"
#include "support/postgres_fixture.hpp"

namespace postbox::tests {
namespace {

using postbox::testing::fresh_url;
using postbox::testing::has_postgres;
using postbox::testing::kOwnSessions;
using postbox::testing::postgres_server;
using postbox::testing::Psql;

std::shared_ptr<stripe::FactStore> store_at(const std::string& url,
                                            stripe::FactStoreLimits limits = {}) {
  auto store = stripe::postgres_fact_store(url, limits);
  EXPECT_TRUE(store) << store.error().message;
  return *std::move(store);
}

std::shared_ptr<stripe::FactStore> open_postgres(const std::string& path,
                                                 stripe::FactStoreLimits limits) {
  static std::map<std::string, std::string> urls;
  if (path.empty()) return store_at(fresh_url(), limits);
  std::string& url = urls[path];
  if (url.empty()) url = fresh_url();
  return store_at(url, limits);
}

std::vector<FactStoreKind> kinds_on_postgres() {
  if (!has_postgres()) return {};
  return {{open_postgres, false}, {open_postgres, true}};
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(AnyFactStore);
INSTANTIATE_TEST_SUITE_P(Postgres, AnyFactStore, ::testing::ValuesIn(kinds_on_postgres()),
                         fact_store_name);

class PostgresFacts : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!has_postgres()) GTEST_SKIP() << "no PostgreSQL server is installed";
    url_ = fresh_url();
    one_ = store_at(url_);
    other_ = store_at(url_);
    EXPECT_TRUE(one_->awaited_keys()) << "the tables are there";
  }

  // Runs `work` while the transaction of somebody else that begins with `sql` is not committed, and
  // commits that once the work waits for it.
  template <class Work>
  void during(const std::string& sql, Work work) {
    Psql somebody(url_);
    somebody.run("BEGIN; " + sql);
    std::atomic<bool> has_ended = false;
    std::thread worker([&] {
      work();
      has_ended = true;
    });
    Psql watcher(url_);
    const std::string waiting =
        std::string("SELECT count(*)") + kOwnSessions + " AND wait_event_type = 'Lock'";
    while (!has_ended && watcher.run(waiting) == "0") std::this_thread::yield();
    somebody.run("COMMIT");
    worker.join();
  }

  std::string url_;
  std::shared_ptr<stripe::FactStore> one_;
  std::shared_ptr<stripe::FactStore> other_;
};

// A lock that is waited for too long is an error, on a machine that is slow enough.
bool decide(stripe::FactStore& store, const std::string& key, const std::string& value) {
  for (;;) {
    const auto stands = store.put_decisions({{key, value}}, kFactTime, kFactTime + 1h);
    if (stands) return *stands;
    EXPECT_EQ(stands.error().code, ErrorCode::kOutboxBusy) << stands.error().message;
  }
}

TEST_F(PostgresFacts, OfServersThatDecideAtOnceTheFirstOneStandsForAll) {
  constexpr int kRounds = 100;
  std::array<int, 2> stood{};
  std::barrier begin(2);
  const auto server = [&](stripe::FactStore& store, std::size_t which) {
    for (int round = 0; round < kRounds; ++round) {
      begin.arrive_and_wait();
      const std::string value = std::to_string(which);
      const std::string key = "profile:" + std::to_string(round);
      const bool stands = decide(store, key, value);
      stood.at(which) += stands ? 1 : 0;
      EXPECT_EQ(store.find_decision(key, kFactTime).value() == value, stands);
    }
  };
  std::thread first([&] { server(*one_, 0); });
  std::thread second([&] { server(*other_, 1); });
  first.join();
  second.join();
  EXPECT_EQ(stood[0] + stood[1], kRounds);
}

TEST_F(PostgresFacts, ADecisionWaitsForOneThatIsNotCommittedAndGivesWayToIt) {
  during("SELECT postbox_stripe_decide('{a}', '{theirs}', 0, 9000000000000)",
         [this] { EXPECT_FALSE(decide(*one_, "a", "ours")); });
  EXPECT_EQ(one_->find_decision("a", kFactTime).value(), "theirs");
}

TEST_F(PostgresFacts, ServersThatDecideSeveralThingsInDifferentOrdersDoNotBlockEachOther) {
  constexpr int kRounds = 30;
  constexpr int kThings = 64;
  std::barrier begin(2);
  const auto server = [&](stripe::FactStore& store, bool forward) {
    for (int round = 0; round < kRounds; ++round) {
      std::vector<stripe::Decision> decisions;
      std::vector<stripe::Fact> facts;
      for (int i = 0; i < kThings; ++i) {
        const std::string key =
            std::to_string(round) + "/" + std::to_string(forward ? i : kThings - 1 - i);
        decisions.push_back({key, "same"});
        facts.push_back({"order:" + key, "same", kFactTime + (forward ? 1s : 2s)});
      }
      begin.arrive_and_wait();
      const auto decided = store.put_decisions(decisions, kFactTime, kFactTime + 1h);
      EXPECT_TRUE(decided) << decided.error().message;
      const auto told = store.put_facts(facts, kFactTime, kFactTime + 1h);
      EXPECT_TRUE(told) << told.error().message;
    }
  };
  std::thread first([&] { server(*one_, true); });
  std::thread second([&] { server(*other_, false); });
  first.join();
  second.join();
}

// The older one is not committed when the newer one is told: each would be the newest that it sees.
TEST_F(PostgresFacts, OfTwoServersThatTellAFactAtOnceTheNewerOneAloneLasts) {
  during("SELECT postbox_stripe_tell('{a}', '{1}', '{old}', 8000000000000, 7000000000000)", [this] {
    for (;;) {
      const auto told =
          one_->put_facts({{"a", "new", kFactTime}}, kFactTime, kFactTime + 24h * 400);
      if (told) return;
      EXPECT_EQ(told.error().code, ErrorCode::kOutboxBusy) << told.error().message;
    }
  });
  const WallTime late = kFactTime + 24h * 5;
  EXPECT_EQ(fact_value(*one_, "a", kFactTime, WallTime(1s)), "old");
  EXPECT_EQ(fact_value(*one_, "a", late, WallTime(1s)), "new") << "the old one has lasted as long";
}

TEST_F(PostgresFacts, ABodyWhoseTimeHasComeIsOneServers) {
  EXPECT_TRUE(one_->put_body({"evt_1", "{}", "a", kFactTime}));
  const auto seen = one_->ready_bodies({}, kFactTime).value();
  const auto seen_there = other_->ready_bodies({}, kFactTime).value();
  ASSERT_EQ(seen.size(), 1U);
  ASSERT_EQ(seen_there.size(), 1U);
  EXPECT_TRUE(one_->put_off_body(seen[0], kFactTime + 10s).value());
  EXPECT_FALSE(other_->put_off_body(seen_there[0], kFactTime + 10s).value());
  EXPECT_EQ(ready_ids(*other_, {}, kFactTime + 9s), FactIds{});
  EXPECT_EQ(ready_ids(*other_, {}, kFactTime + 10s), FactIds{"evt_1"});
  EXPECT_TRUE(one_->remove_body("evt_1").value());
  EXPECT_FALSE(other_->put_off_body(seen_there[0], kFactTime + 20s).value());
}

TEST_F(PostgresFacts, ADatabaseThatIsAwayIsAnErrorOfTheCallAndNoneOfTheNext) {
  PostgresServer server;
  const auto own = store_at(fresh_url(server));
  put_fact(*own, "a", "1", kFactTime);
  EXPECT_TRUE(own->put_body({"evt_1", "{}", "a", kFactTime}));
  server.stop();
  for (int i = 0; i < 2; ++i) {
    const auto found = own->find_fact("a", kFactTime, kFactTime);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, ErrorCode::kOutboxUnavailable);
  }
  ASSERT_TRUE(server.start());
  EXPECT_EQ(fact_value(*own, "a"), "1");
  EXPECT_EQ(ready_ids(*own, {}, kFactTime), FactIds{"evt_1"});
}

// A server that takes connections and says nothing.
TEST_F(PostgresFacts, OfManyCallsToAServerThatHangsOneWaits) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(socket, 8), 0);
  ASSERT_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const auto store =
      store_at("postgres://shop@127.0.0.1:" + std::to_string(ntohs(address.sin_port)) +
               "/shop?sslmode=disable");
  const auto first = store->next_due();
  const auto second = store->next_due();
  ::close(socket);
  ASSERT_FALSE(first);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kOutboxUnavailable);
  EXPECT_EQ(first.error().message.find("left alone"), std::string::npos);
  EXPECT_NE(second.error().message.find("left alone"), std::string::npos) << second.error().message;
}

TEST_F(PostgresFacts, NoMessageHasAPassword) {
  const std::vector<std::string> urls = {"postgres://shop:geheim@/nowhere?host=/nowhere",
                                         "postgres://shop:ge@heim@db/shop",
                                         "postgres:shop:heim",
                                         "postgres://shop:heim%/shop",
                                         "mysql://shop:geheim@db/shop",
                                         "heim"};
  for (const std::string& url : urls) {
    const auto store = stripe::postgres_fact_store(url);
    const auto error = store ? (*store)->awaited_keys().error() : store.error();
    EXPECT_EQ(error.code, store ? ErrorCode::kOutboxUnavailable : ErrorCode::kInvalidConfig);
    EXPECT_EQ(error.message.find("heim@"), std::string::npos) << error.message;
    EXPECT_EQ(error.message.find("geheim"), std::string::npos) << error.message;
  }
}

TEST_F(PostgresFacts, WhoOnlyLooksMakesNoTables) {
  const std::string url = fresh_url();
  EXPECT_FALSE(stripe::has_postgres_fact_store(url).value());
  EXPECT_EQ(Psql(url).run("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"),
            "0");
  EXPECT_TRUE(store_at(url)->awaited_keys());
  EXPECT_TRUE(stripe::has_postgres_fact_store(url).value());
  EXPECT_FALSE(stripe::has_postgres_fact_store("postgres:///x?host=/nowhere"));
}

}  // namespace
}  // namespace postbox::tests
