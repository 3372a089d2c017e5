#include "base/secret_text.hpp"

#include <algorithm>
#include <cstddef>

namespace postbox {
namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
constexpr bool is_base64(char c) {
  return is_digit(c) || is_letter(c) || std::string_view("+/-_=").find(c) != std::string_view::npos;
}

bool is_long_number(std::string_view word) {
  constexpr std::size_t kHex = 32;  // 16 bytes
  constexpr std::size_t kBase64 = 40;
  if (word.size() >= kHex && std::ranges::all_of(word, is_hex)) return true;
  return word.size() >= kBase64 && std::ranges::all_of(word, is_base64) && word.front() != '/' &&
         std::ranges::any_of(word, is_digit);
}

}  // namespace

bool holds_key(std::string_view text) noexcept {
  constexpr std::size_t kShortest = 8;
  for (const std::string_view prefix : {"pk_", "sk_", "rk_", "whsec_"}) {
    for (auto at = text.find(prefix); at != std::string_view::npos;
         at = text.find(prefix, at + 1)) {
      const bool begins = at == 0 || !(is_letter(text[at - 1]) || is_digit(text[at - 1]));
      if (begins && text.size() - at >= prefix.size() + kShortest) return true;
    }
  }
  return false;
}

bool looks_like_secret(std::string_view text) noexcept {
  if (holds_key(text)) return true;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find_first_of(", '\""));
    if (is_long_number(word)) return true;
    text.remove_prefix(std::min(word.size() + 1, text.size()));
  }
  return false;
}

}  // namespace postbox
