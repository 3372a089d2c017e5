#include <gtest/gtest.h>

#include <klaviyo/schemas/money.hpp>
#include <limits>

namespace {

using klaviyo::Currency;
using klaviyo::MinorUnits;
using klaviyo::Money;
using klaviyo::to_decimal;

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();

TEST(Money, IsWrittenWithTheCurrencysDigits) {
  struct Row {
    const char* currency;
    std::int64_t minor;
    const char* text;
  };
  for (const Row& row :
       {Row{"EUR", 1250, "12.50"}, Row{"EUR", -5, "-0.05"}, Row{"EUR", 0, "0.00"},
        Row{"JPY", 1250, "1250"}, Row{"JPY", -1, "-1"}, Row{"KWD", 1250, "1.250"},
        Row{"UYW", 12345, "1.2345"}, Row{"CLF", 1, "0.0001"},
        Row{"EUR", kMost, "92233720368547758.07"}, Row{"EUR", kLeast, "-92233720368547758.08"},
        Row{"JPY", kLeast, "-9223372036854775808"}}) {
    EXPECT_EQ(to_decimal({row.minor, row.currency}), row.text) << row.currency;
  }
}

TEST(Money, ArithmeticRefusesToOverflow) {
  EXPECT_EQ(checked_add(MinorUnits{1}, MinorUnits{2}), MinorUnits{3});
  EXPECT_EQ(checked_add(MinorUnits{kMost}, MinorUnits{1}), std::nullopt);
  EXPECT_EQ(checked_subtract(MinorUnits{kLeast}, MinorUnits{1}), std::nullopt);
  EXPECT_EQ(checked_multiply(MinorUnits{kMost / 2 + 1}, 2), std::nullopt);
  EXPECT_EQ(checked_multiply(Money{250, "EUR"}, 3), (Money{750, "EUR"}));
  EXPECT_EQ(checked_multiply(Money{kLeast, "EUR"}, -1), std::nullopt);
}

TEST(Money, DifferentCurrenciesDoNotAdd) {
  EXPECT_EQ(checked_add(Money{1, "EUR"}, Money{1, "USD"}), std::nullopt);
  EXPECT_EQ(checked_add(Money{1, "EUR"}, Money{1, "EUR"}), (Money{2, "EUR"}));
}

TEST(CurrencyCode, CodesOfMoneyAreKnownInAnyCase) {
  static_assert(Currency("EUR").is_known());
  for (const char* code : {"USD", "JPY", "KWD", "UYW", "XCG", "ZWG", "eur", "Eur", "HRK"}) {
    EXPECT_TRUE(Currency::parse(code)) << code;
  }
  for (const char* code :
       {"", "EURO", "EU", "XXX", "XAU", "XTS", "BOV", "CHE", "USN", "\xe2\x82\xac"}) {
    EXPECT_FALSE(Currency::parse(code)) << code;
  }
}

TEST(CurrencyCode, AnUnknownOneIsShownWithoutItsControlCharacters) {
  EXPECT_EQ(Currency("E\nR").code(), "E?R");
  EXPECT_EQ(Currency("a very long text").code(), "a?very?");
  EXPECT_EQ(Currency::parse("euro").error().message,
            "expected an ISO 4217 code such as \"EUR\", found \"euro\"");
}

TEST(CurrencyCode, TheTableIsSortedAndHasNoDuplicates) {
  const auto& table = klaviyo::currencies();
  for (std::size_t i = 1; i < table.size(); ++i) EXPECT_LT(table[i - 1].code, table[i].code);
}

}  // namespace
