// Plan is the list of a subscription's items, now or before an update.
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
  bool is_metered = false;  // the price depends on use

  // The price of one unit, in Stripe's minor unit; nothing for tiers, and when the price is known
  // in another currency than the payer's only.
  std::optional<klaviyo::Decimal> amount;

  std::int64_t quantity = 1;

  // Units in a package. A package that is not full is paid whole (rounds_up) or not at all.
  std::int64_t package = 1;
  bool rounds_up = false;
};

using Plan = std::vector<PlanItem>;

[[nodiscard]] Plan plan_of(Node subscription);

// The plan before an update; nothing when the update did not touch it. Since 2017 bodies have all
// items, even if only their period has moved.
[[nodiscard]] std::optional<Plan> plan_before(Node previous, const Plan& now,
                                              std::string_view currency);

// Whether the prices or quantities differ.
[[nodiscard]] bool is_same(const Plan& a, const Plan& b);

// Positive when the customer pays more for the same period `now`, negative when less; zero for what
// cannot be compared: another interval or currency, a price that depends on use, the same sum.
// Items that are in both count for nothing.
[[nodiscard]] int compare_cost(const Plan& before, const Plan& now);

}  // namespace stripe
