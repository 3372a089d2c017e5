#include "cipher.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <memory>
#include <stdexcept>

#include "assert.hpp"

namespace postbox {
namespace {

constexpr std::string_view kMagic("\0PB\1", 4);
constexpr std::size_t kNameAt = kMagic.size();
constexpr std::size_t kSaltAt = kNameAt + 4;
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kTagAt = kSaltAt + kSaltBytes;
constexpr std::size_t kTagBytes = 16;
static_assert(kTagAt + kTagBytes == Cipher::kOverhead);

// Each key is used once, so that the nonce need not differ.
constexpr std::array<unsigned char, 12> kNonce{};

using Digest = std::array<unsigned char, 32>;

const unsigned char* bytes_of(std::string_view text) noexcept {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes_of(char* text) noexcept { return reinterpret_cast<unsigned char*>(text); }

void must(bool done) {
  if (!done) throw std::runtime_error("OpenSSL refuses to encrypt");
}

Digest hmac(const Cipher::Key& key, std::string_view text) {
  Digest digest{};
  unsigned int size = 0;
  must(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes_of(text), text.size(),
            digest.data(), &size) != nullptr &&
       size == digest.size());
  return digest;
}

// The key of one message, overwritten when it is done.
class MessageKey {
 public:
  MessageKey(const Cipher::Key& key, std::string_view salt) : key_(hmac(key, salt)) {}
  MessageKey(const MessageKey&) = delete;
  MessageKey& operator=(const MessageKey&) = delete;
  ~MessageKey() { OPENSSL_cleanse(key_.data(), key_.size()); }
  [[nodiscard]] const unsigned char* get() const noexcept { return key_.data(); }

 private:
  Digest key_;
};

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

Context new_context() {
  Context context(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  must(context != nullptr);
  return context;
}

std::string new_salt() {
  std::string salt(kSaltBytes, '\0');
  must(RAND_bytes(bytes_of(salt.data()), static_cast<int>(salt.size())) == 1);
  return salt;
}

// Longer than a salt, so that it never is what gives a message its key.
std::string salt_of(const Cipher::Key& key, std::string_view text, std::string_view context) {
  std::string named("the salt of this text in ");
  named.append(context).append(1, '\0').append(text);
  const Digest digest = hmac(key, named);
  return {digest.begin(), digest.begin() + kSaltBytes};
}

}  // namespace

Cipher::Cipher(const std::vector<Key>& keys) {
  for (const Key& key : keys) {
    NamedKey named{.name = {}, .key = key};
    const Digest digest = hmac(key, "name of this key");
    std::copy_n(digest.begin(), kNameBytes, named.name.begin());
    keys_.push_back(named);
  }
}

Cipher::~Cipher() {
  for (NamedKey& each : keys_) OPENSSL_cleanse(each.key.data(), each.key.size());
}

std::string Cipher::seal(std::string_view text, std::string_view context) const {
  return keys_.empty() ? std::string(text) : seal_by(keys_.front(), new_salt(), text, context);
}

std::vector<std::string> Cipher::seal_same(std::string_view text, std::string_view context) const {
  if (keys_.empty()) return {std::string(text)};
  std::vector<std::string> sealed;
  for (const NamedKey& key : keys_) {
    sealed.push_back(seal_by(key, salt_of(key.key, text, context), text, context));
  }
  return sealed;
}

std::string Cipher::seal_by(const NamedKey& key, std::string_view salt, std::string_view text,
                            std::string_view context) {
  const MessageKey message(key.key, salt);
  std::string sealed;
  sealed.reserve(kOverhead + text.size());
  sealed.append(kMagic).append(key.name.data(), key.name.size()).append(salt);
  sealed.resize(kOverhead + text.size());
  const Context cipher = new_context();
  int size = 0;
  must(EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, message.get(), kNonce.data()) ==
       1);
  must(EVP_EncryptUpdate(cipher.get(), nullptr, &size, bytes_of(context),
                         static_cast<int>(context.size())) == 1);
  must(EVP_EncryptUpdate(cipher.get(), bytes_of(sealed.data() + kOverhead), &size, bytes_of(text),
                         static_cast<int>(text.size())) == 1);
  POSTBOX_ASSERT(static_cast<std::size_t>(size) == text.size());
  must(EVP_EncryptFinal_ex(cipher.get(), bytes_of(sealed.data() + sealed.size()), &size) == 1);
  must(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, static_cast<int>(kTagBytes),
                           sealed.data() + kTagAt) == 1);
  return sealed;
}

bool Cipher::is_sealed(std::string_view text) noexcept { return text.starts_with(kMagic); }

Cipher::Opened Cipher::open(std::string_view sealed, std::string_view context) const {
  if (!is_sealed(sealed)) return {Status::kPlain, std::string(sealed)};
  if (sealed.size() < kOverhead) return {Status::kDamaged};
  const std::string_view name = sealed.substr(kNameAt, kNameBytes);
  const auto key = std::ranges::find_if(keys_, [name](const NamedKey& each) {
    return std::string_view(each.name.data(), each.name.size()) == name;
  });
  if (key == keys_.end()) return {Status::kUnknownKey};
  const MessageKey message(key->key, sealed.substr(kSaltAt, kSaltBytes));
  std::string tag(sealed.substr(kTagAt, kTagBytes));
  const std::string_view body = sealed.substr(kOverhead);
  Opened opened{Status::kOpened, std::string(body.size(), '\0')};
  const Context cipher = new_context();
  int size = 0;
  must(EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, message.get(), kNonce.data()) ==
       1);
  must(EVP_DecryptUpdate(cipher.get(), nullptr, &size, bytes_of(context),
                         static_cast<int>(context.size())) == 1);
  must(EVP_DecryptUpdate(cipher.get(), bytes_of(opened.text.data()), &size, bytes_of(body),
                         static_cast<int>(body.size())) == 1);
  must(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, static_cast<int>(kTagBytes),
                           tag.data()) == 1);
  if (EVP_DecryptFinal_ex(cipher.get(), bytes_of(opened.text.data() + opened.text.size()), &size) !=
      1) {
    return {Status::kDamaged};
  }
  return opened;
}

bool Cipher::is_sealed_by_first(std::string_view sealed) const noexcept {
  if (keys_.empty() || !is_sealed(sealed)) return false;
  const auto& name = keys_.front().name;
  return sealed.substr(kNameAt).starts_with(std::string_view(name.data(), name.size()));
}

}  // namespace postbox
