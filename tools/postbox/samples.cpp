#include "samples.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <klaviyo/encode.hpp>
#include <klaviyo/klaviyo.hpp>

namespace postbox::cli {
namespace {

using klaviyo::MinorUnits;
using namespace std::chrono_literals;

// 2026-11-22T10:00:00Z
WallTime now() { return WallTime(std::chrono::sys_days(2026y / 11 / 22) + 10h); }

klaviyo::Profile customer() {
  klaviyo::Profile profile;
  profile.email = "ines@goldenacre.example";
  profile.phone = "+491701234567";
  profile.external_id = "user-42";
  profile.first_name = "Ines";
  profile.last_name = "Berg";
  return profile;
}

klaviyo::OrderItem line(const std::string& id, std::string name, std::int64_t quantity,
                        std::int64_t price) {
  klaviyo::OrderItem item;
  item.product_id = id;
  item.sku = "TEA-" + id;
  item.name = std::move(name);
  item.quantity = quantity;
  item.unit_price = {price};
  item.url = "https://shop.goldenacre.example/p/" + id;
  item.image_url = "https://shop.goldenacre.example/i/" + id + ".jpg";
  item.categories = {"Tea"};
  item.brand = "Golden Acre";
  return item;
}

klaviyo::Order order() {
  klaviyo::Order order;
  order.order_id = "1001";
  order.cart_id = "cart-7";
  order.placed_at = now();
  order.currency = "EUR";
  order.customer = customer();
  order.items = {line("assam", "Assam", 2, 1'250), line("sencha", "Sencha", 1, 900)};
  order.discount = {"AUTUMN", {300}};
  order.shipping = {490};
  klaviyo::Address address;
  address.first_name = "Ines";
  address.last_name = "Berg";
  address.address1 = "Hauptstraße 1";
  address.city = "Ulm";
  address.country_code = "DE";
  address.zip = "89073";
  order.billing_address = address;
  order.shipping_address = std::move(address);
  return order;
}

klaviyo::Subscription subscription() {
  klaviyo::Subscription subscription;
  subscription.subscription_id = "sub-1";
  subscription.plan_id = "gold";
  subscription.plan_name = "Gold";
  subscription.price = {1'999, "EUR"};
  subscription.status = "active";
  subscription.started_at = now() - std::chrono::days(30);
  subscription.current_period_end = now() + std::chrono::days(30);
  subscription.user_id = "user-42";
  subscription.occurred_at = now();
  subscription.customer = customer();
  return subscription;
}

klaviyo::Subscription on_trial() {
  auto trial = subscription();
  trial.status = "trialing";
  trial.started_at = now();
  trial.trial_end = trial.current_period_end = now() + std::chrono::days(14);
  return trial;
}

klaviyo::PaymentAttempt payment() {
  klaviyo::PaymentAttempt payment;
  payment.payment_id = "invoice-9";
  payment.subscription_id = "sub-1";
  payment.amount = {1'999, "EUR"};
  payment.attempt = 1;
  payment.next_attempt = now() + std::chrono::days(3);
  payment.billing_reason = "subscription_cycle";
  payment.failure_reason = "card_declined";
  payment.occurred_at = now();
  payment.user_id = "user-42";
  payment.customer = customer();
  return payment;
}

klaviyo::Cart cart() {
  klaviyo::Cart cart;
  cart.cart_id = "cart-7";
  cart.user_id = "user-42";
  cart.currency = "EUR";
  cart.customer = customer();
  cart.items = {line("assam", "Assam", 2, 1'250)};
  cart.checkout_url = "https://shop.goldenacre.example/checkout";
  cart.updated_at = now();
  cart.version = 3;
  return cart;
}

class Samples {
 public:
  // One for each metric of the event's.
  template <class Event>
  void add(std::string_view call, const Event& event) {
    EventBatch batch(now());
    event.encode(batch);
    for (EventRecord& record : batch.records()) {
      std::string metric(klaviyo::metric_of(record.payload));
      if (std::ranges::find(all_, metric, &Sample::metric) != all_.end()) continue;
      all_.push_back({std::move(metric), call, std::move(record)});
    }
  }

  [[nodiscard]] std::vector<Sample> take() && { return std::move(all_); }

 private:
  std::vector<Sample> all_;
};

void add_purchases(Samples& all) {
  using klaviyo::Refund;
  const std::string kNumber = "JD000200";
  const std::string kUrl = "https://carrier.goldenacre.example/";
  const Refund rest{.amount = MinorUnits{3'590}, .reason = "returned", .refunded_at = now()};
  const Refund part{.amount = MinorUnits{900},
                    .total_refunded = MinorUnits{900},
                    .reason = "broken",
                    .refunded_at = now()};
  all.add("klaviyo::order_placed(order)", klaviyo::order_placed(order()));
  all.add("klaviyo::order_fulfilled(order, {.fulfillment_id = …})",
          klaviyo::order_fulfilled(order(), {.fulfillment_id = "dhl-1",
                                             .fulfilled_at = now(),
                                             .carrier = "DHL",
                                             .tracking_number = kNumber,
                                             .tracking_url = kUrl + kNumber}));
  const klaviyo::Delivery delivery{.fulfillment_id = "dhl-1",
                                   .happened_at = now(),
                                   .carrier = "DHL",
                                   .tracking_number = kNumber,
                                   .tracking_url = kUrl + kNumber};
  all.add("klaviyo::shipment_out_for_delivery(order, {.fulfillment_id = …})",
          klaviyo::shipment_out_for_delivery(order(), delivery));
  all.add("klaviyo::shipment_delivered(order, {.fulfillment_id = …})",
          klaviyo::shipment_delivered(order(), delivery));
  all.add("klaviyo::order_cancelled(order, {.reason = …})",
          klaviyo::order_cancelled(order(), {.reason = "late", .cancelled_at = now()}));
  all.add("klaviyo::order_refunded(order, {.reason = …})", klaviyo::order_refunded(order(), rest));
  all.add("klaviyo::order_partially_refunded(order, {.amount = …, .total_refunded = …})",
          klaviyo::order_partially_refunded(order(), part));
}

void add_subscriptions(Samples& all) {
  const auto s = subscription();
  const klaviyo::PlanChange change{
      .previous_plan_id = "silver", .previous_price = MinorUnits{999}, .previous_quantity = 1};
  all.add("klaviyo::subscription_started(subscription)", klaviyo::subscription_started(s));
  all.add("klaviyo::subscription_renewed(subscription, {.period_start = …, .period_end = …})",
          klaviyo::subscription_renewed(
              s, {.period_start = now(), .period_end = now() + std::chrono::days(30)}));
  all.add("klaviyo::subscription_upgraded(subscription, {.previous_plan_id = …})",
          klaviyo::subscription_upgraded(s, change));
  all.add("klaviyo::subscription_downgraded(subscription, {.previous_plan_id = …})",
          klaviyo::subscription_downgraded(s, change));
  all.add("klaviyo::subscription_changed(subscription, {.previous_plan_id = …})",
          klaviyo::subscription_changed(s, change));
  all.add("klaviyo::subscription_cancelled(subscription, {.cancelled_at = …})",
          klaviyo::subscription_cancelled(s, {.cancelled_at = now(),
                                              .effective_at = s.current_period_end,
                                              .reason = "cancellation_requested",
                                              .feedback = "too_expensive"}));
  all.add("klaviyo::subscription_ended(subscription, {.involuntary = …})",
          klaviyo::subscription_ended(s, {.involuntary = true, .reason = "payment_failed"}));
  all.add("klaviyo::subscription_reactivated(subscription, {.cancelled_at = …})",
          klaviyo::subscription_reactivated(s, {.cancelled_at = now() - std::chrono::days(2)}));
  all.add("klaviyo::subscription_paused(subscription, {.kind = …, .resumes_at = …})",
          klaviyo::subscription_paused(
              s, {.kind = "pause_collection", .resumes_at = now() + std::chrono::days(30)}));
  all.add("klaviyo::subscription_resumed(subscription, {.kind = …})",
          klaviyo::subscription_resumed(s, {.kind = "pause_collection"}));
  all.add("klaviyo::subscription_trial_started(subscription, {.started_at = …})",
          klaviyo::subscription_trial_started(on_trial(), {.started_at = now()}));
  all.add("klaviyo::subscription_trial_ending(subscription)",
          klaviyo::subscription_trial_ending(on_trial()));
  all.add("klaviyo::payment_failed(payment)", klaviyo::payment_failed(payment()));
  all.add("klaviyo::payment_action_required(payment)", klaviyo::payment_action_required(payment()));
}

void add_carts(Samples& all) {
  all.add("klaviyo::cart_updated(cart)", klaviyo::cart_updated(cart()));
  all.add("klaviyo::added_to_cart(cart, item)",
          klaviyo::added_to_cart(cart(), line("assam", "Assam", 1, 1'250)));
  all.add("klaviyo::checkout_started(cart)", klaviyo::checkout_started(cart()));
  all.add(
      "klaviyo::checkout_abandoned(cart, {.recovery_url = …}), and by itself when a cart stays "
      "quiet",
      klaviyo::checkout_abandoned(
          cart(), {.recovery_url = "https://shop.goldenacre.example/cart/recover?token=…",
                   .abandoned_at = now() + 1h}));
}

void add_products(Samples& all) {
  klaviyo::ProductView view;
  view.customer = customer();
  view.occurred_at = now();
  view.product_id = "assam";
  view.name = "Assam";
  view.sku = "TEA-assam";
  view.categories = {"Tea"};
  view.url = "https://shop.goldenacre.example/p/assam";
  view.image_url = "https://shop.goldenacre.example/i/assam.jpg";
  view.brand = "Golden Acre";
  view.price = klaviyo::Money{1'250, "EUR"};
  view.compare_at_price = klaviyo::Money{1'500, "EUR"};
  all.add("klaviyo::product_viewed(view)", klaviyo::product_viewed(view));
}

}  // namespace

std::optional<Sample> sample_of(std::string_view metric) {
  static const std::vector<Sample> all = [] {
    Samples samples;
    add_purchases(samples);
    add_subscriptions(samples);
    add_carts(samples);
    add_products(samples);
    return std::move(samples).take();
  }();
  const auto found = std::ranges::find(all, metric, &Sample::metric);
  return found == all.end() ? std::nullopt : std::optional(*found);
}

}  // namespace postbox::cli
