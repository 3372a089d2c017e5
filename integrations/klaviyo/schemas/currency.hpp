// Currency is an ISO 4217 code with its number of decimal digits.
//
// Place:     part of Money, Order and Cart.
// Threads:   a plain value.
// Lifetime:  a plain value.
// Failure:   an unknown code is kept as it was given and is a violation of the event that carries
//            it; parse() refuses it at once.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <postbox/result.hpp>
#include <string_view>
#include <vector>

namespace klaviyo {

// An ISO 4217 code with its number of decimal digits.
class Currency {
 public:
  // No currency: itself a violation where one is required.
  constexpr Currency() = default;

  // Take "EUR" for the euro, also in lower case and with blanks around it. Codes that were
  // withdrawn since about 1990 are known, too: history has them. What is no code is kept, so that
  // the violation can show it.
  constexpr Currency(std::string_view code) noexcept;  // NOLINT(google-explicit-constructor)
  constexpr Currency(const char* code) noexcept        // NOLINT(google-explicit-constructor)
      : Currency(std::string_view(code)) {}

  // Like the constructor, but fails with kInvalidArgument when `code` is none.
  [[nodiscard]] static postbox::Result<Currency> parse(std::string_view code);

  [[nodiscard]] constexpr bool is_known() const noexcept { return exponent_ != kUnknown; }

  // The code in upper case; what is none as it was given, at most seven characters of it.
  [[nodiscard]] constexpr std::string_view code() const noexcept {
    return std::string_view(text_.data(), size_);
  }

  // Digits after the decimal point: 0, 2, 3 or 4. Zero for an unknown currency.
  [[nodiscard]] constexpr int exponent() const noexcept { return is_known() ? exponent_ : 0; }

  friend constexpr bool operator==(const Currency&, const Currency&) = default;

 private:
  static constexpr std::uint8_t kUnknown = 0xff;

  std::array<char, 7> text_{};
  std::uint8_t size_ = 0;
  std::uint8_t exponent_ = kUnknown;
};

struct CurrencyDigits {
  std::array<char, 3> code;
  std::uint8_t exponent;

  friend constexpr auto operator<=>(const CurrencyDigits&, const CurrencyDigits&) = default;
};

namespace detail {

// Left out on purpose: funds and settlement codes (BOV, CHE, CHW, COU, MXV, USN, UYI, XSU, XUA,
// XAD, XDR), metals (XAG, XAU, XPD, XPT), bond units (XBA to XBD), XTS and XXX. CLF and UYW are
// units of account that shops do price in, and stay. ANG and BGN stay while old orders have them.
inline constexpr std::string_view kTwoDigits =
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD "
    "CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD "
    "GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD "
    "MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP "
    "PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS "
    "TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG ";
inline constexpr std::string_view kNoDigits =
    "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF ";
inline constexpr std::string_view kThreeDigits = "BHD IQD JOD KWD LYD OMR TND ";
inline constexpr std::string_view kFourDigits = "CLF UYW ";

// Withdrawn: list three of ISO 4217 since 1990. The digits are those of OpenJDK's currency data.
inline constexpr std::string_view kWithdrawnTwoDigits =
    "AFA AON AOR ATS AYM AZM BAD BGL BRE BRR CSD CSK CUC CYP DDM DEM ECS EEK FIM FRF GEK GHC GWP "
    "HRD HRK IEP LTL LTT LVL LVR MRO MTL MXP MZM NLG PEI PLZ ROL RUR SDD SDP SIT SKK SLL SRG STD "
    "SUR TJR TMM UAK UGS USS VEB VEF XEU YDD YUD YUM YUN ZAL ZMK ZRN ZRZ ZWC ZWD ZWL ZWN ZWR ";
inline constexpr std::string_view kWithdrawnNoDigits =
    "ADP BEF BYB BYR ESP GRD ITL LUF MGF PTE TPE TRL ";

// Codes of one number of digits, in alphabetical order.
struct CurrencyGroup {
  std::string_view codes;  // each with a blank behind it
  std::uint8_t exponent;

  // Whether `code`, of three characters, is one of them.
  [[nodiscard]] constexpr bool has(std::string_view code) const noexcept {
    std::size_t first = 0;
    std::size_t end = codes.size() / 4;
    while (first < end) {
      const std::size_t middle = first + (end - first) / 2;
      const std::string_view found = codes.substr(4 * middle, 3);
      if (found == code) return true;
      if (found < code) {
        first = middle + 1;
      } else {
        end = middle;
      }
    }
    return false;
  }
};

inline constexpr std::array<CurrencyGroup, 6> kCurrencyGroups = {{{kTwoDigits, 2},
                                                                  {kNoDigits, 0},
                                                                  {kThreeDigits, 3},
                                                                  {kFourDigits, 4},
                                                                  {kWithdrawnTwoDigits, 2},
                                                                  {kWithdrawnNoDigits, 0}}};

// No code has a character beyond ASCII, so that blanks of every kind may go byte by byte.
constexpr std::string_view trimmed_code(std::string_view code) {
  const auto goes = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= 0x20 || byte >= 0x7f;
  };
  while (!code.empty() && goes(code.front())) code.remove_prefix(1);
  while (!code.empty() && goes(code.back())) code.remove_suffix(1);
  return code;
}

constexpr char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

}  // namespace detail

// Every code in alphabetical order; funds, metals and test codes are not among them.
[[nodiscard]] const std::vector<CurrencyDigits>& currencies();

constexpr Currency::Currency(std::string_view code) noexcept {
  for (const char c : code.substr(0, text_.size())) {
    // Whatever was passed by mistake must not carry control characters into a message.
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    text_[size_++] = plain ? c : '?';
  }
  code = detail::trimmed_code(code);
  if (code.size() != 3) return;
  const std::array<char, 3> key{detail::upper(code[0]), detail::upper(code[1]),
                                detail::upper(code[2])};
  for (const detail::CurrencyGroup& group : detail::kCurrencyGroups) {
    if (!group.has({key.data(), key.size()})) continue;
    text_ = {key[0], key[1], key[2]};
    size_ = 3;
    exponent_ = group.exponent;
  }
}

}  // namespace klaviyo
