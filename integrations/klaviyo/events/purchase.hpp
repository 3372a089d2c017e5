// order_placed() and its like turn an Order and what happened to it into what Tracker::track()
// takes.
//
// Place:     the purchase family; between a route and the tracker.
// Threads:   plain values; const members may be called from several threads at once.
// Lifetime:  own the order.
// Failure:   none here: track() rejects with every violation.
#pragma once

#include <klaviyo/families.hpp>
#include <klaviyo/schemas/purchase.hpp>
#include <vector>

namespace klaviyo {

struct Settled;

// One Placed Order and one Ordered Product per line: all of them are stored, or none is.
class PurchaseEvents {
 public:
  explicit PurchaseEvents(Order order);

  [[nodiscard]] const postbox::Family& family() const noexcept { return kPurchase; }
  [[nodiscard]] postbox::Key profile_key() const { return klaviyo::profile_key(order_.customer); }
  // The same as the batch's tracker knows it: by its default country.
  [[nodiscard]] postbox::Key profile_key(const postbox::EventBatch& batch) const;
  [[nodiscard]] std::size_t size() const noexcept { return 1 + order_.items.size(); }
  void encode(postbox::EventBatch& batch) const;
  void encode_disabled(postbox::EventBatch& batch) const;

  [[nodiscard]] const Order& order() const noexcept { return order_; }

 private:
  friend struct Settled;
  static constexpr bool kIsProfile = false;

  void encode_settled(postbox::EventBatch& batch) const;
  [[nodiscard]] const Profile& customer() const noexcept { return order_.customer; }
  [[nodiscard]] Profile& customer() noexcept { return order_.customer; }

  Order order_;
  std::vector<postbox::Violation> changes_;  // of the identifiers, by normalize()
};

// OrderEvent is something that happened to an order after it was placed: one event.
class OrderEvent {
 public:
  // `details` are those of `kind`: the functions below know which.
  OrderEvent(OrderKind kind, Order order, OrderDetails details);

  [[nodiscard]] const postbox::Family& family() const noexcept { return kPurchase; }
  [[nodiscard]] postbox::Key profile_key() const { return klaviyo::profile_key(order_.customer); }
  // The same as the batch's tracker knows it: by its default country.
  [[nodiscard]] postbox::Key profile_key(const postbox::EventBatch& batch) const;
  [[nodiscard]] std::size_t size() const noexcept { return 1; }
  void encode(postbox::EventBatch& batch) const;

  [[nodiscard]] OrderKind kind() const noexcept { return kind_; }
  // Of a shipment with lines or a value of its own: the order with these.
  [[nodiscard]] const Order& order() const noexcept { return order_; }
  [[nodiscard]] const OrderDetails& details() const noexcept { return details_; }

 private:
  friend struct Settled;
  static constexpr bool kIsProfile = false;

  void encode_settled(postbox::EventBatch& batch) const;
  [[nodiscard]] const Profile& customer() const noexcept { return order_.customer; }
  [[nodiscard]] Profile& customer() noexcept { return order_.customer; }

  OrderKind kind_;
  Order order_;
  OrderDetails details_;
  std::vector<postbox::Violation> changes_;  // of the identifiers, by normalize()
};

[[nodiscard]] PurchaseEvents order_placed(Order order);
[[nodiscard]] OrderEvent order_fulfilled(Order order, Fulfillment fulfillment = {});
[[nodiscard]] OrderEvent shipment_out_for_delivery(Order order, Delivery delivery = {});
[[nodiscard]] OrderEvent shipment_delivered(Order order, Delivery delivery = {});
[[nodiscard]] OrderEvent order_cancelled(Order order, OrderCancellation cancellation = {});
[[nodiscard]] OrderEvent order_refunded(Order order, Refund refund = {});
[[nodiscard]] OrderEvent order_partially_refunded(Order order, Refund refund);

}  // namespace klaviyo
