#include <gtest/gtest.h>
#include <klaviyo/schemas/profile_fields.hpp>
#include <postbox/event.hpp>

#include "support/klaviyo_test_data.hpp"

namespace {

using klaviyo::Profile;
using klaviyo_test::rule_at;

std::vector<postbox::Violation> check(const Profile& profile) {
  std::vector<postbox::Violation> violations;
  const postbox::Path root;
  klaviyo::validate_profile(profile, root.child("customer"), violations);
  return violations;
}

TEST(KlaviyoProfile, OneIdentifierIsEnoughAndNoneIsNot) {
  EXPECT_TRUE(check({.email = "a@goldenacre.example"}).empty());
  EXPECT_TRUE(check({.phone = "+491701234567"}).empty());
  EXPECT_TRUE(check({.external_id = "u-1"}).empty());
  EXPECT_TRUE(check({.anonymous_id = "ZWY1Y2E"}).empty());
  EXPECT_TRUE(check({.kx = "x1.SiMu1A"}).empty());
  EXPECT_EQ(rule_at(check({.first_name = "Anna"}), "customer"),
            "needs at least one of email, phone, external_id, anonymous_id and kx");
}

TEST(KlaviyoProfile, InvalidEmailsAreRejectedAndNeverShown) {
  for (const char* email : {"anna", "anna@", "@goldenacre.example", "anna@localhost",
                            "a b@x.example", "anna@x..example", ".anna@x.example",
                            "anna@-x.example", "anna@1.2.3.44", "an\na@x.example"}) {
    const auto violations = check({.email = email});
    EXPECT_EQ(rule_at(violations, "customer.email"), "must be a valid e-mail address") << email;
    for (const auto& violation : violations) {
      EXPECT_EQ(violation.rule.find(email), std::string::npos);
    }
  }
}

TEST(KlaviyoProfile, WhatKlaviyoDropsSilentlyIsRejectedAndSaysSo) {
  for (const char* email : {"anna@example.com", "anna@test.com", "anna@EXAMPLE.com"}) {
    EXPECT_NE(rule_at(check({.email = email}), "customer.email").find("drops it silently"),
              std::string::npos);
  }
  EXPECT_TRUE(check({.email = "anna@contest.com"}).empty());
}

TEST(KlaviyoProfile, PhoneNumbersHaveTheE164Form) {
  for (const char* phone : {"01701234567", "+0170123456", "+49 170 1234567", "+491",
                            "+1234567890123456", "+49170123456a"}) {
    EXPECT_NE(rule_at(check({.phone = phone}), "customer.phone").find("E.164"), std::string::npos)
        << phone;
  }
}

TEST(KlaviyoProfile, TheSamePersonHasTheSameKeyHoweverTheAddressWasTyped) {
  const auto key = klaviyo::profile_key({.email = "anna@goldenacre.example"});
  EXPECT_EQ(klaviyo::profile_key({.email = " Anna@GoldenAcre.example\t"}), key);
  EXPECT_EQ(klaviyo::profile_key({.email = "anna@goldenacre.example", .external_id = "u-1"}), key);
  EXPECT_NE(klaviyo::profile_key({.email = "bert@goldenacre.example"}), key);
}

TEST(KlaviyoProfile, AnIdentifiersKindIsPartOfTheKey) {
  EXPECT_NE(klaviyo::profile_key({.phone = "+491701234567"}),
            klaviyo::profile_key({.external_id = "+491701234567"}));
}

TEST(KlaviyoProfile, AVisitorIsAnIdentifierOfAnEventAndOfACart) {
  auto cart = klaviyo_test::cart();
  cart.customer = {.anonymous_id = "ZWY1Y2E", .kx = "x1.SiMu1A"};
  const auto records = klaviyo_test::records_of(klaviyo::cart_updated(cart));
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(klaviyo_test::attributes_of(records[0])["profile"]["data"]["attributes"],
            klaviyo_test::parse(R"({"anonymous_id": "ZWY1Y2E", "_kx": "x1.SiMu1A"})"));
  EXPECT_EQ(records[0].profile_key, klaviyo::profile_key({.anonymous_id = "ZWY1Y2E"}));
  EXPECT_NE(records[0].profile_key, klaviyo::profile_key({.kx = "ZWY1Y2E"}));
  EXPECT_NE(records[0].profile_key, klaviyo::profile_key({.external_id = "ZWY1Y2E"}));
}

TEST(KlaviyoProfile, WhereSomebodyLivesTravelsWithIt) {
  auto order = klaviyo_test::order();
  order.customer = {.email = "anna@goldenacre.example",
                    .organization = "Golden Acre",
                    .title = "Gardener",
                    .image = "https://shop.goldenacre.example/anna.jpg",
                    .locale = "de_DE.UTF-8",
                    .location = {.address1 = "Hauptstraße 1",
                                 .city = "Ulm",
                                 .zip = "89073",
                                 .country = "Germany",
                                 .timezone = "Europe/Berlin"}};
  const auto records = klaviyo_test::records_of(klaviyo::order_placed(order));
  ASSERT_FALSE(records.empty());
  EXPECT_EQ(klaviyo_test::attributes_of(records[0])["profile"]["data"]["attributes"],
            klaviyo_test::parse(R"({"email": "anna@goldenacre.example",
                "organization": "Golden Acre", "title": "Gardener",
                "image": "https://shop.goldenacre.example/anna.jpg", "locale": "de-DE",
                "location": {"address1": "Hauptstraße 1", "city": "Ulm", "zip": "89073",
                             "country": "Germany", "timezone": "Europe/Berlin"}})"));
  order.customer.location.city = "\xff";
  postbox::EventBatch batch(klaviyo_test::now());
  klaviyo::order_placed(order).encode(batch);
  EXPECT_NE(rule_at(batch.warnings(), "customer.location.city"), "");
}

TEST(KlaviyoProfile, TheBuilderSendsTheNormalisedAddress) {
  auto order = klaviyo_test::order();
  order.customer.email = "  Anna@GoldenAcre.example ";
  const auto records = klaviyo_test::records_of(klaviyo::order_placed(order));
  ASSERT_FALSE(records.empty());
  const auto attributes = klaviyo_test::attributes_of(records[0]);
  EXPECT_EQ(attributes["profile"]["data"]["attributes"]["email"], "anna@goldenacre.example");
}

}  // namespace
