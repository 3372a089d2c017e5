// CartTimers are a tracker's settings of carts, and what carts and orders make of them: the timer
// of an abandoned cart, and what ends it.
//
// Place:     inside the integration: made by start(), looked up by the builders in their batch.
// Threads:   constant but for the switches, which reload() sets.
// Lifetime:  as long as the tracker.
// Failure:   none.
#pragma once

#include <atomic>
#include <chrono>
#include <klaviyo/recovery_key.hpp>
#include <klaviyo/schemas/cart.hpp>
#include <optional>
#include <postbox/event.hpp>
#include <string>
#include <vector>

namespace klaviyo {

struct Config;

struct CartTimers final : postbox::EventContext {
  explicit CartTimers(const Config& config);

  // reload(): the flag of the carts is on for somebody, or off for everybody.
  void switch_to(bool is_on) noexcept;

  // The way back to the cart; empty when the address or the key is missing.
  [[nodiscard]] std::string recovery_url(const Cart& cart, postbox::WallTime abandoned_at) const;

  std::atomic<bool> on;
  const std::chrono::milliseconds debounce;
  const std::chrono::milliseconds abandoned_after;
  const std::chrono::milliseconds link_life;
  const std::string app_url;
  std::optional<RecoveryKey> key;  // the first: the others are only believed. Set by start() only

  // Config::default_country, for the identifiers of customers: timers know them by those.
  const std::string default_country;
};

// Null for a batch of no tracker, and while carts are switched off.
[[nodiscard]] const CartTimers* cart_timers(const postbox::EventBatch& batch);

// The key by which timers know a cart.
[[nodiscard]] postbox::Key cart_key(std::string_view cart_id);

// By what somebody is known to timers: the user and the customer's identifiers.
[[nodiscard]] std::vector<postbox::Key> ends_of(std::string_view user_id, const Profile& customer);

// A purchase: an order, or a subscription that begins.
struct Purchase {
  std::string_view cart_id{};
  std::string_view user_id{};
  const Profile& customer;
  std::optional<postbox::WallTime> bought_at{};  // now, when the event has no time of its own
};

// Ends of carts are noted whatever the flags say: which timers run is known to the outbox, not to
// the process, whose flags may be off since its start while another's are on.
//
// The effect of a purchase on the timers of its cart and its customer; null for a batch of no
// tracker. Whatever the flags say: a timer may run since before they were switched off, also by
// another process, and its reminder waits until they are on again. Whoever pays within the time of
// an abandonment has left nothing behind until now, also what was reported after the order was
// placed; a purchase that is reported later ends what is older than itself.
[[nodiscard]] std::optional<postbox::Timing> purchase_timing(const Purchase& purchase,
                                                             const postbox::EventBatch& batch);

// The end of the cart of that id, at `as_of`; null for a batch of no tracker.
[[nodiscard]] std::optional<postbox::Timing> cart_end(std::string_view cart_id,
                                                      postbox::WallTime as_of,
                                                      const postbox::EventBatch& batch);

// Adds what a timing does to others, if there is one, without its event, whose family is off.
void add_effects(std::optional<postbox::Timing> timing, postbox::EventBatch& batch);

}  // namespace klaviyo
