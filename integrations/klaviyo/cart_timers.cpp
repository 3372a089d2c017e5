#include <klaviyo/cart_timers.hpp>
#include <klaviyo/config.hpp>
#include <klaviyo/hash.hpp>
#include <klaviyo/schemas/purchase.hpp>

namespace klaviyo {
namespace {

// Keys are written to disk: the recipe must never change.
postbox::Key end_key(std::string_view kind, std::string_view id) {
  return hash_key({"ends", kind, id});
}

void add_ends_of(const Profile& customer, std::vector<postbox::Key>& keys) {
  if (!customer.external_id.empty()) keys.push_back(end_key("user", customer.external_id));
  if (!customer.email.empty()) keys.push_back(end_key("email", customer.email));
  if (!customer.phone.empty()) keys.push_back(end_key("phone", customer.phone));
}

std::optional<RecoveryKey> signing_key(const Config& config) {
  if (config.recovery_secrets.empty()) return std::nullopt;
  return RecoveryKey(config.recovery_secrets.front());
}

}  // namespace

CartTimers::CartTimers(const Config& config)
    : on(!config.flag(kCart).is_off()),
      quiet(config.cart_quiet_time),
      abandoned_after(config.cart_abandoned_after),
      link_life(config.recovery_link_life),
      app_url(config.app_url),
      key(signing_key(config)) {}

std::string CartTimers::recovery_url(const Cart& cart, postbox::WallTime abandoned_at) const {
  if (app_url.empty() || !key) return {};
  const std::string token = make_recovery_token(cart.cart_id, abandoned_at + link_life, *key);
  return token.empty() ? std::string() : app_url + "/cart/recover?token=" + token;
}

const CartTimers* cart_timers(const postbox::EventBatch& batch) {
  const auto* timers = batch.settings<CartTimersPointer>();
  if (timers == nullptr || *timers == nullptr || !(*timers)->on) return nullptr;
  return timers->get();
}

postbox::Key cart_key(std::string_view cart_id) { return end_key("cart", cart_id); }

std::vector<postbox::Key> ends_of(const Cart& cart) {
  std::vector<postbox::Key> keys;
  keys.reserve(4);
  if (!cart.user_id.empty()) keys.push_back(end_key("user", cart.user_id));
  add_ends_of(cart.customer, keys);
  return keys;
}

std::shared_ptr<const postbox::Timing> order_timing(const Order& order,
                                                    postbox::WallTime placed_at) {
  auto timing = std::make_shared<postbox::Timing>();
  timing->as_of = placed_at;
  timing->ends.reserve(4);
  if (!order.cart_id.empty()) timing->ends.push_back(cart_key(order.cart_id));
  add_ends_of(order.customer, timing->ends);
  return timing;
}

}  // namespace klaviyo
