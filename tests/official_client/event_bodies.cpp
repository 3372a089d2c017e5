// Prints what Destination sends for the shop of shop_data.cjs, one JSON object per line:
// {"type": …, "single": <body>, "bulk": <body of that event and a second profile's>}, and last
// {"type": "", "profile": <body>}.
#include <iostream>

#include "klaviyo_test_data.hpp"

inline constexpr postbox::Family kLoyalty = klaviyo::own_family<8, "loyalty">;

struct PointsEarned : klaviyo::EventBasics {
  static constexpr std::string_view kMetric = "Points Earned";
  static constexpr const postbox::Family& kFamily = kLoyalty;
  std::int64_t points = 0;
  std::string reason;
};

template <>
struct postbox::Schema<PointsEarned> {
  static constexpr auto fields =
      std::make_tuple(field("Points", "points", &PointsEarned::points, {.minimum = 1}, "How many."),
                      field("Reason", "reason", &PointsEarned::reason, {}, "What for."));
};

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

  auto cart = klaviyo_test::cart();
  cart.version = 3;
  auto before = cart;
  before.unique_id = "c-7-added-P1";
  add(cart_updated(cart), added_to_cart(before, klaviyo_test::item("P1", 1, 1'250)),
      checkout_started(cart), checkout_abandoned(cart, {.recovery_url = "https://a.example/r"}));

  PointsEarned points;
  points.customer = klaviyo_test::customer();
  points.unique_id = "points-1";
  points.points = 40;
  points.reason = "review";
  using Object = klaviyo::PropertyObject;
  add(klaviyo::event(points),
      klaviyo::custom_event("Quiz Finished", klaviyo_test::customer(),
                            {{"Score", std::int64_t{7}},
                             {"Answers", std::vector<std::string>{"a", "b"}},
                             {"Took", Object{{"Seconds", std::int64_t{90}}}}},
                            klaviyo::Money{500, "EUR"}, "quiz-1"));
  return all;
}

std::string profile_body() {
  auto profile = klaviyo_test::customer();
  profile.last_name = "Berg";
  profile.properties = {{"Loyalty Tier", std::string("Gold")}, {"Points", std::int64_t{40}}};
  const auto records = klaviyo_test::records_of(klaviyo::identify(profile));
  const postbox::EventRecord* const record = &records.front();
  const auto destination = klaviyo_test::destination();
  return destination.request(destination.route(record->queue).single, {&record, 1}).body;
}

}  // namespace

int main() {
  const auto destination = klaviyo_test::destination();
  auto other = klaviyo_test::cart();
  other.version = 3;
  other.customer.email = "ben@goldenacre.example";
  const auto stranger = klaviyo_test::records_of(cart_updated(other));
  for (const postbox::EventRecord& event : every_event()) {
    const std::vector<const postbox::EventRecord*> both = {&event, &stranger.front()};
    std::cout << R"({"type":")" << destination.type_of(event) << R"(","single":)"
              << klaviyo_test::request_for({event}).body << R"(,"bulk":)"
              << destination.request(1, both).body << "}\n";
  }
  std::cout << R"({"type":"","profile":)" << profile_body() << "}\n";
}
