#include <klaviyo/encode.hpp>
#include <klaviyo/events/cart.hpp>
#include <klaviyo/events/scratch.hpp>

namespace klaviyo {
namespace {

constexpr std::string_view kKind = "cart updated";

// Whom the log line names. A guest's cart has no user id.
std::string subject_of(const Cart& cart) {
  if (!cart.user_id.empty()) return clean_subject(cart.user_id);
  if (!cart.customer.external_id.empty()) return clean_subject(cart.customer.external_id);
  return "guest";
}

// An empty cart without a currency has no value, since zero of nothing cannot be written.
std::optional<Money> value_of(const Cart& cart) {
  if (!cart.currency.is_known()) return std::nullopt;
  return Money{items_total(cart.items).value_or(MinorUnits{}).count, cart.currency};
}

std::size_t size_hint(const Cart& cart) {
  constexpr std::size_t kNamesAndNumbers = 200;
  return kNamesAndNumbers + cart.cart_id.size() + cart.user_id.size() + cart.checkout_url.size() +
         json_size_hint(cart.items) + json_size_hint(cart.properties);
}

}  // namespace

CartEvent::CartEvent(Cart cart) : cart_(std::move(cart)) { normalize(cart_.customer); }

void CartEvent::encode(postbox::EventBatch& batch) const {
  auto& violations = batch.violations();
  const FlatLists& lists = flat_lists(cart_.items);
  validate_cart(cart_, lists, batch.now(), violations);
  const std::string_view profile = profile_text(cart_.customer, violations);
  if (!violations.empty()) return;

  const std::string subject = subject_of(cart_);
  EventHead head;
  head.time = cart_.updated_at.value_or(batch.now());
  const std::string unique_id = cart_update_id(cart_, head.time);
  head.queue = kCart.queue;
  head.profile_key = profile_key();
  head.profile = profile;
  head.kind = kKind;
  head.subject = subject;
  head.metric = CartUpdated::kMetric;
  head.unique_id = unique_id;
  head.value = value_of(cart_);
  add_event(head, CartUpdated{&cart_, &lists}, cart_.properties, size_hint(cart_), batch);
}

}  // namespace klaviyo
