#include <klaviyo/encode.hpp>
#include <klaviyo/hash.hpp>
#include <klaviyo/schemas/cart.hpp>

namespace klaviyo {
namespace {

std::string hex64(const postbox::Key& key) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < 8; ++i) {
    const auto byte = std::to_integer<unsigned>(key[i]);
    text += kHex[byte >> 4U];
    text += kHex[byte & 0xfU];
  }
  return text;
}

// What the customer sees as the cart: its lines and their prices.
std::string contents_hash(const Cart& cart) {
  std::string lines;
  lines.reserve(json_size_hint(cart.items));
  postbox::write_json(PricedItems(cart.items, cart.currency), lines);
  return hex64(hash_key({"cart", cart.currency.code(), lines}));
}

}  // namespace

std::string cart_update_id(const Cart& cart, postbox::WallTime updated_at) {
  std::string id = cart.cart_id;
  id += '_';
  id += cart.version ? std::to_string(*cart.version) : contents_hash(cart);
  id += '_';
  append_second(updated_at, id);
  return id;
}

void validate_cart(const Cart& cart, const FlatLists& lists, postbox::WallTime now,
                   std::vector<postbox::Violation>& violations) {
  const postbox::Path root;
  const CartUpdated updated{&cart, &lists};
  postbox::validate(updated, root, violations);
  postbox::validate(cart.currency, root.child("currency"), {.required = !cart.items.empty()},
                    violations);
  validate_profile(cart.customer, root.child("customer"), violations);
  validate_rows(cart.items, root.child("items"), violations);
  if (!items_total(cart.items)) {
    violations.push_back({"items", "must fit in 64 bits: the lines add up to more"});
  }
  if (cart.updated_at) check_time(*cart.updated_at, now, root.child("updated_at"), violations);
  validate_properties(cart.properties, postbox::count_members(updated),
                      postbox::has_field<CartUpdated>, violations);
}

}  // namespace klaviyo
