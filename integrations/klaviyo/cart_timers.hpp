// What a tracker's settings say of carts, and what carts and orders make of it: the timer of an
// abandoned cart, and what ends it.
//
// Place:     inside the integration: made by start(), looked up by the builders in their batch.
// Threads:   constant but for `on`, which reload() sets.
// Lifetime:  as long as the tracker.
// Failure:   none.
#pragma once

#include <atomic>
#include <chrono>
#include <klaviyo/recovery.hpp>
#include <klaviyo/schemas/cart.hpp>
#include <memory>
#include <optional>
#include <postbox/event.hpp>
#include <string>
#include <vector>

namespace klaviyo {

struct Config;
struct Order;

struct CartTimers {
  explicit CartTimers(const Config& config);

  // The way back to the cart; empty when the address or the key is missing.
  [[nodiscard]] std::string recovery_url(const Cart& cart, postbox::WallTime abandoned_at) const;

  std::atomic<bool> on;  // whether the flag of the carts is on for anybody
  const std::chrono::milliseconds quiet;
  const std::chrono::milliseconds abandoned_after;
  const std::chrono::milliseconds link_life;
  const std::string app_url;
  const std::optional<RecoveryKey> key;  // the first: the others are only believed
};

// How a tracker's batches know them: EventBatch::settings<CartTimersPointer>().
using CartTimersPointer = std::shared_ptr<CartTimers>;

// Null for a batch of no tracker, and while carts are switched off.
[[nodiscard]] const CartTimers* cart_timers(const postbox::EventBatch& batch);

// What a cart is known by to timers.
[[nodiscard]] postbox::Key cart_key(std::string_view cart_id);

// By what an order may end the cart's timer: its user and the customer's identifiers.
[[nodiscard]] std::vector<postbox::Key> ends_of(const Cart& cart);

// The timing of an order's first record: it ends the timers of its cart and its customer.
[[nodiscard]] std::shared_ptr<const postbox::Timing> order_timing(const Order& order,
                                                                  postbox::WallTime placed_at);

}  // namespace klaviyo
