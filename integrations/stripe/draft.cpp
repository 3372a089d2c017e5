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

Draft::Draft(Node event, Node object, const MappingOptions& options)
    : object_(object), previous_(event["data"]["previous_attributes"]), options_(options) {
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
  return profile_with(decide("profile:" + unique_id, [&] { return identifier_of(payer); }));
}

std::string Draft::identifier_of(const Payer& payer) {
  if (auto email = usable_email(payer.email); !email.empty()) return email;
  if (auto email = usable_email(object_["customer"]["email"].text()); !email.empty()) return email;
  if (payer.customer.empty()) return std::string(payer.fallback);
  const std::string customer = key("customer", payer.customer);
  const auto email = known(customer);
  if (!email) mapping_.missing.push_back(customer);
  return email && is_usable(*email) ? *email : std::string(payer.customer);
}

std::string Draft::order_of(std::initializer_list<std::string_view> payments) {
  std::string_view first;
  for (const auto payment : payments) {
    if (payment.empty()) continue;
    if (auto id = known(key("order", payment))) return *std::move(id);
    if (first.empty()) first = payment;
  }
  mapping_.missing.push_back(key("order", first));
  return std::string(first);
}

// Either generation's id may be all that a later body has.
void Draft::learn_email(std::string_view email, postbox::WallTime as_of) {
  for (const auto* name : {"customer", "customer_account"}) {
    learn_email_of(object_[name].id(), email, as_of);
  }
}

void Draft::learn_email_of(std::string_view customer, std::string_view email,
                           postbox::WallTime as_of) {
  auto address = usable_email(email);
  if (customer.empty() || address.empty()) return;
  mapping_.facts.push_back({key("customer", customer), std::move(address), as_of});
}

void Draft::learn_no_email_of(std::string_view customer, postbox::WallTime as_of) {
  if (!customer.empty()) mapping_.facts.push_back({key("customer", customer), "", as_of});
}

void Draft::learn_order(std::string_view payment, std::string_view order) {
  if (payment.empty() || order.empty()) return;
  mapping_.facts.push_back({key("order", payment), std::string(order), created()});
}

Mapping Draft::finish() && {
  if (mapping_.events.empty()) mapping_.ignored = "no mapping";
  return std::move(mapping_);
}

std::string Draft::key(std::string_view kind, std::string_view id) const {
  return std::string(kind).append(1, ':').append(account_).append(id);
}

std::optional<std::string> Draft::known(const std::string& key) const {
  return options_.lookup ? options_.lookup(key, created()) : std::nullopt;
}

std::optional<std::string> Draft::decided(const std::string& key) const {
  return options_.decided ? options_.decided(key) : std::nullopt;
}

std::string usable_email(std::string_view email) {
  klaviyo::Profile profile;
  profile.email = email;
  klaviyo::normalize(profile);
  return is_usable(profile.email) ? profile.email : std::string();
}

std::string second_of(postbox::WallTime time) {
  using std::chrono::seconds;
  return std::to_string(std::chrono::floor<seconds>(time.time_since_epoch()).count());
}

}  // namespace stripe
