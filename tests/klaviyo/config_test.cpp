#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <klaviyo/klaviyo.hpp>
#include <postbox/clock.hpp>
#include <postbox/environment.hpp>
#include <postbox/outbox.hpp>
#include <postbox/testing/manual_clock.hpp>
#include <postbox/testing/scripted_http_client.hpp>
#include <postbox/version.hpp>
#include <utility>

#include "support/klaviyo_test_data.hpp"
#include "support/temporary_folder.hpp"

namespace {

using klaviyo::Config;
using postbox::Environment;

postbox::Result<Config> config_of(std::string_view text) {
  const auto environment = Environment::parse(text);
  if (!environment) return environment.error();
  return Config::from(*environment);
}

std::string error_of(std::string_view text) {
  const auto config = config_of(text);
  return config ? std::string() : config.error().message;
}

TEST(KlaviyoConfig, NothingSetIsInertAndValid) {
  const auto config = config_of("");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_TRUE(config->api_key.empty());
  EXPECT_EQ(config->api_url, "https://a.klaviyo.com");
  EXPECT_EQ(config->revision, "2026-10-15");
  EXPECT_EQ(config->quota_share.per_mille, 900);
  EXPECT_TRUE(config->flag(klaviyo::kPurchase).is_off());
  EXPECT_EQ(config->cart_abandoned_after, std::chrono::minutes(60));
}

TEST(KlaviyoConfig, EveryVariableIsRead) {
  const auto config = config_of(
      "KLAVIYO_API_KEY=pk_0123456789\nKLAVIYO_PURCHASE_EVENTS_ENABLED=true\n"
      "KLAVIYO_SUBSCRIPTION_EVENTS_ENABLED=25%\nKLAVIYO_CART_ABANDONED_ENABLED=false\n"
      "KLAVIYO_API_URL=http://127.0.0.1:4010/\nKLAVIYO_REVISION=2026-10-15.pre\n"
      "KLAVIYO_QUOTA_SHARE=0.25\nVITE_APP_URL=http://localhost:5173/\n"
      "KLAVIYO_DEFAULT_COUNTRY=de\n"
      "KLAVIYO_CART_ABANDONED_AFTER=90m\nKLAVIYO_CART_QUIET_TIME=0s\n"
      "KLAVIYO_RECOVERY_SECRET=the new one: 16 b, the old one: 16 b\nPOSTBOX_MAX_DISK=64MiB\n");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->api_key, "pk_0123456789");
  EXPECT_TRUE(config->flag(klaviyo::kPurchase).is_on());
  EXPECT_EQ(config->flag(klaviyo::kSubscription).percent(), 25);
  EXPECT_TRUE(config->flag(klaviyo::kCart).is_off());
  EXPECT_EQ(config->api_url, "http://127.0.0.1:4010");
  EXPECT_EQ(config->revision, "2026-10-15.pre");
  EXPECT_EQ(config->quota_share.per_mille, 250);
  EXPECT_EQ(config->app_url, "http://localhost:5173");
  EXPECT_EQ(config->default_country, "DE");
  EXPECT_EQ(config->cart_abandoned_after, std::chrono::minutes(90));
  EXPECT_EQ(config->cart_quiet_time, std::chrono::seconds(0));
  EXPECT_EQ(config->recovery_secrets,
            (std::vector<std::string>{"the new one: 16 b", "the old one: 16 b"}));
  EXPECT_EQ(config->engine.outbox.max_disk, postbox::mebibytes(64));
}

TEST(KlaviyoConfig, EveryBadVariableIsNamedAtOnceInALineOfItsOwn) {
  const std::string error = error_of(
      "POSTBOX_MAX_DISK=lots\nPOSTBOX_RETENTION=30\nKLAVIYO_API_KEY=secretsecret\n"
      "KLAVIYO_PURCHASE_EVENTS_ENABLED=maybe\nKLAVIYO_QUOTA_SHARE=2\nPOSTBOX_MAX_MEMORY=1KiB\n"
      "KLAVIYO_CART_QUIET_TIME=5s");
  EXPECT_EQ(std::ranges::count(error, '\n'), 5) << error;
  for (const char* name :
       {"POSTBOX_MAX_DISK", "POSTBOX_RETENTION", "KLAVIYO_API_KEY",
        "KLAVIYO_PURCHASE_EVENTS_ENABLED", "KLAVIYO_QUOTA_SHARE", "POSTBOX_MAX_MEMORY"}) {
    EXPECT_NE(("\n" + error).find("\n" + std::string(name) + ": "), std::string::npos) << error;
  }
  EXPECT_EQ(error.find("secretsecret"), std::string::npos) << error;
}

