// Conversion of Stripe's amounts to this library's: a few currencies have other digits.
//
// Place:     inside the integration: the mapping of every amount.
// Threads:   pure functions.
// Lifetime:  plain values.
// Failure:   an amount that the currency cannot express is nothing, never rounded.
#pragma once

#include <cstdint>
#include <klaviyo/schemas/money.hpp>
#include <klaviyo/schemas/property.hpp>
#include <optional>
#include <string_view>

namespace stripe {

// Stripe's "eur" as EUR. An unknown code is kept, and a violation of the event that carries it.
[[nodiscard]] klaviyo::Currency currency_of(std::string_view code);

// `amount` in Stripe's minor unit. Stripe counts ISK and UGX in hundredths, though neither has any
// (5 ISK are 500), and MGA in whole ones: https://docs.stripe.com/currencies#zero-decimal
[[nodiscard]] std::optional<klaviyo::MinorUnits> minor_units(std::int64_t amount,
                                                             const klaviyo::Currency& currency);

// Parses an amount in Stripe's minor unit with a fraction: "0.75". Nothing when it is no number, is
// negative or has more digits than an integer.
[[nodiscard]] std::optional<klaviyo::Decimal> parse_amount(std::string_view text);

// The same amount in the currency's major unit.
[[nodiscard]] klaviyo::Decimal major_units(klaviyo::Decimal amount,
                                           const klaviyo::Currency& currency);

}  // namespace stripe
