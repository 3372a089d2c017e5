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
  const auto order = checkout::read_order(text);
  if (order.readable) encode(klaviyo::order_placed(order.value));
  const auto cart = checkout::read_cart(text, "u-1");
  if (cart.readable) encode(klaviyo::cart_updated(cart.value));
  const auto subscription = checkout::read_subscription(text);
  if (subscription.readable) encode(klaviyo::subscription_started(subscription.value));
  const auto consent = checkout::read_consent(text);
  if (consent.readable) {
    const auto& [action, customer, word] = consent.value;
    encode(klaviyo::ConsentUpdate(action, customer, word));
  }
  return 0;
}
