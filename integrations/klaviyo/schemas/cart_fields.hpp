// The field tables of the cart events: what all of them have, and what each adds.
//
// Place:     inside the integration: validate_cart() and CartEvent::encode().
// Threads:   constants.
// Lifetime:  the views are valid as long as what they were made from.
// Failure:   see schema.hpp.
#pragma once

#include <klaviyo/schemas/cart.hpp>
#include <klaviyo/schemas/item_fields.hpp>
#include <postbox/schema.hpp>
#include <tuple>

namespace klaviyo {

// Append every broken rule. `now` bounds the times: after 1990, at most one year ahead.
void validate_cart(const Cart& cart, const CartDetails& details, const FlatLists& lists,
                   postbox::WallTime now, std::vector<postbox::Violation>& violations);

// The same for the abandonment that an update becomes by itself: what is wrong with it and not with
// the update, which is valid.
void validate_abandonment(const Cart& cart, const Abandonment& abandonment, const FlatLists& lists,
                          postbox::WallTime now, std::vector<postbox::Violation>& violations);

// As cart_unique_id().
void append_cart_unique_id(const Cart& cart, const CartDetails& details,
                           postbox::WallTime updated_at, std::string& id);

// The properties of the events of kCartMetrics. value: what lies in the cart, zero for an empty
// one. An abandoned checkout has no value, and the amount as a property: nobody has paid it.
template <class Details>
struct CartProperties {
  const Cart* cart;
  const FlatLists* lists;
  const Details* details;
};

// Its two parts: what all events of a cart say, and what one kind adds.
struct SharedCartProperties {
  const Cart* cart;
  const FlatLists* lists;
};
template <class Details>
struct AddedCartProperties {
  const Cart* cart;
  const Details* details;
};

}  // namespace klaviyo

namespace klaviyo::detail {

using postbox::field;

inline constexpr auto kCartFields = std::make_tuple(
    field(
        "CartId", "cart_id", [](const auto& c) -> auto& { return c.cart->cart_id; },
        {.required = true, .max_length = 200}, "The cart's id."),
    field(
        "UserId", "user_id", [](const auto& c) -> auto& { return c.cart->user_id; },
        {.max_length = 255}, "The app's id of the user."),
    field(
        "ItemCount", "items",
        [](const auto& c) -> std::optional<std::int64_t> {
          if (c.cart->items.empty()) return std::nullopt;  // Klaviyo reads a zero as never set
          return static_cast<std::int64_t>(c.cart->items.size());
        },
        {}, "How many lines."),
    field(
        "Categories", "items", [](const auto& c) -> auto& { return c.lists->categories; },
        {.derived = true}, "Every category, once."),
    field(
        "ItemNames", "items", [](const auto& c) -> auto& { return c.lists->names; },
        {.derived = true}, "Every product name, once."),
    field(
        "CheckoutURL", "checkout_url", [](const auto& c) -> auto& { return c.cart->checkout_url; },
        {}, "Where the customer goes on."),
    field(
        "Items", "items",
        [](const auto& c) { return PricedCartItems(c.cart->items, c.cart->currency); }, {},
        "The lines."));

// The members that a kind of event has beside them.
template <class Details>
inline constexpr auto kCartDetailFields = std::tuple<>();

template <>
inline constexpr auto kCartDetailFields<CartUpdate> = std::make_tuple(
    // A flow must be able to leave emptied carts alone.
    field(
        "IsEmpty", "items", [](const auto& c) { return c.cart->items.empty(); }, {},
        "Whether nothing is left in the cart."));

template <>
inline constexpr auto kCartDetailFields<AddedItem> = std::make_tuple(
    field(
        "AddedItemProductID", "added.product_id",
        [](const auto& c) -> auto& { return c.details->item.product_id; }, {.required = true},
        "The product's id in the catalogue."),
    field(
        "AddedItemSKU", "added.sku", [](const auto& c) -> auto& { return c.details->item.sku; }, {},
        "Stock code."),
    field(
        "AddedItemProductName", "added.name",
        [](const auto& c) -> auto& { return c.details->item.name; }, {.required = true},
        "The product's name."),
    field(
        "AddedItemQuantity", "added.quantity",
        [](const auto& c) { return c.details->item.quantity; }, {.minimum = 1}, "How many."),
    field(
        "AddedItemPrice", "added.unit_price",
        [](const auto& c) {
          return Money{c.details->item.unit_price.count, c.cart->currency};
        },
        {.minimum = 0}, "Price of one."),
    field(
        "AddedItemURL", "added.url", [](const auto& c) -> auto& { return c.details->item.url; }, {},
        "Address of the product's page."),
    field(
        "AddedItemImageURL", "added.image_url",
        [](const auto& c) -> auto& { return c.details->item.image_url; }, {},
        "Address of the product's image."),
    field(
        "AddedItemCategories", "added.categories",
        [](const auto& c) -> auto& { return c.details->item.categories; }, {},
        "Categories of the product."),
    field(
        "AddedItemBrand", "added.brand",
        [](const auto& c) -> auto& { return c.details->item.brand; }, {}, "Brand."));

template <>
inline constexpr auto kCartDetailFields<Abandonment> = std::make_tuple(
    field(
        "RecoveryURL", "abandonment.recovery_url",
        [](const auto& c) -> auto& { return c.details->recovery_url; }, {},
        "Brings the customer back to the cart."),
    field(
        "Amount", "total",
        [](const auto& c) -> std::optional<Money> {
          const auto total = cart_total(*c.cart);
          if (!total) return std::nullopt;
          return Money{total->count, c.cart->currency};
        },
        {.derived = true}, "What lies in the cart."),
    field(
        "Currency", "currency", [](const auto& c) -> auto& { return c.cart->currency; },
        {.derived = true}, "Currency of the amount, ISO 4217."));

}  // namespace klaviyo::detail

template <>
struct postbox::Schema<klaviyo::SharedCartProperties> {
  static constexpr auto fields = klaviyo::detail::kCartFields;
};

template <class Details>
struct postbox::Schema<klaviyo::AddedCartProperties<Details>> {
  static constexpr auto fields = klaviyo::detail::kCartDetailFields<Details>;
};

template <class Details>
struct postbox::Schema<klaviyo::CartProperties<Details>> {
  static constexpr auto fields =
      std::tuple_cat(klaviyo::detail::kCartFields, klaviyo::detail::kCartDetailFields<Details>);
};
