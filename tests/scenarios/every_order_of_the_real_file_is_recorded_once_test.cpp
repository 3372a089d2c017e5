#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "support/shop.hpp"

namespace postbox::tests {
namespace {

std::vector<std::string> split(const std::string& line) {
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

struct Invoice {
  Json body;
  long long pence = 0;
};

// Invoices in the form of the example server; the file's prices have up to two decimals.
std::map<std::string, Invoice> read_sales(std::istream& file) {
  std::map<std::string, Invoice> sales;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    const auto cell = split(line);
    if (cell.size() < 8 || cell[0].starts_with('C')) continue;
    const long long price = std::llround(std::stod(cell[5]) * 100);
    const long long quantity = std::stoll(cell[3]);
    Invoice& invoice = sales[cell[0]];
    if (invoice.body.is_null()) {
      invoice.body = {{"order_id", cell[0]}, {"currency", "GBP"}, {"items", Json::array()}};
      invoice.body["customer"] = Json::object();
      if (!cell[6].empty()) {
        invoice.body["customer"]["email"] = "customer-" + cell[6] + "@goldenacre.example";
      }
    }
    invoice.body["items"].push_back({{"product_id", cell[1]},
                                     {"sku", cell[1]},
                                     {"name", cell[2].empty() ? cell[1] : cell[2]},
                                     {"quantity", quantity},
                                     {"unit_price", price}});
    invoice.pence += price * quantity;
  }
  return sales;
}

using RealOrders = Shop;

TEST_F(RealOrders, EverySaleWithACustomerOnceWithAllItsLinesToThePenny) {
  const char* shared = std::getenv("POSTBOX_SHARED_DIR");
  const std::string path =
      std::string(shared != nullptr ? shared : POSTBOX_SOURCE_DIR "/../shared") +
      "/orders/online-retail-1000.csv";
  std::ifstream file(path);
  if (!file) GTEST_SKIP() << "the real orders are not here: " << path;

  open_shop();
  auto http = client();
  long long pence = 0;
  std::size_t lines = 0;
  std::set<std::string> expected;
  std::size_t refused = 0;
  for (auto& [id, invoice] : read_sales(file)) {
    const auto answer = http.Post("/checkout/complete", invoice.body.dump(), "application/json");
    ASSERT_TRUE(answer) << id;
    if (invoice.body["customer"].empty()) {
      EXPECT_EQ(answer->status, 400) << id;
      EXPECT_NE(answer->body.find("customer"), std::string::npos) << answer->body;
      ++refused;
      continue;
    }
    ASSERT_EQ(answer->status, 201) << id << answer->body;
    expected.insert(id);
    lines += invoice.body["items"].size();
    pence += invoice.pence;
  }
  EXPECT_EQ(refused, 1U);
  EXPECT_EQ(expected.size(), 61U);
  wait_until_settled();

  const Recorded found = recorded();
  EXPECT_EQ(found.most(), 1U);
  EXPECT_EQ(found.count("Placed Order"), expected.size());
  EXPECT_EQ(found.count("Ordered Product"), lines);
  for (const std::string& id : expected)
    EXPECT_EQ(found.events.count({"Placed Order", id}), 1U) << id;
  EXPECT_EQ(found.cents.at("Placed Order"), pence);
  EXPECT_EQ(found.cents.at("Ordered Product"), pence);
  expect_conservation();
}

}  // namespace
}  // namespace postbox::tests
