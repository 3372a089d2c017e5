#include <klaviyo_json/from_json.hpp>
#include <klaviyo_json/object_reader.hpp>
#include <nlohmann/json.hpp>
#include <postbox/json_text.hpp>
#include <postbox/schema.hpp>
#include <string>

namespace klaviyo {
namespace {

using detail::ObjectReader;
using nlohmann::json;

void read_location(const ObjectReader& body, ProfileLocation& location) {
  body.object("location", [&](const ObjectReader& object) {
    object.read("address1", location.address1);
    object.read("address2", location.address2);
    object.read("city", location.city);
    object.read("region", location.region);
    object.read("zip", location.zip);
    object.read("country", location.country);
    object.read("timezone", location.timezone);
  });
}

void read(const ObjectReader& body, Profile& profile) {
  body.read("email", profile.email);
  body.read("phone", profile.phone);
  body.read("external_id", profile.external_id);
  body.read("anonymous_id", profile.anonymous_id);
  body.read("kx", profile.kx);
  body.read("first_name", profile.first_name);
  body.read("last_name", profile.last_name);
  body.read("organization", profile.organization);
  body.read("title", profile.title);
  body.read("image", profile.image);
  body.read("locale", profile.locale);
  read_location(body, profile.location);
  body.read("properties", profile.properties);
  body.read("unset", profile.unset);
}

void read_customer(const ObjectReader& body, Profile& customer) {
  body.object("customer", [&](const ObjectReader& object) { read(object, customer); });
}

OrderItem read_item(const ObjectReader& object) {
  OrderItem item;
  object.read("line_id", item.line_id);
  object.read("product_id", item.product_id);
  object.read("sku", item.sku);
  object.read("name", item.name);
  object.require("quantity");
  object.read("quantity", item.quantity);
  object.read("row_total", item.row_total);
  if (!item.row_total) object.require("unit_price");
  object.read("unit_price", item.unit_price);
  object.read("url", item.url);
  object.read("image_url", item.image_url);
  object.read("categories", item.categories);
  object.read("brand", item.brand);
  object.read("price_id", item.price_id);
  object.read("proration", item.proration);
  return item;
}

void read_address(const ObjectReader& body, std::string_view name, std::optional<Address>& target) {
  body.object(name, [&](const ObjectReader& object) {
    Address& address = target.emplace();
    object.read("first_name", address.first_name);
    object.read("last_name", address.last_name);
    object.read("address1", address.address1);
    object.read("city", address.city);
    object.read("region_code", address.region_code);
    object.read("country_code", address.country_code);
    object.read("zip", address.zip);
    object.read("phone", address.phone);
  });
}

void read(const ObjectReader& body, Order& order) {
  body.read("order_id", order.order_id);
  body.read("cart_id", order.cart_id);
  body.read("placed_at", order.placed_at);
  body.read("currency", order.currency);
  read_customer(body, order.customer);
  body.list("items", order.items, read_item);
  body.read("lines_unknown", order.lines_unknown);
  body.object("discount", [&](const ObjectReader& object) {
    object.read("code", order.discount.code);
    object.read("amount", order.discount.amount);
  });
  body.read("shipping", order.shipping);
  body.read("tax", order.tax);
  body.read("total", order.total);
  read_address(body, "billing_address", order.billing_address);
  read_address(body, "shipping_address", order.shipping_address);
  body.read("unique_id", order.unique_id);
  body.read("properties", order.properties);
}

void read(const ObjectReader& body, Cart& cart) {
  body.read("cart_id", cart.cart_id);
  body.read("user_id", cart.user_id);
  body.read("currency", cart.currency);
  body.require("items");  // a forgotten list must not look like an emptied cart
  body.list("items", cart.items, read_item);
  body.read("total", cart.total);
  body.read("updated_at", cart.updated_at);
  body.read("version", cart.version);
  body.read("checkout_url", cart.checkout_url);
  body.read("unique_id", cart.unique_id);
  read_customer(body, cart.customer);
  body.read("properties", cart.properties);
}

void read(const ObjectReader& body, Subscription& subscription) {
  body.read("subscription_id", subscription.subscription_id);
  body.read("plan_id", subscription.plan_id);
  body.read("plan_name", subscription.plan_name);
  body.read("product_id", subscription.product_id);
  body.read("currency", subscription.price.currency);
  body.read("metered", subscription.metered);
  body.read("exact_price", subscription.exact_price);
  if (!subscription.metered && !subscription.exact_price) body.require("amount");
  body.read("amount", subscription.price.minor);
  body.read("interval", subscription.interval);
  body.read("interval_count", subscription.interval_count);
  body.read("quantity", subscription.quantity);
  body.read("status", subscription.status);
  body.read("started_at", subscription.started_at);
  body.read("current_period_end", subscription.current_period_end);
  body.read("trial_end", subscription.trial_end);
  body.read("occurred_at", subscription.occurred_at);
  body.read("cart_id", subscription.cart_id);
  body.read("user_id", subscription.user_id);
  body.read("unique_id", subscription.unique_id);
  read_customer(body, subscription.customer);
  body.read("properties", subscription.properties);
}

// A price or a value, in the currency that stands at the top.
void read_price(const ObjectReader& body, std::string_view name, Currency currency,
                std::optional<Money>& target) {
  std::optional<MinorUnits> amount;
  body.read(name, amount);
  if (amount) target = Money{amount->count, currency};
}

void read(const ObjectReader& body, ProductView& view) {
  body.read("product_id", view.product_id);
  body.read("name", view.name);
  body.read("sku", view.sku);
  body.read("categories", view.categories);
  body.read("image_url", view.image_url);
  body.read("url", view.url);
  body.read("brand", view.brand);
  Currency currency;
  body.read("currency", currency);
  read_price(body, "price", currency, view.price);
  read_price(body, "compare_at_price", currency, view.compare_at_price);
  body.read("occurred_at", view.occurred_at);
  body.read("unique_id", view.unique_id);
  read_customer(body, view.customer);
  body.read("properties", view.properties);
}

void read(const ObjectReader& body, CustomEvent& event) {
  body.read("name", event.name);
  Currency currency;
  body.read("currency", currency);
  read_price(body, "value", currency, event.value);
  body.read("occurred_at", event.occurred_at);
  body.read("unique_id", event.unique_id);
  read_customer(body, event.customer);
  body.read("properties", event.properties);
}

void read(const ObjectReader& body, ConsentWord& word) {
  body.require("action");  // a mistyped member must not subscribe anybody
  body.read("action", word.action);
  body.read("email", word.customer.email);
  body.read("phone", word.customer.phone);
  body.read("list", word.consent.list);
  body.read("channels", word.consent.channels);
  body.read("consented_at", word.consent.consented_at);
  body.read("custom_source", word.consent.custom_source);
}

std::string no_object(const json& value) {
  if (value.is_discarded()) return "must be JSON in UTF-8";
  return "must be a JSON object, found " + std::string(value.type_name());
}

}  // namespace

template <ReadableFromJson T>
FromJson<T> from_json(const json& object) {
  FromJson<T> result;
  if (object.is_object()) {
    read(ObjectReader(object, "", result.violations), result.value);
    return result;
  }
  result.is_object = false;
  result.violations.push_back({"body", no_object(object)});
  return result;
}

template <ReadableFromJson T>
FromJson<T> parse_json(std::string_view text) {
  std::vector<postbox::Violation> warnings;
  // An order is worth more than the letter that somebody has cut in two.
  std::string whole;
  if (!postbox::is_utf8(text)) {
    text = whole = postbox::mended_utf8(text);
    warnings.push_back({"body", "was not UTF-8: U+FFFD took the place of what is broken"});
  }
  const auto mended = postbox::mended_json(text);
  if (mended) {
    text = *mended;
    warnings.push_back({"body", "held half a surrogate pair: U+FFFD took its place"});
  }
  FromJson<T> result = from_json<T>(json::parse(text, nullptr, /*allow_exceptions=*/false));
  result.warnings = std::move(warnings);
  return result;
}

template FromJson<Order> from_json(const json&);
template FromJson<Cart> from_json(const json&);
template FromJson<Subscription> from_json(const json&);
template FromJson<Profile> from_json(const json&);
template FromJson<ProductView> from_json(const json&);
template FromJson<CustomEvent> from_json(const json&);
template FromJson<ConsentWord> from_json(const json&);

template FromJson<Order> parse_json(std::string_view);
template FromJson<Cart> parse_json(std::string_view);
template FromJson<Subscription> parse_json(std::string_view);
template FromJson<Profile> parse_json(std::string_view);
template FromJson<ProductView> parse_json(std::string_view);
template FromJson<CustomEvent> parse_json(std::string_view);
template FromJson<ConsentWord> parse_json(std::string_view);

}  // namespace klaviyo
