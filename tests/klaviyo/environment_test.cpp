// Environment files and values from the field (F04, F05 of the shared folder).
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <klaviyo/klaviyo.hpp>
#include <nlohmann/json.hpp>

#include "support/base64.hpp"
#include "support/field_cases.hpp"
#include "support/temporary_folder.hpp"

namespace {

using klaviyo::Config;
using Json = nlohmann::json;
using postbox::tests::field_case;

class FieldEnvironment : public ::testing::Test {
 protected:
  [[nodiscard]] postbox::Result<Config> load(const std::string& text) const {
    std::ofstream(folder.file(".env"), std::ios::binary) << text;
    return Config::from_env(folder.file(".env"));
  }

  const postbox::tests::TemporaryFolder folder;
};

TEST_F(FieldEnvironment, EveryFileStartsTheServerOrIsRefusedByName) {
  const Json files = field_case("F04.json");
  if (files.is_null()) GTEST_SKIP() << "F04.json is absent";
  for (const auto& [name, base64] : files.items()) {
    const auto config = load(postbox::tests::decoded_base64(base64));
    if (name.starts_with("UTF-16")) {
      ASSERT_FALSE(config);
      EXPECT_NE(config.error().message.find("UTF-16"), std::string::npos);
    } else if (name == "dollar expansion") {
      ASSERT_FALSE(config);
      EXPECT_NE(config.error().message.find("KLAVIYO_PURCHASE_EVENTS_ENABLED: line 2: "),
                std::string::npos);
    } else {
      ASSERT_TRUE(config) << name << ": " << config.error().message;
      EXPECT_EQ(config->flag(klaviyo::kPurchase).is_on(), name != "double key, last empty") << name;
      EXPECT_LE(config->warnings.size(), 1U) << name;
    }
  }
}

void expect_meant(const Config& config, const std::string& name, const Json& variables) {
  if (variables.contains("KLAVIYO_API_KEY")) {
    EXPECT_EQ(config.api_key, "pk_demo0000000000000000000000000001") << name;
  }
  EXPECT_EQ(config.flag(klaviyo::kPurchase).is_on(), name.starts_with("flag")) << name;
  if (name.starts_with("app url")) {
    EXPECT_EQ(config.app_url, "https://goldenacre.example");
  }
  if (name.starts_with("outbox") && name.find("sqlite:///") == std::string::npos) {
    EXPECT_EQ(config.engine.outbox.url, "sqlite:shop.db") << name;
  }
}

TEST_F(FieldEnvironment, EveryValueIsTrimmedOrRefusedByName) {
  const Json cases = field_case("F05.json");
  if (cases.is_null()) GTEST_SKIP() << "F05.json is absent";
  for (const auto& [name, variables] : cases.items()) {
    for (const auto& [variable, value] : variables.items()) {
      if (!value.is_string()) continue;
      ::setenv(variable.c_str(), value.get<std::string>().c_str(), 1);
    }
    const auto config = Config::from_env(folder.file("none"));
    for (const auto& [variable, value] : variables.items()) {
      ::unsetenv(variable.c_str());
      if (config) continue;
      EXPECT_TRUE(config.error().message.starts_with(variable + ": ")) << config.error().message;
      EXPECT_EQ(config.error().message.find("pk_demo"), std::string::npos);
    }
    const bool is_refused = name == "key with a newline inside" ||
                            name == "public key (6 characters)" ||
                            name.starts_with("key with 'Klaviyo-API-Key") || name == "outbox ~" ||
                            name == "outbox $HOME" || name == "outbox sqlite://relative";
    ASSERT_EQ(config.has_value(), !is_refused) << name;
    if (config) expect_meant(*config, name, variables);
  }
}

}  // namespace
