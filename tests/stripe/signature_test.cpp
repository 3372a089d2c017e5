#include <gtest/gtest.h>

#include "support/stripe_bodies.hpp"
#include "support/stripe_shop.hpp"

namespace postbox::tests {
namespace {

using stripe::SignatureCheck;

constexpr std::string_view kSecret = "whsec_test_secret";
const WallTime kNow{1'700'000'000s};

SignatureCheck check(std::string_view header, std::string_view body = "{}",
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

// A collected delivery, as verify() and a webhook take it.
struct SignedBody {
  explicit SignedBody(const Json& vector)
      : body(payload_of(vector)),
        header(vector["header"].is_null() ? "" : vector["header"]),
        now(std::chrono::seconds(vector["now"])) {
    if (!vector["tolerance"].is_null()) tolerance = std::chrono::seconds(vector["tolerance"]);
    if (vector.contains("secrets")) {
      secrets = vector["secrets"].get<std::vector<std::string>>();
    } else {
      secrets = {vector["secret"]};
    }
  }

  std::string body;
  std::string header;
  WallTime now;
  std::vector<std::string> secrets;
  std::optional<std::chrono::seconds> tolerance = stripe::kNoTolerance;
};

Json collected_vectors() {
  const auto file = stripe_folder() / "signature-vectors.json";
  return std::filesystem::exists(file) ? Json::parse(read_file(file))["vectors"] : Json();
}

TEST(StripeSignature, EveryCollectedVectorHasItsResult) {
  const Json vectors = collected_vectors();
  if (vectors.empty()) GTEST_SKIP() << "no vectors in " << stripe_folder();
  for (const Json& vector : vectors) {
    const std::string expected = vector["expect"];
    if (expected == "implementation_defined") continue;
    const SignedBody delivery(vector);
    EXPECT_EQ(to_string(stripe::verify(delivery.body, delivery.header, delivery.secrets,
                                       delivery.now, delivery.tolerance)),
              expected)
        << vector["id"];
  }
}

// What a webhook must say to a body that Stripe has signed; nothing where both are good.
std::optional<stripe::Answer> answer_after(const std::string& verification) {
  if (verification.starts_with("invalid_json")) {
    return stripe::Answer{400, "the body must be JSON in UTF-8"};
  }
  if (verification.starts_with("object absent")) {
    return stripe::Answer{400, R"(object must be "event")"};
  }
  if (verification.starts_with("thin_event")) return stripe::Answer{200, "ignored: thin event"};
  return std::nullopt;
}

TEST(StripeSignature, EveryCollectedVectorHasItsAnswerFromAWebhook) {
  const Json vectors = collected_vectors();
  if (vectors.empty()) GTEST_SKIP() << "no vectors in " << stripe_folder();
  for (const Json& vector : vectors) {
    SCOPED_TRACE(vector["id"]);
    const std::string expected = vector["expect"];
    if (expected == "implementation_defined") continue;
    const SignedBody delivery(vector);
    StripeShop shop(delivery.now);
    shop.config.secrets = delivery.secrets;
    shop.config.tolerance = delivery.tolerance;
    shop.config.fact_store_path = "";
    auto webhook = stripe::Webhook::start(shop.config, *shop.tracker);
    if (!webhook) {  // a secret with white space around it is none
      EXPECT_NE(expected, "ok");
      continue;
    }
    const auto answer = webhook->handle(delivery.body, delivery.header);
    if (expected != "ok") {
      EXPECT_EQ(answer.status, 400);
      EXPECT_EQ(answer.reason, expected);
      continue;
    }
    if (const auto after = answer_after(vector.value("after_verification", ""))) {
      EXPECT_EQ(answer.status, after->status);
      EXPECT_EQ(answer.reason, after->reason);
    } else {
      EXPECT_EQ(answer.status, stripe::to_events(delivery.body) ? 200 : 400) << answer.reason;
    }
  }
}

TEST(StripeSignature, WhatItSignsItAccepts) {
  EXPECT_EQ(check(stripe::sign("{}", kSecret, kNow)), SignatureCheck::kValid);
  EXPECT_EQ(check(stripe::sign("{}", kSecret, kNow), "{ }"), SignatureCheck::kMismatch);
  EXPECT_EQ(check(stripe::sign("{}", "whsec_other", kNow)), SignatureCheck::kMismatch);
}

TEST(StripeSignature, UpperCaseHexIsTheSameSignature) {
  std::string header = stripe::sign("{}", kSecret, kNow);
  for (char& c : header) c = c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
  EXPECT_EQ(check(header), SignatureCheck::kValid);
}

TEST(StripeSignature, AnyOfSeveralSecretsIsEnough) {
  const std::string header = stripe::sign("{}", "whsec_new", kNow);
  EXPECT_EQ(check(header, "{}", {std::string(kSecret), "whsec_new"}), SignatureCheck::kValid);
}

TEST(StripeSignature, WithoutASecretNothingIsValid) {
  for (const std::vector<std::string>& secrets :
       {std::vector<std::string>{}, {""}, {" \t"}, {std::string(kSecret), ""}}) {
    EXPECT_EQ(check(stripe::sign("{}", "", kNow), "{}", secrets), SignatureCheck::kBadSecret);
  }
}

TEST(StripeSignature, AHeaderOfMoreThanFourKibibytesIsMalformed) {
  const std::string header = stripe::sign("{}", kSecret, kNow);
  EXPECT_EQ(check(header + std::string(3'000, ',')), SignatureCheck::kValid);
  EXPECT_EQ(check(header + std::string(5'000, ',')), SignatureCheck::kMalformedHeader);
}

TEST(StripeSignature, TheTimeMayBeAsFarAwayAsTheToleranceAndNoFurther) {
  const std::string header = stripe::sign("{}", kSecret, kNow);
  const auto at = [&](std::chrono::seconds offset) {
    return stripe::verify("{}", header, {std::string(kSecret)}, kNow + offset);
  };
  EXPECT_EQ(at(300s), SignatureCheck::kValid);
  EXPECT_EQ(at(301s), SignatureCheck::kTooOld);
  EXPECT_EQ(at(-300s), SignatureCheck::kValid);
  EXPECT_EQ(at(-301s), SignatureCheck::kInFuture);
}

TEST(StripeSignature, SecretsAreReadFromAList) {
  for (const char* text :
       {"whsec_a, whsec_b", "\"whsec_a\",'whsec_b'", "\xEF\xBB\xBFwhsec_a\n,\twhsec_b\xC2\xA0"}) {
    const auto secrets = stripe::parse_secrets(text);
    ASSERT_TRUE(secrets) << text << secrets.error().message;
    EXPECT_EQ(*secrets, (std::vector<std::string>{"whsec_a", "whsec_b"}));
  }
}

TEST(StripeSignature, WhatIsNoSigningSecretIsRefusedByNameWithoutShowingIt) {
  for (const auto& [text, why] : std::vector<std::pair<std::string, std::string>>{
           {"sk_live_hidden", "begins with sk_, as an API key"},
           {"rk_live_hidden", "restricted"},
           {"pk_live_hidden", "publishable"},
           {"we_hidden", "begins with we_, as the id of an endpoint"},
           {"hidden", "6 characters does not begin with whsec_"},
           {"WHSEC_hidden", "does not begin with whsec_"},
           {"whsec_", "nothing behind whsec_"},
           {"whsec_hidden;whsec_b", "semicolon"},
           {"whsec_hid den", "blank"},
           {"whsec_hid\nden", "blank"},
           {"whsec_hid\xC2\xA0"
            "den",
            "ASCII"},
           {"\"whsec_hidden", "quote"},
           {"STRIPE_WEBHOOK_SECRET=whsec_hidden", "line of an environment file"}}) {
    const auto secrets = stripe::parse_secrets(text);
    ASSERT_FALSE(secrets) << text;
    const std::string& message = secrets.error().message;
    EXPECT_NE(message.find(why), std::string::npos) << message;
    EXPECT_NE(message.find("whsec_…"), std::string::npos) << message;
    EXPECT_EQ(message.find("hidden"), std::string::npos) << message;
  }
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
