// Encryption keys as people write them: OutboxOptions::encryption_keys.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <postbox/result.hpp>

namespace postbox {

class Cipher;

// 32 bytes, as 64 hexadecimal digits or in base64. kInvalidConfig describes the value, a secret,
// instead of showing it.
[[nodiscard]] Result<void> check_encryption_keys(const std::vector<std::string>& keys);

// `keys` are ones that check_encryption_keys() takes.
[[nodiscard]] std::shared_ptr<const Cipher> cipher_of(const std::vector<std::string>& keys);

}  // namespace postbox
