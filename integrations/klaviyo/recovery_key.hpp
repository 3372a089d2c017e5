// RecoveryKey signs what brings a customer back to a cart, see recovery.hpp.
//
// Place:     made of a secret at start; used when a cart's timer starts, and to check a token.
// Threads:   const members may be called from several threads at once.
// Lifetime:  copies share OpenSSL's context of the secret.
// Failure:   sign() returns nothing when OpenSSL refuses.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace klaviyo {

// A secret, ready to sign. Cheap to copy.
class RecoveryKey {
 public:
  explicit RecoveryKey(std::string_view secret);

  // HMAC-SHA256 of `text`: 32 bytes. Nothing when OpenSSL refuses.
  [[nodiscard]] std::optional<std::string> sign(std::string_view text) const;

  // The 4 bytes by which a token of this key is known.
  [[nodiscard]] const std::string& id() const noexcept { return id_; }

 private:
  std::shared_ptr<const void> keyed_;  // OpenSSL's context, copied for each signature
  std::string id_;
};

}  // namespace klaviyo
