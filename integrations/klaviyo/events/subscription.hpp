// subscription_started() and its like turn a Subscription and what happened to it into what
// Tracker::track() takes; payment_failed() does it with a PaymentAttempt.
//
// Place:     the subscription family; between a route or webhook and the tracker.
// Threads:   plain values; const members may be called from several threads at once.
// Lifetime:  own what they were made from.
// Failure:   none here: track() rejects with every violation.
#pragma once

#include <klaviyo/families.hpp>
#include <klaviyo/schemas/payment.hpp>
#include <klaviyo/schemas/subscription.hpp>
#include <vector>

namespace klaviyo {

struct Settled;

class SubscriptionEvent {
 public:
  // `details` are those of `kind`: the functions below know which.
  SubscriptionEvent(SubscriptionKind kind, Subscription subscription, SubscriptionDetails details);

  [[nodiscard]] const postbox::Family& family() const noexcept { return kSubscription; }
  [[nodiscard]] postbox::Key profile_key() const {
    return klaviyo::profile_key(subscription_.customer);
  }
  // The same as the batch's tracker knows it: by its default country.
  [[nodiscard]] postbox::Key profile_key(const postbox::EventBatch& batch) const;
  [[nodiscard]] std::size_t size() const noexcept { return 1; }
  void encode(postbox::EventBatch& batch) const;
  void encode_disabled(postbox::EventBatch& batch) const;

  [[nodiscard]] SubscriptionKind kind() const noexcept { return kind_; }
  [[nodiscard]] const Subscription& subscription() const noexcept { return subscription_; }
  [[nodiscard]] const SubscriptionDetails& details() const noexcept { return details_; }

 private:
  friend struct Settled;
  static constexpr bool kIsProfile = false;

  void encode_settled(postbox::EventBatch& batch) const;
  [[nodiscard]] const Profile& customer() const noexcept { return subscription_.customer; }
  [[nodiscard]] Profile& customer() noexcept { return subscription_.customer; }

  SubscriptionKind kind_;
  Subscription subscription_;
  SubscriptionDetails details_;
  std::vector<postbox::Violation> changes_;  // of the identifiers, by normalize()
};

class PaymentEvent {
 public:
  PaymentEvent(PaymentKind kind, PaymentAttempt payment);

  [[nodiscard]] const postbox::Family& family() const noexcept { return kSubscription; }
  [[nodiscard]] postbox::Key profile_key() const { return klaviyo::profile_key(payment_.customer); }
  // The same as the batch's tracker knows it: by its default country.
  [[nodiscard]] postbox::Key profile_key(const postbox::EventBatch& batch) const;
  [[nodiscard]] std::size_t size() const noexcept { return 1; }
  void encode(postbox::EventBatch& batch) const;

  [[nodiscard]] PaymentKind kind() const noexcept { return kind_; }
  [[nodiscard]] const PaymentAttempt& payment() const noexcept { return payment_; }

 private:
  friend struct Settled;
  static constexpr bool kIsProfile = false;

  void encode_settled(postbox::EventBatch& batch) const;
  [[nodiscard]] const Profile& customer() const noexcept { return payment_.customer; }
  [[nodiscard]] Profile& customer() noexcept { return payment_.customer; }

  PaymentKind kind_;
  PaymentAttempt payment_;
  std::vector<postbox::Violation> changes_;  // of the identifiers, by normalize()
};

[[nodiscard]] SubscriptionEvent subscription_started(Subscription subscription,
                                                     SubscriptionStart start = {});
[[nodiscard]] SubscriptionEvent subscription_renewed(Subscription subscription,
                                                     Renewal renewal = {});
[[nodiscard]] SubscriptionEvent subscription_upgraded(Subscription subscription,
                                                      PlanChange change = {});
[[nodiscard]] SubscriptionEvent subscription_downgraded(Subscription subscription,
                                                        PlanChange change = {});
[[nodiscard]] SubscriptionEvent subscription_changed(Subscription subscription,
                                                     PlanChange change = {});
[[nodiscard]] SubscriptionEvent subscription_cancelled(Subscription subscription,
                                                       Cancellation cancellation = {});
[[nodiscard]] SubscriptionEvent subscription_ended(Subscription subscription, Ending ending = {});
[[nodiscard]] SubscriptionEvent subscription_reactivated(Subscription subscription,
                                                         Reactivation reactivation = {});
[[nodiscard]] SubscriptionEvent subscription_paused(Subscription subscription, Pause pause = {});
[[nodiscard]] SubscriptionEvent subscription_resumed(Subscription subscription, Pause pause = {});
[[nodiscard]] SubscriptionEvent subscription_trial_started(Subscription subscription,
                                                           TrialStart trial = {});
[[nodiscard]] SubscriptionEvent subscription_trial_ending(Subscription subscription);

[[nodiscard]] PaymentEvent payment_failed(PaymentAttempt payment);
[[nodiscard]] PaymentEvent payment_action_required(PaymentAttempt payment);

}  // namespace klaviyo
