#include <algorithm>
#include <klaviyo/encode.hpp>
#include <klaviyo/schemas/purchase.hpp>
#include <unordered_map>

namespace klaviyo {
namespace {

using postbox::Path;
using postbox::Violation;

constexpr postbox::Rules kNotNegative{.minimum = 0};

void validate_amounts(const Order& order, const Path& root, std::vector<Violation>& violations) {
  postbox::validate(order.currency, root.child("currency"), {.required = true}, violations);
  postbox::validate(order.shipping.count, root.child("shipping"), kNotNegative, violations);
  postbox::validate(order.tax.count, root.child("tax"), kNotNegative, violations);
  validate_rows(order.items, root.child("items"), violations);
  if (const auto total = order_total(order)) {
    postbox::validate(total->count, root.child("total"), kNotNegative, violations);
  } else {
    violations.push_back({"total", "must fit in 64 bits: the amounts add up to more"});
  }
}

// Two lines with one key would be one event at Klaviyo, and the other would be lost in silence.
void validate_line_keys(const Order& order, const Path& root, std::vector<Violation>& violations) {
  std::unordered_map<std::string, std::size_t> seen;
  for (std::size_t i = 0; i < order.items.size(); ++i) {
    std::string key = line_key(order.items[i], i);
    const std::size_t length = order.order_id.size() + 1 + key.size();
    const auto [first, is_new] = seen.emplace(std::move(key), i);
    if (is_new && length <= kMaxUniqueId) continue;
    const Path items = root.child("items");
    const Path item = items.item(i);
    const std::string path = item.child("line_id").to_string();
    if (!is_new) {
      violations.push_back({path, "must be unique within the order, found the key of items[" +
                                      std::to_string(first->second) + "]"});
    }
    if (length > kMaxUniqueId) {
      violations.push_back({path,
                            "must have at most 255 bytes together with order_id and \"_\", "
                            "found " +
                                std::to_string(length)});
    }
  }
}

// Positions are unique by themselves and short.
bool has_line_ids(const Order& order) {
  for (const OrderItem& item : order.items) {
    if (!item.line_id.empty()) return true;
  }
  return false;
}

bool is_typed_field(std::string_view name) {
  return postbox::has_field<PlacedOrder>(name) || postbox::has_field<OrderedProduct>(name);
}

// Of the order's event that has most.
std::size_t typed_members(const Order& order) {
  FlatLists lists;
  lists.assign(order.items);
  std::size_t most = postbox::count_members(PlacedOrder{&order, &lists});
  for (const OrderItem& item : order.items) {
    most = std::max(most, postbox::count_members(OrderedProduct{&order, &item}));
  }
  return most;
}

}  // namespace

std::optional<MinorUnits> order_total(const Order& order) noexcept {
  if (order.total) return order.total;
  auto total = items_total(order.items);
  if (total) total = checked_add(*total, order.shipping);
  if (total) total = checked_add(*total, order.tax);
  if (total) total = checked_subtract(*total, order.discount.amount);
  return total;
}

std::string line_key(const OrderItem& item, std::size_t index) {
  return item.line_id.empty() ? std::to_string(index + 1) : item.line_id;
}

void validate_order(const Order& order, postbox::WallTime now, std::vector<Violation>& violations) {
  const Path root;
  const FlatLists no_lists;
  const PlacedOrder placed{&order, &no_lists};
  postbox::validate(placed, root, violations);
  validate_profile(order.customer, root.child("customer"), violations);
  validate_amounts(order, root, violations);
  constexpr std::size_t kMaxPositionId = 245;  // leaves room for "_" and a position
  if (has_line_ids(order) || order.order_id.size() > kMaxPositionId) {
    validate_line_keys(order, root, violations);
  }
  if (order.placed_at) check_time(*order.placed_at, now, root.child("placed_at"), violations);
  if (!order.properties.empty()) {
    validate_properties(order.properties, typed_members(order), is_typed_field, violations);
  }
}

}  // namespace klaviyo
