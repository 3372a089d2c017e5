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

}  // namespace stripe
