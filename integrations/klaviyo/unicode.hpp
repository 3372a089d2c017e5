// Unicode as far as the normalising of identifiers needs it: kinds of characters, and a way from
// UTF-8 to code points and back.
//
// Place:     inside the integration: email.cpp, phone.cpp.
// Threads:   pure functions.
// Lifetime:  values.
// Failure:   bytes that are no UTF-8 decode as U+FFFD.
#pragma once

#include <string>
#include <string_view>

namespace klaviyo {

inline constexpr char32_t kReplacement = 0xfffd;

[[nodiscard]] std::u32string decode_utf8(std::string_view text);
[[nodiscard]] std::string encode_utf8(std::u32string_view text);

// White_Space of Unicode, with the blank of Braille, which looks like one.
[[nodiscard]] bool is_blank(char32_t c) noexcept;

// Nothing is to be seen of it: control and format characters (Cc, Cf) and what is to be ignored by
// default, such as variation selectors and fillers. A blank is none.
[[nodiscard]] bool is_invisible(char32_t c) noexcept;

// Hyphens, dashes, the minus sign, and what a Japanese keyboard has in their place.
[[nodiscard]] bool is_dash(char32_t c) noexcept;

// U+FF01 to U+FF5E, which input methods of East Asia write for ASCII: the ASCII; others as they
// are.
[[nodiscard]] char32_t narrow(char32_t c) noexcept;

// A capital of ASCII in lower case; others as they are.
[[nodiscard]] constexpr char32_t lower_ascii(char32_t c) noexcept {
  return c >= U'A' && c <= U'Z' ? c - U'A' + U'a' : c;
}

// A decimal digit of ASCII, or one of the scripts of Arabic, Persian, Hindi and Bengali: 0 to 9,
// and -1 for what is none.
[[nodiscard]] int digit_of(char32_t c) noexcept;

// `text` without blanks and invisible characters at its ends.
[[nodiscard]] std::string_view trimmed(std::string_view text) noexcept;

}  // namespace klaviyo
