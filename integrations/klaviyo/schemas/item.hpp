// OrderItem is one line of an order or of a cart.
//
// Place:     part of Order and Cart.
// Threads:   plain values.
// Lifetime:  owns its strings.
// Failure:   a missing product id or name, a quantity below one and a negative price are
//            violations.
#pragma once

#include <cstdint>
#include <klaviyo/schemas/money.hpp>
#include <optional>
#include <postbox/schema.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace klaviyo {

struct OrderItem {
  std::string line_id{};     // unique within the order; empty: the line's position, from 1
  std::string product_id{};  // required
  std::string sku{};
  std::string name{};         // required
  std::int64_t quantity = 1;  // at least one
  MinorUnits unit_price{};    // in the order's currency; not negative
  std::string url{};
  std::string image_url{};
  std::vector<std::string> categories{};
  std::string brand{};

  // Members of a billing system's invoice: the price's id, a total that need not be a multiple of
  // the unit price (without one, the unit price counts as not known), and whether the line settles
  // a part of a period.
  std::string price_id{};
  std::optional<MinorUnits> row_total{};  // defaults to quantity times unit price; not negative
  std::optional<bool> proration{};
};

using CartItem = OrderItem;

// The line's total as given, else quantity times unit price; nothing on overflow.
[[nodiscard]] std::optional<MinorUnits> row_total(const OrderItem& item) noexcept;

// The sum of all lines; nothing on overflow.
[[nodiscard]] std::optional<MinorUnits> items_total(const std::vector<OrderItem>& items) noexcept;

}  // namespace klaviyo
