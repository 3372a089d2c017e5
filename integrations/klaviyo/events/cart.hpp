// cart_updated() turns a Cart into what Tracker::track() takes.
//
// Place:     the cart family; between a route and the tracker.
// Threads:   a plain value; const members may be called from several threads at once.
// Lifetime:  owns the cart.
// Failure:   none here: track() rejects with every violation.
#pragma once

#include <klaviyo/families.hpp>
#include <klaviyo/schemas/cart.hpp>

namespace klaviyo {

class CartEvent {
 public:
  explicit CartEvent(Cart cart);

  [[nodiscard]] const postbox::Family& family() const noexcept { return kCart; }
  [[nodiscard]] postbox::Key profile_key() const { return klaviyo::profile_key(cart_.customer); }
  [[nodiscard]] std::size_t size() const noexcept { return 1; }
  void encode(postbox::EventBatch& batch) const;

  [[nodiscard]] const Cart& cart() const noexcept { return cart_; }

 private:
  Cart cart_;
};

[[nodiscard]] inline CartEvent cart_updated(Cart cart) { return CartEvent(std::move(cart)); }

}  // namespace klaviyo