TEST(KlaviyoStart, SaysWhatIsInForceAndNoSecret) {
  std::vector<std::string> lines;
  auto config = Config::from(postbox::Environment::parse(
                                 "KLAVIYO_API_KEY=pk_0123456789ab\nPOSTBOX_OUTBOX=sqlite:p.db\n"
                                 "KLAVIYO_PURCHASE_EVENTS_ENABLED=5%\n"
                                 "KLAVIYO_RECOVERY_SECRET=a secret of 20 byte\n")
                                 .value())
                    .value();
  config.engine.log = [&](postbox::LogLevel, std::string_view line) { lines.emplace_back(line); };
  const auto outbox = postbox::open_outbox({.url = "memory:"}, postbox::system_clock()).value();
  const auto tracker = klaviyo::start(config, {.outbox = outbox, .threads = false});
  ASSERT_TRUE(tracker) << tracker.error().message;
  ASSERT_FALSE(lines.empty());
  const std::string& line = lines.front();
  const std::string begin = "Klaviyo starts with Postbox " + std::string(postbox::kVersion) +
                            ": KLAVIYO_API_KEY=pk_…89ab";
  EXPECT_TRUE(line.starts_with(begin)) << line;
  for (const char* part :
       {", KLAVIYO_PURCHASE_EVENTS_ENABLED=5%,", ", KLAVIYO_REVISION=2026-10-15,",
        ", POSTBOX_OUTBOX=sqlite:/", "/p.db,", ", KLAVIYO_RECOVERY_SECRET=1 set,"}) {
    EXPECT_NE(line.find(part), std::string::npos) << part << " in " << line;
  }
  EXPECT_EQ(line.find("0123456789ab"), std::string::npos);
  EXPECT_EQ(line.find("a secret"), std::string::npos);
}

class Reload : public ::testing::Test {
 protected:
  void write(const std::string& more) const {
    std::ofstream(file) << "KLAVIYO_API_KEY=pk_0123456789ab\nPOSTBOX_OUTBOX=memory:\n"
                        << "KLAVIYO_PURCHASE_EVENTS_ENABLED=true\n" + more;
  }

  postbox::Tracker start() {
    auto config = Config::from_env(file).value();
    config.app_url = "https://set-in-code.example";  // which is no change of the environment's
    config.engine.log = [this](postbox::LogLevel, std::string_view line) {
      lines.emplace_back(line);
    };
    auto tracker = klaviyo::start(config, {.http = http, .clock = clock, .threads = false}).value();
    lines_at_start = std::exchange(lines, {});
    return tracker;
  }

  // The family is on still, and the error says what is wrong.
  void expect_unchanged(postbox::Tracker& tracker, const std::string& why) {
    const auto reloaded = tracker.reload();
    ASSERT_FALSE(reloaded);
    EXPECT_NE(reloaded.error().message.find(why), std::string::npos) << reloaded.error().message;
    EXPECT_NE(reloaded.error().message.find(file), std::string::npos) << reloaded.error().message;
    EXPECT_TRUE(lines.empty()) << lines.front();
    EXPECT_EQ(tracker.track(klaviyo::order_placed(klaviyo_test::order())).status(),
              postbox::TrackStatus::kAccepted);
    for (int i = 0; i < 10 && !tracker.flush(std::chrono::seconds(1)); ++i) {
      clock->advance(std::chrono::seconds(1));
    }
    const postbox::Stats stats = tracker.stats();
    EXPECT_TRUE(stats.conserved() && stats.waiting == 0) << stats.waiting << " wait";
    lines.clear();
  }

  postbox::tests::TemporaryFolder folder;
  std::string file = folder.file("settings");
  std::shared_ptr<postbox::testing::ScriptedHttpClient> http =
      std::make_shared<postbox::testing::ScriptedHttpClient>();
  std::shared_ptr<postbox::testing::ManualClock> clock =
      std::make_shared<postbox::testing::ManualClock>(klaviyo_test::now());
  std::vector<std::string> lines;
  std::vector<std::string> lines_at_start;
};

