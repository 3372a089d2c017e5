#include "base/http_url.hpp"

#include <gtest/gtest.h>

#include <string>

namespace postbox {
namespace {

TEST(HttpUrl, TheSchemeOfAnAddressIsKeptInLowerCase) {
  EXPECT_EQ(parse_api_url("HTTP://LocalHost:8080/").value(), "http://LocalHost:8080");
  EXPECT_EQ(parse_app_url("htTps://Shop.example/A").value(), "https://Shop.example/A");
}

TEST(HttpUrl, PlainHttpIsForLoopbackOnly) {
  for (const char* url :
       {"http://127.0.0.1", "http://127.1.2.3:80/x", "http://localhost:1", "http://LOCALHOST",
        "http://[::1]:8080", "https://proxy.example/klaviyo", "HTTPS://a.klaviyo.com"}) {
    EXPECT_TRUE(parse_api_url(url)) << url;
  }
  for (const char* url :
       {"http://127.evil.example", "http://127.0.0.1.evil.example", "http://127.0.0.256",
        "http://127.1", "http://localhost.evil.example", "http://[::2]", "http://10.0.0.1",
        "https://", "https:///x", "https://a b", "https://a.example:0", "https://a.example:99999",
        "https://a.example:x", "https://a.example?x=1", "https://user:secret@a.example",
        "http://127.0.0.1@evil.example", "https://a.example\\@evil.example", "a.klaviyo.com",
        "http://127.0.0.1:80:80"}) {
    const auto parsed = parse_api_url(url);
    ASSERT_FALSE(parsed) << url;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidConfig);
    EXPECT_EQ(parsed.error().message.find("secret"), std::string::npos) << parsed.error().message;
  }
}

}  // namespace
}  // namespace postbox
