// The smallest program: one order, on its way to Klaviyo.

#include <chrono>
#include <iostream>
#include <klaviyo/klaviyo.hpp>

int main() {
  using namespace std::chrono_literals;

  auto tracker = klaviyo::start(klaviyo::Config::from_env());
  if (!tracker) {
    std::cerr << tracker.error().message << '\n';
    return 1;
  }

  klaviyo::Order order;
  order.order_id = "1001";
  order.currency = "EUR";
  order.customer.email = "ines@goldenacre.example";
  auto& item = order.items.emplace_back();
  item.product_id = "P1";
  item.name = "Thé vert";
  item.quantity = 2;
  item.unit_price = {1250};  // minor units: 12.50

  const auto result = tracker->track_durably(klaviyo::order_placed(order), 250ms);
  std::cout << result.to_string() << '\n';  // "accepted": it is on disk, whatever happens now

  tracker->flush(5s);  // a server would go on; this program waits for the delivery
  return result ? 0 : 1;
}
