// Plan is what somebody subscribes to: the items of a subscription, now or before an update.
//
// Place:     inside the integration: the mapping of subscriptions.
// Threads:   plain values.
// Lifetime:  the views live as long as the Body.
// Failure:   none: what a body does not say is empty.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <stripe/body.hpp>
#include <vector>

namespace stripe {

struct PlanItem {
  std::string_view price_id;
  std::string_view product_id;
  std::string_view currency;  // as Stripe writes it
  std::string_view interval;  // "month"
  std::int64_t interval_count = 1;
  std::optional<std::int64_t> amount;  // of one unit; nothing for tiers and fractions of a cent
  std::int64_t quantity = 1;
};

using Plan = std::vector<PlanItem>;

[[nodiscard]] Plan plan_of(Node subscription);

// What it was before an update; nothing when the update did not touch it. Since 2017 the items are
// given whole, so that they stand there also when only their period has moved.
[[nodiscard]] std::optional<Plan> plan_before(Node previous, const Plan& now);

// Whether the prices or quantities differ.
[[nodiscard]] bool is_same(const Plan& a, const Plan& b);

// Positive when `now` costs more for the same period, negative when less; zero for what cannot be
// compared: another interval or currency, a price that depends on use, the same sum.
[[nodiscard]] int compare_cost(const Plan& before, const Plan& now);

}  // namespace stripe
