// Prints what Destination sends for the shop of shop_data.cjs, one JSON object per line:
// {"type": …, "single": <body>, "bulk": <body of that event and a second profile's>}, and behind
// them, for what is no event, {"type": "", <"profile", "subscribe" or "unsubscribe">: <body>}.
#include <iostream>

#include "support/klaviyo_test_data.hpp"

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

// All that Klaviyo has fields for.
klaviyo::Profile described() {
  auto profile = klaviyo_test::customer();
  profile.organization = "Acre";
  profile.title = "Buyer";
  profile.image = "https://goldenacre.example/anna.jpg";
  profile.locale = "de_DE";
  profile.location = {.address1 = "Gasse 1",
                      .address2 = "Hof",
                      .city = "Ulm",
                      .region = "BW",
                      .zip = "89073",
                      .country = "Germany",
                      .timezone = "Europe/Berlin"};
  return profile;
}

klaviyo::ProductView product_view() {
  klaviyo::ProductView view;
  view.customer = {.anonymous_id = "ZWY1Y2EzZTg", .kx = "x1.SiMu1A"};
  view.unique_id = "view-1";
  view.product_id = "P1";
  view.name = "Thé P1";
  view.sku = "S-P1";
  view.categories = {"Tea"};
  view.image_url = "https://shop.goldenacre.example/p1.jpg";
  view.url = "https://shop.goldenacre.example/p/1";
  view.brand = "Acre";
  view.price = klaviyo::Money{1'250, "EUR"};
  view.compare_at_price = klaviyo::Money{1'500, "EUR"};
  return view;
}

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

  const klaviyo::Fulfillment part{.fulfillment_id = "f-1",
                                  .items = {klaviyo_test::item("P2", 1, 300)},
                                  .carrier = "DHL",
                                  .tracking_number = "JD0002",
                                  .tracking_url = "https://dhl.example/JD0002"};
  const klaviyo::Delivery way{
      .fulfillment_id = "f-1", .value = klaviyo::MinorUnits{250}, .carrier = "DHL"};
  add(order_fulfilled(order, part), shipment_out_for_delivery(order, way),
      shipment_delivered(order, {.fulfillment_id = "f-1", .items = part.items}));

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
  add(klaviyo::product_viewed(product_view()),
      klaviyo::custom_event("Quiz Shared", described(),
                            {{"$extra", Object{{"HTML", std::string("<b>7</b>")}}}}, {}, "quiz-2"));
  return all;
}

klaviyo::Profile profile_with_properties() {
  auto profile = klaviyo_test::customer();
  profile.last_name = "Berg";
  profile.properties = {{"Loyalty Tier", std::string("Gold")}, {"Points", std::int64_t{40}}};
  return profile;
}

// One request for all of `records`, which may share one.
void print(std::string_view form, const std::vector<postbox::EventRecord>& records) {
  std::vector<const postbox::EventRecord*> pointers;
  for (const auto& record : records) pointers.push_back(&record);
  const auto destination = klaviyo_test::destination();
  const auto lane = destination.route(records.front().queue).single;
  std::cout << R"({"type":"",")" << form << R"(":)" << destination.request(lane, pointers).body
            << "}\n";
}

void print_profiles() {
  print("profile", klaviyo_test::records_of(klaviyo::identify(profile_with_properties())));
  auto guest = described();
  guest.email = guest.phone = guest.external_id = "";
  guest.kx = "x1.SiMu1A";
  guest.unset = {"Points", "Quiz"};
  print("profile", klaviyo_test::records_of(klaviyo::identify(guest)));
}

void print_consent() {
  using klaviyo::Channel;
  const std::vector<Channel> all = {Channel::kEmail, Channel::kSms, Channel::kWhatsApp};
  const auto anna = klaviyo_test::customer();
  const klaviyo::Profile phone{.phone = "+447911123456"};
  const klaviyo::Consent checkout{.list = "Y6nRLr", .channels = all, .custom_source = "Checkout"};
  auto records = klaviyo_test::records_of(subscribe(anna, checkout));
  auto by_phone = checkout;
  by_phone.channels = {Channel::kSms};
  const auto second = klaviyo_test::records_of(subscribe(phone, by_phone));
  records.insert(records.end(), second.begin(), second.end());
  print("subscribe", records);
  print("subscribe",
        klaviyo_test::records_of(subscribe(anna, {.consented_at = now() - std::chrono::days(2)})));
  print("unsubscribe",
        klaviyo_test::records_of(unsubscribe(anna, {.list = "Y6nRLr", .channels = all})));
  print("unsubscribe", klaviyo_test::records_of(unsubscribe(anna)));
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
  print_profiles();
  print_consent();
}
