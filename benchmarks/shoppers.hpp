// Carts and orders of three lines, as the benchmarks report them.
#pragma once

#include <chrono>
#include <cstddef>
#include <klaviyo/klaviyo.hpp>
#include <string>
#include <utility>

#include <postbox/event.hpp>

namespace postbox::bench {

inline klaviyo::Cart make_cart(std::size_t i) {
  klaviyo::Cart cart;
  cart.cart_id = "cart-" + std::to_string(i);
  cart.user_id = "user-" + std::to_string(i);
  cart.currency = "EUR";
  cart.customer.email = "customer@goldenacre.example";
  for (int line = 0; line < 3; ++line) {
    klaviyo::OrderItem item;
    item.product_id = "P" + std::to_string(line);
    item.sku = "SKU-" + std::to_string(line);
    item.name = "Thé vert de printemps, récolte " + std::to_string(2020 + line);
    item.quantity = 1 + line;
    item.unit_price = {1'250};
    item.url = "https://shop.goldenacre.example/products/" + item.product_id;
    item.image_url = "https://shop.goldenacre.example/images/" + item.product_id + ".webp";
    item.categories = {"Tea", "Green tea"};
    item.brand = "Golden Acre";
    cart.items.push_back(std::move(item));
  }
  return cart;
}

inline klaviyo::Order make_order(std::size_t i) {
  klaviyo::Order order;
  order.order_id = "order-" + std::to_string(i);
  order.currency = "EUR";
  order.customer.email = "customer@goldenacre.example";
  order.items = make_cart(i).items;
  return order;
}

// An order of one event, of some 1.1 KB.
inline klaviyo::Order make_short_order(std::size_t i) {
  klaviyo::Order order = make_order(i);
  order.items.clear();
  order.lines_unknown = true;
  order.total = klaviyo::MinorUnits{12'500};
  order.customer.first_name = "Ines";
  order.shipping_address = klaviyo::Address{.first_name = "Ines",
                                            .last_name = "Berg",
                                            .address1 = "Teichweg 3",
                                            .city = "Kiel",
                                            .country_code = "DE",
                                            .zip = "24103"};
  order.properties = {{.name = "note", .value = std::string(500, 'n')}};
  return order;
}

// Of the event's first record.
inline std::string payload_of(const klaviyo::PurchaseEvents& event) {
  EventBatch batch{WallTime(std::chrono::sys_days(std::chrono::year(2026) / 11 / 22))};
  event.encode(batch);
  return batch.records().front().payload;
}

}  // namespace postbox::bench
