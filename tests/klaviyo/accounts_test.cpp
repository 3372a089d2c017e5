// Several accounts of Klaviyo in one process, by the whole of klaviyo::start().
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include <klaviyo/klaviyo.hpp>
#include <postbox/operator.hpp>
#include <postbox/services.hpp>
#include <postbox/testing/manual_clock.hpp>
#include <postbox/testing/scripted_http_client.hpp>

#include "support/klaviyo_test_data.hpp"
#include "support/temporary_folder.hpp"

namespace {

using klaviyo::Config;
using postbox::testing::ManualClock;
using postbox::testing::ScriptedHttpClient;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class KlaviyoAccounts : public ::testing::Test {
 protected:
  void write(const std::string& text) const { std::ofstream(file) << text; }

  [[nodiscard]] postbox::Result<std::vector<postbox::Tracker>> start() const {
    return klaviyo::start({Config::from_env_of("US_", file), Config::from_env_of("DE_", file)},
                          {.http = http, .clock = clock, .threads = false});
  }

  [[nodiscard]] std::vector<std::string> keys_used() const {
    std::vector<std::string> keys;
    for (const auto& request : http->requests()) {
      for (const std::string& header : request.headers) {
        if (header.starts_with("Authorization")) keys.push_back(header);
      }
    }
    return keys;
  }

  postbox::tests::TemporaryFolder folder;
  std::string file = folder.file("settings");
  std::shared_ptr<ScriptedHttpClient> http = std::make_shared<ScriptedHttpClient>();
  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();
};

constexpr const char* kTwoAccounts =
    "US_KLAVIYO_API_KEY=pk_us0123456789\nUS_POSTBOX_OUTBOX=memory:\n"
    "US_KLAVIYO_PURCHASE_EVENTS_ENABLED=true\n"
    "DE_KLAVIYO_API_KEY=pk_de0123456789\nDE_POSTBOX_OUTBOX=memory:\n"
    "DE_KLAVIYO_PURCHASE_EVENTS_ENABLED=false\n"
    "KLAVIYO_API_KEY=pk_nobody012345\n";

TEST_F(KlaviyoAccounts, EachSendsWithItsOwnKeyAndFlags) {
  write(kTwoAccounts);
  auto trackers = start();
  ASSERT_TRUE(trackers) << trackers.error().message;
  for (postbox::Tracker& tracker : *trackers) {
    (void)tracker.track(klaviyo::order_placed(klaviyo_test::order()));
  }
  for (int i = 0; i < 10; ++i) {
    for (postbox::Tracker& tracker : *trackers) (void)tracker.run_once();
  }
  EXPECT_THAT(keys_used(),
              AllOf(Contains(HasSubstr("pk_us0123456789")), Not(Contains(HasSubstr("pk_de")))));
  EXPECT_GT((*trackers)[0].stats().delivered, 0U);
  EXPECT_GT((*trackers)[1].stats().disabled, 0U);
  for (const postbox::Tracker& tracker : *trackers) EXPECT_TRUE(tracker.stats().conserved());
}

TEST_F(KlaviyoAccounts, AReloadReadsTheAccountsOwnVariables) {
  write(kTwoAccounts);
  auto trackers = start().value();
  std::string changed = kTwoAccounts;
  changed.replace(changed.find("DE_KLAVIYO_PURCHASE_EVENTS_ENABLED=false"),
                  std::string("DE_KLAVIYO_PURCHASE_EVENTS_ENABLED=false").size(),
                  "DE_KLAVIYO_PURCHASE_EVENTS_ENABLED=true");
  write(changed);
  ASSERT_TRUE(trackers[1].reload());
  EXPECT_EQ(trackers[1].track(klaviyo::order_placed(klaviyo_test::order())).status(),
            postbox::TrackStatus::kAccepted);
  for (int i = 0; i < 10; ++i) (void)trackers[1].run_once();
  EXPECT_THAT(keys_used(), Contains(HasSubstr("pk_de0123456789")));
}

TEST_F(KlaviyoAccounts, AnErrorNamesTheVariableWithItsPrefix) {
  write(
      "US_KLAVIYO_API_KEY=secret\nUS_POSTBOX_OUTBOX=memory:\n"
      "DE_KLAVIYO_QUOTA_SHARE=2\nDE_POSTBOX_RETENTION=never\n");
  const auto trackers = start();
  ASSERT_FALSE(trackers);
  EXPECT_THAT(trackers.error().message,
              AllOf(HasSubstr("US_KLAVIYO_API_KEY: "), HasSubstr("DE_KLAVIYO_QUOTA_SHARE: "),
                    HasSubstr("DE_POSTBOX_RETENTION: "), Not(HasSubstr("secret"))));
}

TEST_F(KlaviyoAccounts, TwoWithOneKeyAreRefused) {
  write(
      "US_KLAVIYO_API_KEY=pk_0123456789ab\nUS_POSTBOX_OUTBOX=memory:\n"
      "DE_KLAVIYO_API_KEY=pk_0123456789ab\nDE_POSTBOX_OUTBOX=memory:\n");
  const auto trackers = start();
  ASSERT_FALSE(trackers);
  EXPECT_THAT(trackers.error().message,
              AllOf(HasSubstr("KLAVIYO_API_KEY"), Not(HasSubstr("0123456"))));
}

TEST_F(KlaviyoAccounts, TheDefaultOutboxServesOneOnly) {
  const std::string outbox = "sqlite:" + folder.file("postbox.db");
  write("US_KLAVIYO_API_KEY=pk_us0123456789\nUS_POSTBOX_OUTBOX=" + outbox +
        "\nDE_KLAVIYO_API_KEY=pk_de0123456789\nDE_POSTBOX_OUTBOX=" + outbox + "\n");
  const auto trackers = start();
  ASSERT_FALSE(trackers);
  EXPECT_THAT(trackers.error().message, HasSubstr("POSTBOX_OUTBOX"));
}

// An operator's tool beside the server that runs on the same file.
TEST_F(KlaviyoAccounts, AnOperatorWorksBesideARunningServerAndNeedsNoKey) {
  const std::string outbox = "POSTBOX_OUTBOX=sqlite:" + folder.file("outbox.db") + "\n";
  write(outbox + "KLAVIYO_API_KEY=pk_us0123456789\nKLAVIYO_PURCHASE_EVENTS_ENABLED=true\n");
  auto server =
      klaviyo::start(Config::from_env(file), {.http = http, .clock = clock, .threads = false})
          .value();
  http->on_request([](const auto&) { return ScriptedHttpClient::answer(400); });
  (void)server.track(klaviyo::order_placed(klaviyo_test::order()));
  for (int i = 0; i < 20; ++i) (void)server.run_once();
  const std::uint64_t dead = server.stats().dead;
  ASSERT_GT(dead, 0U);

  write(outbox);
  auto people = klaviyo::open_operator(Config::from_env(file).value()).value();
  const auto letters =
      people.dead_letters({.type = "Placed Order"}, postbox::EventHandle{}, 10).value();
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0].type, "Placed Order");
  EXPECT_EQ(people.status().value().queues.front().dead, dead);

  http->on_request([](const auto&) { return ScriptedHttpClient::answer(202); });
  EXPECT_EQ(people.replay({}).value(), dead);
  for (int i = 0; i < 100; ++i) {
    (void)server.run_once();
    clock->advance(std::chrono::seconds(1));
  }
  EXPECT_EQ(server.stats().delivered, dead);
  EXPECT_TRUE(server.stats().conserved());
}

TEST_F(KlaviyoAccounts, AnOperatorSeesWhatIsHeldAndForgetsAProfile) {
  write("POSTBOX_OUTBOX=sqlite:" + folder.file("outbox.db") +
        "\nKLAVIYO_API_KEY=pk_us0123456789\nKLAVIYO_PURCHASE_EVENTS_ENABLED=true\n");
  {
    auto server =
        klaviyo::start(Config::from_env(file), {.http = http, .clock = clock, .threads = false})
            .value();
    http->hang(true);
    (void)server.track(klaviyo::order_placed(klaviyo_test::order()));
    (void)server.run_once();
  }
  Config off = Config::from_env(file).value();
  off.set(klaviyo::kPurchase, postbox::Flag::off());
  auto people = klaviyo::open_operator(off).value();
  const auto held = people.held_events({.type = "Placed Order"}, postbox::EventHandle{}, 10);
  ASSERT_EQ(held.value().size(), 1U);
  EXPECT_GT(klaviyo::forget(people, klaviyo_test::customer()).value(), 0U);
  EXPECT_TRUE(people.held_events({}, postbox::EventHandle{}, 10).value().empty());
}

}  // namespace
