// Three servers of a shop on a database with a streaming standby, each on a network of its own, the
// servers' clocks minutes apart. Any of them is killed under load, the database fails over, its
// network is cut: what was acknowledged is recorded once, whoever had it in hand.
//
//   POSTBOX_KILL_ROUNDS=200 postgres_tests --gtest_filter='PostgresShop.*'   more than the usual
//   POSTBOX_SEED=17 …                                              the same random points again
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <map>
#include <mutex>
#include <random>

#include "support/postgres_pair.hpp"
#include "support/shop.hpp"

namespace postbox::tests {
namespace {

constexpr std::size_t kServers = 3;

constexpr std::array kAnswers = {
    R"({"faults":[]})",
    R"({"faults":[{"times":-1,"status":503}]})",
    // The event is taken, and the answer lost.
    R"({"seed":3,"faults":[{"times":-1,"probability":0.5,"reset":true,"after":true}]})",
};

// https://github.com/wolfcw/libfaketime; the loader knows where libraries are.
constexpr const char* kFalseClock = "/usr/$LIB/faketime/libfaketime.so.1";

// Longer than a lease.
constexpr std::array<const char*, kServers> kOffsets = {"+0", "+11m", "-7m"};

bool has_false_clocks() {
  const std::filesystem::path libraries = "/usr/lib";
  return std::ranges::any_of(std::filesystem::directory_iterator(libraries), [](const auto& each) {
    return std::filesystem::exists(each.path() / "faketime/libfaketime.so.1");
  });
}

std::uint64_t wish(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe)
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class PostgresShop : public Shop {
 protected:
  void SetUp() override {
    if (!testing::has_postgres()) GTEST_SKIP() << "no PostgreSQL server is installed";
    Shop::SetUp();
    url = database.fresh_url();
    for (std::size_t each = 0; each < kServers; ++each) servers.at(each) = open(each);
  }

  [[nodiscard]] std::unique_ptr<Program> open(std::size_t number) const {
    Program::Variables settings = variables();
    settings["POSTBOX_OUTBOX"] = url;
    if (has_false_clocks()) {
      settings["LD_PRELOAD"] = kFalseClock;
      settings["FAKETIME"] = kOffsets.at(number);
      settings["FAKETIME_DONT_FAKE_MONOTONIC"] = "1";
    }
    return std::make_unique<Program>("checkout_server", std::vector<std::string>{"--port", "0"},
                                     settings, folder.path());
  }

  // A customer buys at one server until it is gone, and then at the next: a balancer does that.
  // Every order that got its 2xx is kept.
  void buy(std::uint64_t round, std::size_t customer, const std::atomic<bool>& is_over) {
    std::size_t at = customer;
    for (int i = 0; !is_over; ++i) {
      auto http = client_of(*servers.at(at % kServers));
      const std::string id =
          std::to_string(round) + "-" + std::to_string(customer) + "-" + std::to_string(i);
      const bool is_sold = post_order(http, order(id)) == 201;
      std::unique_lock lock(mutex);
      changed.notify_all();
      if (is_sold) {
        acknowledged.insert(id);
        ++sold;
        continue;
      }
      ++at;
      ++refused;
      changed.wait_for(lock, std::chrono::milliseconds(50));  // the others need the processors
    }
  }

  void wait_until(const std::atomic<std::size_t>& count, std::size_t most) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return count >= most; });
  }

  // Sells `orders` more, and kills meanwhile what `kill` does.
  template <class Kill>
  void sell_and(std::uint64_t round, std::size_t orders, Kill kill) {
    std::atomic<bool> is_over = false;
    const std::size_t before = sold;
    std::vector<std::thread> customers;
    for (std::size_t each = 0; each < kServers; ++each) {
      customers.emplace_back([&, each] { buy(round, each, is_over); });
    }
    wait_until(sold, before + orders);
    kill();
    wait_until(sold, before + 2 * orders);
    is_over = true;
    for (std::thread& each : customers) each.join();
  }

  void expect_each_once() {
    set_faults(kAnswers.front());
    server = std::move(servers.front());
    wait_until_settled();
    const Recorded found = recorded();
    for (const std::string& id : acknowledged) {
      EXPECT_EQ(found.events.count({"Placed Order", id}), 1U) << id;
    }
    EXPECT_EQ(found.most(), 1U);
    if (has_false_clocks()) {
      constexpr long long kApart = 17 * 60;
      EXPECT_GT(*found.times.rbegin() - *found.times.begin(), kApart) << "clocks";
    }
    EXPECT_EQ(found.count("Placed Order"), found.count("Ordered Product"));
  }

  std::minstd_rand random{static_cast<unsigned>(wish("POSTBOX_SEED", std::random_device{}()))};
  PostgresPair database;
  std::string url;
  std::array<std::unique_ptr<Program>, kServers> servers;
  std::mutex mutex;
  std::condition_variable changed;
  std::set<std::string> acknowledged;
  std::atomic<std::size_t> sold = 0;
  std::atomic<std::size_t> refused = 0;
};

TEST_F(PostgresShop, WhateverIsKilledNothingIsLostAndNothingIsDoubled) {
  enum Victim : unsigned char { kServer, kDatabase, kPrimary, kNetwork, kIsolatedPrimary };
  std::vector<Victim> victims{kServer, kDatabase, kPrimary};
  if (database.has_networks()) victims.insert(victims.end(), {kNetwork, kIsolatedPrimary});
  const std::uint64_t rounds = wish("POSTBOX_KILL_ROUNDS", victims.size());
  for (std::uint64_t round = 0; round < rounds && !HasFailure(); ++round) {
    set_faults(kAnswers.at(round % kAnswers.size()));
    const Victim victim = victims.at(round % victims.size());
    const std::size_t number = random() % kServers;
    sell_and(round, 5 + random() % 30, [&] {
      const std::size_t orders = refused + 1 + random() % 50;
      switch (victim) {
        case kServer:
          EXPECT_EQ(servers.at(number)->end(SIGKILL), -SIGKILL);
          return;
        case kDatabase:
          return database.restart();
        case kPrimary:
          return database.fail_over();
        case kNetwork:
          database.cut();
          wait_until(refused, orders);
          return database.mend();
        case kIsolatedPrimary:
          return database.fail_over_from_isolated();
      }
    });
    if (victim == kServer) servers.at(number) = open(number);
  }
  expect_each_once();
}

}  // namespace
}  // namespace postbox::tests
