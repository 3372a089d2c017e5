#include "curl/proxy_settings.hpp"

#include <gtest/gtest.h>

namespace postbox {
namespace {

TEST(ProxySettings, FollowTheUsualPrecedence) {
  EXPECT_EQ(proxies_from({}).for_https, "");
  const auto lower = proxies_from({{"https_proxy", "a"}, {"HTTPS_PROXY", "b"}, {"ALL_PROXY", "c"}});
  EXPECT_EQ(lower.for_https, "a");
  EXPECT_EQ(lower.for_http, "c");
  EXPECT_EQ(proxies_from({{"https_proxy", ""}, {"HTTPS_PROXY", "b"}}).for_https, "b");
  EXPECT_EQ(proxies_from({{"HTTP_PROXY", "cgi"}}).for_http, "");
  EXPECT_EQ(proxies_from({{"http_proxy", "p"}, {"all_proxy", "q"}}).for_http, "p");
  EXPECT_EQ(proxies_from({{"no_proxy", "x"}, {"NO_PROXY", "y"}}).bypass, "x");
  EXPECT_EQ(proxies_from({{"NO_PROXY", "y"}}).bypass, "y");
}

}  // namespace
}  // namespace postbox
