#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <klaviyo/hash.hpp>
#include <memory>
#include <string>

namespace klaviyo {
namespace {

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};

// Fetching walks OpenSSL's provider tables and takes locks: done once. Never freed, because events
// may still be hashed while static objects are being destroyed.
const EVP_MD* sha256() {
  static const EVP_MD* const digest = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return digest;
}

// One per thread: a context costs an allocation, and hashing is on the caller's way.
EVP_MD_CTX* context() {
  thread_local const std::unique_ptr<EVP_MD_CTX, FreeContext> own(EVP_MD_CTX_new());
  return own.get();
}

// The parts with their lengths as one text. Most keys are made of short parts, and one call to
// OpenSSL costs more than copying them.
class Message {
 public:
  explicit Message(std::initializer_list<std::string_view> parts) {
    std::size_t size = 0;
    for (const std::string_view part : parts) size += kLength + part.size();
    if (size > small_.size()) large_.resize(size);
    char* out = size > small_.size() ? large_.data() : small_.data();
    text_ = std::string_view(out, size);
    for (const std::string_view part : parts) {
      for (std::size_t i = 0; i < kLength; ++i) {
        *out++ = static_cast<char>(std::uint64_t{part.size()} >> (8U * i));
      }
      out = std::copy(part.begin(), part.end(), out);
    }
  }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  [[nodiscard]] std::string_view text() const noexcept { return text_; }

 private:
  static constexpr std::size_t kLength = 8;

  std::array<char, 512> small_;
  std::string large_;
  std::string_view text_;
};

bool hash_sha256(std::string_view text, postbox::Key& key) {
  EVP_MD_CTX* const state = context();
  if (sha256() == nullptr || state == nullptr) return false;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  if (EVP_DigestInit_ex2(state, sha256(), nullptr) != 1 ||
      EVP_DigestUpdate(state, text.data(), text.size()) != 1 ||
      EVP_DigestFinal_ex(state, digest.data(), nullptr) != 1) {
    return false;
  }
  std::transform(digest.begin(), digest.begin() + key.size(), key.begin(),
                 [](unsigned char byte) { return std::byte{byte}; });
  return true;
}

// For a machine whose OpenSSL refuses SHA-256: events must still differ from each other. FNV-1a,
// twice, from different bases.
postbox::Key hash_fallback(std::string_view text) noexcept {
  std::array<std::uint64_t, 2> state = {0xcbf29ce484222325U, 0x84222325cbf29ce4U};
  for (std::uint64_t& word : state) {
    for (const char c : text) word = (word ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  }
  postbox::Key key{};
  for (std::size_t i = 0; i < key.size(); ++i) {
    key[i] = static_cast<std::byte>(state[i / 8] >> (8U * (i % 8)));
  }
  return key;
}

}  // namespace

postbox::Key hash_key(std::initializer_list<std::string_view> parts) {
  const Message message(parts);
  postbox::Key key{};
  return hash_sha256(message.text(), key) ? key : hash_fallback(message.text());
}

void append_hex64(const postbox::Key& key, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  for (std::size_t i = 0; i < 8; ++i) {
    const auto byte = std::to_integer<unsigned>(key[i]);
    out += kHex[byte >> 4U];
    out += kHex[byte & 0xfU];
  }
}

}  // namespace klaviyo
