#include <algorithm>
#include <array>
#include <klaviyo/encode.hpp>
#include <klaviyo/schemas/profile_fields.hpp>
#include <klaviyo/schemas/subscription_fields.hpp>

namespace klaviyo {
namespace {

using Moment = std::optional<postbox::WallTime>;

// In the order of Interval.
constexpr std::array<std::string_view, 4> kIntervals = {"day", "week", "month", "year"};

// The moment that tells one of its kind from the next, where the details have a better one than the
// event's time: it is the same in every report.
struct KeyMoment {
  Moment operator()(const Renewal& renewal) const { return renewal.period_start; }
  Moment operator()(const Cancellation& cancellation) const { return cancellation.cancelled_at; }
  Moment operator()(const Reactivation& reactivation) const { return reactivation.cancelled_at; }
  Moment operator()(const TrialStart& trial) const { return trial.started_at; }
  Moment operator()(const TrialEnding& /*trial*/) const { return subscription->trial_end; }
  template <class Details>
  Moment operator()(const Details& /*details*/) const {
    return std::nullopt;
  }

  const Subscription* subscription;
};

}  // namespace

std::string_view to_string(Interval interval) noexcept {
  const auto index = static_cast<std::size_t>(interval);
  return index < kIntervals.size() ? kIntervals[index] : std::string_view();
}

std::optional<Interval> parse_interval(std::string_view text) noexcept {
  const auto* found = std::find(kIntervals.begin(), kIntervals.end(), text);
  if (found == kIntervals.end()) return std::nullopt;
  return static_cast<Interval>(found - kIntervals.begin());
}

std::optional<postbox::WallTime> occurred_at(SubscriptionKind kind,
                                             const Subscription& subscription) {
  if (subscription.occurred_at) return subscription.occurred_at;
  return kind == SubscriptionKind::kStarted ? subscription.started_at : std::nullopt;
}

std::string subscription_unique_id(SubscriptionKind kind, const Subscription& subscription,
                                   const SubscriptionDetails& details, postbox::WallTime time) {
  if (!subscription.unique_id.empty()) return subscription.unique_id;
  const SubscriptionMetric& metric = metric_of(kind);
  std::string id = subscription.subscription_id;
  id += '_';
  id += metric.key;
  if (metric.once) return id;
  id += '_';
  append_second(std::visit(KeyMoment{&subscription}, details).value_or(time), id);
  return id;
}

void validate_subscription(SubscriptionKind kind, const Subscription& subscription,
                           const SubscriptionDetails& details, postbox::WallTime now,
                           std::vector<postbox::Violation>& violations) {
  const postbox::Path root;
  std::visit(
      [&]<class Details>(const Details& own) {
        using Properties = SubscriptionProperties<Details>;
        const Properties properties{&subscription, &own};
        postbox::validate(properties, root, violations);
        validate_properties(subscription.properties, postbox::count_members(properties),
                            postbox::has_field<Properties>, violations);
      },
      details);
  validate_profile(subscription.customer, root.child("customer"), violations);
  check_unique_id(subscription.unique_id, root.child("unique_id"), violations);
  if (kind == SubscriptionKind::kTrialEnding && !subscription.trial_end) {
    postbox::check_present(root.child("trial_end"), violations);
  }
  if (const auto time = occurred_at(kind, subscription)) {
    const auto name = subscription.occurred_at ? "occurred_at" : "started_at";
    check_time(*time, now, root.child(name), violations);
  }
}

namespace detail {

std::optional<Money> paid_amount(const Subscription& subscription,
                                 const Renewal& renewal) noexcept {
  if (renewal.amount) return Money{renewal.amount->count, subscription.price.currency};
  if (subscription.metered) return std::nullopt;
  return checked_multiply(subscription.price, subscription.quantity);
}

}  // namespace detail

}  // namespace klaviyo
