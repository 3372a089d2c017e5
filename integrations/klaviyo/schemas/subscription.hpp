// Subscription is what a billing system knows of somebody's subscription; with what happened to it,
// it becomes one of the events of kSubscriptionMetrics.
//
// Place:     made by a route or a webhook, handed to klaviyo::subscription_started() and its like.
// Threads:   plain values.
// Lifetime:  owns its strings.
// Failure:   see validate_subscription(): every broken rule is a violation with its path.
#pragma once

#include <array>
#include <cstdint>
#include <klaviyo/schemas/money.hpp>
#include <klaviyo/schemas/profile.hpp>
#include <klaviyo/schemas/property.hpp>
#include <optional>
#include <postbox/schema.hpp>
#include <postbox/time.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace klaviyo {

// In the order of kSubscriptionMetrics.
enum class SubscriptionKind : std::uint8_t {
  kStarted,
  kRenewed,
  kUpgraded,
  kDowngraded,
  kChanged,
  kCancelled,
  kEnded,
  kReactivated,
  kPaused,
  kResumed,
  kTrialStarted,
  kTrialEnding,
};

// The differences between the kinds of subscription events, beside their details.
struct SubscriptionMetric {
  std::string_view name;      // at Klaviyo
  std::string_view log_name;  // in log lines
  std::string_view key;  // in the unique_id; sent ones are compared with it, so never change one
  bool once;             // happens to a subscription once
};

inline constexpr std::array<SubscriptionMetric, 12> kSubscriptionMetrics = {{
    {"Subscription Started", "subscription started", "started", true},
    {"Subscription Renewed", "subscription renewed", "renewed", false},
    {"Subscription Upgraded", "subscription upgraded", "upgraded", false},
    {"Subscription Downgraded", "subscription downgraded", "downgraded", false},
    {"Subscription Changed", "subscription changed", "changed", false},
    {"Subscription Cancelled", "subscription cancelled", "cancelled", false},
    {"Subscription Ended", "subscription ended", "ended", true},
    {"Subscription Reactivated", "subscription reactivated", "reactivated", false},
    {"Subscription Paused", "subscription paused", "paused", false},
    {"Subscription Resumed", "subscription resumed", "resumed", false},
    {"Subscription Trial Started", "subscription trial started", "trial_started", false},
    {"Subscription Trial Ending", "subscription trial ending", "trial_ending", false},
}};

[[nodiscard]] constexpr const SubscriptionMetric& metric_of(SubscriptionKind kind) noexcept {
  return kSubscriptionMetrics[static_cast<std::size_t>(kind)];
}

enum class Interval : std::uint8_t { kDay, kWeek, kMonth, kYear };

// "day", "week", "month", "year".
[[nodiscard]] std::string_view to_string(Interval interval) noexcept;
[[nodiscard]] std::optional<Interval> parse_interval(std::string_view text) noexcept;

struct Subscription {
  std::string subscription_id{};  // required; what makes a repeated report the same event
  std::string plan_id{};          // required but on a renewal; the price's id at a billing system
  std::string plan_name{};
  std::string product_id{};
  Money price{};         // of one period and one unit; the currency is required
  bool metered = false;  // the price depends on use: `price` is its currency alone

  // The price of one unit in the currency's major unit, where it has fractions of its minor one:
  // {.scaled = 75, .digits = 4} is 0.0075. Takes the place of `price`, but for its currency.
  std::optional<Decimal> exact_price{};
  Interval interval = Interval::kMonth;
  std::int64_t interval_count = 1;  // every so many intervals; at least one
  std::int64_t quantity = 1;        // at least one
  std::string status{};             // as the billing system calls it: "active", "trialing"
  std::optional<postbox::WallTime> started_at{};
  std::optional<postbox::WallTime> current_period_end{};
  std::optional<postbox::WallTime> trial_end{};  // required by Subscription Trial Ending
  std::string cart_id{};
  std::string user_id{};

  // When what is reported happened. Defaults to started_at for Subscription Started, and to the
  // time of track().
  std::optional<postbox::WallTime> occurred_at{};

  // Another key of the event than subscription_unique_id() makes.
  std::string unique_id{};

  Profile customer{};  // required: one identifier
  std::vector<Property> properties{};
};

// Subscription Started.
struct SubscriptionStart {
  bool converted_from_trial = false;
};

// Subscription Renewed. The money is on the Placed Order of the period; here it is a property.
struct Renewal {
  std::optional<MinorUnits> amount{};               // paid; defaults to the price of all units
  std::optional<MinorUnits> total{};                // before a credit balance was used
  std::optional<postbox::WallTime> period_start{};  // of the period that was paid
  std::optional<postbox::WallTime> period_end{};
  bool recovered = false;  // an earlier attempt had failed
};

// Subscription Upgraded, Subscription Downgraded, and Subscription Changed for what is neither,
// such as another interval. The new plan is the subscription's.
struct PlanChange {
  std::string previous_plan_id{};
  std::optional<MinorUnits> previous_price{};  // in the currency of the new one
  std::optional<std::int64_t> previous_quantity{};
  std::optional<Decimal> exact_previous_price{};  // as exact_price
};

// Subscription Cancelled: somebody has asked for the end, which may be later.
struct Cancellation {
  std::optional<postbox::WallTime> cancelled_at{};  // when it was asked for
  std::optional<postbox::WallTime> effective_at{};
  bool immediate = false;
  std::string reason{};
  std::string feedback{};
};

// Subscription Ended.
struct Ending {
  bool involuntary = false;  // a payment failed or was disputed
  std::string reason{};
};

// Subscription Reactivated: a cancellation was taken back before the end.
struct Reactivation {
  std::optional<postbox::WallTime> cancelled_at{};  // when the cancellation had been asked for
};

// Subscription Paused and Subscription Resumed.
struct Pause {
  std::string kind{};  // as the billing system calls it
  std::optional<postbox::WallTime> resumes_at{};
};

// Subscription Trial Started.
struct TrialStart {
  std::optional<postbox::WallTime> started_at{};
  bool existing_subscription = false;  // a trial that a payer was granted
};

// Subscription Trial Ending: the subscription says all.
struct TrialEnding {};

using SubscriptionDetails = std::variant<SubscriptionStart, Renewal, PlanChange, Cancellation,
                                         Ending, Reactivation, Pause, TrialStart, TrialEnding>;

// When it happened, as far as the caller said: the event's time.
[[nodiscard]] std::optional<postbox::WallTime> occurred_at(SubscriptionKind kind,
                                                           const Subscription& subscription);

// The key that makes it an event of its own: <subscription id>_<key of the kind>, and for what may
// happen again also _<second of>: a renewal's period_start, cancelled_at, a trial's start or end,
// otherwise `time`, at which it happened. So a repeated report is the same event as long as it says
// when.
[[nodiscard]] std::string subscription_unique_id(SubscriptionKind kind,
                                                 const Subscription& subscription,
                                                 const SubscriptionDetails& details,
                                                 postbox::WallTime time);

}  // namespace klaviyo
