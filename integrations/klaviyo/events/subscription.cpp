#include <klaviyo/cart_timers.hpp>
#include <klaviyo/catalogue.hpp>
#include <klaviyo/encode.hpp>
#include <klaviyo/events/scratch.hpp>
#include <klaviyo/events/settled.hpp>
#include <klaviyo/events/subscription.hpp>
#include <klaviyo/schemas/ignored_of_event.hpp>
#include <klaviyo/schemas/payment_fields.hpp>
#include <klaviyo/schemas/subscription_fields.hpp>

namespace klaviyo {
namespace {

using Kind = SubscriptionKind;

std::size_t size_hint(const Subscription& subscription) {
  constexpr std::size_t kNamesAndNumbers = 550;
  return kNamesAndNumbers + subscription.subscription_id.size() + subscription.plan_id.size() +
         subscription.plan_name.size() + subscription.product_id.size() +
         subscription.status.size() + subscription.cart_id.size() + subscription.user_id.size() +
         json_size_hint(subscription.properties);
}

std::size_t size_hint(const PaymentAttempt& payment) {
  constexpr std::size_t kNamesAndNumbers = 300;
  return kNamesAndNumbers + payment.payment_id.size() + payment.subscription_id.size() +
         payment.billing_reason.size() + payment.failure_reason.size() + payment.user_id.size() +
         json_size_hint(payment.properties);
}

// A subscription that begins is what its cart was for.
std::optional<postbox::Timing> timing_of(Kind kind, const Subscription& subscription,
                                         const postbox::EventBatch& batch) {
  if (kind != Kind::kStarted && kind != Kind::kTrialStarted) return std::nullopt;
  return purchase_timing({.cart_id = subscription.cart_id,
                          .user_id = subscription.user_id,
                          .customer = subscription.customer,
                          .bought_at = occurred_at(kind, subscription)},
                         batch);
}

}  // namespace

SubscriptionEvent::SubscriptionEvent(SubscriptionKind kind, Subscription subscription,
                                     SubscriptionDetails details)
    : kind_(kind), subscription_(std::move(subscription)), details_(std::move(details)) {
  const postbox::Path root;
  normalize(subscription_.customer, {}, root.child("customer"), changes_);
}

void SubscriptionEvent::encode(postbox::EventBatch& batch) const {
  batch.set_name({batch.name_of(metric_of(kind_).name), metric_of(kind_).log_name,
                  subscription_.subscription_id});
  Settled::encode(*this, batch);
}

postbox::Key SubscriptionEvent::profile_key(const postbox::EventBatch& batch) const {
  return Settled::profile_key(*this, batch);
}

void SubscriptionEvent::encode_settled(postbox::EventBatch& batch) const {
  auto& violations = batch.violations();
  validate_subscription(kind_, subscription_, details_, batch.now(), violations);
  const std::string_view profile = profile_text(subscription_.customer, violations);
  if (!violations.empty()) return;

  EventHead head;
  head.queue = kSubscription.queue;
  head.profile_key = profile_key();
  head.profile = profile;
  head.log_name = metric_of(kind_).log_name;
  head.metric = batch.name_of(metric_of(kind_).name);
  head.time = occurred_at(kind_, subscription_).value_or(batch.now());
  const auto unique_id = subscription_unique_id(kind_, subscription_, details_, head.time);
  head.unique_id = unique_id;
  std::visit(
      [&]<class Details>(const Details& details) {
        const SubscriptionProperties<Details> properties{&subscription_, &details};
        warn_of_ignored(properties, subscription_.properties, subscription_.customer, batch);
        add_event(head, properties, subscription_.properties, size_hint(subscription_), batch);
      },
      details_);
  if (violations.empty()) {
    batch.records().front().timing = timing_of(kind_, subscription_, batch);
  }
}

void SubscriptionEvent::encode_disabled(postbox::EventBatch& batch) const {
  Settled::use(*this, batch, [&](const SubscriptionEvent& settled) {
    add_effects(timing_of(settled.kind_, settled.subscription_, batch), batch);
  });
}

PaymentEvent::PaymentEvent(PaymentKind kind, PaymentAttempt payment)
    : kind_(kind), payment_(std::move(payment)) {
  const postbox::Path root;
  normalize(payment_.customer, {}, root.child("customer"), changes_);
}

void PaymentEvent::encode(postbox::EventBatch& batch) const {
  batch.set_name(
      {batch.name_of(metric_of(kind_).name), metric_of(kind_).log_name, payment_.payment_id});
  Settled::encode(*this, batch);
}

postbox::Key PaymentEvent::profile_key(const postbox::EventBatch& batch) const {
  return Settled::profile_key(*this, batch);
}

void PaymentEvent::encode_settled(postbox::EventBatch& batch) const {
  auto& violations = batch.violations();
  validate_payment(payment_, batch.now(), violations);
  const std::string_view profile = profile_text(payment_.customer, violations);
  if (!violations.empty()) return;
  warn_of_ignored(payment_, payment_.properties, payment_.customer, batch);

  const std::string unique_id = payment_unique_id(kind_, payment_);
  EventHead head;
  head.queue = kSubscription.queue;
  head.profile_key = profile_key();
  head.profile = profile;
  head.log_name = metric_of(kind_).log_name;
  head.metric = batch.name_of(metric_of(kind_).name);
  head.unique_id = unique_id;
  head.time = payment_.occurred_at.value_or(batch.now());
  add_event(head, payment_, payment_.properties, size_hint(payment_), batch);
}

std::vector<EventType> subscription_event_types() {
  const auto type = []<class Details>(Kind kind, const Details&) {
    return EventType{metric_of(kind).name, std::string(metric_of(kind).log_name), &kSubscription,
                     false, postbox::describe<SubscriptionProperties<Details>>()};
  };
  const auto payment = [](PaymentKind kind) {
    return EventType{metric_of(kind).name, std::string(metric_of(kind).log_name), &kSubscription,
                     false, postbox::describe<PaymentAttempt>()};
  };
  return {type(Kind::kStarted, SubscriptionStart{}),
          type(Kind::kRenewed, Renewal{}),
          type(Kind::kUpgraded, PlanChange{}),
          type(Kind::kDowngraded, PlanChange{}),
          type(Kind::kChanged, PlanChange{}),
          type(Kind::kCancelled, Cancellation{}),
          type(Kind::kEnded, Ending{}),
          type(Kind::kReactivated, Reactivation{}),
          type(Kind::kPaused, Pause{}),
          type(Kind::kResumed, Pause{}),
          type(Kind::kTrialStarted, TrialStart{}),
          type(Kind::kTrialEnding, TrialEnding{}),
          payment(PaymentKind::kFailed),
          payment(PaymentKind::kActionRequired)};
}

SubscriptionEvent subscription_started(Subscription subscription, SubscriptionStart start) {
  return {Kind::kStarted, std::move(subscription), start};
}

SubscriptionEvent subscription_renewed(Subscription subscription, Renewal renewal) {
  return {Kind::kRenewed, std::move(subscription), renewal};
}

SubscriptionEvent subscription_upgraded(Subscription subscription, PlanChange change) {
  return {Kind::kUpgraded, std::move(subscription), std::move(change)};
}

SubscriptionEvent subscription_downgraded(Subscription subscription, PlanChange change) {
  return {Kind::kDowngraded, std::move(subscription), std::move(change)};
}

SubscriptionEvent subscription_changed(Subscription subscription, PlanChange change) {
  return {Kind::kChanged, std::move(subscription), std::move(change)};
}

SubscriptionEvent subscription_cancelled(Subscription subscription, Cancellation cancellation) {
  return {Kind::kCancelled, std::move(subscription), std::move(cancellation)};
}

SubscriptionEvent subscription_ended(Subscription subscription, Ending ending) {
  return {Kind::kEnded, std::move(subscription), std::move(ending)};
}

SubscriptionEvent subscription_reactivated(Subscription subscription, Reactivation reactivation) {
  return {Kind::kReactivated, std::move(subscription), reactivation};
}

SubscriptionEvent subscription_paused(Subscription subscription, Pause pause) {
  return {Kind::kPaused, std::move(subscription), std::move(pause)};
}

SubscriptionEvent subscription_resumed(Subscription subscription, Pause pause) {
  return {Kind::kResumed, std::move(subscription), std::move(pause)};
}

SubscriptionEvent subscription_trial_started(Subscription subscription, TrialStart trial) {
  return {Kind::kTrialStarted, std::move(subscription), trial};
}

SubscriptionEvent subscription_trial_ending(Subscription subscription) {
  return {Kind::kTrialEnding, std::move(subscription), TrialEnding{}};
}

PaymentEvent payment_failed(PaymentAttempt payment) {
  return {PaymentKind::kFailed, std::move(payment)};
}

PaymentEvent payment_action_required(PaymentAttempt payment) {
  return {PaymentKind::kActionRequired, std::move(payment)};
}

}  // namespace klaviyo
