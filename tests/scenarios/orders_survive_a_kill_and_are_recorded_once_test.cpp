#include <atomic>

#include "support/shop.hpp"

namespace postbox::tests {
namespace {

class KilledShop : public Shop {
 protected:
  // Several customers buy at once until the server is gone; every order that got its 2xx is kept.
  void buy_until_killed(int round, std::set<std::string>& acknowledged) {
    std::mutex mutex;
    std::condition_variable enough;
    std::size_t in_this_round = 0;
    std::vector<std::thread> customers;
    for (int customer = 0; customer < 4; ++customer) {
      customers.emplace_back([&, customer] {
        auto http = client();
        for (int i = 0; i < 10'000; ++i) {
          const std::string id =
              std::to_string(round) + "-" + std::to_string(customer) + "-" + std::to_string(i);
          if (post_order(http, order(id, 1 + i % 3)) != 201) return;
          const std::lock_guard lock(mutex);
          acknowledged.insert(id);
          if (++in_this_round >= 200) enough.notify_all();
        }
      });
    }
    {
      std::unique_lock lock(mutex);
      enough.wait(lock, [&] { return in_this_round >= 200; });
    }
    EXPECT_EQ(server->end(SIGKILL), -SIGKILL);
    for (auto& customer : customers) customer.join();
  }

  void expect_each_once(const std::set<std::string>& acknowledged) {
    open_shop();
    wait_until_settled();
    const Recorded found = recorded();
    for (const std::string& id : acknowledged) {
      EXPECT_EQ(found.events.count({"Placed Order", id}), 1U) << id;
    }
    EXPECT_EQ(found.most(), 1U);
    expect_conservation();
  }
};

TEST_F(KilledShop, WhileTheApiWorks) {
  std::set<std::string> acknowledged;
  for (int round = 0; round < 3; ++round) {
    open_shop();
    buy_until_killed(round, acknowledged);
  }
  expect_each_once(acknowledged);
}

TEST_F(KilledShop, DuringAnOutageOfTheApi) {
  std::set<std::string> acknowledged;
  set_faults(R"({"faults":[{"times":-1,"status":503}]})");
  open_shop();
  buy_until_killed(0, acknowledged);
  set_faults(R"({"faults":[]})");
  expect_each_once(acknowledged);
}

TEST_F(KilledShop, WhileAnswersAreLostAfterTheEventWasTaken) {
  std::set<std::string> acknowledged;
  set_faults(R"({"seed":3,"faults":[{"times":-1,"probability":0.3,"reset":true,"after":true}]})");
  open_shop();
  buy_until_killed(0, acknowledged);
  set_faults(R"({"faults":[]})");
  expect_each_once(acknowledged);
}

}  // namespace
}  // namespace postbox::tests
