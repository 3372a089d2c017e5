// Refunds and disputes: money that is taken from an order after it was paid, and money that comes
// back.
//
// Place:     inside the integration: the mapping of charges, refunds and disputes.
// Threads:   one thread.
// Lifetime:  must not outlive its Body.
// Failure:   BadBody.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <stripe/draft.hpp>

namespace stripe {

struct GivenBack {
  std::string source;        // the charge or dispute
  std::string currency;      // as Stripe writes it
  std::int64_t covers = 0;   // of the order's money, once the source takes no more; else 0
  klaviyo::Refund refund{};  // with its key as a partial refund
};

// Adds a Refunded Order when nothing is left of the order, otherwise a Partially Refunded Order. An
// order may have several charges; Klaviyo accepts one Refunded Order for each order.
void give_back(Draft& draft, Report report, klaviyo::Order order, GivenBack back);

// Adds a Placed Order for money that had been given back and has returned.
void take_again(Draft& draft, Report report, klaviyo::Order order, klaviyo::MinorUnits amount,
                std::string_view why);

// The amount in the currency's units; throws when it cannot express it.
[[nodiscard]] klaviyo::MinorUnits need_units(std::int64_t count, const klaviyo::Currency& currency,
                                             std::string_view name);

}  // namespace stripe
