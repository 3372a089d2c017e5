#include <klaviyo/klaviyo.hpp>

#include "support/real_orders.hpp"
#include "support/shop.hpp"

namespace postbox::tests {
namespace {

using klaviyo::Order;

// In the form of the example server.
Json body_of(const Order& order) {
  Json body = {{"order_id", order.order_id}, {"currency", "GBP"}, {"items", Json::array()}};
  body["customer"] = Json::object();
  if (!order.customer.email.empty()) body["customer"]["email"] = order.customer.email;
  for (const klaviyo::OrderItem& item : order.items) {
    body["items"].push_back({{"product_id", item.product_id},
                             {"sku", item.sku},
                             {"name", item.name},
                             {"quantity", item.quantity},
                             {"unit_price", item.unit_price.count}});
  }
  return body;
}

class RealOrders : public Shop {
 protected:
  // A program of the shop's back office: its own tracker, its own outbox, the same account.
  Result<Tracker> back_office() {
    klaviyo::Config config;
    config.api_key = "pk_for_tests";
    config.api_url = "http://127.0.0.1:" + std::to_string(klaviyo_port);
    config.engine.outbox.url = "sqlite:" + folder.file("back-office.db");
    config.engine.log_level = LogLevel::kError;
    config.set(klaviyo::kPurchase, Flag::on());
    return klaviyo::start(config);
  }
};

TEST_F(RealOrders, EverySaleAndCancellationOnceWithAllItsLinesToThePenny) {
  std::ifstream file(orders_file());
  if (!file) GTEST_SKIP() << "the real orders are not here: " << orders_file();

  open_shop();
  auto http = client();
  auto office = back_office();
  ASSERT_TRUE(office) << office.error().message;
  long long sold = 0;
  long long cancelled = 0;
  std::size_t lines = 0;
  std::set<std::pair<std::string, std::string>> expected;
  std::size_t refused = 0;
  for (const auto& [id, order] : read_orders(file)) {
    const auto total = klaviyo::order_total(order).value_or(klaviyo::MinorUnits{}).count;
    if (id.starts_with('C')) {
      ASSERT_EQ(office->track(klaviyo::order_cancelled(order)).status(), TrackStatus::kAccepted);
      expected.emplace("Cancelled Order", id);
      cancelled += total;
      continue;
    }
    const auto answer = http.Post("/checkout/complete", body_of(order).dump(), "application/json");
    ASSERT_TRUE(answer) << id;
    if (order.customer.email.empty()) {
      EXPECT_EQ(answer->status, 400) << id;
      EXPECT_NE(answer->body.find("customer"), std::string::npos) << answer->body;
      ++refused;
      continue;
    }
    ASSERT_EQ(answer->status, 201) << id << answer->body;
    expected.emplace("Placed Order", id);
    lines += order.items.size();
    sold += total;
  }
  EXPECT_EQ(refused, 1U);
  EXPECT_EQ(expected.size(), 65U);
  wait_until_settled();
  ASSERT_TRUE(office->flush(std::chrono::seconds(60)));

  const Recorded found = recorded();
  EXPECT_EQ(found.most(), 1U);
  EXPECT_EQ(found.count("Placed Order"), 61U);
  EXPECT_EQ(found.count("Cancelled Order"), 4U);
  EXPECT_EQ(found.count("Ordered Product"), lines);
  for (const auto& event : expected) {
    EXPECT_EQ(found.events.count(event), 1U) << event.first << " " << event.second;
  }
  EXPECT_EQ(found.cents.at("Placed Order"), sold);
  EXPECT_EQ(found.cents.at("Ordered Product"), sold);
  EXPECT_EQ(found.cents.at("Cancelled Order"), cancelled);
  expect_conservation();
  EXPECT_TRUE(office->stats().conserved());
}

}  // namespace
}  // namespace postbox::tests
