#include <gtest/gtest.h>

#include "support/stripe_bodies.hpp"

namespace postbox::tests {
namespace {

using stripe::Verdict;
using namespace std::chrono_literals;

constexpr std::string_view kSecret = "whsec_test_secret";
const WallTime kNow{1'700'000'000s};

Verdict check(std::string_view header, std::string_view body = "{}",
              const std::vector<std::string>& secrets = {std::string(kSecret)}) {
  return stripe::verify(body, header, secrets, kNow);
}

std::string payload_of(const Json& vector) {
  if (vector.contains("payload_base64"))
    return "{\"id\":\"evt_x\",\"object\":\"event\",\"s\":\"\xff\xfe\"}";
  if (!vector.contains("payload_generator")) return vector["payload"];
  const Json& parts = vector["payload_generator"];
  const std::string filler = parts["repeat"];
  std::string body = parts["prefix"];
  for (int i = 0; i < parts["count"]; ++i) body += filler;
  return body + std::string(parts["suffix"]);
}

TEST(StripeSignature, EveryCollectedVectorHasItsResult) {
  const auto file = stripe_folder() / "signature-vectors.json";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "no " << file;
  const Json collected = Json::parse(read_file(file));
  for (const Json& vector : collected["vectors"]) {
    const std::string expected = vector["expect"];
    if (expected == "implementation_defined") continue;
    const std::vector<std::string> secrets = vector.contains("secrets")
                                                 ? vector["secrets"].get<std::vector<std::string>>()
                                                 : std::vector<std::string>{vector["secret"]};
    const std::string header = vector["header"].is_null() ? "" : vector["header"];
    const auto tolerance = vector["tolerance"].is_null()
                               ? stripe::kNoTolerance
                               : std::optional(std::chrono::seconds(vector["tolerance"]));
    const WallTime now{std::chrono::seconds(vector["now"])};
    EXPECT_EQ(to_string(stripe::verify(payload_of(vector), header, secrets, now, tolerance)),
              expected)
        << vector["id"];
  }
}

TEST(StripeSignature, WhatItSignsItAccepts) {
  EXPECT_EQ(check(stripe::sign("{}", kSecret, kNow)), Verdict::kValid);
  EXPECT_EQ(check(stripe::sign("{}", kSecret, kNow), "{ }"), Verdict::kMismatch);
  EXPECT_EQ(check(stripe::sign("{}", "whsec_other", kNow)), Verdict::kMismatch);
}

TEST(StripeSignature, UpperCaseHexIsTheSameSignature) {
  std::string header = stripe::sign("{}", kSecret, kNow);
  for (char& c : header) c = c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
  EXPECT_EQ(check(header), Verdict::kValid);
}

TEST(StripeSignature, AnyOfSeveralSecretsIsEnough) {
  const std::string header = stripe::sign("{}", "whsec_new", kNow);
  EXPECT_EQ(check(header, "{}", {std::string(kSecret), "whsec_new"}), Verdict::kValid);
}

TEST(StripeSignature, WithoutASecretNothingIsValid) {
  for (const std::vector<std::string>& secrets :
       {std::vector<std::string>{}, {""}, {" \t"}, {std::string(kSecret), ""}}) {
    EXPECT_EQ(check(stripe::sign("{}", "", kNow), "{}", secrets), Verdict::kBadSecret);
  }
}

TEST(StripeSignature, AHeaderOfMoreThanFourKibibytesIsMalformed) {
  const std::string header = stripe::sign("{}", kSecret, kNow);
  EXPECT_EQ(check(header + std::string(3'000, ',')), Verdict::kValid);
  EXPECT_EQ(check(header + std::string(5'000, ',')), Verdict::kMalformedHeader);
}

TEST(StripeSignature, TheTimeMayBeAsFarAwayAsTheToleranceAndNoFurther) {
  const std::string header = stripe::sign("{}", kSecret, kNow);
  const auto at = [&](std::chrono::seconds offset) {
    return stripe::verify("{}", header, {std::string(kSecret)}, kNow + offset);
  };
  EXPECT_EQ(at(300s), Verdict::kValid);
  EXPECT_EQ(at(301s), Verdict::kTooOld);
  EXPECT_EQ(at(-300s), Verdict::kValid);
  EXPECT_EQ(at(-301s), Verdict::kInFuture);
}

TEST(StripeSignature, SecretsAreReadFromAList) {
  const auto secrets = stripe::parse_secrets("whsec_a, whsec_b");
  ASSERT_TRUE(secrets);
  EXPECT_EQ(*secrets, (std::vector<std::string>{"whsec_a", "whsec_b"}));
}

TEST(StripeSignature, AListWithAnEmptySecretIsRefusedWithoutShowingTheOthers) {
  for (const char* text : {"whsec_a,", ",whsec_a", "whsec_a,,whsec_b", "whsec_a b", "\twhsec a"}) {
    const auto secrets = stripe::parse_secrets(text);
    ASSERT_FALSE(secrets) << text;
    EXPECT_EQ(secrets.error().code, ErrorCode::kInvalidConfig);
    EXPECT_EQ(secrets.error().message.find("whsec_a"), std::string::npos);
  }
}

}  // namespace
}  // namespace postbox::tests
