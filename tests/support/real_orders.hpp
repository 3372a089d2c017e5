// The orders of tests/ that are real: the data set's file, as klaviyo::Order.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <klaviyo/schemas/purchase.hpp>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace postbox::tests {

inline std::filesystem::path orders_file() {
  const char* shared = std::getenv("POSTBOX_SHARED_DIR");
  const std::filesystem::path directory =
      shared != nullptr ? shared : POSTBOX_SOURCE_DIR "/../shared";
  return directory / "orders" / "online-retail-1000.csv";
}

inline std::vector<std::string> split_csv(const std::string& line) {
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
inline std::int64_t pence(const std::string& text) {
  const std::size_t point = text.find('.');
  std::string digits = point == std::string::npos ? "00" : text.substr(point + 1) + "00";
  digits = text.substr(0, point) + digits.substr(0, 2);
  return digits.empty() ? 0 : std::stoll(digits);
}

// "12/1/10 8:26"
inline postbox::WallTime time_of(const std::string& text) {
  int month = 0, day = 0, year = 0, hour = 0, minute = 0;
  char separator = 0;
  std::istringstream in(text);
  in >> month >> separator >> day >> separator >> year >> hour >> separator >> minute;
  const std::chrono::year_month_day date{std::chrono::year(2000 + year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  return postbox::WallTime(std::chrono::sys_days(date) + std::chrono::hours(hour) +
                           std::chrono::minutes(minute));
}

// By the number of the invoice. A cancelled one (C...) has what was cancelled, as the sale had it.
inline std::map<std::string, klaviyo::Order> read_orders(std::istream& file) {
  std::map<std::string, klaviyo::Order> orders;
  std::string line;
  std::getline(file, line);  // the names of the columns
  while (std::getline(file, line)) {
    const auto cells = split_csv(line);
    if (cells.size() < 8) continue;
    klaviyo::Order& order = orders[cells[0]];
    order.order_id = cells[0];
    order.currency = "GBP";
    order.placed_at = time_of(cells[4]);
    if (!cells[6].empty()) order.customer.email = "customer-" + cells[6] + "@goldenacre.example";
    klaviyo::OrderItem item;
    item.product_id = item.sku = cells[1];
    item.name = cells[2].empty() ? cells[1] : cells[2];
    item.quantity = std::abs(std::stoll(cells[3]));
    item.unit_price = {pence(cells[5])};
    order.items.push_back(item);
  }
  return orders;
}

}  // namespace postbox::tests
