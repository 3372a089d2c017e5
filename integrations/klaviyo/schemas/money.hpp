// Money is an amount in minor units (cents) and its currency. No floating point anywhere.
//
// Place:     part of every typed event; written into the frozen bytes as a JSON decimal.
// Threads:   plain values.
// Lifetime:  plain values.
// Failure:   an unknown currency is kept as it was given and is a violation of the event that
//            carries it; arithmetic returns nothing on overflow.
#pragma once

#include <compare>
#include <cstdint>
#include <klaviyo/schemas/currency.hpp>
#include <optional>
#include <postbox/schema.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace klaviyo {

// An amount whose currency stands elsewhere: every amount of an order is in the order's currency.
struct MinorUnits {
  std::int64_t count = 0;

  friend constexpr auto operator<=>(MinorUnits, MinorUnits) = default;
};

[[nodiscard]] std::optional<MinorUnits> checked_add(MinorUnits a, MinorUnits b) noexcept;
[[nodiscard]] std::optional<MinorUnits> checked_subtract(MinorUnits a, MinorUnits b) noexcept;
[[nodiscard]] std::optional<MinorUnits> checked_multiply(MinorUnits a, std::int64_t n) noexcept;

struct Money {
  std::int64_t minor = 0;
  Currency currency;

  friend constexpr bool operator==(const Money&, const Money&) = default;
};

// Nothing on overflow, or when the currencies differ.
[[nodiscard]] std::optional<Money> checked_add(const Money& a, const Money& b) noexcept;
[[nodiscard]] std::optional<Money> checked_multiply(const Money& a, std::int64_t n) noexcept;

// Append the amount with exactly the currency's digits: 1250 EUR as 12.50, 1250 JPY as 1250.
void append_decimal(const Money& money, std::string& out);
[[nodiscard]] std::string to_decimal(const Money& money);

}  // namespace klaviyo

template <>
struct postbox::JsonValue<klaviyo::Money> {
  static constexpr std::string_view kType = "number";
  static constexpr bool is_empty(const klaviyo::Money&) noexcept { return false; }
  static void write(const klaviyo::Money& money, std::string& out) {
    klaviyo::append_decimal(money, out);
  }
  static void validate(const klaviyo::Money& money, const Path& path, const Rules& rules,
                       std::vector<Violation>& violations);
};

template <>
struct postbox::JsonValue<klaviyo::Currency> {
  static constexpr std::string_view kType = "string";
  static constexpr std::string_view kPattern = "^[A-Z]{3}$";
  static constexpr bool is_empty(const klaviyo::Currency& currency) noexcept {
    return currency.code().empty();
  }
  static void write(const klaviyo::Currency& currency, std::string& out);
  static void validate(const klaviyo::Currency& currency, const Path& path, const Rules& rules,
                       std::vector<Violation>& violations);
};
