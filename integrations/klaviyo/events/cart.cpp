#include <algorithm>
#include <klaviyo/cart_timers.hpp>
#include <klaviyo/catalogue.hpp>
#include <klaviyo/encode.hpp>
#include <klaviyo/events/cart.hpp>
#include <klaviyo/events/scratch.hpp>
#include <klaviyo/events/settled.hpp>
#include <klaviyo/recovery.hpp>
#include <klaviyo/schemas/cart_fields.hpp>
#include <klaviyo/schemas/ignored_of_event.hpp>

#include "base/per_thread.hpp"

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

// The part that the events of one update of a cart have in common. The cart is valid.
struct Update {
  const Cart& cart;
  const FlatLists& lists;
  postbox::Key profile_key{};
  std::string_view profile;
  std::string subject;
  std::string_view properties;  // SharedCartProperties, written once for all
  postbox::WallTime updated_at;
};

std::string_view shared_properties(const Cart& cart, const FlatLists& lists) {
  auto& text = postbox::per_thread<std::string, struct CartText>();
  text.clear();
  (void)postbox::write_members(SharedCartProperties{&cart, &lists}, true, text);
  return text;
}

std::string_view make_unique_id(const Update& update, const CartDetails& details) {
  auto& id = postbox::per_thread<std::string, struct CartUniqueId>();
  id.clear();
  append_cart_unique_id(update.cart, details, update.updated_at, id);
  return id;
}

template <class Details>
std::size_t size_hint(const Update& update, const Details& details) {
  constexpr std::size_t kNamesAndNumbers = 200;
  std::size_t size = kNamesAndNumbers + update.properties.size();
  if constexpr (std::is_same_v<Details, Abandonment>) size += details.recovery_url.size();
  return size + json_size_hint(update.cart.properties);
}

postbox::EventRecord encode_update(const Update& update, const CartDetails& details,
                                   const postbox::EventBatch& batch) {
  const Cart& cart = update.cart;
  const CartMetric& metric = kCartMetrics[details.index()];
  const auto* abandonment = std::get_if<Abandonment>(&details);
  EventHead head;
  head.time = abandonment ? abandonment->abandoned_at.value_or(batch.now()) : update.updated_at;
  head.queue = kCart.queue;
  head.profile_key = update.profile_key;
  head.profile = update.profile;
  head.log_name = metric.log_name;
  head.subject = update.subject;
  head.metric = batch.name_of(metric.name);
  head.unique_id = make_unique_id(update, details);
  head.value = value_of(cart, details);
  return std::visit(
      [&]<class Details>(const Details& own) {
        auto record = begin_record(head, size_hint(update, own));
        record.payload += update.properties;
        (void)postbox::write_members(AddedCartProperties<Details>{&cart, &own}, false,
                                     record.payload);
        write_properties(cart.properties, false, record.payload);
        finish_record(head, record);
        return record;
      },
      details);
}

// The Abandoned Checkout that this update becomes unless something happens to the cart. An update
// that Klaviyo takes and its abandonment not, such as one with a property of the same name, has
// none, and the caller is told.
std::optional<postbox::Timer> timer_of(const Update& update, const CartTimers& timers,
                                       postbox::EventBatch& batch) {
  const auto abandoned_at = update.updated_at + timers.abandoned_after;
  const CartDetails details = Abandonment{
      .recovery_url = timers.recovery_url(update.cart, abandoned_at), .abandoned_at = abandoned_at};
  std::vector<postbox::Violation> violations;
  validate_abandonment(update.cart, std::get<Abandonment>(details), update.lists, batch.now(),
                       violations);
  postbox::Timer timer{
      timers.abandoned_after, ends_of(update.cart.user_id, update.cart.customer), {}};
  if (violations.empty()) timer.event = encode_update(update, details, batch);
  if (violations.empty() && check_size(timer.event, violations)) {
    // With an address and a key every other cart gets a link.
    if (!timers.app_url.empty() && timers.key && !fits_a_link(update.cart.cart_id)) {
      batch.warn({"cart_id",
                  "holds \"@\", which has no place in a link: the cart is reported without a "
                  "recovery link when it is abandoned"});
    }
    return timer;
  }
  for (auto& [path, rule] : violations) {
    batch.warn({std::move(path), rule + ", or the cart is not reported when it is abandoned"});
  }
  return std::nullopt;
}

bool is_end(const Cart& cart, const CartDetails& details) {
  return std::holds_alternative<Abandonment>(details) ||
         (std::holds_alternative<CartUpdate>(details) && cart.items.empty());
}

