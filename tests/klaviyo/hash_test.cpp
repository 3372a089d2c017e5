// The keys that the outbox knows events by are on people's disks: SHA-256 as everybody has it.
#include <gtest/gtest.h>
#include <openssl/sha.h>

#include <array>
#include <klaviyo/hash.hpp>
#include <random>
#include <string>

namespace {

// By OpenSSL: the first 16 bytes over the parts, each with its length before it.
postbox::Key expected(std::initializer_list<std::string> parts) {
  std::string all;
  for (const std::string& part : parts) {
    for (unsigned shift = 0; shift < 64; shift += 8) {
      all += static_cast<char>(std::uint64_t{part.size()} >> shift);
    }
    all += part;
  }
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(all.data()), all.size(), digest.data());
  postbox::Key key{};
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::byte>(digest[i]);
  return key;
}

TEST(KlaviyoHash, IsSha256WhateverTheLength) {
  std::string text;
  for (std::size_t length = 0; length <= 300; ++length) {
    EXPECT_EQ(klaviyo::hash_key({text}), expected({text})) << length;
    text += static_cast<char>('a' + length % 26);
  }
  const std::string long_text(100'000, '\xfe');
  EXPECT_EQ(klaviyo::hash_key({long_text, "x"}), expected({long_text, "x"}));
}

// Servers with and without the instructions share an outbox.
TEST(KlaviyoHash, IsTheSameWithTheProcessorsInstructionsAndWithout) {
  std::mt19937 random(7);
  for (int i = 0; i < 1'000; ++i) {
    klaviyo::detail::HashBlock block{};
    klaviyo::detail::HashState state{};
    for (auto& byte : block) byte = static_cast<unsigned char>(random());
    for (auto& word : state) word = static_cast<std::uint32_t>(random());
    auto by_words = state;
    klaviyo::detail::mix(block, state);
    klaviyo::detail::mix_by_words(block, by_words);
    ASSERT_EQ(state, by_words);
  }
}

TEST(KlaviyoHash, WhereAPartEndsCounts) {
  EXPECT_EQ(klaviyo::hash_key({"ab", "c"}), expected({"ab", "c"}));
  EXPECT_NE(klaviyo::hash_key({"ab", "c"}), klaviyo::hash_key({"a", "bc"}));
  EXPECT_EQ(klaviyo::hash_key({}), expected({}));
}

TEST(KlaviyoHash, OfAnAddressIsWhatItEverWas) {
  std::string digits;
  klaviyo::append_hex64(klaviyo::hash_key({"email", "ines@goldenacre.example"}), digits);
  EXPECT_EQ(digits, "2f4e80f0df28130d");
}

}  // namespace
