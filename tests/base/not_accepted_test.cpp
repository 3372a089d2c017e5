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
  for (const char* value :
       {"pk_0123456789abcdef", "Klaviyo-API-Key pk_0123456789abcdef", "rk_live_01234567",
        "'whsec_01234567'", "x,sk_test_01234567", "0123456789abcdef0123456789ABCDEF",
        "1,0123456789abcdef0123456789abcdef", "s7Yh2KQ0bT5mVx8RcN1wLz4EuJ9fGdPa6XoHqI3vBkM="}) {
    const std::string message = not_accepted(value, "true").message;
    EXPECT_EQ(message,
              "a value that looks like a secret, which is not shown, is not accepted; expected "
              "true")
        << value;
  }
  for (const char* value :
       {"pk_", "truepk_0123456789", "0123456789abcdef",
        "/var/lib/docker/volumes/0123456789abcdef0123456789abcdef/_data/postbox.db",
        "/etc/ssl/certs/ca-certificates-of-the-company-2026.pem",
        "many-words-and-no-digits-in-a-row"}) {
    EXPECT_NE(not_accepted(value, "true").message.find(value), std::string::npos) << value;
  }
}

}  // namespace
}  // namespace postbox
