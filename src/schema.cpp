#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <postbox/schema.hpp>

namespace postbox {
namespace {

constexpr std::uint64_t kEachByte = 0x0101010101010101U;
constexpr std::uint64_t kHighBits = 0x8080808080808080U;

std::uint64_t load8(const char* bytes) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

// A high bit for each byte that equals `c`; a false one only above a true one.
constexpr std::uint64_t bytes_equal(std::uint64_t word, unsigned char c) noexcept {
  const std::uint64_t x = word ^ (kEachByte * c);
  return (x - kEachByte) & ~x & kHighBits;
}

constexpr bool must_escape(unsigned char c) noexcept { return c < 0x20 || c == '"' || c == '\\'; }

// Returns the length of the part that is written as it is: it needs no escaping and is UTF-8.
std::size_t plain_prefix(std::string_view text) noexcept {
  std::size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    const std::uint64_t word = load8(text.data() + at);
    const std::uint64_t control = (word - kEachByte * 0x20U) & ~word;
    const std::uint64_t others = bytes_equal(word, '"') | bytes_equal(word, '\\');
    if (((control | word | others) & kHighBits) != 0) break;
  }
  while (at < text.size() && !must_escape(static_cast<unsigned char>(text[at]))) {
    const std::size_t length = utf8_length(text.substr(at));
    if (length == 0) break;
    at += length;
  }
  return at;
}

void append_escaped(char c, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      out += kHex[byte >> 4U];
      out += kHex[byte & 0xfU];
  }
}

constexpr bool is_continuation(char c) noexcept {
  return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U;
}

// The surrogate that three bytes at the front of `text` encode, which UTF-8 has no form for; zero
// for none.
std::uint32_t surrogate_at(std::string_view text) noexcept {
  if (text.size() < 3 || text[0] != '\xed' || !is_continuation(text[1]) ||
      !is_continuation(text[2])) {
    return 0;
  }
  const auto bits = [&](std::size_t i) { return static_cast<unsigned char>(text[i]) & 0x3fU; };
  const std::uint32_t code = 0xd000U | (bits(1) << 6U) | bits(2);
  return code >= 0xd800U ? code : 0;
}

// The length of what stands for one character at the front of `text` and is none.
std::size_t broken_length(std::string_view text) noexcept {
  if (surrogate_at(text) != 0) return 3;
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t most = lead < 0xc2   ? 1
                           : lead < 0xe0 ? 2
                           : lead < 0xf0 ? 3
                           : lead < 0xf5 ? 4
                                         : 1;
  std::size_t length = 1;
  while (length < std::min(most, text.size()) && is_continuation(text[length])) ++length;
  return length;
}

// Appends the character whose halves stand at the front of `text`, six bytes; false for none.
bool append_pair(std::string_view text, std::string& out) {
  const std::uint32_t high = surrogate_at(text);
  const std::uint32_t low = text.size() < 6 ? 0 : surrogate_at(text.substr(3));
  if (high == 0 || high >= 0xdc00U || low < 0xdc00U) return false;
  const std::uint32_t code = 0x10000U + ((high & 0x3ffU) << 10U) + (low & 0x3ffU);
  out += static_cast<char>(0xf0U | (code >> 18U));
  for (const unsigned shift : {12U, 6U, 0U}) {
    out += static_cast<char>(0x80U | ((code >> shift) & 0x3fU));
  }
  return true;
}

// The part of `text`, which is UTF-8, that a string may have.
std::string_view cut(std::string_view text) noexcept {
  if (text.size() <= kMaxStringBytes) return text;
  std::size_t end = kMaxStringBytes;
  while (end > kMaxStringBytes - 3 && is_continuation(text[end])) --end;
  return text.substr(0, end);
}

std::size_t count_characters(std::string_view text) noexcept {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xc0U) != 0x80U ? 1 : 0;
  return count;
}

void append_padded(std::int64_t number, int width, std::string& out) {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  for (auto missing = width - (end - digits.data()); missing > 0; --missing) out += '0';
  out.append(digits.data(), end);
}

}  // namespace

std::string Path::to_string() const {
  std::string text = parent_ == nullptr ? std::string() : parent_->to_string();
  if (index_ != kName) return text + "[" + std::to_string(index_) + "]";
  if (!text.empty() && !name_.empty()) text += '.';
  return text.append(name_);
}

