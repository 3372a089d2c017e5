#include <charconv>
#include <cstdint>
#include <postbox/json_text.hpp>

namespace postbox {
namespace {

constexpr std::size_t kEscape = 6;  // \ud83c

// The code unit that the escape at `at` says; zero when there is no such escape.
std::uint32_t unit_at(std::string_view json, std::size_t at) {
  if (at + kEscape > json.size() || json[at] != '\\' || json[at + 1] != 'u') return 0;
  std::uint32_t unit = 0;
  const char* const digits = json.data() + at + 2;
  const auto [end, error] = std::from_chars(digits, digits + 4, unit, 16);
  return error == std::errc() && end == digits + 4 ? unit : 0;
}

bool is_high(std::uint32_t unit) { return unit >= 0xd800 && unit < 0xdc00; }
bool is_low(std::uint32_t unit) { return unit >= 0xdc00 && unit < 0xe000; }

// The first half of a pair at or behind `at` that is alone.
std::size_t find_lone(std::string_view json, std::size_t at) {
  while ((at = json.find('\\', at)) != std::string_view::npos) {
    const std::uint32_t unit = unit_at(json, at);
    if (is_high(unit) && is_low(unit_at(json, at + kEscape))) {
      at += 2 * kEscape;
    } else if (is_high(unit) || is_low(unit)) {
      return at;
    } else {
      at += 2;  // an escaped backslash begins no escape
    }
  }
  return std::string_view::npos;
}

}  // namespace

std::optional<std::string> mended_json(std::string_view json) {
  std::size_t lone = find_lone(json, 0);
  if (lone == std::string_view::npos) return std::nullopt;
  std::string mended(json);
  for (; lone != std::string::npos; lone = find_lone(mended, lone)) {
    mended.replace(lone, kEscape, "\\ufffd");
  }
  return mended;
}

}  // namespace postbox
