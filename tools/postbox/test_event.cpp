#include "test_event.hpp"

#include <algorithm>
#include <klaviyo/klaviyo.hpp>
#include <nlohmann/json.hpp>
#include <postbox/schema.hpp>
#include <utility>

namespace postbox::cli {
namespace {

constexpr const char* kName = "Postbox test";

klaviyo::Profile customer_of(const TestEvent& event) {
  klaviyo::Profile customer;
  customer.email = event.email;
  return customer;
}

klaviyo::Property mark_of(const TestEvent& event) {
  return {.name = std::string(kTestProperty), .value = event.id};
}

klaviyo::Order order_of(const TestEvent& event) {
  klaviyo::Order order;
  order.order_id = event.id;
  order.currency = "EUR";
  order.placed_at = event.time;
  order.customer = customer_of(event);
  order.lines_unknown = true;
  order.total = klaviyo::MinorUnits{0};
  order.properties = {mark_of(event)};
  return order;
}

klaviyo::Subscription subscription_of(const TestEvent& event) {
  klaviyo::Subscription subscription;
  subscription.subscription_id = event.id;
  subscription.plan_id = event.id;
  subscription.plan_name = kName;
  subscription.price = {0, "EUR"};
  subscription.started_at = subscription.occurred_at = event.time;
  subscription.customer = customer_of(event);
  subscription.properties = {mark_of(event)};
  return subscription;
}

klaviyo::Cart cart_of(const TestEvent& event) {
  klaviyo::Cart cart;
  cart.cart_id = event.id;
  cart.currency = "EUR";
  cart.updated_at = event.time;
  cart.customer = customer_of(event);
  auto& item = cart.items.emplace_back();
  item.product_id = event.id;
  item.name = kName;
  item.quantity = 1;
  cart.properties = {mark_of(event)};
  return cart;
}

std::string_view own_name_of(const std::string& kind) {
  if (kind == "subscription") return "Subscription Started";
  return kind == "cart" ? "Cart Updated" : "Placed Order";
}

using Json = nlohmann::json;

const Json* member(const Json& object, std::string_view name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

bool is_marked(const Json& resource, const std::string& id) {
  const Json* attributes = member(resource, "attributes");
  const Json* properties =
      attributes == nullptr ? nullptr : member(*attributes, "event_properties");
  const Json* mark = properties == nullptr ? nullptr : member(*properties, kTestProperty);
  return mark != nullptr && mark->is_string() && mark->get_ref<const std::string&>() == id;
}

}  // namespace

TestEvent test_event(std::string kind, std::string email, WallTime now) {
  return {.kind = std::move(kind),
          .email = std::move(email),
          .time = now,
          .id = "postbox-test-" + std::to_string(now.time_since_epoch().count())};
}

std::string metric_of(const TestEvent& event, const klaviyo::Config& config) {
  const std::string_view own = own_name_of(event.kind);
  const auto renamed = std::ranges::find(config.metric_names, own, &TypeNames::value_type::first);
  return renamed == config.metric_names.end() ? std::string(own) : renamed->second;
}

TrackResult track(const TestEvent& event, Tracker& tracker, std::chrono::milliseconds deadline) {
  if (event.kind == "subscription") {
    return tracker.track_durably(klaviyo::subscription_started(subscription_of(event)), deadline);
  }
  if (event.kind == "cart") {
    return tracker.track_durably(klaviyo::cart_updated(cart_of(event)), deadline);
  }
  return tracker.track_durably(klaviyo::order_placed(order_of(event)), deadline);
}

klaviyo::Config for_test(klaviyo::Config config) {
  for (const Family& family : klaviyo::kFamilies) config.set(family, Flag::on());
  config.disabled_metrics.clear();
  config.cart_quiet_time = std::chrono::milliseconds(0);
  config.app_url.clear();  // the cart leads nowhere
  config.engine.outbox.url = "memory:";
  return config;
}

HttpRequest lookup_request(const TestEvent& event, const klaviyo::Config& config) {
  const auto second = std::chrono::floor<std::chrono::seconds>(event.time);
  const auto text = [](WallTime time) {
    std::string written;
    append_time(time, written);
    return written;
  };
  return {.url = config.api_url + "/api/events?filter=greater-or-equal(datetime," + text(second) +
                 "),less-than(datetime," + text(second + std::chrono::seconds(1)) +
                 ")&fields%5Bevent%5D=event_properties&page%5Bsize%5D=1000",
          .headers = {"Authorization: Klaviyo-API-Key " + config.api_key,
                      "revision: " + config.revision, "Accept: application/vnd.api+json"},
          .body = {},
          .method = HttpMethod::kGet};
}

std::optional<std::string> find_in(const HttpResponse& response, const TestEvent& event) {
  const Json body = Json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  const Json* data = member(body, "data");
  if (data == nullptr || !data->is_array()) return std::nullopt;
  const auto found = std::ranges::find_if(
      *data, [&event](const Json& resource) { return is_marked(resource, event.id); });
  if (found == data->end()) return std::nullopt;
  const Json* id = member(*found, "id");
  return id != nullptr && id->is_string() ? id->get<std::string>() : std::string();
}

}  // namespace postbox::cli
