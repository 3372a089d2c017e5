#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <klaviyo/recovery.hpp>
#include <klaviyo/recovery_key.hpp>
#include <memory>

namespace klaviyo {
namespace {

using postbox::Error;
using postbox::ErrorCode;
using postbox::Result;

constexpr char kVersion = 1;
constexpr std::size_t kIdSize = 4;
constexpr std::size_t kExpirySize = 8;
constexpr std::size_t kLengthSize = 2;
constexpr std::size_t kHead = 1 + kIdSize + kExpirySize + kLengthSize;
constexpr std::size_t kMacSize = 32;
constexpr std::size_t kMaxCartId = 200;
constexpr std::size_t kMaxToken = 400;  // of the longest cart id: 332

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

struct FreeContext {
  void operator()(EVP_MAC_CTX* context) const noexcept { EVP_MAC_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MAC_CTX, FreeContext>;

Context keyed(std::string_view secret) {
  // Fetching takes OpenSSL's locks: once per key, so that a fork() does not meet it in a signature.
  const std::unique_ptr<EVP_MAC, decltype(&EVP_MAC_free)> mac(
      EVP_MAC_fetch(nullptr, "HMAC", nullptr), &EVP_MAC_free);
  Context context(mac ? EVP_MAC_CTX_new(mac.get()) : nullptr);
  std::array<char, 7> digest = {"SHA256"};
  const std::array<OSSL_PARAM, 2> parameters = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
      OSSL_PARAM_construct_end()};
  const auto* bytes = reinterpret_cast<const unsigned char*>(secret.data());
  if (context && EVP_MAC_init(context.get(), bytes, secret.size(), parameters.data()) != 1) {
    context.reset();
  }
  return context;
}

void append_number(std::uint64_t number, std::size_t size, std::string& out) {
  for (std::size_t i = size; i > 0; --i) out += static_cast<char>(number >> (8 * (i - 1)));
}

std::uint64_t number_in(std::string_view bytes) {
  std::uint64_t number = 0;
  for (const char c : bytes) number = number << 8U | static_cast<unsigned char>(c);
  return number;
}

std::string to_base64url(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : bytes) {
    bits = bits << 8U | static_cast<unsigned char>(c);
    for (count += 8; count >= 6; count -= 6) text += kAlphabet[bits >> (count - 6) & 0x3fU];
  }
  if (count > 0) text += kAlphabet[bits << (6 - count) & 0x3fU];
  return text;
}

// Nothing when a character is none of the alphabet's. `exact` says whether it is what
// to_base64url() would write: bits that belong to no byte are zero.
struct Decoded {
  std::string bytes;
  bool exact;
};

std::optional<Decoded> from_base64url(std::string_view text) {
  Decoded decoded{};
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    const std::size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = bits << 6U | static_cast<std::uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    decoded.bytes += static_cast<char>(bits >> count);
  }
  decoded.exact = count < 6 && (bits & ((1U << count) - 1)) == 0;
  return decoded;
}

Error truncated() {
  return {ErrorCode::kTokenTruncated,
          "the recovery token is cut off: a part of the link is missing"};
}

Error malformed() { return {ErrorCode::kTokenMalformed, "this is no recovery token"}; }

// The parts of a token whose lengths fit.
struct Parts {
  std::string_view key_id;
  std::string_view cart_id;
  postbox::WallTime expires_at;
  std::string_view is_signed;
  std::string_view mac;
};

Result<Parts> parts_of(const Decoded& token) {
  const std::string_view bytes = token.bytes;
  if (!bytes.empty() && bytes[0] != kVersion) return malformed();
  if (bytes.size() < kHead) return truncated();
  const std::size_t length = number_in(bytes.substr(kHead - kLengthSize, kLengthSize));
  const std::size_t size = kHead + length + kMacSize;
  if (length > kMaxCartId || bytes.size() > size) return malformed();
  if (bytes.size() < size) return truncated();
  constexpr std::uint64_t kLastSecond = 1ULL << 40U;  // far beyond any date, far from overflow
  const std::uint64_t expiry = number_in(bytes.substr(1 + kIdSize, kExpirySize));
  if (!token.exact || expiry > kLastSecond) return malformed();
  return Parts{
      .key_id = bytes.substr(1, kIdSize),
      .cart_id = bytes.substr(kHead, length),
      .expires_at = postbox::WallTime(std::chrono::seconds(static_cast<std::int64_t>(expiry))),
      .is_signed = bytes.substr(0, size - kMacSize),
      .mac = bytes.substr(size - kMacSize)};
}

}  // namespace

