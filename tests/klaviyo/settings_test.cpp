// What a start says of the settings that have changed since the last one.
#include <gtest/gtest.h>

#include <fstream>
#include <klaviyo/klaviyo.hpp>
#include <klaviyo/settings.hpp>
#include <postbox/outbox.hpp>
#include <postbox/testing/manual_clock.hpp>
#include <postbox/testing/scripted_http_client.hpp>
#include <utility>

#include "support/broken_outbox.hpp"
#include "support/klaviyo_test_data.hpp"
#include "support/temporary_folder.hpp"

namespace {

using klaviyo::Config;
using klaviyo::Setting;
using postbox::LogLevel;
using Strings = std::vector<std::string>;

constexpr std::string_view kChanged = "Klaviyo configuration changed: ";

// One outbox in a file, that servers with an environment file use one after the other.
class Restart : public ::testing::Test {
 protected:
  void write(const std::string& settings) const {
    std::ofstream(folder.file("env"))
        << "POSTBOX_OUTBOX=sqlite:" + folder.file("outbox.db") + "\n" + settings;
  }

  std::optional<postbox::Tracker> start(std::shared_ptr<postbox::Outbox> outbox = {}) {
    lines.clear();
    Config config = Config::from_env(folder.file("env")).value();
    config.engine.log = [this](LogLevel level, std::string_view line) {
      lines.emplace_back(level, line);
    };
    auto tracker = klaviyo::start(
        config, {.outbox = std::move(outbox), .http = http, .clock = clock, .threads = false});
    EXPECT_TRUE(tracker) << tracker.error().message;
    if (!tracker) return std::nullopt;
    return *std::move(tracker);
  }

  // What a start with these settings says, which ends at once.
  Strings changes_of(const std::string& settings) {
    write(settings);
    start();
    return changes();
  }

  [[nodiscard]] Strings changes() const {
    Strings found;
    for (const auto& [level, line] : lines) {
      if (line.starts_with(kChanged)) found.push_back(line.substr(kChanged.size()));
    }
    return found;
  }

