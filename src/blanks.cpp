#include "blanks.hpp"

#include <algorithm>
#include <array>

namespace postbox {
namespace {

using namespace std::string_view_literals;

// In UTF-8: C1's next line, no-break space, soft hyphen, the spaces of U+1680, U+180E, U+2000 to
// U+200F (zero width, marks of direction), U+2028 to U+202F, U+205F to U+2064, U+2066 to U+2069,
// U+3000, and the byte order mark.
constexpr std::array kInvisible{
    "\xC2\x85"sv,     "\xC2\xA0"sv,     "\xC2\xAD"sv,     "\xE1\x9A\x80"sv, "\xE1\xA0\x8E"sv,
    "\xE2\x80\x80"sv, "\xE2\x80\x81"sv, "\xE2\x80\x82"sv, "\xE2\x80\x83"sv, "\xE2\x80\x84"sv,
    "\xE2\x80\x85"sv, "\xE2\x80\x86"sv, "\xE2\x80\x87"sv, "\xE2\x80\x88"sv, "\xE2\x80\x89"sv,
    "\xE2\x80\x8A"sv, "\xE2\x80\x8B"sv, "\xE2\x80\x8C"sv, "\xE2\x80\x8D"sv, "\xE2\x80\x8E"sv,
    "\xE2\x80\x8F"sv, "\xE2\x80\xA8"sv, "\xE2\x80\xA9"sv, "\xE2\x80\xAA"sv, "\xE2\x80\xAB"sv,
    "\xE2\x80\xAC"sv, "\xE2\x80\xAD"sv, "\xE2\x80\xAE"sv, "\xE2\x80\xAF"sv, "\xE2\x81\x9F"sv,
    "\xE2\x81\xA0"sv, "\xE2\x81\xA1"sv, "\xE2\x81\xA2"sv, "\xE2\x81\xA3"sv, "\xE2\x81\xA4"sv,
    "\xE2\x81\xA6"sv, "\xE2\x81\xA7"sv, "\xE2\x81\xA8"sv, "\xE2\x81\xA9"sv, "\xE3\x80\x80"sv,
    "\xEF\xBB\xBF"sv};

constexpr bool is_ascii_blank(char c) noexcept {
  return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f;
}

// How many bytes of an invisible character the text begins with, or ends with.
template <class Has>
std::size_t invisible(Has has) noexcept {
  const auto found = std::ranges::find_if(kInvisible, has);
  return found == kInvisible.end() ? 0 : found->size();
}

}  // namespace

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t size = is_ascii_blank(text.front())
                                 ? 1
                                 : invisible([&](auto each) { return text.starts_with(each); });
    if (size == 0) break;
    text.remove_prefix(size);
  }
  while (!text.empty()) {
    const std::size_t size = is_ascii_blank(text.back())
                                 ? 1
                                 : invisible([&](auto each) { return text.ends_with(each); });
    if (size == 0) break;
    text.remove_suffix(size);
  }
  return text;
}

}  // namespace postbox
