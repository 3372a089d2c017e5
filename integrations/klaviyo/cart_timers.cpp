#include <algorithm>
#include <chrono>
#include <klaviyo/cart_timers.hpp>
#include <klaviyo/config.hpp>
#include <klaviyo/events/settled.hpp>
#include <klaviyo/hash.hpp>
#include <klaviyo/recovery.hpp>
#include <utility>

namespace klaviyo {
namespace {

// Keys are written to disk: the recipe must never change.
postbox::Key end_key(std::string_view kind, std::string_view id) {
  return hash_key({"ends", kind, id});
}

std::optional<RecoveryKey> signing_key(const Config& config) {
  if (config.recovery_secrets.empty()) return std::nullopt;
  return RecoveryKey(config.recovery_secrets.front());
}

// Also while carts are switched off; null for a batch of no tracker.
const CartTimers* timers_of(const postbox::EventBatch& batch) {
  return batch.context<CartTimers>();
}

}  // namespace

CartTimers::CartTimers(const Config& config)
    : on(!config.flag(kCart).is_off()),
      debounce(config.cart_quiet_time),
      abandoned_after(config.cart_abandoned_after),
      link_life(config.recovery_link_life),
      app_url(config.app_url),
      key(signing_key(config)),
      default_country(config.default_country) {}

void CartTimers::switch_to(bool is_on) noexcept { on = is_on; }

std::string CartTimers::recovery_url(const Cart& cart, postbox::WallTime abandoned_at) const {
  if (app_url.empty() || !key) return {};
  const std::string token = make_recovery_token(cart.cart_id, abandoned_at + link_life, *key);
  return token.empty() ? std::string() : app_url + "/cart/recover?token=" + token;
}

void Settled::report(const std::vector<postbox::Violation>& changes, postbox::EventBatch& batch) {
  if (batch.violations().empty()) batch.mend(changes);
}

std::string_view default_country(const postbox::EventBatch& batch) {
  const CartTimers* timers = timers_of(batch);
  return timers == nullptr ? std::string_view() : timers->default_country;
}

const CartTimers* cart_timers(const postbox::EventBatch& batch) {
  const CartTimers* timers = timers_of(batch);
  return timers != nullptr && timers->on ? timers : nullptr;
}

postbox::Key cart_key(std::string_view cart_id) { return end_key("cart", cart_id); }

std::vector<postbox::Key> ends_of(std::string_view user_id, const Profile& customer) {
  std::vector<postbox::Key> keys;
  keys.reserve(7);
  if (!user_id.empty()) keys.push_back(end_key("user", user_id));
  if (!customer.external_id.empty()) keys.push_back(end_key("user", customer.external_id));
  if (!customer.email.empty()) keys.push_back(end_key("email", customer.email));
  if (!customer.phone.empty()) keys.push_back(end_key("phone", customer.phone));
  if (!customer.anonymous_id.empty()) keys.push_back(end_key("visitor", customer.anonymous_id));
  if (!customer.kx.empty()) keys.push_back(end_key("_kx", customer.kx));
  return keys;
}

std::optional<postbox::Timing> purchase_timing(const Purchase& purchase,
                                               const postbox::EventBatch& batch) {
  const CartTimers* timers = timers_of(batch);
  if (timers == nullptr) return std::nullopt;
  const postbox::WallTime now = batch.now();
  // Most shops note the second in which it was.
  const postbox::WallTime bought_at =
      std::chrono::ceil<std::chrono::seconds>(purchase.bought_at.value_or(now));
  postbox::Timing timing;
  const bool is_news = now - bought_at <= timers->abandoned_after;
  timing.as_of = is_news ? std::max(bought_at, now) : bought_at;
  timing.cancels = ends_of(purchase.user_id, purchase.customer);
  if (!purchase.cart_id.empty()) timing.cancels.push_back(cart_key(purchase.cart_id));
  return timing;
}

std::optional<postbox::Timing> cart_end(std::string_view cart_id, postbox::WallTime as_of,
                                        const postbox::EventBatch& batch) {
  if (timers_of(batch) == nullptr || cart_id.empty()) return std::nullopt;
  postbox::Timing timing;
  timing.slot = cart_key(cart_id);
  timing.as_of = as_of;
  timing.cancels.push_back(timing.slot);
  return timing;
}

void add_effects(std::optional<postbox::Timing> timing, postbox::EventBatch& batch) {
  if (!timing) return;
  timing->effects_only = true;
  postbox::EventRecord record;
  record.timing = *std::move(timing);
  batch.add(std::move(record));
}

}  // namespace klaviyo
