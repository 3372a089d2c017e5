#include <openssl/crypto.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <postbox/config.hpp>
#include <postbox/environment.hpp>
#include <stripe/signature.hpp>
#include <utility>

namespace stripe {
namespace {

using Digest = std::array<unsigned char, 32>;

constexpr std::size_t kMaxHeader = 4096;
constexpr std::string_view kBlank = " \t\r\n\v\f";

constexpr std::string_view kPrefix = "whsec_";

// The prefixes of what people take for a signing secret in Stripe's dashboard.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kForeign{
    {{"sk_", "an API key does"},
     {"rk_", "a restricted API key does"},
     {"pk_", "a publishable key does"},
     {"we_", "the id of an endpoint does"},
     {"STRIPE_", "a line of an environment file does"}}};

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// Calls `take` with every element of a list.
template <class Take>
void for_each_element(std::string_view list, Take take) {
  for (std::size_t start = 0; start <= list.size();) {
    const std::size_t end = std::min(list.find(',', start), list.size());
    take(trim(list.substr(start, end - start)));
    start = end + 1;
  }
}

bool is_blank(std::string_view text) { return trim(text).empty(); }

std::optional<std::int64_t> positive_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value <= 0) return std::nullopt;
  return value;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<Digest> parse_digest(std::string_view text) {
  Digest digest{};
  if (text.size() != 2 * digest.size()) return std::nullopt;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const int high = hex_digit(text[2 * i]);
    const int low = hex_digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    digest[i] = static_cast<unsigned char>(high * 16 + low);
  }
  return digest;
}

struct Header {
  std::string_view time_text;
  std::int64_t time = 0;
  bool is_signed = false;          // has a v1, readable or not
  std::vector<Digest> signatures;  // the readable ones
};

std::optional<Header> parse_header(std::string_view text) {
  if (text.size() > kMaxHeader) return std::nullopt;
  Header header;
  std::size_t times = 0;
  bool is_well_formed = true;
  for_each_element(text, [&](std::string_view element) {
    const std::size_t equals = element.find('=');
    const std::string_view name = trim(element.substr(0, equals));
    if (name != "t" && name != "v1") return;
    if (equals == std::string_view::npos) {
      is_well_formed = false;
      return;
    }
    const std::string_view value = trim(element.substr(equals + 1));
    if (name == "t") {
      ++times;
      header.time_text = value;
      return;
    }
    header.is_signed = true;
    if (const auto digest = parse_digest(value)) header.signatures.push_back(*digest);
  });
  const auto time = positive_integer(header.time_text);
  if (!is_well_formed || times != 1 || !time) return std::nullopt;
  header.time = *time;
  return header;
}

// HMAC-SHA256 with the whole secret as the key.
std::optional<Digest> digest_of(std::string_view secret, std::string_view signed_bytes) {
  Digest digest{};
  unsigned int size = 0;
  const auto* bytes = reinterpret_cast<const unsigned char*>(signed_bytes.data());
  const auto* done = HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), bytes,
                          signed_bytes.size(), digest.data(), &size);
  if (done == nullptr || size != digest.size()) return std::nullopt;
  return digest;
}

std::string signed_bytes(std::string_view time, std::string_view body) {
  std::string bytes;
  bytes.reserve(time.size() + 1 + body.size());
  bytes.append(time).append(1, '.').append(body);
  return bytes;
}

// Compares every pair, so that the time it takes reveals nothing.
bool any_matches(const Header& header, std::string_view body,
                 const std::vector<std::string>& secrets) {
  const std::string bytes = signed_bytes(header.time_text, body);
  bool found = false;
  for (const std::string& secret : secrets) {
    const auto expected = digest_of(secret, bytes);
    if (!expected) continue;
    for (const Digest& given : header.signatures) {
      found |= CRYPTO_memcmp(expected->data(), given.data(), given.size()) == 0;
    }
  }
  return found;
}

std::int64_t unix_second(postbox::WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

postbox::Result<void> check_secret(std::string_view secret) {
  const auto refuse = [](const std::string& what) {
    return postbox::Error{postbox::ErrorCode::kInvalidConfig,
                          what +
                              "; expected one or several signing secrets (whsec_…), separated "
                              "by commas"};
  };
  if (secret.empty()) return refuse("a secret is empty");
  if (secret.find(';') != std::string_view::npos) {
    return refuse("a secret has a semicolon in it");
  }
  const bool printable = std::ranges::all_of(
      secret, [](char c) { return c > 0x20 && c < 0x7f && c != ',' && c != '"' && c != '\''; });
  if (!printable) {
    return refuse("a secret has a blank, a quote, a control character or a letter beyond ASCII");
  }
  for (const auto& [prefix, what] : kForeign) {
    if (secret.starts_with(prefix)) {
      return refuse("a secret begins with " + std::string(prefix) + ", as " + std::string(what));
    }
  }
  if (!secret.starts_with(kPrefix)) {
    return refuse("a secret of " + std::to_string(secret.size()) +
                  " characters does not begin with whsec_");
  }
  if (secret.size() == kPrefix.size()) return refuse("there is nothing behind whsec_ in a secret");
  return {};
}

}  // namespace

std::string_view to_string(SignatureCheck check) noexcept {
  constexpr std::array<std::string_view, 9> kNames = {"ok",
                                                      "missing_header",
                                                      "empty_payload",
                                                      "malformed_header",
                                                      "no_v1_signature",
                                                      "signature_mismatch",
                                                      "timestamp_too_old",
                                                      "timestamp_in_future",
                                                      "config_error"};
  const auto index = static_cast<std::size_t>(check);
  return index < kNames.size() ? kNames[index] : std::string_view("unknown");
}

SignatureCheck verify(std::string_view body, std::string_view header,
                      const std::vector<std::string>& secrets, postbox::WallTime now,
                      std::optional<std::chrono::seconds> tolerance) {
  if (body.empty()) return SignatureCheck::kEmptyBody;
  if (is_blank(header)) return SignatureCheck::kMissingHeader;
  const auto parsed = parse_header(header);
  if (!parsed) return SignatureCheck::kMalformedHeader;
  if (secrets.empty() || std::ranges::any_of(secrets, is_blank)) return SignatureCheck::kBadSecret;
  if (!parsed->is_signed) return SignatureCheck::kNoSignature;
  if (!any_matches(*parsed, body, secrets)) return SignatureCheck::kMismatch;
  if (!tolerance) return SignatureCheck::kValid;
  const std::int64_t age = unix_second(now) - parsed->time;
  if (age > tolerance->count()) return SignatureCheck::kTooOld;
  return -age > tolerance->count() ? SignatureCheck::kInFuture : SignatureCheck::kValid;
}

std::string sign(std::string_view body, std::string_view secret, postbox::WallTime now) {
  constexpr std::string_view kHex = "0123456789abcdef";
  const std::string time = std::to_string(unix_second(now));
  std::string header = "t=" + time + ",v1=";
  for (const unsigned char byte : digest_of(secret, signed_bytes(time, body)).value_or(Digest{})) {
    header += kHex[byte >> 4U];
    header += kHex[byte & 15U];
  }
  return header;
}

postbox::Result<std::vector<std::string>> parse_secrets(std::string_view text) {
  std::vector<std::string> secrets;
  for_each_element(
      text, [&](std::string_view element) { secrets.emplace_back(postbox::unwrapped(element)); });
  for (const std::string& secret : secrets) {
    if (const auto ok = check_secret(secret); !ok) return ok.error();
  }
  return secrets;
}

}  // namespace stripe
