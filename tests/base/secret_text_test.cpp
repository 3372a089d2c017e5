#include "base/secret_text.hpp"

#include <gtest/gtest.h>

namespace postbox {
namespace {

TEST(SecretText, IsAVendorsKeyOrALongNumberWhereverItStands) {
  for (const char* text :
       {"pk_0123456789abcdef", "Klaviyo-API-Key pk_0123456789abcdef", "rk_live_01234567",
        "'whsec_01234567'", "x,sk_test_01234567", "0123456789abcdef0123456789ABCDEF",
        "1,0123456789abcdef0123456789abcdef", "s7Yh2KQ0bT5mVx8RcN1wLz4EuJ9fGdPa6XoHqI3vBkM="}) {
    EXPECT_TRUE(looks_like_secret(text)) << text;
  }
}

TEST(SecretText, IsNoPathNorWordsNorTheBeginOfAKey) {
  for (const char* text :
       {"", "pk_", "truepk_0123456789", "0123456789abcdef",
        "/var/lib/docker/volumes/0123456789abcdef0123456789abcdef/_data/postbox.db",
        "/etc/ssl/certs/ca-certificates-of-the-company-2026.pem",
        "many-words-and-no-digits-in-a-row"}) {
    EXPECT_FALSE(looks_like_secret(text)) << text;
  }
}

TEST(SecretText, HoldsAKeyOnlyWithSomethingBehindItsPrefix) {
  EXPECT_TRUE(holds_key("a key: sk_live_0123"));
  EXPECT_FALSE(holds_key("sk_live"));
  EXPECT_FALSE(holds_key("0123456789abcdef0123456789ABCDEF")) << "it may be anything";
}

}  // namespace
}  // namespace postbox
