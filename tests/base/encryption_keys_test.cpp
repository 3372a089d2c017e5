#include "base/encryption_keys.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/cipher.hpp"

namespace postbox {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(EncryptionKeys, AreRefusedWithoutBeingShown) {
  for (const std::string& bad :
       {std::string("short"), std::string(64, 'g'), std::string(63, 'a'), std::string(44, '!'),
        std::string(43, 'A') + "A", std::string(42, 'A') + "==", std::string(44, 'A')}) {
    const auto checked = check_encryption_keys({std::string(64, '1'), bad});
    ASSERT_FALSE(checked) << bad;
    EXPECT_THAT(checked.error().message, Not(HasSubstr(bad)));
    EXPECT_THAT(checked.error().message, HasSubstr("openssl rand -hex 32"));
  }
  EXPECT_TRUE(check_encryption_keys({std::string(64, '1'), std::string(64, '2')}));
}

TEST(EncryptionKeys, AreTheSameInBothSpellings) {
  const auto hex = cipher_of({std::string(62, '0') + "ff"});
  const auto base64 = cipher_of({std::string(41, 'A') + "P8="});
  EXPECT_EQ(base64->open(hex->seal("text", "c"), "c").text, "text");
}

}  // namespace
}  // namespace postbox
