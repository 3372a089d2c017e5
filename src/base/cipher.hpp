// Cipher seals what must not lie on a disk in plain text: payloads, kept secrets, webhooks' bodies.
//
// Place:     below everything, also below the integrations; EncryptedOutbox is its main user.
// Threads:   constant after construction: every member may be called from several threads at once.
// Lifetime:  holds its keys until it is destroyed, and overwrites them then.
// Failure:   seal() throws std::runtime_error when OpenSSL refuses; open() says what is wrong.
//
// AES-256-GCM. Each message has a key of its own, HMAC-SHA256(key, salt) with a salt of 16 bytes:
// with random nonces of 12 bytes a key would be good for 2^32 messages only (NIST SP 800-38D,
// section 8.3), some days of a large shop. Where the same text has to give the same bytes, the salt
// is made of the text, as in SIV (RFC 5297): a key still meets one message only.
//
// On disk, do not change:  00 'P' 'B' 01 | key's name, 4 bytes | salt, 16 | tag, 16 | ciphertext
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postbox {

class Cipher {
 public:
  // How much longer the sealed text is.
  static constexpr std::size_t kOverhead = 40;

  enum class Status : std::uint8_t {
    kPlain,       // it was never sealed
    kOpened,      // sealed, and exactly what was sealed in this context
    kUnknownKey,  // sealed with a key that is not here
    kDamaged,     // no longer what was sealed, or sealed in another context
  };

  struct Opened {
    Status status = Status::kPlain;
    std::string text{};  // empty unless kPlain or kOpened
  };

  using Key = std::array<unsigned char, 32>;

  // The first key seals, all open. Without any, seal() returns its text as it is.
  explicit Cipher(const std::vector<Key>& keys);
  Cipher(const Cipher&) = delete;
  Cipher& operator=(const Cipher&) = delete;
  ~Cipher();

  // `context` is not stored, and must be the same for open(): what the text belongs to.
  [[nodiscard]] std::string seal(std::string_view text, std::string_view context) const;

  // The same, but equal texts in one context give equal bytes under one key: for what a store looks
  // up and compares. It shows which texts are equal, and no more. One for each key, the first key's
  // first; without any key, the text as it is.
  [[nodiscard]] std::vector<std::string> seal_same(std::string_view text,
                                                   std::string_view context) const;

  // Whether it looks like the result of seal(): else open() would return it as it is.
  [[nodiscard]] static bool is_sealed(std::string_view text) noexcept;

  [[nodiscard]] Opened open(std::string_view sealed, std::string_view context) const;

  [[nodiscard]] bool seals() const noexcept { return !keys_.empty(); }

  // Whether the first key has sealed it: nothing that a change of keys has left behind.
  [[nodiscard]] bool is_sealed_by_first(std::string_view sealed) const noexcept;

 private:
  static constexpr std::size_t kNameBytes = 4;
  struct NamedKey {
    std::array<char, kNameBytes> name;
    Key key;
  };

  [[nodiscard]] static std::string seal_by(const NamedKey& key, std::string_view salt,
                                           std::string_view text, std::string_view context);

  std::vector<NamedKey> keys_;
};

}  // namespace postbox
