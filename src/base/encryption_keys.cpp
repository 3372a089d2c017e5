#include "encryption_keys.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

#include "base64.hpp"
#include "cipher.hpp"

namespace postbox {
namespace {

std::optional<unsigned char> hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return static_cast<unsigned char>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned char>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned char>(c - 'A' + 10);
  return std::nullopt;
}

std::optional<Cipher::Key> from_hex(std::string_view text) noexcept {
  Cipher::Key key{};
  for (std::size_t i = 0; i < key.size(); ++i) {
    const auto high = hex_digit(text[2 * i]);
    const auto low = hex_digit(text[2 * i + 1]);
    if (!high || !low) return std::nullopt;
    key.at(i) = static_cast<unsigned char>(*high * 16 + *low);
  }
  return key;
}

std::optional<Cipher::Key> from_base64_text(std::string_view text) {
  const auto bytes = from_base64(text);
  Cipher::Key key{};
  if (!bytes || bytes->size() != key.size()) return std::nullopt;
  std::ranges::transform(*bytes, key.begin(), [](char c) { return static_cast<unsigned char>(c); });
  return key;
}

std::optional<Cipher::Key> parse_key(std::string_view text) {
  constexpr std::size_t kHex = 64;
  constexpr std::size_t kBase64 = 44;
  if (text.size() == kHex) return from_hex(text);
  if (text.size() == kBase64) return from_base64_text(text);
  return std::nullopt;
}

}  // namespace

Result<void> check_encryption_keys(const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    if (parse_key(key)) continue;
    return Error{ErrorCode::kInvalidConfig,
                 "a value of " + std::to_string(key.size()) +
                     " characters is not accepted; expected 32 bytes as 64 hexadecimal digits "
                     "(openssl rand -hex 32) or in base64, several separated by commas"};
  }
  return {};
}

std::shared_ptr<const Cipher> cipher_of(const std::vector<std::string>& keys) {
  std::vector<Cipher::Key> parsed;
  for (const std::string& key : keys) {
    if (const auto bytes = parse_key(key)) parsed.push_back(*bytes);
  }
  return std::make_shared<const Cipher>(parsed);
}

}  // namespace postbox
