// Subscription is what a shop knows when somebody has subscribed; it becomes Subscription Started.
//
// Place:     made by a route or a webhook, handed to klaviyo::subscription_started().
// Threads:   plain values.
// Lifetime:  owns its strings.
// Failure:   see validate_subscription(): every broken rule is a violation with its path.
#pragma once

#include <cstdint>
#include <klaviyo/schemas/money.hpp>
#include <klaviyo/schemas/profile.hpp>
#include <klaviyo/schemas/property.hpp>
#include <optional>
#include <postbox/clock.hpp>
#include <postbox/schema.hpp>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace klaviyo {

enum class Interval : std::uint8_t { kDay, kWeek, kMonth, kYear };

// "day", "week", "month", "year".
[[nodiscard]] std::string_view to_string(Interval interval) noexcept;
[[nodiscard]] std::optional<Interval> parse_interval(std::string_view text) noexcept;

struct Subscription {
  std::string subscription_id{};  // required; what makes a repeated report the same event
  std::string plan_id{};          // required
  std::string plan_name{};
  Money price{};  // of one period and one unit; the currency is required
  Interval interval = Interval::kMonth;
  std::int64_t interval_count = 1;  // every so many intervals; at least one
  std::int64_t quantity = 1;        // at least one
  std::string status{};             // as the billing system calls it: "active", "trialing"
  std::optional<postbox::WallTime> started_at{};  // defaults to the time of track()
  std::optional<postbox::WallTime> current_period_end{};
  std::optional<postbox::WallTime> trial_end{};
  std::string cart_id{};
  std::string user_id{};
  Profile customer{};  // required: one identifier
  std::vector<Property> properties{};
};

// Append every broken rule. `now` bounds started_at: after 1990, at most one year ahead.
void validate_subscription(const Subscription& subscription, postbox::WallTime now,
                           std::vector<postbox::Violation>& violations);

// The properties of "Subscription Started". unique_id: <subscription id>_started. It has no value
// of its own: the money of the first period is counted by Placed Order, and would count twice.
struct SubscriptionStarted {
  static constexpr std::string_view kMetric = "Subscription Started";

  const Subscription* subscription;
};

}  // namespace klaviyo

template <>
struct postbox::Schema<klaviyo::SubscriptionStarted> {
  using S = klaviyo::SubscriptionStarted;
  static constexpr auto fields = std::make_tuple(
      field(
          "SubscriptionId", "subscription_id",
          [](const S& s) -> auto& { return s.subscription->subscription_id; },
          {.required = true, .max_length = 247}, "The subscription's id."),
      field(
          "PlanId", "plan_id", [](const S& s) -> auto& { return s.subscription->plan_id; },
          {.required = true}, "The plan's id."),
      field(
          "PlanName", "plan_name", [](const S& s) -> auto& { return s.subscription->plan_name; },
          {}, "The plan's name."),
      field(
          "Amount", "price", [](const S& s) { return s.subscription->price; }, {.minimum = 0},
          "Price of one unit for one period."),
      field(
          "Currency", "price.currency",
          [](const S& s) -> auto& { return s.subscription->price.currency; }, {.required = true},
          "Currency of the price, ISO 4217."),
      field(
          "Interval", "interval",
          [](const S& s) { return klaviyo::to_string(s.subscription->interval); }, {},
          "day, week, month or year."),
      field(
          "IntervalCount", "interval_count",
          [](const S& s) { return s.subscription->interval_count; }, {.minimum = 1},
          "A period is so many intervals."),
      field(
          "Quantity", "quantity", [](const S& s) { return s.subscription->quantity; },
          {.minimum = 1}, "How many units."),
      field(
          "Status", "status", [](const S& s) -> auto& { return s.subscription->status; }, {},
          "As the billing system calls it."),
      field(
          "StartedAt", "started_at", [](const S& s) { return s.subscription->started_at; }, {},
          "When it began."),
      field(
          "CurrentPeriodEnd", "current_period_end",
          [](const S& s) { return s.subscription->current_period_end; }, {},
          "When the paid period ends."),
      field(
          "IsTrial", "trial_end", [](const S& s) { return s.subscription->trial_end.has_value(); },
          {}, "Whether it began with a trial."),
      field(
          "TrialEnd", "trial_end", [](const S& s) { return s.subscription->trial_end; }, {},
          "When the trial ends."),
      field(
          "CartId", "cart_id", [](const S& s) -> auto& { return s.subscription->cart_id; }, {},
          "The cart it came from."),
      field(
          "UserId", "user_id", [](const S& s) -> auto& { return s.subscription->user_id; }, {},
          "The app's id of the user."));
};
