#include <klaviyo/encode.hpp>
#include <klaviyo/events/purchase.hpp>
#include <klaviyo/events/scratch.hpp>

namespace klaviyo {
namespace {

constexpr std::string_view kKind = "purchase";

// The parts that the two metrics have in common.
EventHead head_of(const Order& order, postbox::WallTime now, std::string_view profile) {
  EventHead head;
  head.queue = kPurchase.queue;
  head.profile_key = profile_key(order.customer);
  head.profile = profile;
  head.kind = kKind;
  head.time = order.placed_at.value_or(now);
  return head;
}

postbox::EventRecord placed_order(const Order& order, EventHead head) {
  constexpr std::size_t kAddresses = 600;
  head.metric = PlacedOrder::kMetric;
  head.unique_id = order.order_id;
  head.value = Money{order_total(order).value_or(MinorUnits{}).count, order.currency};
  const PlacedOrder properties{&order, &flat_lists(order.items)};
  return encode_event(head, properties, order.properties,
                      kAddresses + json_size_hint(order.items) + json_size_hint(order.properties));
}

postbox::EventRecord ordered_product(const Order& order, std::size_t index, EventHead head) {
  constexpr std::size_t kNames = 200;
  const OrderItem& item = order.items[index];
  const std::string unique_id = order.order_id + "_" + line_key(item, index);
  head.metric = OrderedProduct::kMetric;
  head.unique_id = unique_id;
  head.value = Money{row_total(item).value_or(MinorUnits{}).count, order.currency};
  std::size_t size = kNames + item.product_id.size() + item.sku.size() + item.name.size() +
                     item.url.size() + item.image_url.size() + item.brand.size();
  for (const std::string& category : item.categories) size += category.size() + 3;
  return encode_event(head, OrderedProduct{&order, &item}, order.properties,
                      size + json_size_hint(order.properties));
}

}  // namespace

PurchaseEvents::PurchaseEvents(Order order) : order_(std::move(order)) {
  normalize(order_.customer);
}

void PurchaseEvents::encode(postbox::EventBatch& batch) const {
  auto& violations = batch.violations();
  validate_order(order_, batch.now(), violations);
  const std::string_view profile = profile_text(order_.customer, violations);
  if (!violations.empty()) return;

  const EventHead head = head_of(order_, batch.now(), profile);
  batch.reserve(size());
  batch.add(placed_order(order_, head));
  for (std::size_t i = 0; i < order_.items.size(); ++i) {
    batch.add(ordered_product(order_, i, head));
  }
  for (const postbox::EventRecord& record : batch.records()) {
    if (!check_size(record, violations)) break;
  }
  if (!violations.empty()) batch.records().clear();
}

}  // namespace klaviyo