  postbox::tests::TemporaryFolder folder;
  std::vector<std::pair<LogLevel, std::string>> lines;
  std::shared_ptr<postbox::testing::ScriptedHttpClient> http =
      std::make_shared<postbox::testing::ScriptedHttpClient>();
  std::shared_ptr<postbox::testing::ManualClock> clock =
      std::make_shared<postbox::testing::ManualClock>(klaviyo_test::now());
};

const std::string kSettings = "KLAVIYO_API_KEY=pk_0123456789ab\nVITE_APP_URL=https://a.example\n";

TEST_F(Restart, SaysInOneLineWhatHasChanged) {
  EXPECT_EQ(changes_of(kSettings), Strings{}) << "nothing is known of the time before";
  EXPECT_EQ(changes_of(kSettings), Strings{});
  EXPECT_EQ(changes_of(kSettings + "KLAVIYO_PURCHASE_EVENTS_ENABLED=true\n"),
            Strings{"KLAVIYO_PURCHASE_EVENTS_ENABLED false -> true (since the last start)"});
  EXPECT_EQ(changes_of(kSettings + "KLAVIYO_PURCHASE_EVENTS_ENABLED=true\n"), Strings{});
  EXPECT_EQ(changes_of(kSettings + "KLAVIYO_CART_ABANDONED_AFTER=90m\n"),
            Strings{"KLAVIYO_PURCHASE_EVENTS_ENABLED true -> false; KLAVIYO_CART_ABANDONED_AFTER "
                    "3600000ms -> 5400000ms (since the last start)"});
  EXPECT_EQ(std::ranges::find(lines, LogLevel::kInfo, &decltype(lines)::value_type::first)
                ->second.find("Klaviyo starts with Postbox "),
            0U)
      << "the line of the start comes first";
}

TEST_F(Restart, ShowsNoSecretAndStoresNone) {
  const std::string of_links = "KLAVIYO_RECOVERY_SECRET=hunter2hunter2hunter2";
  EXPECT_EQ(changes_of(kSettings + of_links), Strings{});
  EXPECT_EQ(changes_of("KLAVIYO_API_KEY=pk_9876543210cd\nVITE_APP_URL=https://a.example\n" +
                       of_links + ",another of 20 bytes"),
            Strings{"KLAVIYO_API_KEY pk_…89ab -> pk_…10cd; KLAVIYO_RECOVERY_SECRET 1 set -> 2 set "
                    "(since the last start)"});
  const auto tracker = start();
  const std::string kept = tracker->keep("settings", {}).value();
  EXPECT_NE(kept.find("pk_…10cd"), std::string::npos);
  for (const char* secret : {"9876543210", "hunter2", "another"}) {
    EXPECT_EQ(kept.find(secret), std::string::npos) << secret;
  }
  for (const Setting& setting :
       klaviyo::settings_of(Config::from_env(folder.file("env")).value())) {
    if (setting.identity.empty()) continue;
    EXPECT_EQ(kept.find(setting.identity), std::string::npos) << "a hash lets secrets be tried";
  }
}

TEST_F(Restart, WhatAReloadHasAppliedIsNoNewsAndWhatItCouldNotIs) {
  write(kSettings);
  auto tracker = start();
  write(kSettings + "KLAVIYO_CART_ABANDONED_ENABLED=true\nPOSTBOX_RETENTION=7d\n");
  ASSERT_TRUE(tracker->reload());
  EXPECT_EQ(changes(), Strings{"KLAVIYO_CART_ABANDONED_ENABLED false -> true"});
  tracker.reset();
  tracker = start();
  EXPECT_EQ(changes(),
            Strings{"POSTBOX_RETENTION 2592000000ms -> 604800000ms (since the last start)"});
  write(kSettings + "KLAVIYO_CART_ABANDONED_ENABLED=5%\nPOSTBOX_RETENTION=7d\n");
  ASSERT_TRUE(tracker->reload());
  tracker.reset();
  EXPECT_EQ(changes_of(kSettings + "KLAVIYO_CART_ABANDONED_ENABLED=true\nPOSTBOX_RETENTION=7d\n"),
            Strings{"KLAVIYO_CART_ABANDONED_ENABLED 5% -> true (since the last start)"});
}

TEST_F(Restart, AKeyThatIsGoneIsAChangeAndWithoutOneNobodyHearsOfTheOutbox) {
  EXPECT_EQ(changes_of("KLAVIYO_API_KEY=pk_0123456789ab\n"), Strings{});
  EXPECT_EQ(changes_of(""), Strings{"KLAVIYO_API_KEY pk_…89ab -> none (since the last start)"});
  const auto broken = std::make_shared<postbox::tests::BrokenOutbox>(
      postbox::open_outbox({.url = "memory:"}, clock).value());
  broken->broken = true;
  start(broken);
  for (const auto& [level, line] : lines) {
    EXPECT_EQ(line.find("since the last start"), std::string::npos) << line;
  }
}

TEST_F(Restart, AnOutboxThatCannotKeepThemIsAWarning) {
  write(kSettings);
  const auto broken = std::make_shared<postbox::tests::BrokenOutbox>(
      postbox::open_outbox({.url = "memory:"}, clock).value());
  broken->broken = true;
  auto tracker = start(broken);
  ASSERT_TRUE(tracker);
  const auto warned = [this](std::string_view what) {
    return std::ranges::any_of(lines, [&](const auto& line) {
      return line.first == LogLevel::kWarn && line.second.starts_with(what) &&
             line.second.find("the disk is gone") != std::string::npos;
    });
  };
  EXPECT_TRUE(warned("What has changed since the last start is not known: "));
  EXPECT_TRUE(tracker->reload());
  EXPECT_TRUE(warned("cannot keep the settings in the outbox: "));
}

TEST(KeptSettings, AreComparedWhereBothVersionsKnowThem) {
  const std::vector<Setting> old = {{"A", "1"}, {"GONE", "x"}, {"B", "2, and more=x\n"}, {"C", ""}};
  const std::vector<Setting> now = {{"NEW", "y"}, {"C", "3", "hash", true}, {"B", "2"}, {"A", "1"}};
  const std::string before = klaviyo::kept_form(old);
  EXPECT_EQ(klaviyo::changes_since(before, klaviyo::kept_form(now)),
            (Strings{"C  -> 3", "B 2, and more=x\n -> 2"}));
  EXPECT_EQ(klaviyo::changes_since(before, before), Strings{});
  EXPECT_EQ(klaviyo::changes_since("", before), Strings{});
  EXPECT_EQ(klaviyo::changes_since("A", before), Strings{"A  -> 1"}) << "half of a text is read";
}

}  // namespace
