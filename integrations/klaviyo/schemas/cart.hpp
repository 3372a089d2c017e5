// Cart is the state of a shopping cart after a change; with what happened to it, it becomes one of
// the events of kCartMetrics.
//
// Place:     made by a route, handed to klaviyo::cart_updated() and its like.
// Threads:   plain values.
// Lifetime:  owns its strings.
// Failure:   see validate_cart(): every broken rule is a violation with its path.
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

struct Cart {
  std::string cart_id{};              // required
  std::string user_id{};              // the app's id of the user; stands in the log line
  Currency currency{};                // required unless the cart is empty
  std::vector<CartItem> items{};      // may be empty: a cart that was emptied is a state, too
  std::optional<MinorUnits> total{};  // defaults to what the lines add up to; not negative
  std::optional<postbox::WallTime> updated_at{};  // defaults to the time of track()
  std::optional<std::int64_t> version{};  // the cart's own counter of changes, if it has one
  std::string checkout_url{};             // where the customer goes on
  std::string unique_id{};                // another key of the event than cart_unique_id() makes
  Profile customer{};                     // required: one identifier
  std::vector<Property> properties{};
};

// Cart Updated. The cart says all.
struct CartUpdate {};

// Added to Cart. The cart is that with the item in it.
struct AddedItem {
  CartItem item{};
};

// Started Checkout, at `updated_at`. It may happen to a cart again.
struct CheckoutStart {};

// Abandoned Checkout, of the cart as it was last changed at `updated_at`.
struct Abandonment {
  std::string recovery_url{};                       // brings the customer back to the cart
  std::optional<postbox::WallTime> abandoned_at{};  // defaults to the time of track()

  // When the cart was begun, if whoever has bought since has abandoned nothing: then track()
  // accepts the event, and it comes about at once or never.
  std::optional<postbox::WallTime> unless_bought_since{};
};

using CartDetails = std::variant<CartUpdate, AddedItem, CheckoutStart, Abandonment>;

struct CartMetric {
  std::string_view name;      // at Klaviyo
  std::string_view log_name;  // in log lines
};

// In the order of CartDetails.
inline constexpr std::array<CartMetric, std::variant_size_v<CartDetails>> kCartMetrics = {{
    {"Cart Updated", "cart updated"},
    {"Added to Cart", "added to cart"},
    {"Started Checkout", "checkout started"},
    {"Abandoned Checkout", "checkout abandoned"},
}};

// The sum of the cart; nothing on overflow.
[[nodiscard]] std::optional<MinorUnits> cart_total(const Cart& cart) noexcept;

// The key that makes an update an event of its own: <cart id>_<version, or a hash of the lines'
// products, quantities and prices>_<second of updated_at>. The same update reported twice is one
// event; a new state is a new event, even within the second; coming back to an earlier state later
// is a new event. Without `updated_at` the time of track() stands in, so that only repeats within
// one second are recognised.
[[nodiscard]] std::string cart_update_id(const Cart& cart, postbox::WallTime updated_at);

// The key that makes it an event of its own: cart_update_id(), for an added item with a hash of it;
// a start of the checkout and an abandonment are <cart id>_<second of updated_at>.
[[nodiscard]] std::string cart_unique_id(const Cart& cart, const CartDetails& details,
                                         postbox::WallTime updated_at);

}  // namespace klaviyo
