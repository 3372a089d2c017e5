// The real orders of a shop, as untidy as they are: each becomes the events that it should.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

#include "klaviyo_test_data.hpp"

namespace {

using klaviyo::Order;
using klaviyo_test::rule_at;
using klaviyo_test::violations_of;

std::filesystem::path orders_file() {
  const char* shared = std::getenv("POSTBOX_SHARED_DIR");
  const std::filesystem::path directory =
      shared != nullptr ? shared : POSTBOX_SOURCE_DIR "/../shared";
  return directory / "orders" / "online-retail-1000.csv";
}

std::vector<std::string> split_csv(const std::string& line) {
  std::vector<std::string> cells(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      cells.emplace_back();
    } else if (c != '\r') {
      cells.back() += c;
    }
  }
  return cells;
}

// "2.1" pounds as 210 pence.
std::int64_t pence(const std::string& text) {
  const std::size_t point = text.find('.');
  std::string digits = point == std::string::npos ? "00" : text.substr(point + 1) + "00";
  digits = text.substr(0, point) + digits.substr(0, 2);
  return digits.empty() ? 0 : std::stoll(digits);
}

// "12/1/10 8:26"
postbox::WallTime time_of(const std::string& text) {
  int month = 0, day = 0, year = 0, hour = 0, minute = 0;
  char separator = 0;
  std::istringstream in(text);
  in >> month >> separator >> day >> separator >> year >> hour >> separator >> minute;
  const std::chrono::year_month_day date{std::chrono::year(2000 + year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  return klaviyo_test::wall(std::chrono::sys_days(date) + std::chrono::hours(hour) +
                            std::chrono::minutes(minute));
}

std::map<std::string, Order> read_orders(std::istream& file) {
  std::map<std::string, Order> orders;
  std::string line;
  std::getline(file, line);  // the names of the columns
  while (std::getline(file, line)) {
    const auto cells = split_csv(line);
    if (cells.size() < 8) continue;
    Order& order = orders[cells[0]];
    order.order_id = cells[0];
    order.currency = "GBP";
    order.placed_at = time_of(cells[4]);
    if (!cells[6].empty()) order.customer.email = "customer-" + cells[6] + "@goldenacre.example";
    klaviyo::OrderItem item;
    item.product_id = item.sku = cells[1];
    item.name = cells[2].empty() ? cells[1] : cells[2];
    item.quantity = std::stoll(cells[3]);
    item.unit_price = {pence(cells[5])};
    order.items.push_back(item);
  }
  return orders;
}

TEST(RealOrders, EachBecomesItsEventsOrSaysWhyNot) {
  std::ifstream file(orders_file());
  if (!file) GTEST_SKIP() << "no real orders at " << orders_file();
  const auto orders = read_orders(file);
  ASSERT_EQ(orders.size(), 66U);

  std::size_t sales = 0, cancelled = 0, anonymous = 0;
  std::vector<postbox::Key> keys;
  for (const auto& [id, order] : orders) {
    const auto event = klaviyo::order_placed(order);
    const auto violations = violations_of(event);
    const auto records = klaviyo_test::records_of(event);
    if (id.starts_with('C')) {
      ++cancelled;
      EXPECT_FALSE(rule_at(violations, "items[0].quantity").empty()) << id;
    } else if (order.customer.email.empty()) {
      ++anonymous;
      EXPECT_EQ(rule_at(violations, "customer"),
                "needs at least one of email, phone and external_id");
    } else if (violations.empty()) {
      ++sales;
      ASSERT_EQ(records.size(), 1 + order.items.size()) << id;
      for (const auto& record : records) keys.push_back(record.dedup_key);
    } else {
      ADD_FAILURE() << id << ": " << violations[0].path << " " << violations[0].rule;
    }
  }
  EXPECT_EQ(cancelled, 4U);
  EXPECT_EQ(anonymous, 1U);
  EXPECT_EQ(sales, 61U);
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(std::adjacent_find(keys.begin(), keys.end()), keys.end()) << "two events share a key";
}

}  // namespace