// Updates start the timer; an emptied cart, and one whose abandonment is reported, end it.
std::optional<postbox::Timing> timing_of(const Update& update, const CartDetails& details,
                                         postbox::EventBatch& batch) {
  const CartTimers* timers = cart_timers(batch);
  if (timers == nullptr) return std::nullopt;
  postbox::Timing timing;
  timing.slot = cart_key(update.cart.cart_id);
  // The clock of a browser, or of another server, may be ahead of the one that dates the order.
  timing.as_of = std::min(update.updated_at, batch.now());
  if (std::holds_alternative<CartUpdate>(details)) timing.debounce = timers->debounce;
  if (is_end(update.cart, details)) {
    timing.cancels.push_back(timing.slot);
  } else {
    timing.timer = timer_of(update, *timers, batch);
  }
  return timing;
}

// A timer without a delay: the store makes it an event unless a purchase has ended it.
postbox::EventRecord unless_bought(const Update& update, postbox::WallTime since,
                                   postbox::EventRecord event) {
  postbox::Timing timing;
  timing.slot = cart_key(update.cart.cart_id);
  timing.as_of = since;
  timing.timer =
      postbox::Timer{{}, ends_of(update.cart.user_id, update.cart.customer), std::move(event)};
  timing.effects_only = true;
  postbox::EventRecord record;
  record.queue = kCart.queue;
  record.timing = std::move(timing);
  return record;
}

}  // namespace

CartEvent::CartEvent(Cart cart, CartDetails details)
    : cart_(std::move(cart)), details_(std::move(details)) {
  const postbox::Path root;
  normalize(cart_.customer, {}, root.child("customer"), changes_);
}

void CartEvent::encode(postbox::EventBatch& batch) const {
  const CartMetric& metric = kCartMetrics[details_.index()];
  batch.set_name({batch.name_of(metric.name), metric.log_name, cart_.cart_id});
  Settled::encode(*this, batch);
}

postbox::Key CartEvent::profile_key(const postbox::EventBatch& batch) const {
  return Settled::profile_key(*this, batch);
}

void CartEvent::encode_settled(postbox::EventBatch& batch) const {
  auto& violations = batch.violations();
  const FlatLists& lists = flat_lists(cart_.items);
  validate_cart(cart_, details_, lists, batch.now(), violations);
  const std::string_view profile = profile_text(cart_.customer, violations);
  if (!violations.empty()) return;
  std::visit(
      [&]<class Details>(const Details& own) {
        warn_of_ignored(CartProperties<Details>{&cart_, &lists, &own}, cart_.properties,
                        cart_.customer, batch);
      },
      details_);
  find_ignored(lists, batch.warnings());

  const Update update{.cart = cart_,
                      .lists = lists,
                      .profile_key = profile_key(),
                      .profile = profile,
                      .subject = subject_of(cart_),
                      .properties = shared_properties(cart_, lists),
                      .updated_at = cart_.updated_at.value_or(batch.now())};
  auto record = encode_update(update, details_, batch);
  if (!check_size(record, violations)) return;
  const auto* abandonment = std::get_if<Abandonment>(&details_);
  if (abandonment != nullptr && abandonment->unless_bought_since && cart_timers(batch) != nullptr) {
    return batch.add(unless_bought(update, *abandonment->unless_bought_since, std::move(record)));
  }
  record.timing = timing_of(update, details_, batch);
  batch.add(std::move(record));
}

void CartEvent::encode_disabled(postbox::EventBatch& batch) const {
  if (!is_end(cart_, details_)) return;
  const postbox::WallTime updated_at = cart_.updated_at.value_or(batch.now());
  add_effects(cart_end(cart_.cart_id, std::min(updated_at, batch.now()), batch), batch);
}

CartCompletion::CartCompletion(Whose whose, std::optional<postbox::WallTime> bought_at)
    : whose_(std::move(whose)), bought_at_(bought_at) {
  normalize(whose_.customer);
}

void CartCompletion::encode(postbox::EventBatch& batch) const {
  add_effects(purchase_timing({whose_.cart_id, whose_.user_id, whose_.customer, bought_at_}, batch),
              batch);
}

std::vector<EventType> cart_event_types() {
  const auto type = []<class Details>(const Details& details) {
    const CartMetric& metric = kCartMetrics[CartDetails(details).index()];
    return EventType{metric.name, std::string(metric.log_name), &kCart,
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
