// Recovery tokens: what is good, and what is wrong with what is not.
#include <gtest/gtest.h>

#include <klaviyo/recovery.hpp>

#include "klaviyo_test_data.hpp"

namespace {

using klaviyo::make_recovery_token;
using klaviyo::RecoveryKey;
using klaviyo::verify_recovery_token;
using klaviyo_test::now;
using postbox::ErrorCode;
using namespace std::chrono_literals;

const std::string kSecret = "a secret of the shop's own";
const std::string kOther = "a secret of another shop's";

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
  constexpr std::string_view kSafe =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  EXPECT_EQ(token_of("ü?&=/+ ").find_first_not_of(kSafe), std::string::npos);
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

TEST(RecoveryToken, ChangedAnywhereIsRefused) {
  const std::string token = token_of("c-7");
  constexpr std::size_t kCartId = 20;  // the first character that holds nothing else
  for (std::size_t at = 0; at < token.size(); ++at) {
    for (const char to : {'A', 'B', 'z', '_'}) {
      if (token[at] == to) continue;
      std::string changed = token;
      changed[at] = to;
      const auto fault = fault_of(changed);
      ASSERT_TRUE(fault) << at;
      const bool is_content = at >= kCartId && at + 1 < token.size();
      EXPECT_TRUE(!is_content || fault == ErrorCode::kTokenTampered) << at;
    }
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
