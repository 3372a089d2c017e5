#include <klaviyo/encode.hpp>
#include <klaviyo/events/scratch.hpp>
#include <klaviyo/events/subscription.hpp>

namespace klaviyo {
namespace {

constexpr std::string_view kKind = "subscription started";

std::size_t size_hint(const Subscription& subscription) {
  constexpr std::size_t kNamesAndNumbers = 450;
  return kNamesAndNumbers + subscription.subscription_id.size() + subscription.plan_id.size() +
         subscription.plan_name.size() + subscription.status.size() + subscription.cart_id.size() +
         subscription.user_id.size() + json_size_hint(subscription.properties);
}

}  // namespace

SubscriptionEvent::SubscriptionEvent(Subscription subscription)
    : subscription_(std::move(subscription)) {
  normalize(subscription_.customer);
}

void SubscriptionEvent::encode(postbox::EventBatch& batch) const {
  auto& violations = batch.violations();
  validate_subscription(subscription_, batch.now(), violations);
  const std::string_view profile = profile_text(subscription_.customer, violations);
  if (!violations.empty()) return;

  const std::string unique_id = subscription_.subscription_id + "_started";
  EventHead head;
  head.queue = kSubscription.queue;
  head.profile_key = profile_key();
  head.profile = profile;
  head.kind = kKind;
  head.metric = SubscriptionStarted::kMetric;
  head.unique_id = unique_id;
  head.time = subscription_.started_at.value_or(batch.now());
  auto record = encode_event(head, SubscriptionStarted{&subscription_}, subscription_.properties,
                             size_hint(subscription_));
  if (check_size(record, violations)) batch.add(std::move(record));
}

}  // namespace klaviyo