RecoveryKey::RecoveryKey(std::string_view secret) {
  if (Context context = keyed(secret)) {
    keyed_ = std::shared_ptr<EVP_MAC_CTX>(std::move(context));
  }
  id_ = sign("postbox recovery key").value_or(std::string(kIdSize, '\0')).substr(0, kIdSize);
}

std::optional<std::string> RecoveryKey::sign(std::string_view text) const {
  if (keyed_ == nullptr) return std::nullopt;
  const Context context(EVP_MAC_CTX_dup(static_cast<const EVP_MAC_CTX*>(keyed_.get())));
  std::array<unsigned char, kMacSize> mac{};
  std::size_t size = 0;
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  if (!context || EVP_MAC_update(context.get(), bytes, text.size()) != 1 ||
      EVP_MAC_final(context.get(), mac.data(), &size, mac.size()) != 1 || size != mac.size()) {
    return std::nullopt;
  }
  return std::string(mac.begin(), mac.end());
}

bool fits_a_link(std::string_view cart_id) noexcept {
  return cart_id.size() <= kMaxCartId && cart_id.find('@') == std::string_view::npos;
}

std::string make_recovery_token(std::string_view cart_id, postbox::WallTime expires_at,
                                const RecoveryKey& key) {
  if (!fits_a_link(cart_id)) return {};
  const auto expiry = std::chrono::floor<std::chrono::seconds>(expires_at).time_since_epoch();
  std::string bytes(1, kVersion);
  bytes += key.id();
  append_number(static_cast<std::uint64_t>(expiry.count()), kExpirySize, bytes);
  append_number(cart_id.size(), kLengthSize, bytes);
  bytes += cart_id;
  const auto mac = key.sign(bytes);
  return mac ? to_base64url(bytes + *mac) : std::string();
}

Result<RecoveredCart> verify_recovery_token(std::string_view token,
                                            const std::vector<std::string>& secrets,
                                            postbox::WallTime now) {
  if (token.size() > kMaxToken) return malformed();
  const auto decoded = from_base64url(token);
  if (!decoded) return malformed();
  const auto parts = parts_of(*decoded);
  if (!parts) return parts.error();
  bool known = false;
  bool genuine = false;
  for (const std::string& secret : secrets) {
    const RecoveryKey key(secret);
    if (key.id() != parts->key_id) continue;
    known = true;
    const auto mac = key.sign(parts->is_signed);
    genuine |= mac && CRYPTO_memcmp(mac->data(), parts->mac.data(), kMacSize) == 0;
  }
  if (!known) {
    return Error{ErrorCode::kTokenForeign,
                 "the recovery token was signed with a key that is not in KLAVIYO_RECOVERY_SECRET"};
  }
  if (!genuine) {
    return Error{ErrorCode::kTokenTampered, "the recovery token was changed after it was signed"};
  }
  if (now >= parts->expires_at) {
    return Error{ErrorCode::kTokenExpired, "the recovery token has expired"};
  }
  return RecoveredCart{std::string(parts->cart_id), parts->expires_at};
}

Result<RecoveredCart> verify_recovery_token(std::string_view token,
                                            const std::vector<std::string>& secrets) {
  using std::chrono::milliseconds;
  return verify_recovery_token(token, secrets,
                               std::chrono::floor<milliseconds>(std::chrono::system_clock::now()));
}

}  // namespace klaviyo
