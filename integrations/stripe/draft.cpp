#include <stripe/draft.hpp>

namespace stripe {
namespace {

// Klaviyo refuses some addresses and takes others only to drop their events.
bool is_usable(std::string_view email) {
  constexpr std::size_t kLongest = 99;
  return email.size() <= kLongest && klaviyo::is_email(email) && !klaviyo::is_dropped_email(email);
}

klaviyo::Profile profile_with(std::string_view identifier) {
  klaviyo::Profile profile;
  const bool is_email = identifier.find('@') != std::string_view::npos;
  (is_email ? profile.email : profile.external_id) = identifier;
  return profile;
}

}  // namespace

Draft::Draft(Node event, Node object, const Lookup& lookup)
    : object_(object), previous_(event["data"]["previous_attributes"]), lookup_(lookup) {
  mapping_.event_id = event["id"].need_text("id");
  mapping_.type = event["type"].text();
  mapping_.created = event["created"].need_time("created");
  if (const auto account = event["account"].id(); !account.empty()) {
    account_.append(account).append(1, ':');
  }
}

klaviyo::Currency Draft::need_currency() const {
  return currency_of(object_["currency"].need_text(path("currency")));
}

klaviyo::MinorUnits Draft::need_amount(std::string_view name,
                                       const klaviyo::Currency& currency) const {
  const std::int64_t count = object_[name].need_integer(path(name));
  if (count < 0) throw BadBody(path(name), "at least 0");
  const auto units = minor_units(count, currency);
  if (units) return *units;
  throw BadBody(path(name), "an amount that " + std::string(currency.code()) + " can express");
}

std::optional<klaviyo::MinorUnits> Draft::amount(Node node, const klaviyo::Currency& currency) {
  const auto count = node.integer();
  return count && *count >= 0 ? minor_units(*count, currency) : std::nullopt;
}

std::string_view Draft::customer() const noexcept {
  const auto customer = object_["customer"].id();
  return customer.empty() ? object_["customer_account"].id() : customer;
}

klaviyo::Profile Draft::profile(const Payer& payer, const std::string& unique_id) {
  const std::string decision = "profile:" + unique_id;
  const auto earlier = known(decision);
  klaviyo::Profile profile = earlier ? profile_with(*earlier) : find_profile(payer);
  mapping_.decisions.push_back(
      {decision, profile.email.empty() ? profile.external_id : profile.email});
  return profile;
}

klaviyo::Profile Draft::find_profile(const Payer& payer) {
  klaviyo::Profile profile;
  profile.email = payer.email;
  klaviyo::normalize(profile);
  if (is_usable(profile.email)) return profile;
  if (payer.customer.empty()) return profile_with(payer.fallback);
  const std::string customer = key("customer", payer.customer);
  const auto email = known(customer);
  if (!email) mapping_.missing.push_back(customer);
  return profile_with(email && is_usable(*email) ? *email : payer.customer);
}

std::string Draft::order_of(std::string_view payment) {
  const std::string order = key("order", payment);
  if (auto id = known(order)) return *std::move(id);
  mapping_.missing.push_back(order);
  return std::string(payment);
}

void Draft::learn_email(std::string_view customer, std::string_view email) {
  klaviyo::Profile profile;
  profile.email = email;
  klaviyo::normalize(profile);
  if (customer.empty() || !is_usable(profile.email)) return;
  mapping_.facts.push_back({key("customer", customer), profile.email});
}

void Draft::learn_order(std::string_view payment, std::string_view order) {
  if (payment.empty() || order.empty()) return;
  mapping_.facts.push_back({key("order", payment), std::string(order)});
}

void Draft::forget_email(std::string_view customer) {
  if (!customer.empty()) mapping_.facts.push_back({key("customer", customer), ""});
}

Mapping Draft::finish() && {
  if (mapping_.events.empty()) mapping_.ignored = "no mapping";
  return std::move(mapping_);
}

std::string Draft::key(std::string_view kind, std::string_view id) const {
  return std::string(kind).append(1, ':').append(account_).append(id);
}

std::optional<std::string> Draft::known(const std::string& key) const {
  return lookup_ ? lookup_(key) : std::nullopt;
}

std::string second_of(postbox::WallTime time) {
  using std::chrono::seconds;
  return std::to_string(std::chrono::floor<seconds>(time.time_since_epoch()).count());
}

}  // namespace stripe
