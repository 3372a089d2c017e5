#include <algorithm>
#include <charconv>
#include <stripe/draft.hpp>

namespace stripe {
namespace {

// Marks the shop's own key of an order in facts and decisions.
constexpr char kShopsKey = '=';

// Klaviyo refuses some addresses, and accepts others and drops their events.
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
  const auto email = find_fact(customer);
  if (!email) mapping_.missing.push_back(customer);
  return email && is_usable(*email) ? *email : std::string(payer.customer);
}

std::optional<std::string> Draft::find_order(
    std::initializer_list<std::string_view> payments) const {
  for (const auto payment : payments) {
    if (payment.empty()) continue;
    if (auto order = find_decision(key("order", payment))) return order;
  }
  for (const auto payment : payments) {
    if (payment.empty()) continue;
    if (auto order = find_fact(key("order", payment))) return order;
  }
  return std::nullopt;
}

std::string Draft::order_of(std::initializer_list<std::string_view> payments) {
  if (auto order = find_order(payments)) return *std::move(order);
  const auto first = std::ranges::find_if(payments, [](auto id) { return !id.empty(); });
  if (first == payments.end()) return {};
  await_fact("order", *first);
  return std::string(*first);
}

std::string Draft::decide_order(const std::vector<std::string_view>& aliases,
                                const std::string& proposal) {
  std::string order = proposal;
  for (const auto alias : aliases) {
    if (alias.empty()) continue;
    if (auto decision = find_decision(key("order", alias))) {
      order = *std::move(decision);
      break;
    }
  }
  for (const auto alias : aliases) {
    if (!alias.empty()) (void)decide(key("order", alias), [&] { return order; });
  }
  return order;
}

// The first payment under a key owns it. A key that a second payment has, such as a customer's id,
// is not the key of an order: the second one gets none.
std::string Draft::reference(std::string_view owner) {
  constexpr std::size_t kLongest = 200;
  if (!account_.empty()) return {};  // the shop's keys are not the platform's
  const Node metadata = object_["metadata"];
  const auto user = metadata["user_id"].text();
  for (const auto text : {metadata["order_id"].text(), object_["client_reference_id"].text()}) {
    const bool is_plain = std::ranges::all_of(text, [](char c) { return c > ' ' && c != 0x7f; });
    if (text.empty() || text.size() > kLongest || !is_plain) continue;
    if (text == user || text == customer()) continue;
    const std::string own(owner);
    if (decide(key("reference", text), [&] { return own; }) == own) {
      return std::string(1, kShopsKey).append(text);
    }
  }
  return {};
}

OrderKey Draft::order_key(const std::string& order) const {
  if (!order.starts_with(kShopsKey)) return {order, unique_id(order)};
  return {order.substr(1), order.substr(1)};
}

std::optional<Placed> Draft::find_placed(const OrderKey& order) const {
  const auto text = find_decision("placed:" + order.unique_id);
  if (!text) return std::nullopt;
  Placed placed;
  const char* const end = text->data() + text->size();
  const auto [after, error] = std::from_chars(text->data(), end, placed.count);
  if (error != std::errc() || after == end) return std::nullopt;
  placed.currency.assign(after + 1, end);
  return placed;
}

Placed Draft::decide_placed(const OrderKey& order, const Placed& proposal) {
  (void)decide("placed:" + order.unique_id,
               [&] { return std::to_string(proposal.count) + " " + proposal.currency; });
  return find_placed(order).value_or(proposal);
}

std::size_t Draft::position_in(const std::string& list, const std::string& value) {
  for (std::size_t place = 1;; ++place) {
    if (decide(list + ":" + std::to_string(place), [&] { return value; }) == value) return place;
  }
}

std::size_t Draft::size_of(const std::string& list) const {
  std::size_t size = 0;
  while (find_decision(list + ":" + std::to_string(size + 1))) ++size;
  return size;
}

void Draft::record_purchase(std::string_view buyer) {
  if (buyer.empty()) return;
  mapping_.facts.push_back({key("bought", buyer), second_of(created()), created()});
}

bool Draft::has_bought_since(std::string_view buyer, postbox::WallTime time) const {
  if (buyer.empty()) return false;
  const auto second = find_fact(key("bought", buyer));
  const std::string since = second_of(time);
  return second &&
         (second->size() > since.size() || (second->size() == since.size() && *second >= since));
}

void Draft::record_fact(std::string_view kind, std::string_view id, std::string value) {
  mapping_.facts.push_back({key(kind, id), std::move(value), created()});
}

bool Draft::has_fact(std::string_view kind, std::string_view id) const {
  return find_fact(key(kind, id)).has_value();
}

void Draft::await_fact(std::string_view kind, std::string_view id) {
  mapping_.missing.push_back(key(kind, id));
}

void Draft::add_event(Report report, Event event) {
  if (!reports(report)) {
    is_switched_off_ = true;
    return;
  }
  mapping_.events.push_back(std::move(event));
}

// A later body may have either id alone.
void Draft::record_email(std::string_view email, postbox::WallTime as_of) {
  for (const auto* name : {"customer", "customer_account"}) {
    record_email_of(object_[name].id(), email, as_of);
  }
}

void Draft::record_email_of(std::string_view customer, std::string_view email,
                            postbox::WallTime as_of) {
  auto address = usable_email(email);
  if (customer.empty() || address.empty()) return;
  mapping_.facts.push_back({key("customer", customer), std::move(address), as_of});
}

void Draft::record_email_removal_of(std::string_view customer, postbox::WallTime as_of) {
  if (!customer.empty()) mapping_.facts.push_back({key("customer", customer), "", as_of});
}

void Draft::record_order(std::string_view payment, std::string_view order) {
  if (payment.empty() || order.empty()) return;
  mapping_.facts.push_back({key("order", payment), std::string(order), created()});
}

void Draft::record_payment(std::string_view payment, std::string_view invoice) {
  record_order(payment, invoice);
  if (payment.starts_with("ch_") || payment.empty() || invoice.empty()) return;
  mapping_.facts.push_back({key("payment", invoice), std::string(payment), created()});
}

Mapping Draft::finish() && {
  if (mapping_.events.empty()) {
    mapping_.ignored = is_switched_off_ ? "switched off by STRIPE_EVENTS" : "no mapping";
  }
  return std::move(mapping_);
}

std::string Draft::key(std::string_view kind, std::string_view id) const {
  return std::string(kind).append(1, ':').append(account_).append(id);
}

std::optional<std::string> Draft::find_fact(const std::string& key) const {
  return options_.find_fact ? options_.find_fact(key, created()) : std::nullopt;
}

std::optional<std::string> Draft::find_decision(const std::string& key) const {
  for (const Decision& decision : mapping_.decisions) {
    if (decision.key == key) return decision.value;
  }
  return options_.find_decision ? options_.find_decision(key) : std::nullopt;
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
