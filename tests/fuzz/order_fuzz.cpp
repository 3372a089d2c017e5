// Any body of an order is an order, or violations that name their place; and whatever passes the
// checks is written as JSON that another parser takes.
#include <klaviyo/destination.hpp>
#include <klaviyo/klaviyo.hpp>
#include <nlohmann/json.hpp>

#include <klaviyo_json/from_json.hpp>
#include "fuzz_input.hpp"

using namespace postbox::fuzz;

namespace {

template <class Event>
void encode(const Event& event) {
  static const klaviyo::Destination destination({"pk_fuzz", "https://a.klaviyo.com", "2026-10-15"});
  postbox::EventBatch batch(postbox::WallTime(std::chrono::seconds(1'800'000'000)));
  (void)event.profile_key();
  event.encode(batch);
  if (!batch.violations().empty()) return;
  std::vector<const postbox::EventRecord*> records;
  for (const postbox::EventRecord& record : batch.records()) records.push_back(&record);
  for (const auto& record : records) {
    const std::size_t lane = destination.route(record->queue).single;
    const auto body = destination.request(lane, std::span(&record, 1)).body;
    require(nlohmann::json::accept(body));
    require(!destination.type_of(*record).empty());
  }
  const std::size_t lane = destination.route(records.front()->queue).bulk;
  require(nlohmann::json::accept(destination.request(lane, records).body));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = text_of(data, size);
  const auto order = klaviyo::parse_json<klaviyo::Order>(text);
  if (order.is_object) encode(klaviyo::order_placed(*order));
  const auto cart = klaviyo::parse_json<klaviyo::Cart>(text);
  if (cart.is_object) encode(klaviyo::cart_updated(*cart));
  const auto subscription = klaviyo::parse_json<klaviyo::Subscription>(text);
  if (subscription.is_object) encode(klaviyo::subscription_started(*subscription));
  const auto profile = klaviyo::parse_json<klaviyo::Profile>(text);
  if (profile.is_object) encode(klaviyo::identify(*profile));
  const auto view = klaviyo::parse_json<klaviyo::ProductView>(text);
  if (view.is_object) encode(klaviyo::product_viewed(*view));
  const auto custom = klaviyo::parse_json<klaviyo::CustomEvent>(text);
  if (custom.is_object) encode(klaviyo::custom_event(*custom));
  const auto consent = klaviyo::parse_json<klaviyo::ConsentWord>(text);
  if (consent.is_object) {
    const auto& [action, customer, word] = consent.value;
    encode(klaviyo::ConsentUpdate(action, customer, word));
  }
  return 0;
}
