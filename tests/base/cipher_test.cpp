#include "base/cipher.hpp"

#include <gtest/gtest.h>

#include <set>

namespace postbox {
namespace {

using Status = Cipher::Status;

Cipher::Key key(unsigned char first) {
  Cipher::Key bytes{};
  bytes.front() = first;
  return bytes;
}

TEST(Cipher, OpensWhatItHasSealedInItsContextOnly) {
  const Cipher cipher({key(1)});
  for (const std::string& text :
       {std::string(), std::string("ines@goldenacre.example"),
        std::string("\0PB\1 looks sealed", 16), std::string(70'000, 'x')}) {
    const std::string sealed = cipher.seal(text, "event 1");
    EXPECT_EQ(sealed.size(), text.size() + Cipher::kOverhead);
    const auto opened = cipher.open(sealed, "event 1");
    EXPECT_EQ(opened.status, Status::kOpened);
    EXPECT_EQ(opened.text, text);
    EXPECT_EQ(cipher.open(sealed, "event 2").status, Status::kDamaged);
    EXPECT_TRUE(text.empty() || sealed.find(text) == std::string::npos);
  }
}

TEST(Cipher, FindsEachBitThatTurned) {
  const Cipher cipher({key(1)});
  const std::string sealed = cipher.seal("an order", "event 1");
  for (std::size_t byte = 8; byte < sealed.size(); ++byte) {  // behind the key's name
    std::string damaged = sealed;
    damaged[byte] = static_cast<char>(damaged[byte] ^ 1);
    EXPECT_EQ(cipher.open(damaged, "event 1").status, Status::kDamaged) << byte;
    EXPECT_NE(cipher.open(sealed.substr(0, byte), "event 1").status, Status::kOpened) << byte;
  }
}

TEST(Cipher, WithoutAKeyPassesPlainTextAndKnowsASealedOne) {
  const Cipher none({});
  EXPECT_FALSE(none.seals());
  EXPECT_EQ(none.seal("plain", "c"), "plain");
  EXPECT_EQ(none.open("plain", "c").status, Status::kPlain);
  EXPECT_EQ(none.open("plain", "c").text, "plain");
  EXPECT_EQ(none.open(Cipher({key(1)}).seal("plain", "c"), "c").status, Status::kUnknownKey);
}

TEST(Cipher, TheFirstKeySealsAndAllOpen) {
  const Cipher before({key(1)});
  const Cipher both({key(2), key(1)});
  const std::string old = before.seal("text", "c");
  EXPECT_EQ(both.open(old, "c").text, "text");
  EXPECT_FALSE(both.is_sealed_by_first(old));
  const std::string now = both.seal("text", "c");
  EXPECT_TRUE(both.is_sealed_by_first(now));
  EXPECT_EQ(before.open(now, "c").status, Status::kUnknownKey);
  EXPECT_FALSE(both.is_sealed_by_first("text"));
}

TEST(Cipher, NoTwoTextsAreSealedAlike) {
  const Cipher cipher({key(1)});
  std::set<std::string> sealed;
  for (int i = 0; i < 1000; ++i) sealed.insert(cipher.seal("text", "c"));
  EXPECT_EQ(sealed.size(), 1000U);
}

TEST(Cipher, SealsEqualTextsAlikeInOneContextUnderOneKey) {
  const Cipher before({key(1)});
  const Cipher both({key(2), key(1)});
  const auto sealed = both.seal_same("ines@goldenacre.example", "c");
  ASSERT_EQ(sealed.size(), 2U);
  EXPECT_EQ(both.seal_same("ines@goldenacre.example", "c"), sealed);
  EXPECT_EQ(before.seal_same("ines@goldenacre.example", "c").front(), sealed[1]);
  EXPECT_TRUE(both.is_sealed_by_first(sealed[0]));
  EXPECT_FALSE(both.is_sealed_by_first(sealed[1]));
  for (const std::string& each : sealed) {
    EXPECT_EQ(both.open(each, "c").text, "ines@goldenacre.example");
    EXPECT_EQ(both.open(each, "d").status, Status::kDamaged);
  }
  // Neither text nor context may move where the one ends.
  std::set<std::string> all{sealed[0]};
  EXPECT_TRUE(all.insert(both.seal_same("ines@goldenacre.example", "d").front()).second);
  EXPECT_TRUE(all.insert(both.seal_same("ines@goldenacre.exampl", "c").front()).second);
  EXPECT_TRUE(all.insert(both.seal_same("", "c").front()).second);
  EXPECT_EQ(Cipher({}).seal_same("plain", "c"), std::vector<std::string>{"plain"});
}

}  // namespace
}  // namespace postbox
