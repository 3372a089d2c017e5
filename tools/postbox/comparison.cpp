#include "comparison.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <postbox/schema.hpp>
#include <tuple>
#include <utility>

namespace postbox::cli {
namespace {

using std::chrono::sys_days;

constexpr int kDigits = 4;
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

constexpr std::int64_t power_of_ten(int exponent) {
  std::int64_t power = 1;
  for (int i = 0; i < exponent; ++i) power *= 10;
  return power;
}

std::int64_t saturated_sum(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return a > 0 ? kMost : -kMost;
}

// A decimal number with an exponent, as JSON has it, without one: its digits and where the point
// stands in them.
struct Decimal {
  bool is_negative = false;
  std::string digits;
  int point = 0;
};

std::optional<int> number_of(std::string_view text) {
  int number = 0;
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<Decimal> decimal_of(std::string_view text) {
  Decimal decimal{.is_negative = text.starts_with('-'), .digits = {}};
  if (decimal.is_negative) text.remove_prefix(1);
  const std::size_t e = text.find_first_of("eE");
  int exponent = 0;
  if (e != std::string_view::npos) {
    const auto number = number_of(text.substr(e + 1));
    if (!number || *number < -1000 || *number > 1000) return std::nullopt;
    exponent = *number;
    text = text.substr(0, e);
  }
  const std::size_t point = std::min(text.find('.'), text.size());
  decimal.digits = text.substr(0, point);
  if (point < text.size()) decimal.digits += text.substr(point + 1);
  const bool is_number = !decimal.digits.empty() && decimal.digits.size() <= 400 &&
                         decimal.digits.find_first_not_of("0123456789") == std::string::npos;
  if (!is_number) return std::nullopt;
  decimal.point = static_cast<int>(point) + exponent;
  return decimal;
}

}  // namespace

std::optional<Amount> Amount::parse(std::string_view text) {
  const auto decimal = decimal_of(text);
  if (!decimal) return std::nullopt;
  const int kept = decimal->point + kDigits;  // of its digits
  std::int64_t count = 0;
  for (int i = 0; i < kept; ++i) {
    const auto place = static_cast<std::size_t>(i);
    const int digit = place < decimal->digits.size() ? decimal->digits[place] - '0' : 0;
    if (count == 0 && digit == 0) continue;
    if (count > (kMost - 9) / 10) return std::nullopt;
    count = count * 10 + digit;
  }
  const bool rounds_up = kept >= 0 && static_cast<std::size_t>(kept) < decimal->digits.size() &&
                         decimal->digits[static_cast<std::size_t>(kept)] >= '5';
  count += rounds_up ? 1 : 0;
  return Amount(decimal->is_negative ? -count : count);
}

std::string Amount::to_text(const klaviyo::Currency& currency) const {
  // An amount without a currency is shown as most are.
  int digits = currency.is_known() ? currency.exponent() : 2;
  while (digits < kDigits && count_ % power_of_ten(kDigits - digits) != 0) ++digits;
  std::string text;
  append_decimal(count_ / power_of_ten(kDigits - digits), digits, text);
  return text;
}

std::int64_t Amount::minor(const klaviyo::Currency& currency) const {
  const std::int64_t unit = power_of_ten(kDigits - (currency.is_known() ? currency.exponent() : 2));
  const std::int64_t half = count_ < 0 ? -unit / 2 : unit / 2;
  return saturated_sum(count_, half) / unit;
}

Amount& Amount::operator+=(Amount other) noexcept {
  count_ = saturated_sum(count_, other.count_);
  return *this;
}

Amount Amount::operator-(Amount other) const noexcept {
  return Amount(saturated_sum(count_, -other.count_));
}

DayLine& Comparison::line_of(const SideEvent& event) {
  const std::string currency(event.currency.code());
  const auto [line, is_new] =
      lines_.try_emplace(day_text(event.day) + '\n' + event.metric + '\n' + currency);
  if (is_new) {
    line->second.day = event.day;
    line->second.metric = event.metric;
    line->second.currency = currency;
  }
  return line->second;
}

void Comparison::add_shop(const SideEvent& event) {
  Seen& seen = events_[event.metric][event.id].shop;
  if (++seen.count > 1) return;
  seen = {.count = 1, .day = event.day, .value = event.value, .currency = event.currency};
  DayLine& line = line_of(event);
  ++line.shop.count;
  line.shop.value += event.value;
}

void Comparison::add_klaviyo(SideEvent event, const klaviyo::Currency& otherwise) {
  Entry& entry = events_[event.metric][event.id];
  if (event.currency.code().empty() && entry.shop.count > 0) event.currency = entry.shop.currency;
  if (event.currency.code().empty() && event.value != Amount()) event.currency = otherwise;
  DayLine& line = line_of(event);
  ++line.klaviyo.count;
  line.klaviyo.value += event.value;
  if (++entry.klaviyo.count > 1) return;
  entry.klaviyo = {.count = 1, .day = event.day, .value = event.value, .currency = event.currency};
}

std::vector<DayLine> Comparison::lines() const {
  std::vector<DayLine> all;
  for (const auto& [key, line] : lines_) all.push_back(line);
  return all;
}

SideEvent Comparison::event_of(const std::string& metric, const std::string& id, const Seen& seen) {
  return {
      .metric = metric, .id = id, .day = seen.day, .value = seen.value, .currency = seen.currency};
}

void Comparison::find_differences(const std::string& metric, const std::string& id,
                                  const Entry& entry, std::vector<Difference>& found) const {
  Difference difference{.metric = metric, .id = id};
  if (entry.klaviyo.count > 0) difference.klaviyo = event_of(metric, id, entry.klaviyo);
  if (entry.shop.count > 0) difference.shop = event_of(metric, id, entry.shop);
  const auto add = [&](DifferenceKind kind) {
    difference.kind = kind;
    found.push_back(difference);
  };
  // Those without an id cannot be told apart, and are no duplicates.
  if (entry.klaviyo.count > 1 && !id.empty()) add(DifferenceKind::kTwiceAtKlaviyo);
  if (!has_shop_) return;
  if (entry.shop.count > 1) add(DifferenceKind::kTwiceInFile);
  if (!difference.klaviyo) return add(DifferenceKind::kNotAtKlaviyo);
  if (!difference.shop) return add(DifferenceKind::kNotInFile);
  const Seen& at_klaviyo = entry.klaviyo;
  const bool is_same = at_klaviyo.day == entry.shop.day && at_klaviyo.value == entry.shop.value &&
                       at_klaviyo.currency == entry.shop.currency;
  if (!is_same) add(DifferenceKind::kDifferent);
}

std::vector<Difference> Comparison::differences() const {
  std::vector<Difference> found;
  for (const auto& [metric, entries] : events_) {
    for (const auto& [id, entry] : entries) find_differences(metric, id, entry, found);
  }
  std::ranges::sort(found, [](const Difference& a, const Difference& b) {
    return std::tie(a.kind, a.metric, a.id) < std::tie(b.kind, b.metric, b.id);
  });
  return found;
}

std::string day_text(sys_days day) {
  const std::chrono::year_month_day date(day);
  std::string text = std::to_string(static_cast<int>(date.year()));
  for (const unsigned part :
       {static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day())}) {
    text += (part < 10 ? "-0" : "-") + std::to_string(part);
  }
  return text;
}

std::optional<sys_days> parse_day(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto part = [text](std::size_t from, std::size_t size) {
    const std::string_view digits = text.substr(from, size);
    const bool are_digits = digits.find_first_not_of("0123456789") == std::string_view::npos;
    return are_digits ? number_of(digits) : std::nullopt;
  };
  const auto year = part(0, 4);
  const auto month = part(5, 2);
  const auto day = part(8, 2);
  if (!year || !month || !day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  return date.ok() ? std::optional(sys_days(date)) : std::nullopt;
}

}  // namespace postbox::cli
