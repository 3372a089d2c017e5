#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <klaviyo/hash.hpp>
#include <klaviyo/per_thread.hpp>
#include <memory>

namespace klaviyo {
namespace {

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};
struct Context {
  std::unique_ptr<EVP_MD_CTX, FreeContext> handle{EVP_MD_CTX_new()};
};

// Fetching walks OpenSSL's provider tables and takes locks: done once. Never freed, because events
// may still be hashed while static objects are being destroyed.
const EVP_MD* sha256() {
  static const EVP_MD* const digest = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return digest;
}

// One per thread: a context costs an allocation, and hashing is on the caller's way.
EVP_MD_CTX* context() { return per_thread<Context, Context>().handle.get(); }

// For a machine whose OpenSSL refuses SHA-256: events must still differ from each other. FNV-1a,
// twice, from different bases.
constexpr std::array<std::uint64_t, 2> kFallbackBases = {0xcbf29ce484222325U, 0x84222325cbf29ce4U};
constexpr std::uint64_t kFallbackPrime = 0x100000001b3U;

}  // namespace

Hasher::Hasher() noexcept : fallback_(kFallbackBases) {
  works_ = sha256() != nullptr && context() != nullptr &&
           EVP_DigestInit_ex2(context(), sha256(), nullptr) == 1;
}

void Hasher::add(std::string_view part) noexcept {
  add_number(part.size());
  while (!part.empty()) {
    if (size_ == buffer_.size()) flush();
    const std::size_t fits = std::min(part.size(), buffer_.size() - size_);
    std::copy_n(part.data(), fits, buffer_.data() + size_);
    size_ += fits;
    part.remove_prefix(fits);
  }
}

void Hasher::add_number(std::uint64_t number) noexcept {
  constexpr std::size_t kBytes = 8;
  if (buffer_.size() - size_ < kBytes) flush();
  for (std::size_t i = 0; i < kBytes; ++i) {
    buffer_[size_++] = static_cast<char>(number >> (8U * i));
  }
}

void Hasher::flush() noexcept {
  if (works_) {
    works_ = EVP_DigestUpdate(context(), buffer_.data(), size_) == 1;
  }
  if (!works_) {
    for (std::uint64_t& word : fallback_) {
      for (std::size_t i = 0; i < size_; ++i) {
        word = (word ^ static_cast<unsigned char>(buffer_[i])) * kFallbackPrime;
      }
    }
  }
  size_ = 0;
}

postbox::Key Hasher::finish() noexcept {
  flush();
  postbox::Key key{};
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  if (works_ && EVP_DigestFinal_ex(context(), digest.data(), nullptr) == 1) {
    std::transform(digest.begin(), digest.begin() + key.size(), key.begin(),
                   [](unsigned char byte) { return std::byte{byte}; });
    return key;
  }
  for (std::size_t i = 0; i < key.size(); ++i) {
    key[i] = static_cast<std::byte>(fallback_[i / 8] >> (8U * (i % 8)));
  }
  return key;
}

postbox::Key hash_key(std::initializer_list<std::string_view> parts) {
  Hasher hasher;
  for (const std::string_view part : parts) hasher.add(part);
  return hasher.finish();
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
