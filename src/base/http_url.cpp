#include "http_url.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include "not_accepted.hpp"

namespace postbox {
namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool all_of(std::string_view text, bool (*test)(char)) {
  return !text.empty() && std::all_of(text.begin(), text.end(), test);
}

bool starts_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), text.begin(),
                                                    [](char a, char b) { return a == lower(b); });
}

struct Url {
  bool secure = false;
  std::string_view host;
};

std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t most) {
  std::uint32_t number = 0;
  if (!all_of(text, is_digit)) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number > most) return std::nullopt;
  return number;
}

// Strictly four numbers: "127.evil.example" is no loopback address.
bool is_loopback_v4(std::string_view host) {
  if (!host.starts_with("127.")) return false;
  for (int part = 0; part < 4; ++part) {
    const std::size_t dot = host.find('.');
    if ((dot == std::string_view::npos) != (part == 3)) return false;
    if (!parse_number(host.substr(0, dot), 255)) return false;
    host.remove_prefix(std::min(dot, host.size() - 1) + 1);
  }
  return true;
}

bool is_loopback(std::string_view host) {
  constexpr std::string_view kLocalhost = "localhost";
  return (host.size() == kLocalhost.size() && starts_ignoring_case(host, kLocalhost)) ||
         host == "[::1]" || is_loopback_v4(host);
}

bool is_host(std::string_view host) {
  if (host.starts_with('[')) {
    return host.size() > 2 && host.ends_with(']') &&
           host.find_first_not_of("0123456789abcdefABCDEF:.", 1) == host.size() - 1;
  }
  return all_of(host, [](char c) {
    return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || c == '-' || c == '.';
  });
}

std::optional<Url> parse_url(std::string_view text) {
  Url url;
  url.secure = starts_ignoring_case(text, "https://");
  if (!url.secure && !starts_ignoring_case(text, "http://")) return std::nullopt;
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return c > 0x20 && c < 0x7f &&
           std::string_view("@?#\\\"'<>^`{|}").find(c) == std::string_view::npos;
  });
  if (!plain) return std::nullopt;
  text.remove_prefix(text.find("//") + 2);
  std::string_view authority = text.substr(0, text.find('/'));
  const std::size_t bracket = authority.find(']');
  const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon != std::string_view::npos) {
    const auto port = parse_number(authority.substr(colon + 1), 65'535);
    if (!port || *port == 0) return std::nullopt;
    authority = authority.substr(0, colon);
  }
  if (!is_host(authority)) return std::nullopt;
  url.host = authority;
  return url;
}

Error refuse(std::string_view text, std::string_view accepted) {
  // Behind these may stand a password or a token.
  const bool secret = text.find_first_of("@?#") != std::string_view::npos;
  if (!secret) return not_accepted(text, accepted);
  return {ErrorCode::kInvalidConfig,
          "an address with a user, query or fragment is not accepted; expected " +
              std::string(accepted)};
}

// The scheme in lower case, for others compare it; no slash at the end.
std::string normal_form(std::string_view text) {
  while (text.ends_with('/')) text.remove_suffix(1);
  std::string url(text);
  std::transform(url.begin(), url.begin() + static_cast<std::ptrdiff_t>(url.find(':')), url.begin(),
                 lower);
  return url;
}

}  // namespace

Result<std::string> parse_api_url(std::string_view text) {
  constexpr std::string_view kAccepted =
      "https://HOST[:PORT][/PATH], or http:// with localhost, 127.x.y.z or [::1]";
  const auto url = parse_url(text);
  if (!url || (!url->secure && !is_loopback(url->host))) return refuse(text, kAccepted);
  return normal_form(text);
}

Result<std::string> parse_app_url(std::string_view text) {
  if (!parse_url(text)) return refuse(text, "https://HOST[:PORT][/PATH] or the same with http://");
  return normal_form(text);
}

}  // namespace postbox
