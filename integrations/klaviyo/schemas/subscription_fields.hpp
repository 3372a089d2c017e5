// The field tables of the subscription events: what all of them have, and what each kind adds.
//
// Place:     inside the integration: validate_subscription() and SubscriptionEvent::encode().
// Threads:   constants.
// Lifetime:  the views are valid as long as what they were made from.
// Failure:   see schema.hpp.
#pragma once

#include <klaviyo/schemas/property.hpp>
#include <klaviyo/schemas/subscription.hpp>
#include <postbox/schema.hpp>
#include <tuple>

namespace klaviyo {

// Append every broken rule. `now` bounds the event's time: after 1990, at most one year ahead.
void validate_subscription(SubscriptionKind kind, const Subscription& subscription,
                           const SubscriptionDetails& details, postbox::WallTime now,
                           std::vector<postbox::Violation>& violations);

}  // namespace klaviyo

namespace klaviyo {

// The properties of one kind of event. It has no value of its own: the money of a period is counted
// by Placed Order, and would count twice.
template <class Details>
struct SubscriptionProperties {
  const Subscription* subscription;
  const Details* details;
};

// A price as a number, which may have more digits than money.
struct UnitPrice {
  Decimal number;
};

[[nodiscard]] constexpr UnitPrice unit_price(const std::optional<Decimal>& exact, Money money) {
  return {exact ? *exact : Decimal{money.minor, money.currency.exponent()}};
}

namespace detail {

template <auto Member>
struct OfSubscription {
  template <class P>
  constexpr const auto& operator()(const P& p) const {
    return p.subscription->*Member;
  }
};

template <auto Member>
struct OfDetails {
  template <class P>
  constexpr const auto& operator()(const P& p) const {
    return p.details->*Member;
  }
};

// An amount of the details, in the subscription's currency.
template <auto Member>
struct AmountOfDetails {
  template <class P>
  constexpr std::optional<Money> operator()(const P& p) const {
    const auto& amount = p.details->*Member;
    if (!amount) return std::nullopt;
    return Money{amount->count, p.subscription->price.currency};
  }
};

// The amount that a renewal says was paid, else the price of all units; nothing when neither is
// known.
[[nodiscard]] std::optional<Money> paid_amount(const Subscription& subscription,
                                               const Renewal& renewal) noexcept;

using postbox::field;
using S = Subscription;
inline constexpr postbox::Rules kNotNegative{.minimum = 0};
inline constexpr postbox::Rules kAtLeastOne{.minimum = 1};

// The longest end of a unique_id takes 26 of its 255 characters.
inline constexpr auto kSubscriptionFields = std::make_tuple(
    field("SubscriptionId", "subscription_id", OfSubscription<&S::subscription_id>{},
          {.required = true, .max_length = 225}, "The subscription's id."),
    field("PlanName", "plan_name", OfSubscription<&S::plan_name>{}, {}, "The plan's name."),
    field("ProductId", "product_id", OfSubscription<&S::product_id>{}, {}, "The product's id."),
    field(
        "Currency", "price.currency",
        [](const auto& p) -> auto& { return p.subscription->price.currency; }, {.required = true},
        "Currency of the amounts, ISO 4217."),
    field("Status", "status", OfSubscription<&S::status>{}, {}, "As the billing system calls it."),
    field("CartId", "cart_id", OfSubscription<&S::cart_id>{}, {}, "The cart it came from."),
    field("UserId", "user_id", OfSubscription<&S::user_id>{}, {}, "The app's id of the user."));

// Members that a billing system leaves out of an invoice, which is all that it knows of a renewal.
inline constexpr auto kPlanFields = std::make_tuple(
    field("PlanId", "plan_id", OfSubscription<&S::plan_id>{}, {.required = true}, "The plan's id."),
    field(
        "Amount", "price",
        [](const auto& p) -> std::optional<UnitPrice> {
          if (p.subscription->metered) return std::nullopt;
          return unit_price(p.subscription->exact_price, p.subscription->price);
        },
        kNotNegative, "Price of one unit for one period."),
    field(
        "Interval", "interval", [](const auto& p) { return to_string(p.subscription->interval); },
        {}, "day, week, month or year."),
    field("IntervalCount", "interval_count", OfSubscription<&S::interval_count>{}, kAtLeastOne,
          "A period is so many intervals."),
    field("Quantity", "quantity", OfSubscription<&S::quantity>{}, kAtLeastOne, "How many units."),
    field("StartedAt", "started_at", OfSubscription<&S::started_at>{}, {}, "When it began."),
    field("CurrentPeriodEnd", "current_period_end", OfSubscription<&S::current_period_end>{}, {},
          "When the paid period ends."),
    field("TrialEnd", "trial_end", OfSubscription<&S::trial_end>{}, {}, "When the trial ends."));

// The members that a kind of event has beside them.
template <class Details>
inline constexpr auto kDetailFields = std::tuple<>();

template <>
inline constexpr auto kDetailFields<SubscriptionStart> = std::make_tuple(
    field(
        "IsTrial", "trial_end", [](const auto& p) { return p.subscription->trial_end.has_value(); },
        {}, "Whether it began with a trial."),
    field("ConvertedFromTrial", "start.converted_from_trial",
          OfDetails<&SubscriptionStart::converted_from_trial>{}, {},
          "Whether a trial has become this."));

template <>
inline constexpr auto kDetailFields<Renewal> = std::make_tuple(
    field("PlanId", "plan_id", OfSubscription<&S::plan_id>{}, {}, "The plan's id."),
    field(
        "Amount", "renewal.amount",
        [](const auto& p) { return paid_amount(*p.subscription, *p.details); }, kNotNegative,
        "What was paid."),
    field("Total", "renewal.total", AmountOfDetails<&Renewal::total>{}, kNotNegative,
          "What was due, before a credit balance was used."),
    field("PeriodStart", "renewal.period_start", OfDetails<&Renewal::period_start>{}, {},
          "When the period that was paid begins."),
    field("PeriodEnd", "renewal.period_end", OfDetails<&Renewal::period_end>{}, {},
          "When the period that was paid ends."),
    field("Recovered", "renewal.recovered", OfDetails<&Renewal::recovered>{}, {},
          "Whether an earlier attempt had failed."));

template <>
inline constexpr auto kDetailFields<PlanChange> = std::make_tuple(
    field("PreviousPlanId", "change.previous_plan_id", OfDetails<&PlanChange::previous_plan_id>{},
          {}, "The plan before."),
    field(
        "PreviousAmount", "change.previous_price",
        [](const auto& p) -> std::optional<UnitPrice> {
          const PlanChange& change = *p.details;
          if (!change.previous_price && !change.exact_previous_price) return std::nullopt;
          const auto minor = change.previous_price.value_or(MinorUnits{});
          return unit_price(change.exact_previous_price,
                            {minor.count, p.subscription->price.currency});
        },
        kNotNegative, "Price of one unit for one period, before."),
    field("PreviousQuantity", "change.previous_quantity",
          OfDetails<&PlanChange::previous_quantity>{}, kAtLeastOne, "How many units, before."));

template <>
inline constexpr auto kDetailFields<Cancellation> = std::make_tuple(
    field("CancelledAt", "cancellation.cancelled_at", OfDetails<&Cancellation::cancelled_at>{}, {},
          "When it was asked for."),
    field("EffectiveAt", "cancellation.effective_at", OfDetails<&Cancellation::effective_at>{}, {},
          "When the subscription ends."),
    field("Immediate", "cancellation.immediate", OfDetails<&Cancellation::immediate>{}, {},
          "Whether it ends at once."),
    field("Reason", "cancellation.reason", OfDetails<&Cancellation::reason>{}, {},
          "Why, as the billing system calls it."),
    field("Feedback", "cancellation.feedback", OfDetails<&Cancellation::feedback>{}, {},
          "Why, as the customer chose."));

template <>
inline constexpr auto kDetailFields<Ending> =
    std::make_tuple(field("Involuntary", "ending.involuntary", OfDetails<&Ending::involuntary>{},
                          {}, "Whether a payment failed or was disputed."),
                    field("Reason", "ending.reason", OfDetails<&Ending::reason>{}, {},
                          "Why, as the billing system calls it."));

template <>
inline constexpr auto kDetailFields<Reactivation> = std::make_tuple(
    field("CancelledAt", "reactivation.cancelled_at", OfDetails<&Reactivation::cancelled_at>{}, {},
          "When the cancellation had been asked for."));

template <>
inline constexpr auto kDetailFields<Pause> =
    std::make_tuple(field("PauseKind", "pause.kind", OfDetails<&Pause::kind>{}, {},
                          "As the billing system calls it."),
                    field("ResumesAt", "pause.resumes_at", OfDetails<&Pause::resumes_at>{}, {},
                          "When it goes on."));

template <>
inline constexpr auto kDetailFields<TrialStart> =
    std::make_tuple(field("TrialStart", "trial.started_at", OfDetails<&TrialStart::started_at>{},
                          {}, "When the trial began."),
                    field("ExistingSubscription", "trial.existing_subscription",
                          OfDetails<&TrialStart::existing_subscription>{}, {},
                          "Whether somebody who pays already was granted the trial."));

}  // namespace detail

}  // namespace klaviyo

template <>
struct postbox::JsonValue<klaviyo::UnitPrice> {
  static constexpr std::string_view kType = "number";
  static constexpr bool is_empty(const klaviyo::UnitPrice&) noexcept { return false; }
  static void write(const klaviyo::UnitPrice& price, std::string& out) {
    append_decimal(price.number.scaled, price.number.digits, out);
  }
  static void validate(const klaviyo::UnitPrice& price, const Path& path, const Rules& rules,
                       std::vector<Violation>& violations) {
    check_number(price.number.scaled, path, rules, violations);
    JsonValue<klaviyo::Decimal>::validate(price.number, path, rules, violations);
  }
};

template <class Details>
struct postbox::Schema<klaviyo::SubscriptionProperties<Details>> {
  static constexpr auto fields =
      std::tuple_cat(klaviyo::detail::kSubscriptionFields, klaviyo::detail::kPlanFields,
                     klaviyo::detail::kDetailFields<Details>);
};

template <>
struct postbox::Schema<klaviyo::SubscriptionProperties<klaviyo::Renewal>> {
  static constexpr auto fields = std::tuple_cat(klaviyo::detail::kSubscriptionFields,
                                                klaviyo::detail::kDetailFields<klaviyo::Renewal>);
};
