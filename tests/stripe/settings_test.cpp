// The tables of settings: what they say of a variable is what the code does with it.
#include <gtest/gtest.h>

#include <fstream>
#include <klaviyo/config.hpp>
#include <postbox/config.hpp>
#include <postbox/settings.hpp>
#include <set>
#include <stripe/config.hpp>

#include "support/temporary_folder.hpp"

namespace {

using postbox::Environment;
using postbox::Error;
using postbox::Setting;

template <class Config>
class SettingsTable : public ::testing::Test {
 protected:
  // What `row` makes of a text, as a log shows it; the error where it makes nothing.
  static std::string shown(const postbox::BoundSetting<Config>& row, std::string_view text) {
    Config config;
    const std::string line = std::string(row.setting().variable) + "='" + std::string(text) + "'";
    const auto read = row.read(Environment::parse(line).value(), config);
    return read ? row.in_force(config).shown : "error: " + read.error().message;
  }

  const std::vector<postbox::BoundSetting<Config>> table = Config::settings();
};

using Configs = ::testing::Types<postbox::Config, klaviyo::Config, stripe::Config>;
TYPED_TEST_SUITE(SettingsTable, Configs);

TYPED_TEST(SettingsTable, ADefaultIsThatOfTheCodeAndAnExampleIsAccepted) {
  const TypeParam unset;
  for (const auto& row : this->table) {
    const Setting& setting = row.setting();
    if (!setting.default_value.empty()) {
      EXPECT_EQ(this->shown(row, setting.default_value), row.in_force(unset).shown)
          << setting.variable;
    }
    if (!setting.example.empty()) {
      EXPECT_EQ(this->shown(row, setting.example).find("error: "), std::string::npos)
          << this->shown(row, setting.example);
      EXPECT_NE(this->shown(row, setting.example), row.in_force(unset).shown) << setting.variable;
    }
  }
}

TYPED_TEST(SettingsTable, EveryVariableStandsInOneRowAndIsDescribed) {
  std::set<std::string_view> variables;
  for (const auto& row : this->table) {
    const Setting& setting = row.setting();
    EXPECT_TRUE(variables.insert(setting.variable).second) << setting.variable;
    if (setting.section.empty()) continue;  // another table describes it
    EXPECT_TRUE(setting.about.ends_with(".")) << setting.variable;
    EXPECT_FALSE(setting.accepted.empty() || setting.accepted.ends_with(".")) << setting.variable;
  }
}

// Stripe's table reads POSTBOX_CA_FILE, too.
TEST(SettingsTables, WhatOneTableLeavesToAnotherIsDescribedThere) {
  std::multiset<std::string_view> described;
  std::set<std::string_view> all;
  const auto note = [&](const auto& table) {
    for (const auto& row : table) {
      all.insert(row.setting().variable);
      if (!row.setting().section.empty()) described.insert(row.setting().variable);
    }
  };
  note(postbox::Config::settings());
  note(klaviyo::Config::settings());
  note(stripe::Config::settings());
  for (const std::string_view variable : all) {
    EXPECT_EQ(described.count(variable), 1U) << variable;
  }
}

TYPED_TEST(SettingsTable, ASecretIsNotShownMayStandInAFileAndIsToldFromAnother) {
  const postbox::tests::TemporaryFolder folder;
  const std::string end = "0123456789abcdef0123456789abcdef";
  for (const auto& row : this->table) {
    if (!row.setting().is_secret) continue;
    const std::string name(row.setting().variable);
    const auto in_force_with = [&](const std::string& start) {
      std::ofstream(folder.file("secret")) << start << end << "\n";
      std::ofstream(folder.file(".env")) << name << "_FILE=secret\n";
      TypeParam config;
      const auto read = row.read(Environment::load(folder.file(".env")).value(), config);
      EXPECT_TRUE(read) << read.error().message;
      return row.in_force(config);
    };
    const bool is_stripe = name.starts_with("STRIPE_");
    const std::string prefix = !is_stripe ? "pk_" : name.ends_with("KEY") ? "rk_" : "whsec_";
    const bool is_hex = name == "POSTBOX_ENCRYPTION_KEY";
    const auto one = in_force_with(is_hex ? std::string(32, '1') : prefix + "one");
    const auto other = in_force_with(is_hex ? std::string(32, '2') : prefix + "two");
    EXPECT_EQ(one.shown.find(end), std::string::npos) << name;
    EXPECT_EQ(one.identity.find(end), std::string::npos) << name;
    EXPECT_EQ(one.shown, other.shown) << name;
    EXPECT_NE(one.identity, other.identity) << name;
  }
}

TYPED_TEST(SettingsTable, EveryValueThatCannotBeUsedIsNamedAtOnce) {
  std::string text;
  std::size_t bad = 0;
  for (const auto& row : this->table) {
    const Setting& setting = row.setting();
    // An outbox, a spill and a file of certificates are any text until they are checked.
    if (setting.variable == "POSTBOX_OUTBOX" || setting.variable == "POSTBOX_SPILL" ||
        setting.variable == "POSTBOX_CA_FILE") {
      continue;
    }
    text += std::string(setting.variable) + "=\"no \x01 good\"\n";
    ++bad;
  }
  TypeParam config;
  std::vector<Error> errors;
  postbox::read_settings(this->table, Environment::parse(text).value(), config, errors);
  EXPECT_EQ(errors.size(), bad) << postbox::joined(errors).message;
  for (const auto& row : this->table) {
    EXPECT_EQ(row.in_force(config).shown, row.in_force(TypeParam()).shown) << "it keeps its value";
  }
}

}  // namespace
