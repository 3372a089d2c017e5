#include <algorithm>
#include <klaviyo/encode.hpp>
#include <klaviyo/schemas/profile_fields.hpp>
#include <klaviyo/schemas/purchase_fields.hpp>
#include <unordered_map>

namespace klaviyo {
namespace {

using postbox::Path;
using postbox::Violation;

constexpr postbox::Rules kNotNegative{.minimum = 0};

void validate_lines(const Order& order, const Path& root, std::vector<Violation>& violations) {
  if (order.items.empty() && !order.lines_unknown) {
    postbox::check_count(order.items.size(), root.child("items"), {.required = true}, violations);
  }
  validate_rows(order.items, root.child("items"), violations);
}

void validate_total(const Order& order, const Path& root, std::vector<Violation>& violations) {
  if (order.lines_unknown && !order.total) {
    postbox::check_present(root.child("total"), violations);
  } else if (const auto total = order_total(order)) {
    postbox::validate(total->count, root.child("total"), kNotNegative, violations);
  } else {
    violations.push_back({"total", "must fit in 64 bits: the amounts add up to more"});
  }
}

// The rules of the field tables, and those that every event of an order must fulfil beside them.
template <class Properties>
void validate_common(const Properties& properties, const Order& order,
                     std::vector<Violation>& violations) {
  const Path root;
  postbox::validate(properties, root, violations);
  validate_profile(order.customer, root.child("customer"), violations);
  check_unique_id(order.unique_id, root.child("unique_id"), violations);
  postbox::validate(order.currency, root.child("currency"), {.required = true}, violations);
  postbox::validate(order.shipping.count, root.child("shipping"), kNotNegative, violations);
  postbox::validate(order.tax.count, root.child("tax"), kNotNegative, violations);
  validate_lines(order, root, violations);
}

// Two lines with one key would be one event at Klaviyo, and the other would be lost in silence.
void validate_line_keys(const Order& order, const Path& root, std::vector<Violation>& violations) {
  std::unordered_map<std::string, std::size_t> seen;
  for (std::size_t i = 0; i < order.items.size(); ++i) {
    std::string key = line_key(order.items[i], i);
    const std::size_t length = order_unique_id(order).size() + 1 + key.size();
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

void check_moment(const std::optional<postbox::WallTime>& time, postbox::WallTime now,
                  const Path& path, std::vector<Violation>& violations) {
  if (time) check_time(*time, now, path, violations);
}

void validate_details(OrderKind /*kind*/, const Order& order, const Fulfillment& fulfillment,
                      postbox::WallTime now, std::vector<Violation>& violations) {
  const Path root;
  validate_total(order, root, violations);
  check_moment(fulfillment.fulfilled_at, now, root.child("fulfillment").child("fulfilled_at"),
               violations);
}

void validate_details(OrderKind /*kind*/, const Order& order, const OrderCancellation& cancellation,
                      postbox::WallTime now, std::vector<Violation>& violations) {
  const Path root;
  validate_total(order, root, violations);
  check_moment(cancellation.cancelled_at, now, root.child("cancellation").child("cancelled_at"),
               violations);
}

void validate_details(OrderKind /*kind*/, const Order& order, const Delivery& delivery,
                      postbox::WallTime now, std::vector<Violation>& violations) {
  const Path root;
  validate_total(order, root, violations);
  check_moment(delivery.happened_at, now, root.child("delivery").child("happened_at"), violations);
}

void validate_details(OrderKind kind, const Order& order, const Refund& refund,
                      postbox::WallTime now, std::vector<Violation>& violations) {
  const Path root;
  const Path path = root.child("refund");
  check_moment(refund.refunded_at, now, path.child("refunded_at"), violations);
  check_unique_id(refund.unique_id, path.child("unique_id"), violations);
  const bool partial = kind == OrderKind::kPartiallyRefunded;
  const auto amount = partial ? refund.amount : refund_amount(order, refund);
  if (!amount) postbox::check_present(path.child("amount"), violations);
  if (partial && !refund.total_refunded) {
    postbox::check_present(path.child("total_refunded"), violations);
  }
  if (amount && refund.total_refunded && *refund.total_refunded < *amount) {
    violations.push_back({path.child("total_refunded").to_string(),
                          "must be at least the amount of this refund, " +
                              std::to_string(amount->count) + ", found " +
                              std::to_string(refund.total_refunded->count)});
  }
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

std::optional<MinorUnits> refund_amount(const Order& order, const Refund& refund) noexcept {
  if (refund.amount) return refund.amount;
  return order.lines_unknown && !order.total ? std::nullopt : order_total(order);
}

std::optional<MinorUnits> total_refunded(const Order& order, const Refund& refund) noexcept {
  return refund.total_refunded ? refund.total_refunded : refund_amount(order, refund);
}

const std::string& order_unique_id(const Order& order) noexcept {
  return order.unique_id.empty() ? order.order_id : order.unique_id;
}

std::string order_unique_id(OrderKind kind, const Order& order, const OrderDetails& details) {
  std::string id = order_unique_id(order);
  const auto* fulfillment = std::get_if<Fulfillment>(&details);
  const auto* delivery = std::get_if<Delivery>(&details);
  if (fulfillment != nullptr && !fulfillment->fulfillment_id.empty()) {
    id += "_" + fulfillment->fulfillment_id;
  }
  if (delivery != nullptr && !delivery->fulfillment_id.empty())
    id += "_" + delivery->fulfillment_id;
  const auto* refund = std::get_if<Refund>(&details);
  if (refund == nullptr || kind != OrderKind::kPartiallyRefunded) return id;
  if (!refund->unique_id.empty()) return refund->unique_id;
  id += "_refunded_";
  postbox::append_integer(total_refunded(order, *refund).value_or(MinorUnits{}).count, id);
  return id;
}

void validate_order(const Order& order, postbox::WallTime now, std::vector<Violation>& violations) {
  const Path root;
  const FlatLists no_lists;
  validate_common(PlacedOrder{&order, &no_lists}, order, violations);
  validate_total(order, root, violations);
  constexpr std::size_t kMaxPositionId = 245;  // leaves room for "_" and a position
  if (has_line_ids(order) || order_unique_id(order).size() > kMaxPositionId) {
    validate_line_keys(order, root, violations);
  }
  if (order.placed_at) check_time(*order.placed_at, now, root.child("placed_at"), violations);
  if (!order.properties.empty()) {
    validate_properties(order.properties, typed_members(order), is_typed_field, violations);
  }
}

void validate_order(OrderKind kind, const Order& order, const OrderDetails& details,
                    postbox::WallTime now, std::vector<Violation>& violations) {
  FlatLists lists;
  lists.assign(order.items);
  std::visit(
      [&]<class Details>(const Details& own) {
        using Properties = OrderProperties<Details>;
        const Properties properties{&order, &lists, &own};
        validate_common(properties, order, violations);
        validate_details(kind, order, own, now, violations);
        validate_properties(order.properties, postbox::count_members(properties),
                            postbox::has_field<Properties>, violations);
      },
      details);
  const auto* refund = std::get_if<Refund>(&details);
  const std::size_t own = refund == nullptr ? 0 : refund->unique_id.size();
  const std::size_t length = order_unique_id(kind, order, details).size();
  // A key of the caller's own that is too long is a violation already.
  if (length <= kMaxUniqueId || std::max(own, order.unique_id.size()) > kMaxUniqueId) return;
  violations.push_back({"order_id", "must leave room in the event's unique_id, which has at most " +
                                        std::to_string(kMaxUniqueId) + " bytes, found " +
                                        std::to_string(length)});
}

}  // namespace klaviyo
