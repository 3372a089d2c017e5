#include <algorithm>
#include <chrono>
#include <cstdio>

#include "support/shop.hpp"

namespace postbox::tests {
namespace {

class BadApi : public Shop {
 protected:
  static constexpr int kCustomers = 4;

  // Posts `orders` orders and returns how long the slowest percent took at least.
  std::chrono::microseconds p99_of(int orders) {
    std::mutex mutex;
    std::vector<std::chrono::microseconds> took;
    std::vector<std::thread> customers;
    for (int customer = 0; customer < kCustomers; ++customer) {
      customers.emplace_back([&, customer] {
        auto http = client();
        std::vector<std::chrono::microseconds> own;
        for (int i = customer; i < orders; i += kCustomers) {
          const Json body = order(std::to_string(i));
          const auto start = std::chrono::steady_clock::now();
          EXPECT_EQ(post_order(http, body), 201) << i;
          own.push_back(std::chrono::duration_cast<std::chrono::microseconds>(
              std::chrono::steady_clock::now() - start));
        }
        const std::lock_guard lock(mutex);
        took.insert(took.end(), own.begin(), own.end());
      });
    }
    for (auto& customer : customers) customer.join();
    std::sort(took.begin(), took.end());
    return took.at(took.size() * 99 / 100);
  }
};

// A mix of 202, 429, 500, resets before and after the event was taken, and delays.
constexpr const char* kMix = R"({"seed":11,"faults":[
  {"times":-1,"probability":0.03,"status":500},
  {"times":-1,"probability":0.0005,"status":429,"retry_after":1},
  {"times":-1,"probability":0.02,"reset":true},
  {"times":-1,"probability":0.02,"reset":true,"after":true},
  {"times":-1,"probability":0.02,"delay_ms":20}]})";

TEST_F(BadApi, RecordsEachOfTenThousandOrdersExactlyOnce) {
  constexpr int kOrders = 10'000;
  open_shop("false");
  const auto off = p99_of(2'000);
  EXPECT_EQ(server->end(SIGTERM), 0);

  set_faults(kMix);
  open_shop();
  const auto on = p99_of(kOrders);
  set_faults(R"({"faults":[]})");
  wait_until_settled();

  const Recorded found = recorded();
  EXPECT_EQ(found.count("Placed Order"), static_cast<std::size_t>(kOrders));
  EXPECT_EQ(found.count("Ordered Product"), static_cast<std::size_t>(kOrders));
  EXPECT_EQ(found.most(), 1U);
  expect_conservation();
  // Printed, not judged: a test does not fail on speed.
  std::printf(
      "p99 of a checkout over HTTP: flags off %lld us, flags on, durable, bad API %lld us\n",
      static_cast<long long>(off.count()), static_cast<long long>(on.count()));
}

}  // namespace
}  // namespace postbox::tests