TEST_F(Reload, WithoutTheFileThatWasThereChangesNothing) {
  write("");
  postbox::Tracker tracker = start();
  std::filesystem::rename(file, file + ".moved");
  expect_unchanged(tracker, "is not there");
  std::ofstream(file).close();
  expect_unchanged(tracker, "is empty");
  std::filesystem::remove(file);
  std::filesystem::create_directory(file);
  expect_unchanged(tracker, "Is a directory");
  std::filesystem::remove(file);
  write("KLAVIYO_CART_ABANDONED_ENABLED=nonsense\n");
  ASSERT_FALSE(tracker.reload());
  write("KLAVIYO_PURCHASE_EVENTS_ENABLED=false\n");
  EXPECT_TRUE(tracker.reload());
  EXPECT_EQ(tracker.track(klaviyo::order_placed(klaviyo_test::order())).status(),
            postbox::TrackStatus::kDisabled);
}

TEST_F(Reload, SaysAgainWhatLinesAreSkippedWhenThatHasChanged) {
  write("LOG_LEVEL: debug\n");
  postbox::Tracker tracker = start();
  const auto warnings = [this](const std::vector<std::string>& all) {
    return std::ranges::count_if(all, [this](const std::string& line) {
      return line.find(" skipped: not NAME=VALUE") != std::string::npos && line.starts_with(file);
    });
  };
  EXPECT_EQ(warnings(lines_at_start), 1);
  ASSERT_TRUE(tracker.reload());
  EXPECT_EQ(warnings(lines), 0);
  write("LOG_LEVEL: debug\nfi\n");
  ASSERT_TRUE(tracker.reload());
  EXPECT_EQ(warnings(lines), 1);
}

TEST_F(Reload, ReadsTheFilesOfSecretsAgain) {
  std::ofstream(file) << "KLAVIYO_API_KEY_FILE=key\nPOSTBOX_OUTBOX=memory:\n";
  std::ofstream(folder.file("key")) << "pk_0123456789ab\n";
  postbox::Tracker tracker = start();
  std::ofstream(folder.file("key")) << "pk_0123456789cd\n";
  ASSERT_TRUE(tracker.reload());
  EXPECT_EQ(lines.back(), "Klaviyo configuration changed: KLAVIYO_API_KEY pk_…89ab -> pk_…89cd");
  std::ofstream(folder.file("key")).close();
  ASSERT_FALSE(tracker.reload());
}

TEST_F(Reload, AFileThatWasNotThereMayBeMissingUntilItHasBeen) {
  Config config = Config::from_env(file).value();
  config.engine.outbox.url = "memory:";
  config.engine.log = nullptr;
  auto tracker = klaviyo::start(config, {.http = http, .clock = clock, .threads = false}).value();
  EXPECT_TRUE(tracker.reload());
  write("");
  EXPECT_TRUE(tracker.reload());
  std::filesystem::remove(file);
  EXPECT_FALSE(tracker.reload());
  EXPECT_EQ(tracker.track(klaviyo::order_placed(klaviyo_test::order())).status(),
            postbox::TrackStatus::kAccepted);
}

TEST_F(Reload, NamesEverySettingThatNeedsARestartAndShowsNoSecret) {
  write("KLAVIYO_RECOVERY_SECRET=a secret of 16 b\n");
  postbox::Tracker tracker = start();
  const std::vector<std::string> names = {"POSTBOX_OUTBOX",
                                          "POSTBOX_MAX_DISK",
                                          "POSTBOX_MAX_MEMORY",
                                          "POSTBOX_RETENTION",
                                          "POSTBOX_GIVE_UP_AFTER",
                                          "POSTBOX_CA_FILE",
                                          "VITE_APP_URL",
                                          "KLAVIYO_METRIC_NAMES",
                                          "KLAVIYO_CART_ABANDONED_AFTER",
                                          "KLAVIYO_CART_QUIET_TIME",
                                          "KLAVIYO_RECOVERY_SECRET"};
  const auto count = [&](const std::string& start_of_line) {
    return std::ranges::count_if(
        lines, [&](const std::string& line) { return line.starts_with(start_of_line); });
  };
  write(
      "POSTBOX_OUTBOX=sqlite:other.db\nPOSTBOX_MAX_DISK=1GiB\nPOSTBOX_MAX_MEMORY=1MiB\n"
      "POSTBOX_RETENTION=7d\nPOSTBOX_GIVE_UP_AFTER=24h\nPOSTBOX_CA_FILE=ca.pem\n"
      "VITE_APP_URL=https://shop.example\nKLAVIYO_METRIC_NAMES=Placed Order=Bestellung\n"
      "KLAVIYO_CART_ABANDONED_AFTER=90m\nKLAVIYO_CART_QUIET_TIME=1s\n"
      "KLAVIYO_RECOVERY_SECRET=another of 16 by\nKLAVIYO_QUOTA_SHARE=0.5\n");
  ASSERT_TRUE(tracker.reload());
  for (const std::string& name : names) {
    EXPECT_EQ(count("set, but needs a restart: " + name + " "), 1) << name;
  }
  EXPECT_EQ(count("set, but needs a restart: "), static_cast<std::ptrdiff_t>(names.size()));
  EXPECT_EQ(count("set, but needs a restart: VITE_APP_URL none -> https://shop.example"), 1);
  EXPECT_EQ(count("Klaviyo configuration changed: "), 1);
  EXPECT_EQ(count("Klaviyo configuration changed: KLAVIYO_QUOTA_SHARE 0.9 -> 0.5"), 1);
  for (const std::string& line : lines) {
    EXPECT_EQ(line.find("of 16"), std::string::npos) << line;
  }
  lines.clear();
  write("KLAVIYO_RECOVERY_SECRET=a secret of 16 b\n");
  ASSERT_TRUE(tracker.reload());
  EXPECT_EQ(count("set, but needs a restart: "), 0) << "it is as at the start again";
}

