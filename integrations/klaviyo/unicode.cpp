#include <algorithm>
#include <array>
#include <cstdint>
#include <klaviyo/unicode.hpp>
#include <postbox/schema.hpp>
#include <span>

namespace klaviyo {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// White_Space of PropList.txt, and U+2800.
constexpr std::array<Range, 11> kBlanks = {{{0x09, 0x0d},
                                            {0x20, 0x20},
                                            {0x85, 0x85},
                                            {0xa0, 0xa0},
                                            {0x1680, 0x1680},
                                            {0x2000, 0x200a},
                                            {0x2028, 0x2029},
                                            {0x202f, 0x202f},
                                            {0x205f, 0x205f},
                                            {0x2800, 0x2800},
                                            {0x3000, 0x3000}}};

// Cc and Cf of UnicodeData.txt with Default_Ignorable_Code_Point of DerivedCoreProperties.txt.
constexpr std::array<Range, 29> kInvisible = {
    {{0x00, 0x1f},       {0x7f, 0x9f},       {0xad, 0xad},       {0x034f, 0x034f},
     {0x0600, 0x0605},   {0x061c, 0x061c},   {0x06dd, 0x06dd},   {0x070f, 0x070f},
     {0x0890, 0x0891},   {0x08e2, 0x08e2},   {0x115f, 0x1160},   {0x17b4, 0x17b5},
     {0x180b, 0x180f},   {0x200b, 0x200f},   {0x202a, 0x202e},   {0x2060, 0x206f},
     {0x3164, 0x3164},   {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},
     {0xfff0, 0xfffb},   {0x110bd, 0x110bd}, {0x110cd, 0x110cd}, {0x13430, 0x1343f},
     {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff}, {0xfdd0, 0xfdef},
     {0xfffe, 0xffff}}};

constexpr std::array<Range, 11> kDashes = {{{0x2d, 0x2d},
                                            {0x058a, 0x058a},
                                            {0x05be, 0x05be},
                                            {0x2010, 0x2015},
                                            {0x2043, 0x2043},
                                            {0x207b, 0x207b},
                                            {0x2212, 0x2212},
                                            {0x301c, 0x301c},
                                            {0x30fc, 0x30fc},
                                            {0xfe58, 0xfe58},
                                            {0xfe63, 0xfe63}}};

constexpr std::array<char32_t, 5> kZeros = {'0', 0x0660, 0x06f0, 0x0966, 0x09e6};

bool is_in(char32_t c, std::span<const Range> ranges) noexcept {
  return std::ranges::any_of(ranges, [c](Range r) { return r.first <= c && c <= r.last; });
}

bool is_continuation(char c) noexcept { return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U; }

// The code point that is `text`, a well-formed sequence.
char32_t code_point(std::string_view text) noexcept {
  const auto lead = static_cast<unsigned char>(text.front());
  if (text.size() == 1) return lead;
  char32_t c = lead & (0xffU >> (text.size() + 1));
  for (const char next : text.substr(1)) c = (c << 6U) | (static_cast<unsigned char>(next) & 0x3fU);
  return c;
}

bool is_at_end(char32_t c) noexcept { return is_blank(c) || is_invisible(c); }

// The last character of `text`, which is not empty.
std::string_view last_of(std::string_view text) noexcept {
  std::size_t begin = text.size() - 1;
  while (begin > 0 && text.size() - begin < 4 && is_continuation(text[begin])) --begin;
  const std::string_view last = text.substr(begin);
  return postbox::utf8_length(last) == last.size() ? last : text.substr(text.size() - 1);
}

}  // namespace

std::u32string decode_utf8(std::string_view text) {
  std::u32string decoded;
  decoded.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = postbox::utf8_length(text);
    decoded += length == 0 ? kReplacement : code_point(text.substr(0, length));
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return decoded;
}

std::string encode_utf8(std::u32string_view text) {
  std::string encoded;
  encoded.reserve(text.size());
  const auto add = [&](char32_t byte) { encoded += static_cast<char>(byte); };
  const auto add_rest = [&](char32_t c, unsigned shift) { add(0x80U | ((c >> shift) & 0x3fU)); };
  for (const char32_t c : text) {
    if (c < 0x80) {
      add(c);
    } else if (c < 0x800) {
      add(0xc0U | (c >> 6U));
      add_rest(c, 0);
    } else if (c < 0x10000) {
      add(0xe0U | (c >> 12U));
      add_rest(c, 6);
      add_rest(c, 0);
    } else {
      add(0xf0U | (c >> 18U));
      add_rest(c, 12);
      add_rest(c, 6);
      add_rest(c, 0);
    }
  }
  return encoded;
}

bool is_blank(char32_t c) noexcept { return is_in(c, kBlanks); }

bool is_invisible(char32_t c) noexcept { return !is_blank(c) && is_in(c, kInvisible); }

bool is_dash(char32_t c) noexcept { return is_in(c, kDashes); }

char32_t narrow(char32_t c) noexcept {
  if (c == 0xfe6b) return U'@';  // the small one
  return c >= 0xff01 && c <= 0xff5e ? c - 0xfee0 : c;
}

int digit_of(char32_t c) noexcept {
  for (const char32_t zero : kZeros) {
    if (c >= zero && c <= zero + 9) return static_cast<int>(c - zero);
  }
  return -1;
}

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t length = postbox::utf8_length(text);
    if (length == 0 || !is_at_end(code_point(text.substr(0, length)))) break;
    text.remove_prefix(length);
  }
  while (!text.empty()) {
    const std::string_view last = last_of(text);
    if (postbox::utf8_length(last) == 0 || !is_at_end(code_point(last))) break;
    text.remove_suffix(last.size());
  }
  return text;
}

}  // namespace klaviyo
