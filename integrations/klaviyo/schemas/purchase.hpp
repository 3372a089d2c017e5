// Order is what a shop knows when somebody has bought; it becomes Placed Order + Ordered Product,
// and, with what happened to it later, one of the events of kOrderMetrics.
//
// Place:     made by a route, handed to klaviyo::order_placed() and its like.
// Threads:   plain values.
// Lifetime:  owns its strings.
// Failure:   see validate_order(): every broken rule is a violation with its path.
#pragma once

#include <array>
#include <cstdint>
#include <klaviyo/schemas/item.hpp>
#include <klaviyo/schemas/money.hpp>
#include <klaviyo/schemas/profile.hpp>
#include <klaviyo/schemas/property.hpp>
#include <optional>
#include <postbox/schema.hpp>
#include <postbox/time.hpp>
#include <string>
#include <string_view>
#include <variant>
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

  // A payment provider reports an order of whose lines it knows nothing: `items` may be empty, and
  // `total` is required where the event has the order's value.
  bool lines_unknown = false;

  Discount discount{};
  MinorUnits shipping{};
  MinorUnits tax{};
  std::optional<MinorUnits> total{};  // defaults to items + shipping + tax - discount
  std::optional<Address> billing_address{};
  std::optional<Address> shipping_address{};
  std::string unique_id{};             // another key than order_id, such as one with a prefix
  std::vector<Property> properties{};  // on every event of the order; on Placed Order alone when
                                       // they take more than 2 KiB
};

// Fulfilled Order: a shipment, or all that was ordered.
struct Fulfillment {
  std::string fulfillment_id{};                     // tells several shipments of an order apart
  std::optional<postbox::WallTime> fulfilled_at{};  // defaults to the time of track()
  std::vector<OrderItem> items{};                   // what is in it; defaults to the order's lines
  std::optional<MinorUnits> value{};  // defaults to what `items` add up to, else the order's total
  std::string carrier{};
  std::string tracking_number{};
  std::string tracking_url{};
};

// Marked Out for Delivery and Delivered Shipment: what became of a shipment.
struct Delivery {
  std::string fulfillment_id{};                    // the shipment's, as its fulfilment had it
  std::optional<postbox::WallTime> happened_at{};  // defaults to the time of track()
  std::vector<OrderItem> items{};                  // as in Fulfillment
  std::optional<MinorUnits> value{};
  std::string carrier{};
  std::string tracking_number{};
  std::string tracking_url{};
};

// Cancelled Order. The order's lines and total are what is cancelled.
struct OrderCancellation {
  std::string reason{};
  std::optional<postbox::WallTime> cancelled_at{};  // defaults to the time of track()
};

// Refunded Order, when nothing is left to refund, and Partially Refunded Order.
struct Refund {
  // Of this refund; at least one. Required by the partial one; defaults to the order's total.
  std::optional<MinorUnits> amount{};

  // Of this refund and all before it. Required by the partial one; defaults to `amount`.
  std::optional<MinorUnits> total_refunded{};

  std::string reason{};
  std::optional<postbox::WallTime> refunded_at{};  // defaults to the time of track()
  std::string unique_id{};  // another key of the partial one than order_unique_id() makes
};

// In the order of kOrderMetrics.
enum class OrderKind : std::uint8_t {
  kFulfilled,
  kCancelled,
  kRefunded,
  kPartiallyRefunded,
  kOutForDelivery,
  kDelivered
};

struct OrderMetric {
  std::string_view name;      // at Klaviyo
  std::string_view log_name;  // in log lines
};

// Those of deliveries are called as in Klaviyo's integration with Shopify
// (help.klaviyo.com, "Shopify data reference").
inline constexpr std::array<OrderMetric, 6> kOrderMetrics = {{
    {"Fulfilled Order", "order fulfilled"},
    {"Cancelled Order", "order cancelled"},
    {"Refunded Order", "order refunded"},
    {"Partially Refunded Order", "order partially refunded"},
    {"Marked Out for Delivery", "shipment out for delivery"},
    {"Delivered Shipment", "shipment delivered"},
}};

[[nodiscard]] constexpr const OrderMetric& metric_of(OrderKind kind) noexcept {
  return kOrderMetrics[static_cast<std::size_t>(kind)];
}

using OrderDetails = std::variant<Fulfillment, OrderCancellation, Refund, Delivery>;

// The amount paid; nothing on overflow.
[[nodiscard]] std::optional<MinorUnits> order_total(const Order& order) noexcept;

// The amounts that a refund gives back, this time and in all; nothing when neither it nor the order
// says.
[[nodiscard]] std::optional<MinorUnits> refund_amount(const Order& order,
                                                      const Refund& refund) noexcept;
[[nodiscard]] std::optional<MinorUnits> total_refunded(const Order& order,
                                                       const Refund& refund) noexcept;

// The key that makes the order an event of its own: its unique_id, else its order_id.
[[nodiscard]] const std::string& order_unique_id(const Order& order) noexcept;

// The same for what happened to it. Klaviyo wants a cancellation and a refund to carry the order's
// key. A shipment with an id of its own is <order>_<fulfillment id>; a partial refund is
// <order>_refunded_<total refunded, minor units>: a repeated report is the same event, and a second
// refund is another.
[[nodiscard]] std::string order_unique_id(OrderKind kind, const Order& order,
                                          const OrderDetails& details);

// The key that makes line `index` (from 0) an event of its own: its line id, else its position
// from 1. So a stock code that stands twice in an order is two events, and a repeated report is
// none.
[[nodiscard]] std::string line_key(const OrderItem& item, std::size_t index);

struct FlatLists;

// The properties of "Placed Order". unique_id: order_unique_id(). value: order_total().
struct PlacedOrder {
  static constexpr std::string_view kMetric = "Placed Order";

  const Order* order;
  const FlatLists* lists;  // of order->items
};

// The properties of "Ordered Product", one per line. unique_id: <order>_<line key>; value: the
// line's total.
struct OrderedProduct {
  static constexpr std::string_view kMetric = "Ordered Product";

  const Order* order;
  const OrderItem* item;
};

}  // namespace klaviyo
