#include "blanks.hpp"

#include <algorithm>
#include <array>
#include <postbox/schema.hpp>

namespace postbox {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// Controls and the space; no-break space, soft hyphen, spaces of all widths, zero-width ones, line
// separators, marks of direction and of order, invisible operators, and the byte order mark. None
// takes more than three bytes.
constexpr std::array kUnseen{Range{0x00, 0x20},     Range{0x7F, 0xA0},     Range{0xAD, 0xAD},
                             Range{0x61C, 0x61C},   Range{0x1680, 0x1680}, Range{0x180E, 0x180E},
                             Range{0x2000, 0x200F}, Range{0x2028, 0x202F}, Range{0x205F, 0x206F},
                             Range{0x3000, 0x3000}, Range{0xFEFF, 0xFEFF}};
constexpr std::size_t kMostBytes = 3;

// `character` is one in UTF-8, of three bytes at most.
bool is_unseen(std::string_view character) noexcept {
  constexpr std::array<unsigned, kMostBytes> kBitsOfFirst = {0x7F, 0x1F, 0x0F};
  char32_t code = static_cast<unsigned char>(character[0]) & kBitsOfFirst[character.size() - 1];
  for (const char c : character.substr(1)) {
    code = code << 6U | (static_cast<unsigned char>(c) & 0x3FU);
  }
  return std::ranges::any_of(
      kUnseen, [&](const Range& range) { return code >= range.first && code <= range.last; });
}

// How many bytes of an unseen character the text, which is not empty, begins with, or ends with.
std::size_t unseen_in_front(std::string_view text) noexcept {
  const std::size_t size = utf8_length(text);
  return size > 0 && size <= kMostBytes && is_unseen(text.substr(0, size)) ? size : 0;
}

std::size_t unseen_at_end(std::string_view text) noexcept {
  for (std::size_t size = 1; size <= std::min(kMostBytes, text.size()); ++size) {
    const std::string_view last = text.substr(text.size() - size);
    if (utf8_length(last) == size) return is_unseen(last) ? size : 0;
  }
  return 0;
}

}  // namespace

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t size = unseen_in_front(text);
    if (size == 0) break;
    text.remove_prefix(size);
  }
  while (!text.empty()) {
    const std::size_t size = unseen_at_end(text);
    if (size == 0) break;
    text.remove_suffix(size);
  }
  return text;
}

}  // namespace postbox
