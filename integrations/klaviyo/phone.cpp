#include <algorithm>
#include <array>
#include <cstdint>
#include <klaviyo/calling_codes.hpp>
#include <klaviyo/phone.hpp>
#include <klaviyo/unicode.hpp>
#include <optional>

namespace klaviyo {
namespace {

struct Country {
  std::string_view code;          // of ISO 3166-1
  std::string_view calling_code;  // without "+"
  std::string_view trunk;         // prefixes, separated by "|"
  std::size_t least = 0;          // digits behind the calling code
  std::size_t most = 0;

  [[nodiscard]] constexpr bool fits(std::string_view number) const {
    return number.size() >= least && number.size() <= most;
  }
};

constexpr std::string_view take_until(std::string_view& text, char end) {
  const std::size_t found = text.find(end);
  const std::string_view taken = text.substr(0, found);
  text.remove_prefix(found == std::string_view::npos ? text.size() : found + 1);
  return taken;
}

constexpr std::size_t number_of(std::string_view digits) {
  std::size_t number = 0;
  for (const char c : digits) number = number * 10 + static_cast<std::size_t>(c - '0');
  return number;
}

constexpr std::size_t kCountries =
    static_cast<std::size_t>(std::count(kCallingCodes.begin(), kCallingCodes.end(), ' '));

constexpr std::array<Country, kCountries> make_table() {
  std::array<Country, kCountries> table{};
  std::string_view rest = kCallingCodes;
  for (Country& country : table) {
    country.code = take_until(rest, '+');
    country.calling_code = take_until(rest, '/');
    country.trunk = take_until(rest, ':');
    country.least = number_of(take_until(rest, '-'));
    country.most = number_of(take_until(rest, ' '));
  }
  return table;
}

constexpr auto kTable = make_table();
static_assert(std::is_sorted(kTable.begin(), kTable.end(),
                             [](const Country& a, const Country& b) { return a.code < b.code; }));

const Country* find_country(std::string_view code) {
  const auto* found = std::ranges::lower_bound(kTable, code, {}, &Country::code);
  return found != kTable.end() && found->code == code ? found : nullptr;
}

// The first country with the calling code that `digits` begin with: no code begins another one.
// The question put to it, the zero of "+44 (0)20", is the same in all that share the code.
const Country* country_of(std::string_view digits) {
  const auto* found = std::ranges::find_if(
      kTable, [&](const Country& country) { return digits.starts_with(country.calling_code); });
  return found == kTable.end() ? nullptr : found;
}

// A number as written: its digits, and whether a "+" stood before them.
struct Written {
  bool plus = false;
  std::string digits{};
};

bool separates(char32_t c) {
  constexpr std::u32string_view kSeparators = U"()[]{}./\\,_:'*\u00b7\u2022\u2019\u2044\u30fb";
  return is_blank(c) || is_invisible(c) || is_dash(c) ||
         kSeparators.find(c) != std::u32string_view::npos;
}

// The number of letters in front that say that a number follows.
std::size_t label_length(std::u32string_view text) {
  std::u32string word;
  for (const char32_t c : text) {
    if (lower_ascii(c) < U'a' || lower_ascii(c) > U'z') break;
    word += lower_ascii(c);
  }
  constexpr std::array<std::u32string_view, 9> kLabels = {
      U"tel", U"telefon", U"phone", U"mobile", U"mobil", U"mob", U"cell", U"sms", U"fon"};
  return std::ranges::find(kLabels, word) == kLabels.end() ? 0 : word.size();
}

// Whether an extension begins here, or a parameter of a `tel:`.
bool ends_number(std::u32string_view text) {
  return text.front() == U';' || text.front() == U'#' || lower_ascii(text.front()) == U'x' ||
         (text.size() > 2 && lower_ascii(text[0]) == U'e' && lower_ascii(text[1]) == U'x' &&
          lower_ascii(text[2]) == U't');
}

std::optional<Written> read(std::string_view text) {
  std::u32string decoded = decode_utf8(trimmed(text));
  std::ranges::transform(decoded, decoded.begin(), narrow);
  std::u32string_view rest = decoded;
  rest.remove_prefix(label_length(rest));
  Written written;
  for (; !rest.empty(); rest.remove_prefix(1)) {
    const char32_t c = rest.front();
    if (const int digit = digit_of(c); digit >= 0) {
      written.digits += static_cast<char>('0' + digit);
    } else if (c == U'+' && written.digits.empty()) {
      written.plus = true;
    } else if (!written.digits.empty() && ends_number(rest)) {
      break;
    } else if (!separates(c)) {
      return std::nullopt;
    }
  }
  return written;
}

bool takes_prefix(std::string_view& digits, std::string_view prefix) {
  if (!digits.starts_with(prefix)) return false;
  digits.remove_prefix(prefix.size());
  return true;
}

// The digits dialled before a calling code, where it is not "+": 00 almost everywhere.
bool takes_dialling_prefix(std::string_view& digits, const Country* country) {
  if (country != nullptr && country->calling_code == "1" && takes_prefix(digits, "011"))
    return true;
  if (country != nullptr && country->code == "AU" && takes_prefix(digits, "0011")) return true;
  return takes_prefix(digits, "00");
}

std::string international(std::string_view digits) {
  const Country* const country = country_of(digits);
  std::string number = "+";
  if (country != nullptr && country->trunk.starts_with('0') &&
      digits.substr(country->calling_code.size()).starts_with('0')) {
    number += country->calling_code;
    digits.remove_prefix(country->calling_code.size() + 1);
  }
  number += digits;
  return is_e164(number) ? number : std::string();
}

std::string with_code(const Country& country, std::string_view number) {
  return "+" + std::string(country.calling_code) + std::string(number);
}

std::string national(const Country& country, std::string_view digits) {
  for (std::string_view prefixes = country.trunk; !prefixes.empty();) {
    std::string_view rest = digits;
    if (takes_prefix(rest, take_until(prefixes, '|')) && country.fits(rest)) {
      return with_code(country, rest);
    }
  }
  std::string_view behind_code = digits;
  const bool has_code =
      takes_prefix(behind_code, country.calling_code) && country.fits(behind_code);
  // Where people write a trunk prefix, a number without one that begins with the calling code has
  // that; elsewhere it may well be an area's.
  if (has_code && !(country.trunk.empty() && country.fits(digits)))
    return "+" + std::string(digits);
  // A zero that is no trunk prefix of a number that fits begins no number there.
  const bool has_lost_zero = !country.trunk.empty() && digits.starts_with('0');
  return country.fits(digits) && !has_lost_zero ? with_code(country, digits) : std::string();
}

}  // namespace

std::string country_code(std::string_view text) {
  std::string code(trimmed(text));
  for (char& c : code) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  if (code == "UK") code = "GB";
  if (code == "EL") code = "GR";
  return find_country(code) == nullptr ? std::string() : code;
}

std::string to_e164(std::string_view text, std::string_view country) {
  const auto written = read(text);
  if (!written || written->digits.empty()) return {};
  const Country* const home = find_country(country);
  std::string_view digits = written->digits;
  if (takes_dialling_prefix(digits, home)) return international(digits);
  // No calling code begins with a zero: the "+" is a slip before a national number.
  if (written->plus && !digits.starts_with('0')) return international(digits);
  return home == nullptr ? std::string() : national(*home, digits);
}

bool is_e164(std::string_view text) noexcept {
  if (text.size() < 8 || text.size() > 16 || text[0] != '+' || text[1] == '0') return false;
  return std::all_of(text.begin() + 1, text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace klaviyo