TEST(KlaviyoConfig, AShortSecretIsRefusedAndNotShown) {
  for (const char* value : {"hunter2", "long enough to be one,hunter2", "long enough to be one,"}) {
    const std::string error = error_of(std::string("KLAVIYO_RECOVERY_SECRET=") + value);
    EXPECT_NE(error.find("KLAVIYO_RECOVERY_SECRET"), std::string::npos) << error;
    EXPECT_NE(error.find("at least 16"), std::string::npos) << error;
    EXPECT_EQ(error.find("hunter2"), std::string::npos) << error;
    EXPECT_EQ(error.find("long"), std::string::npos) << error;
  }
}

TEST(KlaviyoConfig, ErrorsNameTheVariableTheValueAndWhatIsAccepted) {
  struct Row {
    const char* line;
    const char* value;
    const char* accepted;
  };
  for (const Row& row :
       {Row{"KLAVIYO_PURCHASE_EVENTS_ENABLED=maybe", "maybe", "true"},
        Row{"KLAVIYO_REVISION=yesterday", "yesterday", "2026-10-15"},
        Row{"KLAVIYO_QUOTA_SHARE=1.5", "1.5", "0.001 to 1"},
        Row{"KLAVIYO_DEFAULT_COUNTRY=Germany", "Germany", "such as DE"},
        Row{"KLAVIYO_CART_ABANDONED_AFTER=5s", "5s", "1m"},
        Row{"VITE_APP_URL=ftp://x", "ftp://x", "https://"},
        Row{"KLAVIYO_API_URL=http://a.klaviyo.com", "http://a.klaviyo.com", "https://HOST"}}) {
    const std::string message = error_of(row.line);
    const std::string_view line(row.line);
    EXPECT_TRUE(message.starts_with(line.substr(0, line.find('=')))) << message;
    EXPECT_NE(message.find(row.value), std::string::npos) << message;
    EXPECT_NE(message.find(row.accepted), std::string::npos) << message;
  }
}

TEST(KlaviyoConfig, ABadKeyIsDescribedAndNeverShown) {
  for (const char* key : {"sk_secretsecret", "secretsecret", "pk_", "pk_secret secret"}) {
    const std::string message = error_of(std::string("KLAVIYO_API_KEY='") + key + "'");
    EXPECT_TRUE(message.starts_with("KLAVIYO_API_KEY: ")) << message;
    EXPECT_NE(message.find("pk_"), std::string::npos) << message;
    EXPECT_EQ(message.find("secret"), std::string::npos) << message;
  }
}

TEST(KlaviyoConfig, WhatIsTakenForAKeyIsNamed) {
  for (const auto& [key, what] : std::vector<std::pair<std::string, std::string>>{
           {"AbC123", "public key (site id)"},
           {"Klaviyo-API-Key pk_hidden", "the header"},
           {"sk_live_hidden", "Stripe's API keys"},
           {"whsec_hidden", "Stripe's webhooks"},
           {"KLAVIYO_API_KEY=pk_hidden", "a line of an environment file"},
           {"pk_hidden,pk_hidden2", "comma"},
           {"pk_hid\\nden", ""},
           {"pk_hid\nden", "blank"},
           {"pk_hid\xC2\xA0"
            "den",
            "ASCII"}}) {
    const std::string message = error_of("KLAVIYO_API_KEY=\"" + key + "\"");
    EXPECT_NE(message.find(what), std::string::npos) << message;
    EXPECT_EQ(message.find("hid"), std::string::npos) << message;
  }
}

