// Recovery tokens: what is good, and what is wrong with what is not.
#include <gtest/gtest.h>

#include <klaviyo/recovery.hpp>
#include <klaviyo/recovery_key.hpp>

#include "support/klaviyo_test_data.hpp"

namespace {

using klaviyo::make_recovery_token;
using klaviyo::RecoveryKey;
using klaviyo::verify_recovery_token;
using klaviyo_test::now;
using postbox::ErrorCode;
using namespace std::chrono_literals;

const std::string kSecret = "a secret of the shop's own";
const std::string kOther = "a secret of another shop's";

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string token_of(std::string_view cart_id, const std::string& secret = kSecret) {
  return make_recovery_token(cart_id, now() + 1h, RecoveryKey(secret));
}

// The error; nothing when the token is good.
std::optional<ErrorCode> fault_of(std::string_view token, postbox::WallTime at = now()) {
  const auto cart = verify_recovery_token(token, {kSecret}, at);
  if (cart) return std::nullopt;
  EXPECT_EQ(cart.error().message.find("c-7"), std::string::npos);
  return cart.error().code;
}

TEST(RecoveryToken, NamesItsCart) {
  for (const std::string& id :
       {std::string("c-7"), std::string(), std::string(200, 'x'), std::string("\0\xff/ü", 5)}) {
    const auto cart = verify_recovery_token(token_of(id), {kSecret}, now());
    ASSERT_TRUE(cart) << cart.error().message;
    EXPECT_EQ(cart->cart_id, id);
    EXPECT_EQ(cart->expires_at, now() + 1h);
  }
}

TEST(RecoveryToken, HasTheFormThatIsDocumented) {
  // Made by another implementation.
  EXPECT_EQ(token_of("c-7"), "ATi3iKkAAAAAawLLMAADYy03_2AnySfSq7xzW8Hd_Pg67EAiif4qw38c6tsTUrSUmic");
}

TEST(RecoveryToken, FitsIntoALink) {
  EXPECT_EQ(token_of("ü?&=/+ ").find_first_not_of(kAlphabet), std::string::npos);
}

TEST(RecoveryToken, IsNotMadeOfAnAddress) {
  EXPECT_EQ(token_of("anna@goldenacre.example"), "");
  EXPECT_EQ(token_of(std::string(201, 'x')), "");
}

TEST(RecoveryToken, Expires) {
  EXPECT_EQ(fault_of(token_of("c-7"), now() + 1h - 1ms), std::nullopt);
  EXPECT_EQ(fault_of(token_of("c-7"), now() + 1h), ErrorCode::kTokenExpired);
  EXPECT_EQ(fault_of(token_of("c-7", kOther), now() + 1h), ErrorCode::kTokenForeign)
      << "nothing is believed of a token that is not ours";
}

TEST(RecoveryToken, OfAnotherKeyIsForeign) {
  EXPECT_EQ(fault_of(token_of("c-7", kOther)), ErrorCode::kTokenForeign);
  EXPECT_EQ(verify_recovery_token(token_of("c-7"), {}, now()).error().code,
            ErrorCode::kTokenForeign);
}

TEST(RecoveryToken, EveryKeyIsBelievedWhileItIsConfigured) {
  EXPECT_TRUE(verify_recovery_token(token_of("c-7"), {kOther, kSecret}, now()));
  EXPECT_TRUE(verify_recovery_token(token_of("c-7", kOther), {kOther, kSecret}, now()));
}

TEST(RecoveryToken, CutOffAnywhereIsTruncated) {
  const std::string token = token_of("c-7");
  for (std::size_t size = 0; size < token.size(); ++size) {
    EXPECT_EQ(fault_of(token.substr(0, size)), ErrorCode::kTokenTruncated) << size;
  }
}

std::string bytes_of(std::string_view token) {
  std::string bytes;
  std::size_t bits = 0;
  for (std::size_t i = 0; i < token.size(); ++i) {
    bits = bits << 6U | kAlphabet.find(token[i]);
    if (i % 4 != 0) bytes += static_cast<char>(bits >> (6 - i % 4 * 2));
  }
  return bytes;
}

std::string with_byte(std::string token, std::size_t byte, unsigned char value) {
  const auto old = static_cast<unsigned char>(bytes_of(token)[byte]);
  for (std::size_t bit = 0; bit < 8; ++bit) {
    if ((old >> (7 - bit) & 1U) == (value >> (7 - bit) & 1U)) continue;
    char& c = token[(byte * 8 + bit) / 6];
    c = kAlphabet[kAlphabet.find(c) ^ (1U << (5 - (byte * 8 + bit) % 6))];
  }
  return token;
}

// What is said of a token of "c-7" in which one byte has another value.
ErrorCode expected_fault(std::size_t byte, unsigned char value) {
  if (byte == 0) return ErrorCode::kTokenMalformed;  // version
  if (byte <= 4) return ErrorCode::kTokenForeign;    // key
  if (byte <= 7) return ErrorCode::kTokenMalformed;  // expiry: beyond any date
  if (byte <= 12) return ErrorCode::kTokenTampered;  // expiry: earlier, or up to 35,000 years later
  if (byte == 13)
    return ErrorCode::kTokenMalformed;  // length of the cart's id: more than it may be
  if (byte == 14) {                     // length: more than there is, or less
    const bool is_longer = value > 3 && value <= 200;
    return is_longer ? ErrorCode::kTokenTruncated : ErrorCode::kTokenMalformed;
  }
  return ErrorCode::kTokenTampered;  // the cart's id and the signature
}

TEST(RecoveryToken, ChangedInAnyByteSaysWhatIsWrong) {
  const std::string token = token_of("c-7");
  const std::string bytes = bytes_of(token);
  ASSERT_EQ(bytes.size(), 1U + 4 + 8 + 2 + 3 + 32);
  for (std::size_t byte = 0; byte < bytes.size(); ++byte) {
    for (int value = 0; value < 256; ++value) {
      const auto other = static_cast<unsigned char>(value);
      if (other == static_cast<unsigned char>(bytes[byte])) continue;
      ASSERT_EQ(fault_of(with_byte(token, byte, other)), expected_fault(byte, other))
          << byte << ": " << value;
    }
  }
}

TEST(RecoveryToken, ChangedInAnyCharacterIsRefused) {
  const std::string token = token_of("c-7");
  for (std::size_t at = 0; at < token.size(); ++at) {
    for (const char to : kAlphabet) {
      if (token[at] == to) continue;
      std::string changed = token;
      changed[at] = to;
      ASSERT_TRUE(fault_of(changed)) << at << ": " << to;
    }
  }
}

// 50 bytes leave two bits of the last character, which belong to nothing.
TEST(RecoveryToken, IsWrittenInOneWay) {
  const std::string token = token_of("c-7");
  for (const unsigned spare : {1U, 2U, 3U}) {
    std::string changed = token;
    changed.back() = kAlphabet[kAlphabet.find(changed.back()) | spare];
    EXPECT_EQ(fault_of(changed), ErrorCode::kTokenMalformed) << spare;
  }
}

TEST(RecoveryToken, WhatIsNoneIsMalformed) {
  const std::string token = token_of("c-7");
  const std::vector<std::string> texts = {token + "A",
                                          token + "AAAA",
                                          token + "=",
                                          "a b",
                                          "c-7%20",
                                          std::string(1'000'000, 'A'),
                                          "B" + token.substr(1)};
  for (const std::string& text : texts) {
    EXPECT_EQ(fault_of(text), ErrorCode::kTokenMalformed) << text.substr(0, 100);
  }
}

}  // namespace
