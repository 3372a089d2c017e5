#include <klaviyo/encode.hpp>
#include <klaviyo/hash.hpp>
#include <klaviyo/schemas/cart_fields.hpp>
#include <klaviyo/schemas/profile_fields.hpp>

namespace klaviyo {
namespace {

// A hash of what the customer sees of a line. Straight from the fields: a string of it would cost
// more than the hash.
void add_line(const CartItem& item, Hasher& hasher) {
  hasher.add(item.product_id);
  hasher.add(item.sku);
  hasher.add(item.name);
  hasher.add_number(static_cast<std::uint64_t>(item.quantity));
  hasher.add_number(static_cast<std::uint64_t>(item.unit_price.count));
  hasher.add_number(item.row_total ? static_cast<std::uint64_t>(item.row_total->count) : 0);
}

void append_contents_hash(const Cart& cart, std::string& id) {
  Hasher hasher;
  hasher.add("cart");
  hasher.add(cart.currency.code());
  for (const CartItem& item : cart.items) add_line(item, hasher);
  append_hex64(hasher.finish(), id);
}

void append_item_hash(const CartItem& item, std::string& id) {
  Hasher hasher;
  hasher.add("added");
  add_line(item, hasher);
  append_hex64(hasher.finish(), id);
}

// Emptied carts are updates; whoever goes to the checkout has something in the cart, or at least
// something to pay.
template <class Details>
void validate_details(const Cart& cart, const Details& /*details*/, postbox::WallTime /*now*/,
                      std::vector<postbox::Violation>& violations) {
  if constexpr (!std::is_same_v<Details, CartUpdate>) {
    if (!cart.items.empty() || cart.total) return;
    postbox::check_count(0, postbox::Path().child("items"), {.required = true}, violations);
  }
}

void validate_details(const Cart& cart, const Abandonment& abandonment, postbox::WallTime now,
                      std::vector<postbox::Violation>& violations) {
  validate_details<Abandonment>(cart, abandonment, now, violations);
  if (!abandonment.abandoned_at) return;
  const postbox::Path root;
  const postbox::Path path = root.child("abandonment");
  check_time(*abandonment.abandoned_at, now, path.child("abandoned_at"), violations);
}

void validate_total(const Cart& cart, const postbox::Path& root,
                    std::vector<postbox::Violation>& violations) {
  const bool has_amounts = !cart.items.empty() || cart.total;
  postbox::validate(cart.currency, root.child("currency"), {.required = has_amounts}, violations);
  if (const auto total = cart_total(cart)) {
    // That of the lines is not negative when they are not.
    if (cart.total) {
      postbox::validate(total->count, root.child("total"), {.minimum = 0}, violations);
    }
  } else {
    violations.push_back({"items", "must fit in 64 bits: the lines add up to more"});
  }
}

void append_update_id(const Cart& cart, postbox::WallTime updated_at, std::string& id) {
  id += cart.cart_id;
  id += '_';
  if (cart.version) {
    postbox::append_integer(*cart.version, id);
  } else {
    append_contents_hash(cart, id);
  }
  id += '_';
  append_second(updated_at, id);
}

}  // namespace

std::optional<MinorUnits> cart_total(const Cart& cart) noexcept {
  return cart.total ? cart.total : items_total(cart.items);
}

std::string cart_update_id(const Cart& cart, postbox::WallTime updated_at) {
  std::string id;
  append_update_id(cart, updated_at, id);
  return id;
}

void append_cart_unique_id(const Cart& cart, const CartDetails& details,
                           postbox::WallTime updated_at, std::string& id) {
  if (!cart.unique_id.empty()) {
    id += cart.unique_id;
  } else if (std::holds_alternative<CartUpdate>(details)) {
    append_update_id(cart, updated_at, id);
  } else if (const auto* added = std::get_if<AddedItem>(&details)) {
    append_update_id(cart, updated_at, id);
    id += '_';
    append_item_hash(added->item, id);
  } else {
    id += cart.cart_id;
    id += '_';
    append_second(updated_at, id);
  }
}

std::string cart_unique_id(const Cart& cart, const CartDetails& details,
                           postbox::WallTime updated_at) {
  std::string id;
  append_cart_unique_id(cart, details, updated_at, id);
  return id;
}

void validate_cart(const Cart& cart, const CartDetails& details, const FlatLists& lists,
                   postbox::WallTime now, std::vector<postbox::Violation>& violations) {
  const postbox::Path root;
  std::visit(
      [&]<class Details>(const Details& own) {
        using Properties = CartProperties<Details>;
        const Properties properties{&cart, &lists, &own};
        postbox::validate(properties, root, violations);
        validate_details(cart, own, now, violations);
        validate_properties(cart.properties, postbox::count_members(properties),
                            postbox::has_field<Properties>, violations);
      },
      details);
  validate_total(cart, root, violations);
  validate_profile(cart.customer, root.child("customer"), violations);
  validate_rows(cart.items, root.child("items"), violations);
  check_unique_id(cart.unique_id, root.child("unique_id"), violations);
  if (cart.updated_at) check_time(*cart.updated_at, now, root.child("updated_at"), violations);
}

void validate_abandonment(const Cart& cart, const Abandonment& abandonment, const FlatLists& lists,
                          postbox::WallTime now, std::vector<postbox::Violation>& violations) {
  const CartProperties<Abandonment> properties{&cart, &lists, &abandonment};
  postbox::validate(AddedCartProperties<Abandonment>{&cart, &abandonment}, postbox::Path(),
                    violations);
  validate_details(cart, abandonment, now, violations);
  validate_properties(cart.properties, postbox::count_members(properties),
                      postbox::has_field<CartProperties<Abandonment>>, violations);
}

}  // namespace klaviyo
