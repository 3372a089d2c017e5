// order_placed() turns an Order into what Tracker::track() takes.
//
// Place:     the purchase family; between a route and the tracker.
// Threads:   a plain value; const members may be called from several threads at once.
// Lifetime:  owns the order.
// Failure:   none here: track() rejects with every violation.
#pragma once

#include <klaviyo/families.hpp>
#include <klaviyo/schemas/purchase.hpp>

namespace klaviyo {

// One Placed Order and one Ordered Product per line: all of them are stored, or none is.
class PurchaseEvents {
 public:
  explicit PurchaseEvents(Order order);

  [[nodiscard]] const postbox::Family& family() const noexcept { return kPurchase; }
  [[nodiscard]] postbox::Key profile_key() const { return klaviyo::profile_key(order_.customer); }
  [[nodiscard]] std::size_t size() const noexcept { return 1 + order_.items.size(); }
  void encode(postbox::EventBatch& batch) const;

  [[nodiscard]] const Order& order() const noexcept { return order_; }

 private:
  Order order_;
};

[[nodiscard]] inline PurchaseEvents order_placed(Order order) {
  return PurchaseEvents(std::move(order));
}

}  // namespace klaviyo
