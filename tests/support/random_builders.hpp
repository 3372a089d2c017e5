// Every builder with random contents.
//
// Place:     tests/klaviyo_random_events_test.cpp.
// Threads:   one.
// Lifetime:  plain functions.
// Failure:   none.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "random_events.hpp"

namespace random_events {

using klaviyo::MinorUnits;

template <class Event, class Source>
Offer offer_of(Event event, const Source& source, std::vector<Shown> shown, Dice& dice) {
  const auto shared = std::make_shared<const Event>(std::move(event));
  return {[shared](postbox::EventBatch& batch) { shared->encode(batch); }, std::move(shown),
          source.customer, source.properties, dice.take_broken()};
}

inline WallTime at(const Moment& moment) { return moment.value_or(now()); }

inline std::int64_t row_of(const klaviyo::OrderItem& item) {
  if (item.row_total) return item.row_total->count;
  return item.unit_price.count > 1'000'000 ? 0 : item.quantity * item.unit_price.count;
}

inline std::int64_t sum_of(const std::vector<klaviyo::OrderItem>& items) {
  std::int64_t sum = 0;
  for (const auto& item : items) sum += row_of(item);
  return sum;
}

// An order as all of its events have it.
inline klaviyo::Order random_order(Dice& dice) {
  klaviyo::Order order;
  order.customer = dice.customer();
  order.items = dice.items(false);
  order.order_id = dice.required_id(230, 256);  // leaves room for "_refunded_2000"
  order.cart_id = dice.text();
  order.currency = dice.currency();
  order.shipping = {1 + dice.price()};
  if (dice.slip(100)) order.shipping = {-1};
  order.tax = dice.amount();
  order.discount = {dice.text(), {dice.one_in(2) ? 0 : 1}};
  order.properties = dice.properties();
  return order;
}

inline klaviyo::Money total_of(const klaviyo::Order& order) {
  const std::int64_t sum =
      sum_of(order.items) + order.shipping.count + order.tax.count - order.discount.amount.count;
  return {order.total ? order.total->count : sum, order.currency};
}

inline Offer random_placed(Dice& dice) {
  klaviyo::Order order = random_order(dice);
  order.placed_at = dice.time();
  order.total = dice.maybe_amount();
  std::vector<Shown> shown = {{"Placed Order", at(order.placed_at), total_of(order)}};
  for (const auto& item : order.items) {
    const klaviyo::Money row{row_of(item), order.currency};
    shown.push_back({"Ordered Product", at(order.placed_at), row});
  }
  return offer_of(klaviyo::order_placed(order), order, shown, dice);
}

inline Offer random_order_event(Dice& dice, std::size_t kind) {
  klaviyo::Order order = random_order(dice);
  const bool is_refund = kind == 2 || kind == 3;
  if (!is_refund) order.total = dice.maybe_amount();  // what is given back is said
  const Moment time = dice.time();
  const MinorUnits back{is_refund && dice.slip(60) ? 0 : 1 + dice.price()};
  MinorUnits in_all{back.count + dice.price()};
  const klaviyo::Money returned{back.count, order.currency};
  switch (kind) {
    case 0:
      return offer_of(order_fulfilled(order, {.fulfilled_at = time}), order,
                      {{"Fulfilled Order", at(time), total_of(order)}}, dice);
    case 1:
      return offer_of(order_cancelled(order, {.reason = dice.text(), .cancelled_at = time}), order,
                      {{"Cancelled Order", at(time), total_of(order)}}, dice);
    case 2:
      return offer_of(order_refunded(order, {.amount = back, .refunded_at = time}), order,
                      {{"Refunded Order", at(time), returned}}, dice);
    case 4:
      return offer_of(shipment_out_for_delivery(order, {.happened_at = time}), order,
                      {{"Marked Out for Delivery", at(time), total_of(order)}}, dice);
    case 5:
      return offer_of(shipment_delivered(order, {.happened_at = time, .carrier = dice.text()}),
                      order, {{"Delivered Shipment", at(time), total_of(order)}}, dice);
    default:
      if (dice.slip(60)) in_all = {back.count - 1};
      return offer_of(order_partially_refunded(
                          order, {.amount = back, .total_refunded = in_all, .refunded_at = time}),
                      order, {{"Partially Refunded Order", at(time), returned}}, dice);
  }
}

inline klaviyo::Subscription random_data(Dice& dice, klaviyo::SubscriptionKind kind) {
  klaviyo::Subscription subscription;
  subscription.customer = dice.customer();
  subscription.subscription_id = dice.required_id(225, 226);
  subscription.plan_name = dice.text();
  subscription.price = {dice.price(), dice.currency()};
  subscription.occurred_at = dice.time();
  subscription.properties = dice.properties();
  // A renewal says nothing of the plan.
  if (kind == klaviyo::SubscriptionKind::kRenewed) return subscription;
  subscription.plan_id = dice.name();
  if (dice.slip(60)) subscription.price.minor = -1;
  subscription.quantity = dice.slip(100) ? 0 : 1 + static_cast<std::int64_t>(dice.below(9));
  const bool is_time = kind == klaviyo::SubscriptionKind::kStarted && !subscription.occurred_at;
  subscription.started_at = is_time ? dice.time() : dice.date();
  subscription.current_period_end = dice.date();
  subscription.trial_end = dice.date();
  return subscription;
}

// In the order of klaviyo::kSubscriptionMetrics.
inline Offer random_subscription(Dice& dice, std::size_t kind) {
  using klaviyo::SubscriptionKind;
  const auto which = static_cast<SubscriptionKind>(kind);
  const bool is_start = which == SubscriptionKind::kStarted;
  klaviyo::Subscription data = random_data(dice, which);
  if (which == SubscriptionKind::kTrialEnding && !data.trial_end && !dice.slip(30)) {
    data.trial_end = now();
  }
  const auto details = [&]() -> klaviyo::SubscriptionDetails {
    switch (which) {
      case SubscriptionKind::kStarted:
        return klaviyo::SubscriptionStart{.converted_from_trial = dice.one_in(2)};
      case SubscriptionKind::kRenewed:
        return klaviyo::Renewal{.amount = dice.maybe_amount(),
                                .total = dice.maybe_amount(),
                                .period_start = dice.date(),
                                .period_end = dice.date()};
      case SubscriptionKind::kUpgraded:
      case SubscriptionKind::kDowngraded:
      case SubscriptionKind::kChanged:
        return klaviyo::PlanChange{.previous_plan_id = dice.text(),
                                   .previous_price = dice.maybe_amount()};
      case SubscriptionKind::kCancelled:
        return klaviyo::Cancellation{.cancelled_at = dice.date(), .effective_at = dice.date()};
      case SubscriptionKind::kEnded:
        return klaviyo::Ending{.involuntary = dice.one_in(2), .reason = dice.text()};
      case SubscriptionKind::kReactivated:
        return klaviyo::Reactivation{.cancelled_at = dice.date()};
      case SubscriptionKind::kPaused:
      case SubscriptionKind::kResumed:
        return klaviyo::Pause{.kind = dice.text(), .resumes_at = dice.date()};
      case SubscriptionKind::kTrialStarted:
        return klaviyo::TrialStart{.started_at = dice.date()};
      case SubscriptionKind::kTrialEnding:
        break;
    }
    return klaviyo::TrialEnding{};
  };
  const Moment time = data.occurred_at || !is_start ? data.occurred_at : data.started_at;
  return offer_of(klaviyo::SubscriptionEvent(which, data, details()), data,
                  {{std::string(metric_of(which).name), at(time)}}, dice);
}

inline Offer random_payment(Dice& dice, klaviyo::PaymentKind kind) {
  klaviyo::PaymentAttempt payment;
  payment.customer = dice.customer();
  payment.payment_id = dice.required_id(225, 226);
  payment.amount = {dice.amount().count, dice.currency()};
  if (dice.one_in(2)) payment.attempt = 1 + static_cast<std::int64_t>(dice.below(5));
  if (dice.slip(60)) payment.attempt = 0;
  payment.next_attempt = dice.date();
  payment.occurred_at = dice.time();
  payment.failure_reason = dice.text();
  payment.properties = dice.properties();
  return offer_of(klaviyo::PaymentEvent(kind, payment), payment,
                  {{std::string(metric_of(kind).name), at(payment.occurred_at)}}, dice);
}

inline klaviyo::CartItem random_added(Dice& dice) {
  klaviyo::CartItem item;
  item.product_id = dice.name();
  item.name = dice.name();
  item.quantity = dice.slip(60) ? 0 : 1;
  item.unit_price = dice.amount();
  return item;
}

inline Offer random_cart(Dice& dice, std::size_t kind) {
  klaviyo::Cart cart;
  cart.customer = dice.customer();
  cart.cart_id = dice.required_id(200, 201);
  if (dice.one_in(2)) cart.user_id = dice.id(255, 256);
  cart.items = dice.items(kind == 0);
  cart.currency = dice.currency();
  cart.total = dice.maybe_amount();
  cart.updated_at = dice.time();
  cart.checkout_url = dice.text();
  cart.properties = dice.properties();
  if (dice.slip(60)) cart.unique_id.assign(256, 'u');
  const klaviyo::Money total{cart.total ? cart.total->count : sum_of(cart.items), cart.currency};
  Shown shown{std::string(klaviyo::kCartMetrics[kind].name), at(cart.updated_at), total};
  switch (kind) {
    case 0:
      return offer_of(cart_updated(cart), cart, {shown}, dice);
    case 1:
      return offer_of(added_to_cart(cart, random_added(dice)), cart, {shown}, dice);
    case 2:
      return offer_of(checkout_started(cart), cart, {shown}, dice);
    default: {
      const Moment time = dice.time();
      shown.time = at(time);
      shown.value.reset();
      return offer_of(checkout_abandoned(cart, {.recovery_url = dice.text(), .abandoned_at = time}),
                      cart, {shown}, dice);
    }
  }
}

inline Offer random_custom(Dice& dice) {
  klaviyo::CustomEvent event;
  event.customer = dice.customer();
  event.name = "Custom " + std::to_string(dice.below(3));
  if (dice.one_in(10)) event.name.resize(127, 'n');
  if (dice.slip(60)) event.name.resize(128, 'n');
  if (dice.one_in(2)) event.value = klaviyo::Money{dice.price(), dice.currency()};
  event.occurred_at = dice.time();
  if (dice.one_in(2)) event.unique_id = dice.id(255, 256);
  if (dice.slip(60)) event.unique_id.assign(256, 'u');
  event.properties = dice.properties();
  // Without a key of its own, what it says is its key: no two may say the same.
  event.properties.push_back({"serial", dice.serial()});
  return offer_of(klaviyo::custom_event(event), event,
                  {{event.name, at(event.occurred_at), event.value}}, dice);
}

inline Offer random_view(Dice& dice) {
  klaviyo::ProductView view;
  view.customer = dice.customer();
  view.product_id = dice.name();
  view.name = dice.name();
  view.url = dice.text();
  view.price = klaviyo::Money{dice.price(), dice.currency()};
  view.occurred_at = dice.time();
  view.properties = dice.properties();
  view.properties.push_back({"serial", dice.serial()});
  return offer_of(klaviyo::product_viewed(view), view, {{"Viewed Product", at(view.occurred_at)}},
                  dice);
}

inline Offer random_profile(Dice& dice) {
  const klaviyo::Profile profile = dice.customer();
  const auto event = std::make_shared<const klaviyo::ProfileUpdate>(klaviyo::identify(profile));
  return {[event](postbox::EventBatch& batch) { event->encode(batch); },
          {},
          profile,
          {},
          dice.take_broken()};
}

inline std::vector<std::function<Offer(Dice&)>> every_builder() {
  std::vector<std::function<Offer(Dice&)>> all = {random_placed, random_custom, random_view,
                                                  random_profile};
  for (std::size_t kind = 0; kind < klaviyo::kOrderMetrics.size(); ++kind) {
    all.emplace_back([kind](Dice& dice) { return random_order_event(dice, kind); });
  }
  for (std::size_t kind = 0; kind < klaviyo::kSubscriptionMetrics.size(); ++kind) {
    all.emplace_back([kind](Dice& dice) { return random_subscription(dice, kind); });
  }
  for (std::size_t kind = 0; kind < klaviyo::kPaymentMetrics.size(); ++kind) {
    const auto which = static_cast<klaviyo::PaymentKind>(kind);
    all.emplace_back([which](Dice& dice) { return random_payment(dice, which); });
  }
  for (std::size_t kind = 0; kind < klaviyo::kCartMetrics.size(); ++kind) {
    all.emplace_back([kind](Dice& dice) { return random_cart(dice, kind); });
  }
  return all;
}

}  // namespace random_events
