// Plan is what somebody subscribes to: the items of a subscription, now or before an update.
//
// Place:     inside the integration: the mapping of subscriptions.
// Threads:   plain values.
// Lifetime:  the views live as long as the Body.
// Failure:   none: what a body does not say is empty.
#pragma once

#include <cstdint>
#include <klaviyo/schemas/property.hpp>
#include <optional>
#include <string_view>
#include <stripe/body.hpp>
#include <vector>

namespace stripe {

struct PlanItem {
  std::string_view price_id;
  std::string_view product_id;
  std::string_view currency;  // the payer's, as Stripe writes it
  std::string_view interval;  // "month"
  std::int64_t interval_count = 1;
  bool is_metered = false;  // what is paid depends on use

  // Of one unit, in Stripe's minor unit; nothing for tiers, and where only the price in another
  // currency than the payer's is known.
  std::optional<klaviyo::Decimal> amount;

  std::int64_t quantity = 1;

  // Sold in packages of so many units; one that is not full is paid whole, or not at all.
  std::int64_t package = 1;
  bool rounds_up = false;
};

using Plan = std::vector<PlanItem>;

[[nodiscard]] Plan plan_of(Node subscription);

// What it was before an update; nothing when the update did not touch it. Since 2017 the items are
// given whole, so that they stand there also when only their period has moved.
[[nodiscard]] std::optional<Plan> plan_before(Node previous, const Plan& now,
                                              std::string_view currency);

// Whether the prices or quantities differ.
[[nodiscard]] bool is_same(const Plan& a, const Plan& b);

// Positive when the customer pays more for the same period `now`, negative when less; zero for what
// cannot be compared: another interval or currency, a price that depends on use, the same sum.
// Items that are in both count for nothing.
[[nodiscard]] int compare_cost(const Plan& before, const Plan& now);

}  // namespace stripe
