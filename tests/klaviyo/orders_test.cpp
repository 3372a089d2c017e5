// The real orders of a shop, as untidy as they are: each becomes the events that it should.

#include <gtest/gtest.h>

#include "support/klaviyo_test_data.hpp"
#include "support/real_orders.hpp"

namespace {

using klaviyo_test::rule_at;
using klaviyo_test::violations_of;
using postbox::tests::orders_file;
using postbox::tests::read_orders;

TEST(RealOrders, EachBecomesItsEventsOrSaysWhyNot) {
  std::ifstream file(orders_file());
  if (!file) GTEST_SKIP() << "no real orders at " << orders_file();
  const auto orders = read_orders(file);
  ASSERT_EQ(orders.size(), 66U);

  std::size_t sales = 0, cancelled = 0, anonymous = 0;
  std::vector<postbox::Key> keys;
  const auto expect = [&](const auto& event, std::size_t events) {
    EXPECT_EQ(violations_of(event), std::vector<postbox::Violation>()) << event.order().order_id;
    const auto records = klaviyo_test::records_of(event);
    EXPECT_EQ(records.size(), events) << event.order().order_id;
    for (const auto& record : records) keys.push_back(record.dedup_key);
  };
  for (const auto& [id, order] : orders) {
    if (id.starts_with('C')) {
      ++cancelled;
      expect(order_cancelled(order), 1);
    } else if (order.customer.email.empty()) {
      ++anonymous;
      EXPECT_EQ(rule_at(violations_of(order_placed(order)), "customer"),
                "needs at least one of email, phone, external_id, anonymous_id and kx");
    } else {
      ++sales;
      expect(order_placed(order), 1 + order.items.size());
    }
  }
  EXPECT_EQ(cancelled, 4U);
  EXPECT_EQ(anonymous, 1U);
  EXPECT_EQ(sales, 61U);
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(std::adjacent_find(keys.begin(), keys.end()), keys.end()) << "two events share a key";
}

}  // namespace
