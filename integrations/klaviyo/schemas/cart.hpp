// Cart is the state of a shopping cart after a change; it becomes Cart Updated.
//
// Place:     made by a route, handed to klaviyo::cart_updated().
// Threads:   plain values.
// Lifetime:  owns its strings.
// Failure:   see validate_cart(): every broken rule is a violation with its path.
#pragma once

#include <cstdint>
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

struct Cart {
  std::string cart_id{};          // required
  std::string user_id{};          // the app's id of the user; stands in the log line
  Currency currency{};            // required unless the cart is empty
  std::vector<CartItem> items{};  // may be empty: a cart that was emptied is a state, too
  std::optional<postbox::WallTime> updated_at{};  // defaults to the time of track()
  std::optional<std::int64_t> version{};  // the cart's own counter of changes, if it has one
  std::string checkout_url{};             // where the customer goes on
  Profile customer{};                     // required: one identifier
  std::vector<Property> properties{};
};

// What makes an update an event of its own: <cart id>_<version, or a hash of the contents>_<second
// of updated_at>. The same update reported twice is one event; a new state is a new event, even
// within the second; coming back to an earlier state later is a new event. Without `updated_at` the
// time of track() stands in, so that only repeats within one second are recognised.
[[nodiscard]] std::string cart_update_id(const Cart& cart, postbox::WallTime updated_at);

// Append every broken rule. `now` bounds updated_at: after 1990, at most one year ahead.
void validate_cart(const Cart& cart, const FlatLists& lists, postbox::WallTime now,
                   std::vector<postbox::Violation>& violations);

// The properties of "Cart Updated". unique_id: cart_update_id(); value: what lies in the cart, zero
// for an empty one.
struct CartUpdated {
  static constexpr std::string_view kMetric = "Cart Updated";

  const Cart* cart;
  const FlatLists* lists;
};

}  // namespace klaviyo

template <>
struct postbox::Schema<klaviyo::CartUpdated> {
  using C = klaviyo::CartUpdated;
  static constexpr auto fields = std::make_tuple(
      field(
          "CartId", "cart_id", [](const C& c) -> auto& { return c.cart->cart_id; },
          {.required = true, .max_length = 200}, "The cart's id."),
      field(
          "UserId", "user_id", [](const C& c) -> auto& { return c.cart->user_id; },
          {.max_length = 255}, "The app's id of the user."),
      // A flow must be able to leave emptied carts alone: Klaviyo reads a zero as never set.
      field(
          "IsEmpty", "items", [](const C& c) { return c.cart->items.empty(); }, {},
          "Whether nothing is left in the cart."),
      field(
          "ItemCount", "items",
          [](const C& c) { return static_cast<std::int64_t>(c.cart->items.size()); }, {},
          "How many lines."),
      field(
          "Categories", "items", [](const C& c) -> auto& { return c.lists->categories; },
          {.derived = true}, "Every category, once."),
      field(
          "ItemNames", "items", [](const C& c) -> auto& { return c.lists->names; },
          {.derived = true}, "Every product name, once."),
      field(
          "CheckoutURL", "checkout_url", [](const C& c) -> auto& { return c.cart->checkout_url; },
          {}, "Where the customer goes on."),
      field(
          "Items", "items",
          [](const C& c) { return klaviyo::PricedItems(c.cart->items, c.cart->currency); }, {},
          "The lines."));
};
