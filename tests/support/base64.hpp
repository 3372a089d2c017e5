// Base64, of texts that are known to be right.
#pragma once

#include <openssl/evp.h>

#include <algorithm>
#include <string>

namespace postbox::tests {

inline std::string decoded_base64(const std::string& base64) {
  std::string bytes(base64.size(), '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                   reinterpret_cast<const unsigned char*>(base64.data()),
                                   static_cast<int>(base64.size()));
  const auto padding = std::ranges::count(base64, '=');
  bytes.resize(static_cast<std::size_t>(size - padding));
  return bytes;
}

}  // namespace postbox::tests
