// Order is what a shop knows when somebody has bought; it becomes Placed Order + Ordered Product.
//
// Place:     made by a route, handed to klaviyo::order_placed().
// Threads:   plain values.
// Lifetime:  owns its strings.
// Failure:   see validate_order(): every broken rule is a violation with its path.
#pragma once

#include <klaviyo/schemas/item.hpp>
#include <klaviyo/schemas/money.hpp>
#include <klaviyo/schemas/profile.hpp>
#include <klaviyo/schemas/property.hpp>
#include <optional>
#include <postbox/clock.hpp>
#include <postbox/schema.hpp>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace klaviyo {

struct Address {
  std::string first_name{};
  std::string last_name{};
  std::string address1{};
  std::string city{};
  std::string region_code{};
  std::string country_code{};
  std::string zip{};
  std::string phone{};
};

struct Discount {
  std::string code{};
  MinorUnits amount{};  // taken off the total; not negative
};

struct Order {
  std::string order_id{};  // required; what makes a repeated report the same event
  std::string cart_id{};
  std::optional<postbox::WallTime> placed_at{};  // defaults to the time of track()
  Currency currency{};                           // required; of every amount
  Profile customer{};                            // required: one identifier
  std::vector<OrderItem> items{};                // required: 1 to 4,000
  Discount discount{};
  MinorUnits shipping{};
  MinorUnits tax{};
  std::optional<MinorUnits> total{};  // defaults to items + shipping + tax - discount
  std::optional<Address> billing_address{};
  std::optional<Address> shipping_address{};
  std::vector<Property> properties{};  // on Placed Order and on every Ordered Product
};

// What was paid; nothing on overflow.
[[nodiscard]] std::optional<MinorUnits> order_total(const Order& order) noexcept;

// What makes line `index` (from 0) an event of its own: its line id, else its position from 1. So a
// stock code that stands twice in an order is two events, and a repeated report is none.
[[nodiscard]] std::string line_key(const OrderItem& item, std::size_t index);

// Append every broken rule. `now` bounds placed_at: after 1990, at most one year ahead.
void validate_order(const Order& order, postbox::WallTime now,
                    std::vector<postbox::Violation>& violations);

// The properties of "Placed Order". unique_id: the order id. value: order_total().
struct PlacedOrder {
  static constexpr std::string_view kMetric = "Placed Order";

  const Order* order;
  const FlatLists* lists;  // of order->items
};

// The properties of "Ordered Product", one per line. unique_id: <order id>_<line key>; value: the
// line's total.
struct OrderedProduct {
  static constexpr std::string_view kMetric = "Ordered Product";

  const Order* order;
  const OrderItem* item;
};

}  // namespace klaviyo

template <>
struct postbox::Schema<klaviyo::Address> {
  using A = klaviyo::Address;
  static constexpr auto fields =
      std::make_tuple(field("FirstName", "first_name", &A::first_name, {}, "First name."),
                      field("LastName", "last_name", &A::last_name, {}, "Last name."),
                      field("Address1", "address1", &A::address1, {}, "Street and number."),
                      field("City", "city", &A::city, {}, "City."),
                      field("RegionCode", "region_code", &A::region_code, {}, "Region or state."),
                      field("CountryCode", "country_code", &A::country_code, {}, "Country."),
                      field("Zip", "zip", &A::zip, {}, "Postal code."),
                      field("Phone", "phone", &A::phone, {}, "Phone number."));
};

template <>
struct postbox::Schema<klaviyo::PlacedOrder> {
  using P = klaviyo::PlacedOrder;
  static constexpr auto fields = std::make_tuple(
      field(
          "OrderId", "order_id", [](const P& p) -> auto& { return p.order->order_id; },
          {.required = true, .max_length = 255}, "The order's id."),
      field(
          "CartId", "cart_id", [](const P& p) -> auto& { return p.order->cart_id; }, {},
          "The cart that became this order."),
      field(
          "Categories", "items", [](const P& p) -> auto& { return p.lists->categories; },
          {.derived = true}, "Every category, once."),
      field(
          "ItemNames", "items", [](const P& p) -> auto& { return p.lists->names; },
          {.derived = true}, "Every product name, once."),
      field(
          "Brands", "items", [](const P& p) -> auto& { return p.lists->brands; }, {.derived = true},
          "Every brand, once."),
      field(
          "DiscountCode", "discount.code",
          [](const P& p) -> auto& { return p.order->discount.code; }, {}, "Discount code."),
      field(
          "DiscountValue", "discount.amount",
          [](const P& p) -> std::optional<klaviyo::Money> {
            const auto amount = p.order->discount.amount.count;
            if (amount == 0) return std::nullopt;
            return klaviyo::Money{amount, p.order->currency};
          },
          {.minimum = 0}, "What the discount took off."),
      field(
          "Items", "items",
          [](const P& p) { return klaviyo::PricedItems(p.order->items, p.order->currency); },
          {.required = true}, "The lines."),
      field(
          "BillingAddress", "billing_address",
          [](const P& p) -> auto& { return p.order->billing_address; }, {}, "Billing address."),
      field(
          "ShippingAddress", "shipping_address",
          [](const P& p) -> auto& { return p.order->shipping_address; }, {}, "Shipping address."));
};

template <>
struct postbox::Schema<klaviyo::OrderedProduct> {
  using P = klaviyo::OrderedProduct;
  static constexpr auto fields = std::make_tuple(
      field(
          "OrderId", "order_id", [](const P& p) -> auto& { return p.order->order_id; },
          {.required = true, .max_length = 255}, "The order's id."),
      field(
          "ProductID", "product_id", [](const P& p) -> auto& { return p.item->product_id; },
          {.required = true}, "The product's id in the catalogue."),
      field(
          "SKU", "sku", [](const P& p) -> auto& { return p.item->sku; }, {}, "Stock code."),
      field(
          "ProductName", "name", [](const P& p) -> auto& { return p.item->name; },
          {.required = true}, "The product's name."),
      field(
          "Quantity", "quantity", [](const P& p) { return p.item->quantity; }, {.minimum = 1},
          "How many."),
      field(
          "ProductURL", "url", [](const P& p) -> auto& { return p.item->url; }, {},
          "Address of the product's page."),
      field(
          "ImageURL", "image_url", [](const P& p) -> auto& { return p.item->image_url; }, {},
          "Address of the product's image."),
      field(
          "Categories", "categories", [](const P& p) -> auto& { return p.item->categories; }, {},
          "Categories of the product."),
      field(
          "ProductBrand", "brand", [](const P& p) -> auto& { return p.item->brand; }, {},
          "Brand."));
};
