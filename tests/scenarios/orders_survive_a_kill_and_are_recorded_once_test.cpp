// kill -9 at random points of the real server under load, against the real simulator's program.
// Half of the rounds die during an outage of the API. Nothing that was acknowledged may be lost,
// and nothing may be recorded twice, also where two servers share one outbox.
//
//   POSTBOX_KILL_ROUNDS=500 scenario_tests --gtest_filter='*Kill*'   more than the usual rounds
//   POSTBOX_SEED=17 …                                                the same random points again
#include <atomic>
#include <cstdlib>
#include <random>

#include "support/shop.hpp"

namespace postbox::tests {
namespace {

constexpr int kCustomers = 4;
constexpr std::uint64_t kUsualRounds = 50;

// What the API does to the rounds that die during an outage.
constexpr std::array kOutages = {
    R"({"faults":[{"times":-1,"status":503}]})",
    R"({"faults":[{"times":-1,"reset":true}]})",
    // The event is taken, and the answer lost.
    R"({"seed":3,"faults":[{"times":-1,"probability":0.5,"reset":true,"after":true}]})",
    R"({"faults":[{"times":-1,"status":429,"headers":{"Retry-After":"1"}}]})",
    // Longer than a round; not so long that connections of dead servers use up the simulator's
    // threads.
    R"({"faults":[{"times":-1,"delay_ms":3000}]})",
};
constexpr auto kNoFaults = R"({"faults":[]})";

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// Where in a round the server dies: so many acknowledged orders, then so much later.
struct RandomPoint {
  std::size_t orders;
  std::chrono::microseconds later;
};

class KilledShop : public Shop {
 protected:
  void SetUp() override {
    simulator = std::make_unique<Program>("klaviyo-sim",
                                          std::vector<std::string>{"--port", "0", "--no-limits"},
                                          Program::Variables{});
    klaviyo_port = simulator->port();
    ASSERT_NE(klaviyo_port, 0);
  }

  // Zero orders: while it recovers what the last round left.
  RandomPoint random_point() {
    return {random() % 4 == 0 ? 0 : random() % 60, std::chrono::microseconds(random() % 5'000)};
  }

  // Several customers buy at once until the servers are gone, one after the other; every order that
  // got its 2xx is kept.
  void buy_until_killed(std::uint64_t round, const RandomPoint& point) {
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t in_this_round = 0;
    std::vector<std::thread> customers;
    for (int customer = 0; customer < kCustomers; ++customer) {
      const Program& shop = second && customer % 2 == 1 ? *second : *server;
      customers.emplace_back([&, customer] {
        auto http = client_of(shop);
        for (int i = 0;; ++i) {
          const std::string id =
              std::to_string(round) + "-" + std::to_string(customer) + "-" + std::to_string(i);
          const int lines = 1 + i % 3;
          if (post_order(http, order(id, lines)) != 201) return;
          const std::lock_guard lock(mutex);
          acknowledged.emplace(id, lines);
          ++in_this_round;
          changed.notify_all();
        }
      });
    }
    const auto kill_at = [&](Program& shop, std::size_t orders) {
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return in_this_round >= orders; });
        changed.wait_for(lock, point.later, [] { return false; });
      }
      EXPECT_EQ(shop.end(SIGKILL), -SIGKILL);
    };
    kill_at(*server, point.orders);
    // The other one becomes the sender, and dies in the midst of that or later.
    if (second) kill_at(*second, point.orders + random() % 30);
    for (auto& customer : customers) customer.join();
  }

  void expect_each_once() {
    set_faults(kNoFaults);
    open_shop();
    wait_until_settled();
    const Recorded found = recorded();
    for (const auto& [id, lines] : acknowledged) {
      EXPECT_EQ(found.events.count({"Placed Order", id}), 1U) << id;
    }
    EXPECT_EQ(found.most(), 1U);
    // Each order's lines: those of an order that was stored without a 2xx count, too.
    std::size_t lines = 0;
    for (const auto& [metric, id] : found.events) {
      if (metric == "Placed Order") lines += 1 + std::stoul(id.substr(id.rfind('-') + 1)) % 3;
    }
    EXPECT_EQ(found.count("Ordered Product"), lines);
    expect_conservation();
  }

  void die_in_rounds(std::uint64_t rounds, bool two_servers) {
    for (std::uint64_t round = 0; round < rounds && !HasFailure(); ++round) {
      const bool outage = round % 2 == 1;
      set_faults(outage ? kOutages.at(round / 2 % kOutages.size()) : kNoFaults);
      open_shop();
      if (two_servers) second = start_server();
      buy_until_killed(round, random_point());
    }
    second.reset();
    expect_each_once();
    std::cout << rounds << " rounds from POSTBOX_SEED=" << seed << ": " << acknowledged.size()
              << " orders were acknowledged\n";
  }

  std::unique_ptr<Program> simulator;
  std::unique_ptr<Program> second;          // on the same outbox
  std::map<std::string, int> acknowledged;  // orders, and how many lines each has
  std::uint64_t seed = number_from("POSTBOX_SEED", std::random_device{}());
  std::mt19937_64 random{seed};
};

TEST_F(KilledShop, LosesNothingAndDoublesNothingInAnyRound) {
  SCOPED_TRACE("POSTBOX_SEED=" + std::to_string(seed));
  die_in_rounds(number_from("POSTBOX_KILL_ROUNDS", kUsualRounds), false);
}

TEST_F(KilledShop, WithTwoServersOnOneOutboxLosesNothingAndDoublesNothing) {
  SCOPED_TRACE("POSTBOX_SEED=" + std::to_string(seed));
  die_in_rounds(number_from("POSTBOX_KILL_ROUNDS", kUsualRounds) * 2 / 5, true);
}

}  // namespace
}  // namespace postbox::tests