TEST(KlaviyoConfig, SecretsMayStandInFiles) {
  const postbox::tests::TemporaryFolder folder;
  std::ofstream(folder.file("key")) << "pk_0123456789\n";
  std::ofstream(folder.file("links")) << "a secret of 16 bytes\r\n";
  std::ofstream(folder.file(".env")) << "KLAVIYO_API_KEY_FILE=key\nPOSTBOX_OUTBOX=memory:\n"
                                     << "KLAVIYO_RECOVERY_SECRET_FILE=" + folder.file("links");
  const auto config = Config::from_env(folder.file(".env"));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->api_key, "pk_0123456789");
  EXPECT_EQ(config->recovery_secrets, std::vector<std::string>{"a secret of 16 bytes"});
  std::ofstream(folder.file("key")) << "AbC123";
  std::filesystem::remove(folder.file("links"));
  const std::string error = Config::from_env(folder.file(".env")).error().message;
  EXPECT_NE(error.find("KLAVIYO_API_KEY: has 6 characters"), std::string::npos) << error;
  EXPECT_NE(error.find("\nKLAVIYO_RECOVERY_SECRET_FILE: the file '"), std::string::npos) << error;
}

TEST(KlaviyoConfig, TheOutboxesFolderIsLookedAtTogetherWithTheRest) {
  const postbox::tests::TemporaryFolder folder;
  const auto from = [&](const std::string& lines) {
    std::ofstream(folder.file(".env"))
        << "POSTBOX_OUTBOX=sqlite:" + folder.file("none/shop.db\n") << lines;
    return Config::from_env(folder.file(".env"));
  };
  const std::string error =
      from("KLAVIYO_API_KEY=pk_0123456789\nPOSTBOX_RETENTION=x").error().message;
  EXPECT_NE(error.find("POSTBOX_RETENTION: "), std::string::npos) << error;
  EXPECT_NE(error.find("\nPOSTBOX_OUTBOX: the folder '"), std::string::npos) << error;
  auto without_key = from("");
  ASSERT_TRUE(without_key) << "nothing is kept without a key: " << without_key.error().message;
  EXPECT_TRUE(klaviyo::start(*without_key, {.threads = false}));
  without_key->api_key = "pk_0123456789";
  EXPECT_FALSE(klaviyo::start(*without_key, {.threads = false}));
}

TEST(KlaviyoConfig, StripesPublishableKeysAreRecognised) {
  for (const char* key : {"pk_live_secret123", "pk_test_secret123"}) {
    const std::string message = error_of(std::string("KLAVIYO_API_KEY=") + key);
    EXPECT_NE(message.find("Stripe"), std::string::npos) << message;
    EXPECT_EQ(message.find("secret"), std::string::npos) << message;
  }
}

TEST(KlaviyoConfig, QuotaSharesAreThousandths) {
  for (const auto& [text, share] :
       {std::pair{"1", 1'000}, {"0.9", 900}, {"0.001", 1}, {"1.0", 1'000}}) {
    const auto parsed = klaviyo::QuotaShare::parse(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(parsed->per_mille, share);
  }
  EXPECT_EQ(klaviyo::QuotaShare{900}.to_string(), "0.9");
  EXPECT_EQ(klaviyo::QuotaShare{1'000}.to_string(), "1");
  for (const char* text :
       {"0", "0.0", "1.001", "2", "-0.5", "0.0001", ".5", "1.", "90%", "nan", "1e-1"}) {
    EXPECT_FALSE(klaviyo::QuotaShare::parse(text)) << text;
  }
}

TEST(KlaviyoConfig, KeysAreMasked) {
  EXPECT_EQ(klaviyo::masked_key("pk_0123456789abcd1234"), "pk_…1234");
  EXPECT_EQ(klaviyo::masked_key("pk_1234"), "pk_…");
  EXPECT_EQ(klaviyo::masked_key(""), "none");
}

TEST(KlaviyoConfig, WhatWasSetInCodeIsCheckedToo) {
  Config config;
  config.api_url = "http://a.klaviyo.com";
  EXPECT_TRUE(config.validate().error().message.starts_with("KLAVIYO_API_URL"));
  config = {};
  config.quota_share.per_mille = 0;
  EXPECT_FALSE(config.validate());
  config = {};
  config.set(klaviyo::kCart, postbox::Flag::on());
  EXPECT_TRUE(config.flag(klaviyo::kCart).is_on());
  EXPECT_TRUE(config.validate());
}

}  // namespace
