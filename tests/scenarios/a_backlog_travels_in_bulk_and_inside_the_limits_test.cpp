#include "support/shop.hpp"

namespace postbox::tests {
namespace {

class Backlog : public Shop {
 protected:
  // Klaviyo as it is, rate windows included.
  void SetUp() override {
    klaviyo_port = klaviyo.start({});
    ASSERT_NE(klaviyo_port, 0);
  }
};

TEST_F(Backlog, TravelsInBulkAndInsideTheLimits) {
  constexpr int kOrders = 1'000;
  set_faults(R"({"faults":[{"times":-1,"status":503}]})");
  open_shop();
  auto http = client();
  for (int i = 0; i < kOrders; ++i) EXPECT_EQ(post_order(http, order(std::to_string(i), 2)), 201);
  set_faults(R"({"faults":[]})");
  wait_until_settled();

  const auto stats = klaviyo.simulator().stats();
  EXPECT_EQ(stats.answers.count(429), 0U);
  EXPECT_EQ(stats.answers.count(400), 0U);
  EXPECT_GE(stats.by_path.at("/api/event-bulk-create-jobs"), 1U);
  const Recorded found = recorded();
  EXPECT_EQ(found.count("Placed Order"), static_cast<std::size_t>(kOrders));
  EXPECT_EQ(found.count("Ordered Product"), static_cast<std::size_t>(2 * kOrders));
  EXPECT_EQ(found.most(), 1U);
  expect_conservation();
}

}  // namespace
}  // namespace postbox::tests
