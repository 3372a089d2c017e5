// The options by which a command finds its account.

#include <gmock/gmock.h>

#include <CLI/CLI.hpp>
#include <account_options.hpp>

#include <fstream>

#include "support/temporary_folder.hpp"

namespace postbox::testing {
namespace {

using ::testing::HasSubstr;

class AccountOptionsTest : public ::testing::Test {
 protected:
  std::string env_file(const std::string& text) {
    std::ofstream(folder_.path() / "shop.env") << text;
    return folder_.file("shop.env");
  }

  // The message of wrong use, or nothing.
  std::string parse(std::vector<std::string> arguments) {
    CLI::App app;
    cli::add_account_options(app, options_);
    std::ranges::reverse(arguments);
    try {
      app.parse(std::move(arguments));
      return {};
    } catch (const CLI::ParseError& error) {
      return error.what();
    }
  }

  tests::TemporaryFolder folder_;
  cli::AccountOptions options_;
};

TEST_F(AccountOptionsTest, ReadTheVariablesThatHaveThePrefix) {
  const std::string file = env_file(
      "US_KLAVIYO_PURCHASE_EVENTS_ENABLED=true\n"
      "KLAVIYO_CART_ABANDONED_ENABLED=true\n");
  ASSERT_EQ(parse({"--env-file", file, "--prefix", "US_"}), "");
  const auto config = cli::read_config(options_);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_FALSE(config->flag(klaviyo::kPurchase).is_off());
  EXPECT_TRUE(config->flag(klaviyo::kCart).is_off());
}

TEST_F(AccountOptionsTest, NameEveryBadSettingAtOnce) {
  const std::string file = env_file(
      "EU_KLAVIYO_PURCHASE_EVENTS_ENABLED=yes please\n"
      "EU_POSTBOX_MAX_DISK=many\n");
  ASSERT_EQ(parse({"--env-file", file, "--prefix", "EU_"}), "");
  const auto config = cli::read_config(options_);
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().message, HasSubstr("EU_KLAVIYO_PURCHASE_EVENTS_ENABLED"));
  EXPECT_THAT(config.error().message, HasSubstr("'many'"));
}

TEST_F(AccountOptionsTest, AFileThatIsNamedMustBeThere) {
  EXPECT_THAT(parse({"--env-file", folder_.file("none.env")}), HasSubstr("none.env"));
}

TEST_F(AccountOptionsTest, FamiliesOfTheShopsOwnHaveAFlag) {
  const std::string file = env_file("US_KLAVIYO_LOYALTY_EVENTS_ENABLED=true\n");
  ASSERT_EQ(parse({"--env-file", file, "--prefix", "US_", "--own-family", "loyalty=8"}), "");
  const auto config = cli::read_config(options_);
  ASSERT_TRUE(config) << config.error().message;
  ASSERT_EQ(config->own_families.size(), 1U);
  EXPECT_EQ(config->own_families.front().name, "loyalty");
  EXPECT_FALSE(config->flag(config->own_families.front()).is_off());
}

TEST_F(AccountOptionsTest, AnOwnFamilyThatIsNoneNamesWhatIsAccepted) {
  for (const char* text : {"loyalty", "=8", "Loyalty=8", "loyalty=7", "loyalty=16", "loyalty=8x"}) {
    const std::string message = parse({"--own-family", text});
    EXPECT_THAT(message, HasSubstr("--own-family")) << text;
    EXPECT_THAT(message, HasSubstr("expected NAME=NUMBER")) << text;
  }
}

}  // namespace
}  // namespace postbox::testing
