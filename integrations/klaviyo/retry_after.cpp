#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <klaviyo/ascii.hpp>
#include <klaviyo/retry_after.hpp>
#include <limits>
#include <vector>

namespace klaviyo {
namespace {

using std::chrono::seconds;

// Nothing for a sign, a fraction, or more than fits.
std::optional<std::int64_t> parse_number(std::string_view text) {
  if (text.empty() || !std::all_of(text.begin(), text.end(), is_digit)) return std::nullopt;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  return number;
}

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t first = text.find_first_not_of(separators);
    if (first == std::string_view::npos) return words;
    text.remove_prefix(first);
    const std::size_t length = std::min(text.find_first_of(separators), text.size());
    words.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
}

std::optional<unsigned> parse_month(std::string_view text) {
  constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                        "jul", "aug", "sep", "oct", "nov", "dec"};
  for (unsigned i = 0; i < kMonths.size(); ++i) {
    if (std::equal(text.begin(), text.end(), kMonths[i].begin(), kMonths[i].end(),
                   [](char a, char b) { return lower(a) == b; })) {
      return i + 1;
    }
  }
  return std::nullopt;
}

std::optional<seconds> parse_time_of_day(std::string_view text) {
  const auto parts = split(text, ":");
  if (parts.size() != 3) return std::nullopt;
  const auto hour = parse_number(parts[0]);
  const auto minute = parse_number(parts[1]);
  const auto second = parse_number(parts[2]);
  if (!hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 60) {
    return std::nullopt;
  }
  return std::chrono::hours(*hour) + std::chrono::minutes(*minute) + seconds(*second);
}

struct DateWords {
  std::string_view day, month, year, time;
};

// "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994".
std::optional<DateWords> date_words(std::string_view text) {
  const auto words = split(text, " ,-");
  if (words.size() == 6) return DateWords{words[1], words[2], words[3], words[4]};
  if (words.size() == 5) return DateWords{words[2], words[1], words[4], words[3]};
  return std::nullopt;
}

}  // namespace

std::optional<std::chrono::sys_seconds> parse_http_date(std::string_view text) {
  const auto words = date_words(text);
  if (!words) return std::nullopt;
  const auto day = parse_number(words->day);
  const auto month = parse_month(words->month);
  const auto year = parse_number(words->year);
  const auto time = parse_time_of_day(words->time);
  if (!day || !month || !year || !time || *day > 31 || *year > 9999) return std::nullopt;
  // The two-digit years of the old form are of this century: no answer waits for the last one.
  const int full_year = static_cast<int>(words->year.size() == 2 ? *year + 2000 : *year);
  const std::chrono::year_month_day date{std::chrono::year(full_year), std::chrono::month(*month),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date) + *time;
}

std::optional<std::uint32_t> parse_count(std::string_view text) {
  const auto number = parse_number(text);
  if (!number || *number > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view text,
                                                           postbox::WallTime now) {
  constexpr std::string_view kBlanks = " \t";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return std::nullopt;
  text = text.substr(first, text.find_last_not_of(kBlanks) - first + 1);

  if (const auto number = parse_number(text)) {
    // Compared before it becomes milliseconds, which would overflow.
    return std::min(seconds(*number), seconds(kMaxRetryAfter));
  }
  const auto date = parse_http_date(text);
  if (!date || *date < now) return std::nullopt;
  return std::min<std::chrono::milliseconds>(*date - now, kMaxRetryAfter);
}

}  // namespace klaviyo
