#include "base/not_accepted.hpp"

#include <gtest/gtest.h>

#include <string>

namespace postbox {
namespace {

TEST(NotAccepted, IsOneLineOfBoundedLength) {
  EXPECT_EQ(not_accepted("a\nb\x7f", "true or false").message,
            "'a?b?' is not accepted; expected true or false");
  EXPECT_EQ(not_accepted(std::string(201, 'x'), "less").message,
            "'" + std::string(200, 'x') + "…' is not accepted; expected less");
  EXPECT_EQ(not_accepted("é", "e").message, "'é' is not accepted; expected e");
  EXPECT_EQ(not_accepted("", "e").code, ErrorCode::kInvalidConfig);
}

TEST(NotAccepted, ShowsNothingThatLooksLikeASecret) {
  EXPECT_EQ(not_accepted("pk_0123456789abcdef", "true").message,
            "a value that looks like a secret, which is not shown, is not accepted; expected true");
}

}  // namespace
}  // namespace postbox
