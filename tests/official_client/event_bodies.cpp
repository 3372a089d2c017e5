// Prints what Destination sends for an event of every type, one JSON object per line:
// {"type": …, "single": <body>, "bulk": <body of that event and a second profile's>}.
// Exit code 1, with the reason, when a type is missing.
#include <iostream>
#include <klaviyo/catalogue.hpp>
#include <set>

#include "klaviyo_test_data.hpp"

namespace {

using klaviyo_test::now;

std::vector<postbox::EventRecord> every_event() {
  std::vector<postbox::EventRecord> all;
  const auto add = [&](const auto&... events) {
    for (const auto& records : {klaviyo_test::records_of(events)...}) {
      all.insert(all.end(), records.begin(), records.end());
    }
  };
  const klaviyo::MinorUnits some{1'300};
  auto order = klaviyo_test::order();
  order.billing_address = klaviyo::Address{.last_name = "Müller", .city = "Ulm"};
  order.properties = {{"Gift", false}, {"Note", std::string("a \"b\"")}};
  const klaviyo::Refund refund{.amount = some, .total_refunded = some, .reason = "broken"};
  add(order_placed(order), klaviyo::backfill(order_placed(order)));
  add(order_fulfilled(order), order_cancelled(order, {.reason = "late"}),
      order_refunded(order, refund), order_partially_refunded(order, refund));

  auto subscription = klaviyo_test::subscription();
  subscription.trial_end = now() + std::chrono::days(14);
  const klaviyo::PlanChange change{.previous_plan_id = "silver", .previous_price = some};
  add(subscription_started(subscription),
      subscription_renewed(subscription, {.total = some, .period_start = now()}),
      subscription_upgraded(subscription, change), subscription_downgraded(subscription, change),
      subscription_changed(subscription, change),
      subscription_cancelled(subscription, {.cancelled_at = now(), .reason = "asked"}),
      subscription_ended(subscription, {.involuntary = true}),
      subscription_reactivated(subscription, {.cancelled_at = now()}),
      subscription_paused(subscription, {.kind = "void"}), subscription_resumed(subscription),
      subscription_trial_started(subscription, {.started_at = now()}),
      subscription_trial_ending(subscription));
  add(payment_failed(klaviyo_test::payment()), payment_action_required(klaviyo_test::payment()));

  const auto cart = klaviyo_test::cart();
  add(cart_updated(cart), added_to_cart(cart, klaviyo_test::item("P1", 1, 1'250)),
      checkout_started(cart), checkout_abandoned(cart, {.recovery_url = "https://a.example/r"}));
  return all;
}

std::size_t metrics() { return klaviyo::every_event_type().size(); }

}  // namespace

int main() {
  const auto destination = klaviyo_test::destination();
  auto other = klaviyo_test::cart();
  other.customer.email = "ben@goldenacre.example";
  const auto stranger = klaviyo_test::records_of(cart_updated(other));
  std::set<std::string> types;
  for (const postbox::EventRecord& event : every_event()) {
    types.insert(destination.type_of(event));
    const std::vector<const postbox::EventRecord*> both = {&event, &stranger.front()};
    std::cout << R"({"type":")" << destination.type_of(event) << R"(","single":)"
              << klaviyo_test::request_for({event}).body << R"(,"bulk":)"
              << destination.request(1, both).body << "}\n";
  }
  if (types.size() == metrics()) return 0;
  std::cerr << "events of " << types.size() << " types instead of " << metrics() << '\n';
  return 1;
}
