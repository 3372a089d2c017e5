#include "from_json.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <postbox/json_text.hpp>
#include <postbox/schema.hpp>

namespace checkout {
namespace {

using klaviyo::Address;
using klaviyo::Cart;
using klaviyo::Order;
using klaviyo::OrderItem;
using klaviyo::Profile;
using klaviyo::Subscription;
using nlohmann::json;

void read_customer(const ObjectReader& body, Profile& customer) {
  body.object("customer", [&](const ObjectReader& object) {
    object.read("email", customer.email);
    object.read("phone", customer.phone);
    object.read("external_id", customer.external_id);
    object.read("anonymous_id", customer.anonymous_id);
    object.read("kx", customer.kx);
    object.read("first_name", customer.first_name);
    object.read("last_name", customer.last_name);
  });
}

OrderItem read_item(const ObjectReader& object) {
  OrderItem item;
  object.read("line_id", item.line_id);
  object.read("product_id", item.product_id);
  object.read("sku", item.sku);
  object.read("name", item.name);
  object.require("quantity");
  object.read("quantity", item.quantity);
  object.require("unit_price");
  object.read("unit_price", item.unit_price);
  object.read("url", item.url);
  object.read("image_url", item.image_url);
  object.read("categories", item.categories);
  object.read("brand", item.brand);
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
  body.object("discount", [&](const ObjectReader& object) {
    object.read("code", order.discount.code);
    object.read("amount", order.discount.amount);
  });
  body.read("shipping", order.shipping);
  body.read("tax", order.tax);
  body.read("total", order.total);
  read_address(body, "billing_address", order.billing_address);
  read_address(body, "shipping_address", order.shipping_address);
  body.read("properties", order.properties);
}

void read(const ObjectReader& body, Cart& cart) {
  body.read("cart_id", cart.cart_id);
  body.read("currency", cart.currency);
  body.require("items");  // a forgotten list must not look like an emptied cart
  body.list("items", cart.items, read_item);
  body.read("updated_at", cart.updated_at);
  body.read("version", cart.version);
  body.read("checkout_url", cart.checkout_url);
  read_customer(body, cart.customer);
  body.read("properties", cart.properties);
}

void read(const ObjectReader& body, Subscription& subscription) {
  body.read("subscription_id", subscription.subscription_id);
  body.read("plan_id", subscription.plan_id);
  body.read("plan_name", subscription.plan_name);
  body.read("currency", subscription.price.currency);
  body.require("amount");
  body.read("amount", subscription.price.minor);
  body.read("interval", subscription.interval);
  body.read("interval_count", subscription.interval_count);
  body.read("quantity", subscription.quantity);
  body.read("status", subscription.status);
  body.read("started_at", subscription.started_at);
  body.read("current_period_end", subscription.current_period_end);
  body.read("trial_end", subscription.trial_end);
  body.read("cart_id", subscription.cart_id);
  body.read("user_id", subscription.user_id);
  read_customer(body, subscription.customer);
  body.read("properties", subscription.properties);
}

void read(const ObjectReader& body, ConsentWord& word) {
  body.require("action");
  body.read("action", word.action);
  body.read("email", word.customer.email);
  body.read("phone", word.customer.phone);
  body.read("list", word.consent.list);
  body.read("channels", word.consent.channels);
  body.read("consented_at", word.consent.consented_at);
  body.read("custom_source", word.consent.custom_source);
}

template <class T>
Body<T> read_body(std::string_view text) {
  Body<T> body;
  // An order is worth more than the letter that somebody has cut in two.
  std::string whole;
  if (!postbox::is_utf8(text)) {
    text = whole = postbox::mended_utf8(text);
    body.warnings.push_back({"body", "was not UTF-8: U+FFFD took the place of what is broken"});
  }
  const auto mended = postbox::mended_json(text);
  if (mended) {
    text = *mended;
    body.warnings.push_back({"body", "held half a surrogate pair: U+FFFD took its place"});
  }
  const json parsed = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_object()) {
    read(ObjectReader(parsed, "", body.violations), body.value);
    return body;
  }
  body.readable = false;
  body.violations.push_back({"body", parsed.is_discarded() ? std::string("must be JSON in UTF-8")
                                                           : "must be a JSON object, found " +
                                                                 std::string(parsed.type_name())});
  return body;
}

// Whether `path` is `parent`, or lies in it.
bool lies_in(std::string_view path, std::string_view parent) {
  if (!path.starts_with(parent)) return false;
  path.remove_prefix(parent.size());
  return path.empty() || path.front() == '.' || path.front() == '[';
}

}  // namespace

std::string body_path(std::string_view path, const std::vector<klaviyo::Property>& properties) {
  constexpr std::string_view kList = "properties[";
  if (path == "price") return "amount";
  if (path == "price.currency") return "currency";
  if (!path.starts_with(kList)) return std::string(path);
  std::size_t index = 0;
  std::from_chars(path.data() + kList.size(), path.data() + path.size(), index);
  return index < properties.size() ? property_path(properties[index].name, index)
                                   : std::string(path);
}

Violations merge(const Violations& body, const Violations& event) {
  Violations all = body;
  for (const auto& violation : event) {
    const bool is_known = std::any_of(body.begin(), body.end(), [&](const auto& known) {
      return lies_in(violation.path, known.path);
    });
    if (!is_known) all.push_back(violation);
  }
  return all;
}

Body<Order> read_order(std::string_view text) { return read_body<Order>(text); }

Body<Cart> read_cart(std::string_view text, std::string_view user) {
  Body<Cart> body = read_body<Cart>(text);
  body.value.user_id = std::string(user);
  Profile& customer = body.value.customer;
  if (customer.email.empty() && customer.phone.empty() && customer.external_id.empty() &&
      customer.anonymous_id.empty() && customer.kx.empty()) {
    customer.external_id = std::string(user);
  }
  return body;
}

Body<Subscription> read_subscription(std::string_view text) {
  return read_body<Subscription>(text);
}

Body<ConsentWord> read_consent(std::string_view text) { return read_body<ConsentWord>(text); }

}  // namespace checkout
