// The cookie of Klaviyo's script: what is in it is read, and what is not gives nothing.
#include <gtest/gtest.h>

#include <random>

#include "support/klaviyo_test_data.hpp"

namespace {

using klaviyo::Profile;
using klaviyo::read_cookie;

// {"cid":"ZWY1Y2EzZTg","$exchange_id":"q-1_==.SiMu1A"}
constexpr const char* kBoth =
    "eyJjaWQiOiJaV1kxWTJFelpUZyIsIiRleGNoYW5nZV9pZCI6InEtMV89PS5TaU11MUEifQ==";

Profile read(std::string_view cookie) {
  Profile profile;
  const bool found = read_cookie(cookie, profile);
  EXPECT_EQ(found, !profile.kx.empty() || !profile.anonymous_id.empty());
  return profile;
}

void expect_both(std::string_view cookie) {
  const Profile profile = read(cookie);
  EXPECT_EQ(profile.kx, "q-1_==.SiMu1A") << cookie;
  EXPECT_EQ(profile.anonymous_id, "ZWY1Y2EzZTg") << cookie;
}

TEST(Cookie, IsReadInEveryFormThatServersHandItOn) {
  const std::string value = kBoth;
  expect_both(value);
  expect_both(value.substr(0, value.size() - 2));  // without padding
  expect_both(value.substr(0, value.size() - 2) + "%3D%3d");
  expect_both("\"" + value + "\"");
  expect_both("__kla_id=" + value);
  expect_both("sid=a%3Db; __kla_id=" + value + "; theme=dark");
  expect_both("__kla_idx=no;__kla_id=" + value);
  expect_both(R"({"cid":"ZWY1Y2EzZTg","$exchange_id":"q-1_==.SiMu1A"})");
}

TEST(Cookie, OfAVisitorWhomKlaviyoDoesNotKnowHasTheAnonymousIdAlone) {
  const Profile profile = read("eyJjaWQiOiJaV1kxWTJFelpUZyJ9");
  EXPECT_EQ(profile.anonymous_id, "ZWY1Y2EzZTg");
  EXPECT_EQ(profile.kx, "");
}

TEST(Cookie, DoesNotReplaceWhatTheShopKnows) {
  Profile profile{.kx = "mine"};
  EXPECT_TRUE(read_cookie(kBoth, profile));
  EXPECT_EQ(profile.kx, "mine");
  EXPECT_EQ(profile.anonymous_id, "ZWY1Y2EzZTg");
}

TEST(Cookie, ThatIsBadGivesNothing) {
  const std::string deep(8'000, '[');
  for (const std::string& cookie :
       {std::string(), std::string("undefined"), std::string("null"), std::string("%"),
        std::string("%zz"), std::string("=="), std::string("e30="), std::string("W10="),
        std::string("sid=1; theme=dark"), std::string("__kla_id="), std::string("__kla_id"),
        std::string("{\"cid\":7,\"$exchange_id\":{}}"), std::string("{\"cid\":\"a\\nb\"}"),
        std::string("{\"cid\":\"\\u00e9\"}"), std::string(kBoth).substr(0, 40),
        std::string("\0\xff\x80", 3), deep, std::string(9'000, 'A'),
        "{\"cid\":\"" + std::string(256, 'a') + "\"}"}) {
    const Profile profile = read(cookie);
    EXPECT_EQ(profile.kx + profile.anonymous_id, "") << cookie.substr(0, 60);
  }
}

TEST(Cookie, OfAnyBytesIsRead) {
  std::mt19937 random(7);
  for (int round = 0; round < 20'000; ++round) {
    std::string cookie = random() % 2 == 0 ? kBoth : "__kla_id=";
    for (auto changes = random() % 6; changes > 0; --changes) {
      const auto at = static_cast<std::ptrdiff_t>(random() % (cookie.size() + 1));
      cookie.insert(cookie.begin() + at, static_cast<char>(random()));
    }
    Profile profile;
    (void)read_cookie(cookie, profile);
    klaviyo_test::violations_of(klaviyo::identify(profile));
  }
}

}  // namespace
