#include <klaviyo/catalogue.hpp>
#include <klaviyo/encode.hpp>
#include <klaviyo/events/cart.hpp>
#include <klaviyo/events/scratch.hpp>
#include <klaviyo/schemas/cart_fields.hpp>

namespace klaviyo {
namespace {

// Whom the log line names. A guest's cart has no user id.
std::string subject_of(const Cart& cart) {
  if (!cart.user_id.empty()) return clean_subject(cart.user_id);
  if (!cart.customer.external_id.empty()) return clean_subject(cart.customer.external_id);
  return "guest";
}

// An empty cart without a currency has no value, since zero of nothing cannot be written.
std::optional<Money> value_of(const Cart& cart, const CartDetails& details) {
  if (!cart.currency.is_known() || std::holds_alternative<Abandonment>(details)) {
    return std::nullopt;
  }
  return Money{cart_total(cart).value_or(MinorUnits{}).count, cart.currency};
}

std::size_t size_hint(const Cart& cart) {
  constexpr std::size_t kNamesAndNumbers = 200;
  return kNamesAndNumbers + cart.cart_id.size() + cart.user_id.size() + cart.checkout_url.size() +
         json_size_hint(cart.items) + json_size_hint(cart.properties);
}

}  // namespace

CartEvent::CartEvent(Cart cart, CartDetails details)
    : cart_(std::move(cart)), details_(std::move(details)) {
  normalize(cart_.customer);
}

void CartEvent::encode(postbox::EventBatch& batch) const {
  auto& violations = batch.violations();
  const FlatLists& lists = flat_lists(cart_.items);
  validate_cart(cart_, details_, lists, batch.now(), violations);
  const std::string_view profile = profile_text(cart_.customer, violations);
  if (!violations.empty()) return;
  find_ignored(cart_.properties, batch.warnings());

  const CartMetric& metric = kCartMetrics[details_.index()];
  const std::string subject = subject_of(cart_);
  const auto updated_at = cart_.updated_at.value_or(batch.now());
  const std::string unique_id = cart_unique_id(cart_, details_, updated_at);
  const auto* abandonment = std::get_if<Abandonment>(&details_);
  EventHead head;
  head.time = abandonment ? abandonment->abandoned_at.value_or(batch.now()) : updated_at;
  head.queue = kCart.queue;
  head.profile_key = profile_key();
  head.profile = profile;
  head.kind = metric.kind;
  head.subject = subject;
  head.metric = batch.name_of(metric.name);
  head.unique_id = unique_id;
  head.value = value_of(cart_, details_);
  std::visit(
      [&]<class Details>(const Details& details) {
        add_event(head, CartProperties<Details>{&cart_, &lists, &details}, cart_.properties,
                  size_hint(cart_), batch);
      },
      details_);
}

std::vector<EventType> cart_event_types() {
  const auto type = []<class Details>(const Details& details) {
    const CartMetric& metric = kCartMetrics[CartDetails(details).index()];
    return EventType{metric.name, std::string(metric.kind), &kCart,
                     !std::is_same_v<Details, Abandonment>,
                     postbox::describe<CartProperties<Details>>()};
  };
  return {type(CartUpdate{}), type(AddedItem{}), type(CheckoutStart{}), type(Abandonment{})};
}

CartEvent cart_updated(Cart cart) { return {std::move(cart), CartUpdate{}}; }

CartEvent added_to_cart(Cart cart, CartItem added) {
  return {std::move(cart), AddedItem{std::move(added)}};
}

CartEvent checkout_started(Cart cart) { return {std::move(cart), CheckoutStart{}}; }

CartEvent checkout_abandoned(Cart cart, Abandonment abandonment) {
  return {std::move(cart), std::move(abandonment)};
}

}  // namespace klaviyo
