#include <algorithm>
#include <string>
#include <stripe/money.hpp>

namespace stripe {
namespace {

constexpr std::string_view kNoDigits =
    "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF";
constexpr std::string_view kThreeDigits = "BHD JOD KWD OMR TND";

int stripe_digits(std::string_view code) {
  constexpr int kUsual = 2;
  if (kNoDigits.find(code) != std::string_view::npos) return 0;
  return kThreeDigits.find(code) != std::string_view::npos ? 3 : kUsual;
}

}  // namespace

klaviyo::Currency currency_of(std::string_view code) {
  std::string upper(code.substr(0, 8));
  std::ranges::transform(upper, upper.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return klaviyo::Currency(upper);
}

std::optional<klaviyo::MinorUnits> minor_units(std::int64_t amount,
                                               const klaviyo::Currency& currency) {
  klaviyo::MinorUnits units{amount};
  if (!currency.is_known()) return units;
  const int digits = stripe_digits(currency.code());
  for (int i = digits; i < currency.exponent(); ++i) {
    const auto scaled = klaviyo::checked_multiply(units, 10);
    if (!scaled) return std::nullopt;
    units = *scaled;
  }
  for (int i = digits; i > currency.exponent(); --i) {
    if (units.count % 10 != 0) return std::nullopt;
    units.count /= 10;
  }
  return units;
}

std::optional<klaviyo::Decimal> parse_amount(std::string_view text) {
  constexpr int kMostDigits = 12;  // Stripe's own limit
  klaviyo::Decimal amount;
  const std::size_t point = text.find('.');
  if (point != std::string_view::npos) {
    while (text.ends_with('0')) text.remove_suffix(1);
    amount.digits = static_cast<int>(std::min<std::size_t>(text.size() - point - 1, 99));
  }
  if (point == 0 || text.empty() || amount.digits > kMostDigits) return std::nullopt;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i == point) continue;
    if (text[i] < '0' || text[i] > '9' ||
        __builtin_mul_overflow(amount.scaled, 10, &amount.scaled) ||
        __builtin_add_overflow(amount.scaled, text[i] - '0', &amount.scaled)) {
      return std::nullopt;
    }
  }
  return amount;
}

klaviyo::Decimal major_units(klaviyo::Decimal amount, const klaviyo::Currency& currency) {
  return {amount.scaled, amount.digits + stripe_digits(currency.code())};
}

}  // namespace stripe