// The bounds are table 3-7 of the Unicode standard: they refuse overlong forms, surrogates and what
// is beyond U+10FFFF.
std::size_t utf8_length(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](std::size_t i) { return is_continuation(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  if (lead < 0xe0) return text.size() >= 2 && continues(1) ? 2 : 0;
  if (lead < 0xf0) {
    if (text.size() < 3 || !continues(1) || !continues(2)) return 0;
    const bool overlong = lead == 0xe0 && byte(1) < 0xa0;
    const bool surrogate = lead == 0xed && byte(1) > 0x9f;
    return overlong || surrogate ? 0 : 3;
  }
  if (text.size() < 4 || !continues(1) || !continues(2) || !continues(3)) return 0;
  const bool overlong = lead == 0xf0 && byte(1) < 0x90;
  const bool beyond = lead == 0xf4 && byte(1) > 0x8f;
  return overlong || beyond ? 0 : 4;
}

std::string mended_utf8(std::string_view text) {
  constexpr std::string_view kReplacement = "\xef\xbf\xbd";
  std::string mended;
  mended.reserve(text.size());
  while (!text.empty()) {
    std::size_t length = utf8_length(text);
    if (length > 0) {
      mended += text.substr(0, length);
    } else if (append_pair(text, mended)) {
      length = 6;
    } else {
      mended += kReplacement;
      length = broken_length(text);
    }
    text.remove_prefix(length);
  }
  return mended;
}

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    if (text.size() >= 8 && (load8(text.data()) & kHighBits) == 0) {
      text.remove_prefix(8);
      continue;
    }
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

void append_string(std::string_view text, std::string& out) {
  const std::size_t start = out.size();
  out += '"';
  for (std::string_view rest = cut(text);;) {
    const std::size_t plain = plain_prefix(rest);
    out.append(rest.data(), plain);
    if (plain == rest.size()) break;
    if (static_cast<unsigned char>(rest[plain]) >= 0x80) {
      out.resize(start);
      return append_string(mended_utf8(text), out);
    }
    append_escaped(rest[plain], out);
    rest.remove_prefix(plain + 1);
  }
  out += '"';
}

void find_mended(std::string_view text, const Path& path, std::vector<Violation>& warnings) {
  if (!is_utf8(text)) {
    warnings.push_back(
        {path.to_string(), "is not valid UTF-8: what is broken was replaced by U+FFFD"});
  }
  if (text.size() > kMaxStringBytes) {
    warnings.push_back({path.to_string(), "is longer than " + std::to_string(kMaxStringBytes) +
                                              " bytes: the rest was cut off"});
  }
}

void append_integer(std::int64_t number, std::string& out) {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

void append_decimal(std::int64_t scaled, int digits, std::string& out) {
  // Unsigned arithmetic, because the smallest number has no positive counterpart.
  const auto magnitude =
      scaled < 0 ? 0U - static_cast<std::uint64_t>(scaled) : static_cast<std::uint64_t>(scaled);
  std::array<char, 20> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), magnitude).ptr;
  const auto length = static_cast<std::size_t>(end - text.data());
  const auto fraction = static_cast<std::size_t>(digits);
  if (scaled < 0) out += '-';
  if (length <= fraction) {
    out += "0.";
    out.append(fraction - length, '0');
    out.append(text.data(), length);
    return;
  }
  out.append(text.data(), length - fraction);
  if (fraction == 0) return;
  out += '.';
  out.append(end - digits, fraction);
}

void append_time(WallTime time, std::string& out) {
  const auto second = std::chrono::floor<std::chrono::seconds>(time);
  const auto day = std::chrono::floor<std::chrono::days>(second);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(second - day);
  append_padded(static_cast<int>(date.year()), 4, out);
  out += '-';
  append_padded(static_cast<unsigned>(date.month()), 2, out);
  out += '-';
  append_padded(static_cast<unsigned>(date.day()), 2, out);
  out += 'T';
  append_padded(clock.hours().count(), 2, out);
  out += ':';
  append_padded(clock.minutes().count(), 2, out);
  out += ':';
  append_padded(clock.seconds().count(), 2, out);
  out += 'Z';
}

void append_name(std::string_view name, bool first, std::string& out) {
  // One growth instead of three: names are a third of the output.
  const std::size_t start = out.size();
  out.resize(start + name.size() + (first ? 3 : 4));
  char* at = out.data() + start;
  if (!first) *at++ = ',';
  *at++ = '"';
  at = std::copy(name.begin(), name.end(), at);
  *at++ = '"';
  *at = ':';
}

void check_present(const Path& path, std::vector<Violation>& violations) {
  violations.push_back({path.to_string(), "is required"});
}

void check_text(std::string_view text, const Path& path, const Rules& rules,
                std::vector<Violation>& violations) {
  if (text.empty()) {
    if (rules.required) check_present(path, violations);
    return;
  }
  // No text has more characters than bytes, so the common case counts nothing.
  if (text.size() <= rules.max_length || rules.max_length >= kMaxStringBytes) return;
  if (const std::size_t length = count_characters(text); length > rules.max_length) {
    violations.push_back({path.to_string(), "must have at most " +
                                                std::to_string(rules.max_length) +
                                                " characters, found " + std::to_string(length)});
  }
}

void check_number(std::int64_t number, const Path& path, const Rules& rules,
                  std::vector<Violation>& violations) {
  if (number < rules.minimum) {
    violations.push_back({path.to_string(), "must be at least " + std::to_string(rules.minimum) +
                                                ", found " + std::to_string(number)});
  }
  if (number > rules.maximum) {
    violations.push_back({path.to_string(), "must be at most " + std::to_string(rules.maximum) +
                                                ", found " + std::to_string(number)});
  }
}

void check_year(WallTime time, const Path& path, std::vector<Violation>& violations) {
  using namespace std::chrono_literals;
  if (time >= std::chrono::sys_days(1y / 1 / 1) && time < std::chrono::sys_days(10000y / 1 / 1)) {
    return;
  }
  violations.push_back({path.to_string(), "must be in the years 1 to 9999, found " +
                                              std::to_string(time.time_since_epoch().count()) +
                                              " ms after 1970"});
}

void check_count(std::size_t items, const Path& path, const Rules& rules,
                 std::vector<Violation>& violations) {
  if (items == 0 && rules.required) {
    violations.push_back({path.to_string(), "must have at least 1 item, found 0"});
  }
  if (items > kMaxArrayItems) {
    violations.push_back({path.to_string(), "must have at most " + std::to_string(kMaxArrayItems) +
                                                " items, found " + std::to_string(items)});
  }
}

}  // namespace postbox
