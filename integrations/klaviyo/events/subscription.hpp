// subscription_started() turns a Subscription into what Tracker::track() takes.
//
// Place:     the subscription family; between a route or webhook and the tracker.
// Threads:   a plain value; const members may be called from several threads at once.
// Lifetime:  owns the subscription.
// Failure:   none here: track() rejects with every violation.
#pragma once

#include <klaviyo/families.hpp>
#include <klaviyo/schemas/subscription.hpp>

namespace klaviyo {

class SubscriptionEvent {
 public:
  explicit SubscriptionEvent(Subscription subscription);

  [[nodiscard]] const postbox::Family& family() const noexcept { return kSubscription; }
  [[nodiscard]] postbox::Key profile_key() const {
    return klaviyo::profile_key(subscription_.customer);
  }
  [[nodiscard]] std::size_t size() const noexcept { return 1; }
  void encode(postbox::EventBatch& batch) const;

  [[nodiscard]] const Subscription& subscription() const noexcept { return subscription_; }

 private:
  Subscription subscription_;
};

[[nodiscard]] inline SubscriptionEvent subscription_started(Subscription subscription) {
  return SubscriptionEvent(std::move(subscription));
}

}  // namespace klaviyo
