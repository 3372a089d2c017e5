// Money that is taken from an order after it was paid, by whomever, and money that comes back.
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
  std::int64_t covers = 0;   // of the order's money, when the source takes no more; 0: it may
  klaviyo::Refund refund{};  // with the key that it has as a part
};

// Adds a Refunded Order when nothing is left of the order, else a Partially Refunded Order. An
// order may have several charges, and Klaviyo takes one Refunded Order of each order.
void give_back(Draft& draft, Report report, klaviyo::Order order, GivenBack back);

// Adds what shows money that had been given back and is there again: it is an order once more.
void take_again(Draft& draft, Report report, klaviyo::Order order, klaviyo::MinorUnits amount,
                std::string_view why);

// The amount in the currency's units; throws when it cannot express it.
[[nodiscard]] klaviyo::MinorUnits need_units(std::int64_t count, const klaviyo::Currency& currency,
                                             std::string_view name);

}  // namespace stripe
