// Carts and orders of three lines, as the benchmarks report them.
#pragma once

#include <cstddef>
#include <klaviyo/klaviyo.hpp>
#include <string>
#include <utility>

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

}  // namespace postbox::bench
