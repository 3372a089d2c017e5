#include <gtest/gtest.h>

#include "support/stripe_shop.hpp"

namespace postbox::tests {
namespace {

using Names = std::vector<std::string>;

TEST(StripeConfig, ReadsTheEnvironment) {
  const auto config = stripe::Config::from(
      Environment::parse("STRIPE_WEBHOOK_SECRET=whsec_a,whsec_b\nSTRIPE_TEST_MODE=true\n"
                         "POSTBOX_OUTBOX=sqlite:/var/lib/shop/outbox.db\n")
          .value());
  ASSERT_TRUE(config);
  EXPECT_EQ(config->secrets, (Names{"whsec_a", "whsec_b"}));
  EXPECT_TRUE(config->test_mode);
  EXPECT_FALSE(config->fact_store_path) << "beside the tracker's outbox, wherever that is";
}

TEST(StripeConfig, NamesTheVariableThatDoesNotParse) {
  for (const auto& [text, name] : std::vector<std::pair<std::string, std::string>>{
           {"STRIPE_WEBHOOK_SECRET=whsec_a,", "STRIPE_WEBHOOK_SECRET: "},
           {"STRIPE_TEST_MODE=50%", "STRIPE_TEST_MODE: '50%'"}}) {
    const auto config = stripe::Config::from(Environment::parse(text).value());
    ASSERT_FALSE(config) << text;
    EXPECT_TRUE(config.error().message.starts_with(name)) << config.error().message;
  }
}

TEST(StripeConfig, NamesEveryVariableThatDoesNotParse) {
  const auto config = stripe::Config::from(
      Environment::parse("STRIPE_WEBHOOK_SECRET=whsec_a,\nSTRIPE_TEST_MODE=maybe").value());
  ASSERT_FALSE(config);
  EXPECT_TRUE(config.error().message.starts_with("STRIPE_WEBHOOK_SECRET: "));
  EXPECT_NE(config.error().message.find("\nSTRIPE_TEST_MODE: "), std::string::npos);
}

TEST(StripeConfig, ABlankSecretIsAnErrorOfStart) {
  StripeShop shop;
  for (const char* secret : {"", " ", "whsec a", " whsec_a", "whsec_a\n", "whsec_a\x01", "a,b"}) {
    shop.config.secrets = {secret};
    EXPECT_FALSE(stripe::Webhook::start(shop.config, *shop.tracker)) << secret;
  }
}

TEST(StripeConfig, NamesEveryMemberThatCannotBeUsed) {
  stripe::Config config;
  config.secrets = {"whsec a"};
  config.api_key = "pk_live";
  config.api_url = "http://api.stripe.example";
  config.max_body = Bytes{0};
  config.patience = -1ms;
  const auto valid = config.validate();
  ASSERT_FALSE(valid);
  EXPECT_EQ(valid.error().code, ErrorCode::kInvalidConfig);
  for (const char* name : {"STRIPE_WEBHOOK_SECRET: ", "STRIPE_API_KEY: ", "STRIPE_API_URL: ",
                           "max_body: ", "patience: "}) {
    EXPECT_NE(valid.error().message.find(name), std::string::npos) << valid.error().message;
  }
  EXPECT_EQ(valid.error().message.find("whsec"), std::string::npos) << "a secret is not shown";
}

TEST(StripeConfig, TheTestModeTakesTheWordsOfTheFlags) {
  const auto load = [](const std::string& value) {
    return stripe::Config::from(Environment::parse("STRIPE_TEST_MODE=" + value + "\n").value());
  };
  for (const char* on : {"true", "TRUE", "1", "on", "yes"}) EXPECT_TRUE(load(on)->test_mode) << on;
  for (const char* off : {"false", "0", "No"}) EXPECT_FALSE(load(off)->test_mode) << off;
  for (const char* bad : {"100%", "0%", "maybe"}) EXPECT_FALSE(load(bad)) << bad;
}

}  // namespace
}  // namespace postbox::tests
