#include <klaviyo/schemas/money.hpp>

#include <algorithm>

namespace klaviyo {
namespace {

// has() looks by halves.
constexpr bool is_sorted(std::string_view codes) {
  for (std::size_t at = 4; at < codes.size(); at += 4) {
    if (codes.substr(at - 4, 3) >= codes.substr(at, 3)) return false;
  }
  return codes.size() % 4 == 0;
}
static_assert(std::ranges::all_of(detail::kCurrencyGroups, is_sorted,
                                  &detail::CurrencyGroup::codes));

std::vector<CurrencyDigits> all_currencies() {
  std::vector<CurrencyDigits> table;
  for (const auto& [codes, exponent] : detail::kCurrencyGroups) {
    for (std::size_t at = 0; at < codes.size(); at += 4) {
      table.push_back({{codes[at], codes[at + 1], codes[at + 2]}, exponent});
    }
  }
  std::ranges::sort(table);
  return table;
}

}  // namespace

const std::vector<CurrencyDigits>& currencies() {
  static const std::vector<CurrencyDigits> table = all_currencies();
  return table;
}

postbox::Result<Currency> Currency::parse(std::string_view code) {
  const Currency currency(code);
  if (currency.is_known()) return currency;
  return postbox::Error{
      postbox::ErrorCode::kInvalidArgument,
      R"(expected an ISO 4217 code such as "EUR", found ")" + std::string(currency.code()) + "\""};
}

std::optional<MinorUnits> checked_add(MinorUnits a, MinorUnits b) noexcept {
  MinorUnits sum;
  if (__builtin_add_overflow(a.count, b.count, &sum.count)) return std::nullopt;
  return sum;
}

std::optional<MinorUnits> checked_subtract(MinorUnits a, MinorUnits b) noexcept {
  MinorUnits difference;
  if (__builtin_sub_overflow(a.count, b.count, &difference.count)) return std::nullopt;
  return difference;
}

std::optional<MinorUnits> checked_multiply(MinorUnits a, std::int64_t n) noexcept {
  MinorUnits product;
  if (__builtin_mul_overflow(a.count, n, &product.count)) return std::nullopt;
  return product;
}

std::optional<Money> checked_add(const Money& a, const Money& b) noexcept {
  if (a.currency != b.currency) return std::nullopt;
  const auto sum = checked_add(MinorUnits{a.minor}, MinorUnits{b.minor});
  if (!sum) return std::nullopt;
  return Money{sum->count, a.currency};
}

std::optional<Money> checked_multiply(const Money& a, std::int64_t n) noexcept {
  const auto product = checked_multiply(MinorUnits{a.minor}, n);
  if (!product) return std::nullopt;
  return Money{product->count, a.currency};
}

void append_decimal(const Money& money, std::string& out) {
  postbox::append_decimal(money.minor, money.currency.exponent(), out);
}

std::string to_decimal(const Money& money) {
  std::string text;
  append_decimal(money, text);
  return text;
}

}  // namespace klaviyo

namespace postbox {

void JsonValue<klaviyo::Money>::validate(const klaviyo::Money& money, const Path& path,
                                         const Rules& rules, std::vector<Violation>& violations) {
  // The currency is the business of the field that holds it: one violation, not one per amount.
  check_number(money.minor, path, rules, violations);
}

void JsonValue<klaviyo::Currency>::write(const klaviyo::Currency& currency, std::string& out) {
  append_string(currency.code(), out);
}

void JsonValue<klaviyo::Currency>::validate(const klaviyo::Currency& currency, const Path& path,
                                            const Rules& rules,
                                            std::vector<Violation>& violations) {
  if (currency.is_known()) return;
  if (currency.code().empty()) {
    if (rules.required) check_present(path, violations);
    return;
  }
  violations.push_back({path.to_string(), R"(must be an ISO 4217 code such as "EUR", found ")" +
                                              std::string(currency.code()) + "\""});
}

}  // namespace postbox
