#include <klaviyo/cart_timers.hpp>
#include <klaviyo/catalogue.hpp>
#include <klaviyo/encode.hpp>
#include <klaviyo/events/purchase.hpp>
#include <klaviyo/events/scratch.hpp>
#include <klaviyo/events/settled.hpp>
#include <klaviyo/schemas/ignored_of_event.hpp>
#include <klaviyo/schemas/purchase_fields.hpp>

namespace klaviyo {
namespace {

constexpr std::string_view kKind = "purchase";

// The parts that the events of an order have in common.
EventHead head_of(const Order& order, std::string_view log_name, postbox::WallTime time,
                  std::string_view profile) {
  EventHead head;
  head.queue = kPurchase.queue;
  head.profile_key = profile_key(order.customer);
  head.profile = profile;
  head.log_name = log_name;
  head.time = time;
  return head;
}

std::size_t size_hint(const Order& order) {
  constexpr std::size_t kAddressesAndDetails = 700;
  return kAddressesAndDetails + json_size_hint(order.items) + json_size_hint(order.properties);
}

postbox::EventRecord placed_order(const PlacedOrder& properties, EventHead head) {
  const Order& order = *properties.order;
  head.unique_id = order_unique_id(order);
  head.value = Money{order_total(order).value_or(MinorUnits{}).count, order.currency};
  return encode_event(head, properties, order.properties, size_hint(order));
}

// Own properties that stand on each line, too. Beyond it they stand on the order alone: a note of
// 99 KB on 4,000 lines took 382 MiB and a third of a second of the caller's.
constexpr std::size_t kMostOnEachLine = 2'048;

const std::vector<Property>& properties_of_lines(const Order& order, postbox::EventBatch& batch) {
  static const std::vector<Property> none;
  const std::size_t size = json_size_hint(order.properties);
  if (size <= kMostOnEachLine) return order.properties;
  batch.warn({"properties", "take some " + std::to_string(size) +
                                " bytes: they stand on Placed Order alone, since what each Ordered "
                                "Product repeats may have " +
                                std::to_string(kMostOnEachLine)});
  return none;
}

// A line of an order is stored with each of its events. Stored once, the second and third payload
// would have to be put together at the claim: bytes that are no longer frozen, a checksum over
// something that is not there, and a purge that must know who else needs the row. Disk is cheaper
// than that.
postbox::EventRecord ordered_product(const Order& order, std::size_t index,
                                     const std::vector<Property>& own, EventHead head) {
  constexpr std::size_t kNames = 200;
  const OrderItem& item = order.items[index];
  const std::string unique_id = order_unique_id(order) + "_" + line_key(item, index);
  head.unique_id = unique_id;
  head.value = Money{row_total(item).value_or(MinorUnits{}).count, order.currency};
  std::size_t size = kNames + item.product_id.size() + item.sku.size() + item.name.size() +
                     item.url.size() + item.image_url.size() + item.brand.size();
  for (const std::string& category : item.categories) size += category.size() + 3;
  return encode_event(head, OrderedProduct{&order, &item}, own, size + json_size_hint(own));
}

// When it happened and what it is worth.
struct Occurrence {
  std::optional<postbox::WallTime> time;
  std::optional<MinorUnits> value;
};

Occurrence occurrence(const Order& order, const Fulfillment& fulfillment) {
  return {fulfillment.fulfilled_at, order_total(order)};
}

Occurrence occurrence(const Order& order, const Delivery& delivery) {
  return {delivery.happened_at, order_total(order)};
}

// A shipment is told as an order of what is in it.
template <class Shipment>
void reduce_to(const Shipment& shipment, Order& order) {
  if (!shipment.items.empty()) {
    order.items = shipment.items;
    order.total = items_total(shipment.items);
  }
  if (shipment.value) order.total = shipment.value;
}

void reduce_to_shipment(const OrderDetails& details, Order& order) {
  if (const auto* fulfillment = std::get_if<Fulfillment>(&details)) reduce_to(*fulfillment, order);
  if (const auto* delivery = std::get_if<Delivery>(&details)) reduce_to(*delivery, order);
}

// Violations of a shipment's lines and value are named where the caller has them.
template <class Details>
void name_places(const Details& details, std::vector<postbox::Violation>& violations) {
  if constexpr (std::is_same_v<Details, Fulfillment> || std::is_same_v<Details, Delivery>) {
    const std::string of = std::is_same_v<Details, Delivery> ? "delivery." : "fulfillment.";
    for (auto& [path, rule] : violations) {
      if (!details.items.empty() && path.starts_with("items")) path = of + path;
      if (details.value && path == "total") path = of + "value";
    }
  }
}

Occurrence occurrence(const Order& order, const OrderCancellation& cancellation) {
  return {cancellation.cancelled_at, order_total(order)};
}

Occurrence occurrence(const Order& order, const Refund& refund) {
  return {refund.refunded_at, refund_amount(order, refund)};
}

// Whoever has bought has left no cart behind.
std::optional<postbox::Timing> timing_of(const Order& order, const postbox::EventBatch& batch) {
  return purchase_timing(
      {.cart_id = order.cart_id, .customer = order.customer, .bought_at = order.placed_at}, batch);
}

// Where a customer's number without a country code is from, as far as the order knows.
std::string_view country_of(const Order& order) {
  for (const auto* address : {&order.shipping_address, &order.billing_address}) {
    if (*address && !(*address)->country_code.empty()) return (*address)->country_code;
  }
  return {};
}

void normalize_customer(Order& order, std::vector<postbox::Violation>& changes) {
  const postbox::Path root;
  normalize(order.customer, country_of(order), root.child("customer"), changes);
}

}  // namespace

PurchaseEvents::PurchaseEvents(Order order) : order_(std::move(order)) {
  normalize_customer(order_, changes_);
}

void PurchaseEvents::encode(postbox::EventBatch& batch) const {
  batch.set_name({batch.name_of(PlacedOrder::kMetric), kKind, order_.order_id});
  Settled::encode(*this, batch);
}

postbox::Key PurchaseEvents::profile_key(const postbox::EventBatch& batch) const {
  return Settled::profile_key(*this, batch);
}

void PurchaseEvents::encode_settled(postbox::EventBatch& batch) const {
  auto& violations = batch.violations();
  validate_order(order_, batch.now(), violations);
  const std::string_view profile = profile_text(order_.customer, violations);
  if (!violations.empty()) return;
  const PlacedOrder properties{&order_, &flat_lists(order_.items)};
  warn_of_ignored(properties, order_.properties, order_.customer, batch);
  find_ignored(*properties.lists, batch.warnings());

  EventHead head = head_of(order_, kKind, order_.placed_at.value_or(batch.now()), profile);
  batch.reserve(size());
  head.metric = batch.name_of(PlacedOrder::kMetric);
  batch.add(placed_order(properties, head));
  head.metric = batch.name_of(OrderedProduct::kMetric);
  const std::vector<Property>& own = properties_of_lines(order_, batch);
  for (std::size_t i = 0; i < order_.items.size(); ++i) {
    batch.add(ordered_product(order_, i, own, head));
  }
  for (const postbox::EventRecord& record : batch.records()) {
    if (!check_size(record, violations)) break;
  }
  if (!violations.empty()) return batch.records().clear();
  // A second record need not say it again.
  batch.records().front().timing = timing_of(order_, batch);
}

void PurchaseEvents::encode_disabled(postbox::EventBatch& batch) const {
  Settled::use(*this, batch, [&](const PurchaseEvents& settled) {
    add_effects(timing_of(settled.order_, batch), batch);
  });
}

OrderEvent::OrderEvent(OrderKind kind, Order order, OrderDetails details)
    : kind_(kind), order_(std::move(order)), details_(std::move(details)) {
  normalize_customer(order_, changes_);
  reduce_to_shipment(details_, order_);
}

void OrderEvent::encode(postbox::EventBatch& batch) const {
  batch.set_name(
      {batch.name_of(metric_of(kind_).name), metric_of(kind_).log_name, order_.order_id});
  Settled::encode(*this, batch);
}

postbox::Key OrderEvent::profile_key(const postbox::EventBatch& batch) const {
  return Settled::profile_key(*this, batch);
}

void OrderEvent::encode_settled(postbox::EventBatch& batch) const {
  auto& violations = batch.violations();
  validate_order(kind_, order_, details_, batch.now(), violations);
  std::visit([&](const auto& details) { name_places(details, violations); }, details_);
  const std::string_view profile = profile_text(order_.customer, violations);
  if (!violations.empty()) return;

  const std::string unique_id = order_unique_id(kind_, order_, details_);
  std::visit(
      [&]<class Details>(const Details& details) {
        const Occurrence what = occurrence(order_, details);
        EventHead head =
            head_of(order_, metric_of(kind_).log_name, what.time.value_or(batch.now()), profile);
        head.metric = batch.name_of(metric_of(kind_).name);
        head.unique_id = unique_id;
        head.value = Money{what.value.value_or(MinorUnits{}).count, order_.currency};
        const OrderProperties<Details> properties{&order_, &flat_lists(order_.items), &details};
        warn_of_ignored(properties, order_.properties, order_.customer, batch);
        find_ignored(*properties.lists, batch.warnings());
        add_event(head, properties, order_.properties, size_hint(order_), batch);
      },
      details_);
}

std::vector<EventType> purchase_event_types() {
  const auto type = []<class Details>(OrderKind kind, const Details&) {
    return EventType{metric_of(kind).name, std::string(metric_of(kind).log_name), &kPurchase, true,
                     postbox::describe<OrderProperties<Details>>()};
  };
  return {{PlacedOrder::kMetric, std::string(kKind), &kPurchase, true,
           postbox::describe<PlacedOrder>()},
          {OrderedProduct::kMetric, std::string(kKind), &kPurchase, true,
           postbox::describe<OrderedProduct>()},
          type(OrderKind::kFulfilled, Fulfillment{}),
          type(OrderKind::kCancelled, OrderCancellation{}),
          type(OrderKind::kRefunded, Refund{}),
          type(OrderKind::kPartiallyRefunded, Refund{}),
          type(OrderKind::kOutForDelivery, Delivery{}),
          type(OrderKind::kDelivered, Delivery{})};
}

PurchaseEvents order_placed(Order order) { return PurchaseEvents(std::move(order)); }

OrderEvent order_fulfilled(Order order, Fulfillment fulfillment) {
  return {OrderKind::kFulfilled, std::move(order), std::move(fulfillment)};
}

OrderEvent shipment_out_for_delivery(Order order, Delivery delivery) {
  return {OrderKind::kOutForDelivery, std::move(order), std::move(delivery)};
}

OrderEvent shipment_delivered(Order order, Delivery delivery) {
  return {OrderKind::kDelivered, std::move(order), std::move(delivery)};
}

OrderEvent order_cancelled(Order order, OrderCancellation cancellation) {
  return {OrderKind::kCancelled, std::move(order), std::move(cancellation)};
}

OrderEvent order_refunded(Order order, Refund refund) {
  return {OrderKind::kRefunded, std::move(order), std::move(refund)};
}

OrderEvent order_partially_refunded(Order order, Refund refund) {
  return {OrderKind::kPartiallyRefunded, std::move(order), std::move(refund)};
}

}  // namespace klaviyo
