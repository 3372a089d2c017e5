// A shop with an account for each of two countries, in one process.

#include <chrono>
#include <iostream>
#include <klaviyo/klaviyo.hpp>
#include <utility>

int main() {
  using klaviyo::Config;
  using namespace std::chrono_literals;

  auto started = klaviyo::start({Config::from_env_of("US_"), Config::from_env_of("DE_")});
  if (!started) {
    std::cerr << started.error().message << '\n';
    return 1;
  }
  postbox::Tracker us = std::move((*started)[0]);
  postbox::Tracker de = std::move((*started)[1]);

  klaviyo::Order order;
  order.order_id = "1001";
  order.currency = "EUR";
  order.customer.email = "ines@goldenacre.example";
  auto& item = order.items.emplace_back();
  item.product_id = "P1";
  item.name = "Tee";
  item.quantity = 2;
  item.unit_price = {1250};

  const auto result = de.track_durably(klaviyo::order_placed(order), 250ms);
  std::cout << result.to_string() << '\n';

  us.stop(2s);
  de.stop(2s);
  return result ? 0 : 1;
}
