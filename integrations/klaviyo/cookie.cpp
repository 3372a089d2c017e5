#include <algorithm>
#include <cstdint>
#include <klaviyo/cookie.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace klaviyo {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kName = "__kla_id";
constexpr std::size_t kLongest = 8'192;  // browsers keep 4 KiB, which encoding may stretch
constexpr std::size_t kLongestIdentifier = 255;

std::string_view stripped(std::string_view text) {
  constexpr std::string_view kAround = " \t\r\n\"";
  const std::size_t first = text.find_first_not_of(kAround);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kAround) - first + 1);
}

// The value in "a=1; __kla_id=…; b=2"; all of `cookie` when it is no header.
std::string_view value_in(std::string_view cookie) {
  std::string_view rest = cookie;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(';'), rest.size());
    const std::string_view pair = stripped(rest.substr(0, end));
    const std::size_t equals = pair.find('=');
    if (stripped(pair.substr(0, equals)) == kName && equals != std::string_view::npos) {
      return stripped(pair.substr(equals + 1));
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return stripped(cookie);
}

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

std::string without_percents(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto high = text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : std::nullopt;
    const auto low = high ? hex_digit(text[i + 2]) : std::nullopt;
    plain += low ? static_cast<char>(*high * 16 + *low) : text[i];
    if (low) i += 2;
  }
  return plain;
}

// A blank is a plus that a framework took for a form's.
std::optional<unsigned> base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return static_cast<unsigned>(c - 'A');
  if (c >= 'a' && c <= 'z') return static_cast<unsigned>(c - 'a' + 26);
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0' + 52);
  if (c == '+' || c == '-' || c == ' ') return 62U;
  if (c == '/' || c == '_') return 63U;
  return std::nullopt;
}

// Of either alphabet, with and without padding; empty when `text` is none.
std::string from_base64(std::string_view text) {
  text = text.substr(0, text.find_last_not_of('=') + 1);
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const auto digit = base64_digit(c);
    if (!digit) return {};
    bits = bits << 6U | *digit;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> static_cast<unsigned>(count) & 0xffU);
  }
  return bytes;
}

std::string identifier_in(const Json& visitor, const char* name) {
  const auto found = visitor.find(name);
  if (found == visitor.end() || !found->is_string()) return {};
  const auto& text = *found->get_ptr<const Json::string_t*>();
  const bool is_plain = std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
  return is_plain && text.size() <= kLongestIdentifier ? text : std::string();
}

}  // namespace

bool read_cookie(std::string_view cookie, Profile& profile) {
  const std::string_view value = value_in(cookie);
  if (value.empty() || value.size() > kLongest) return false;
  const std::string plain = without_percents(value);
  const std::string decoded = plain.starts_with('{') ? plain : from_base64(stripped(plain));
  const Json visitor = Json::parse(decoded, nullptr, /*allow_exceptions=*/false);
  if (!visitor.is_object()) return false;
  const std::string kx = identifier_in(visitor, "$exchange_id");
  const std::string anonymous_id = identifier_in(visitor, "cid");
  if (profile.kx.empty()) profile.kx = kx;
  if (profile.anonymous_id.empty()) profile.anonymous_id = anonymous_id;
  return !kx.empty() || !anonymous_id.empty();
}

}  // namespace klaviyo
