// Several accounts on one engine: nothing of one touches another.
#include <filesystem>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <postbox/testing/manual_clock.hpp>
#include <postbox/testing/scripted_http_client.hpp>
#include <postbox/tracker.hpp>

#include "support/engine_harness.hpp"
#include "support/far_store.hpp"
#include "support/temporary_folder.hpp"

namespace postbox::tests {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Accounts : public ::testing::Test {
 protected:
  Account account(const std::string& url, std::shared_ptr<FakeVendor> vendor) {
    Config config;
    config.outbox.url = url;
    config.log = lines.sink();
    return {config.validate().value(),
            {.destination = std::move(vendor), .flags = {{kNotes.queue, Flag::on()}}}};
  }

  Services shared(bool threads = false) {
    return {.http = http, .clock = threads ? system_clock() : clock, .threads = threads};
  }

  std::vector<Tracker> start(bool threads = false) {
    return Tracker::start_all({account("memory:", first), account("memory:", second)},
                              shared(threads))
        .value();
  }

  static TrackStatus track(Tracker& tracker, const std::string& text) {
    return tracker.track(Note{text, "1", 1, &kNotes}).status();
  }

  static void expect_conserved_stats(const std::vector<Tracker>& trackers) {
    for (const Tracker& tracker : trackers) {
      const Stats stats = tracker.stats();
      EXPECT_TRUE(stats.complete && stats.conserved()) << describe(stats);
    }
  }

  // The next request alone.
  void answer_next(const ScriptedHttpClient::Answer& answer) {
    http->on_request([=, first_one = true](const HttpRequest&) mutable {
      return std::exchange(first_one, false) ? answer : ScriptedHttpClient::answer(202);
    });
  }

  // Lets both go on until nothing is due.
  void run(std::vector<Tracker>& trackers) {
    for (int i = 0; i < 20; ++i) {
      for (Tracker& tracker : trackers) (void)tracker.run_once();
      clock->advance(milliseconds(50));
    }
  }

  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();
  std::shared_ptr<ScriptedHttpClient> http = std::make_shared<ScriptedHttpClient>();
  std::shared_ptr<FakeVendor> first = std::make_shared<FakeVendor>(1);
  std::shared_ptr<FakeVendor> second = std::make_shared<FakeVendor>(1);
  LogLines lines;
};

TEST_F(Accounts, EachHasItsOwnEventsAndAnswers) {
  auto trackers = start();
  ASSERT_EQ(trackers.size(), 2U);
  EXPECT_EQ(track(trackers[0], "a"), TrackStatus::kAccepted);
  EXPECT_EQ(track(trackers[1], "b"), TrackStatus::kAccepted);
  EXPECT_EQ(track(trackers[1], "c"), TrackStatus::kAccepted);
  run(trackers);
  EXPECT_EQ(trackers[0].stats().delivered, 1U);
  EXPECT_EQ(trackers[1].stats().delivered, 2U);
  expect_conserved_stats(trackers);
}

TEST_F(Accounts, ABadKeyOfOneParksThatOneAlone) {
  auto trackers = start();
  answer_next(ScriptedHttpClient::answer(401));
  EXPECT_EQ(track(trackers[0], "a"), TrackStatus::kAccepted);
  (void)trackers[0].run_once();
  (void)trackers[0].run_once();
  EXPECT_EQ(trackers[0].stats().parked, 1U);
  for (const char* text : {"b", "c", "d"}) track(trackers[1], text);
  run(trackers);
  EXPECT_EQ(trackers[0].stats().waiting, 1U);
  EXPECT_EQ(trackers[1].stats().delivered, 3U);
  EXPECT_EQ(trackers[1].stats().parked, 0U);
  expect_conserved_stats(trackers);
}

TEST_F(Accounts, OneThatIsToldToWaitLeavesTheOtherItsWay) {
  auto trackers = start();
  answer_next(ScriptedHttpClient::answer(429, {}, {{"retry-after", "30"}}));
  track(trackers[0], "a");
  (void)trackers[0].run_once();
  (void)trackers[0].run_once();
  EXPECT_EQ(trackers[0].stats().rate_limited, 1U);
  track(trackers[1], "b");
  run(trackers);
  EXPECT_EQ(trackers[0].stats().waiting, 1U);
  EXPECT_EQ(trackers[1].stats().delivered, 1U);
  expect_conserved_stats(trackers);
}

TEST_F(Accounts, OneThatIsFullLeavesTheOtherItsRoom) {
  Config small;
  small.outbox.url = "memory:";
  small.max_queued_events = 1;
  small.log = lines.sink();
  Account full{small.validate().value(),
               {.destination = first, .flags = {{kNotes.queue, Flag::on()}}}};
  auto trackers =
      Tracker::start_all({std::move(full), account("memory:", second)}, shared()).value();
  EXPECT_EQ(track(trackers[0], "a"), TrackStatus::kAccepted);
  EXPECT_EQ(track(trackers[0], "b"), TrackStatus::kFull);
  EXPECT_EQ(track(trackers[1], "c"), TrackStatus::kAccepted);
  run(trackers);
  EXPECT_EQ(trackers[1].stats().delivered, 1U);
  expect_conserved_stats(trackers);
}

TEST_F(Accounts, OneIsStoppedAndTheOtherGoesOn) {
  auto trackers = start(true);
  track(trackers[0], "a");
  EXPECT_TRUE(trackers[0].flush(std::chrono::minutes(1)));
  EXPECT_TRUE(trackers[0].stop(std::chrono::minutes(1)).in_time);
  EXPECT_EQ(track(trackers[0], "b"), TrackStatus::kClosed);
  EXPECT_EQ(track(trackers[1], "c"), TrackStatus::kAccepted);
  EXPECT_TRUE(trackers[1].flush(std::chrono::minutes(1)));
  EXPECT_EQ(trackers[1].stats().delivered, 1U);
  EXPECT_EQ(trackers[1].track_durably(Note{"d", "1", 1, &kNotes}, std::chrono::minutes(1)).status(),
            TrackStatus::kAccepted);
  expect_conserved_stats(trackers);
  EXPECT_TRUE(trackers[1].stop(std::chrono::minutes(1)).in_time);
}

TEST_F(Accounts, ATrackerMayLiveLongerThanTheOthers) {
  auto trackers = start(true);
  Tracker last = std::move(trackers[1]);
  trackers.clear();
  EXPECT_EQ(track(last, "a"), TrackStatus::kAccepted);
  EXPECT_TRUE(last.flush(std::chrono::minutes(1)));
  EXPECT_TRUE(last.stats().conserved());
}

TEST_F(Accounts, TwoWithOneSpillAreRefusedByItsName) {
  const TemporaryFolder folder;
  const auto spilling = [&](const std::string& store, std::shared_ptr<FakeVendor> vendor) {
    Config config;
    config.outbox.url = "far://" + folder.file(store);
    config.outbox.backends.push_back(&far_backend());
    config.outbox.spill = "sqlite:" + folder.file("spill.db");
    return Account{config.validate().value(), {.destination = std::move(vendor)}};
  };
  const auto trackers =
      Tracker::start_all({spilling("one.db", first), spilling("other.db", second)}, shared());
  ASSERT_FALSE(trackers);
  EXPECT_EQ(trackers.error().code, ErrorCode::kInvalidConfig);
  EXPECT_THAT(trackers.error().message,
              AllOf(HasSubstr("POSTBOX_SPILL"), HasSubstr(folder.file("spill.db"))));
}

TEST_F(Accounts, TwoOnOneOutboxAreRefusedByItsName) {
  const TemporaryFolder folder;
  const std::string url = "sqlite:" + folder.file("outbox.db");
  std::filesystem::create_symlink(folder.file("outbox.db"), folder.file("linked.db"));
  for (const std::string& other : {url, "sqlite:" + folder.file("linked.db")}) {
    const auto trackers =
        Tracker::start_all({account(url, first), account(other, second)}, shared());
    ASSERT_FALSE(trackers);
    EXPECT_EQ(trackers.error().code, ErrorCode::kInvalidConfig);
    EXPECT_THAT(trackers.error().message,
                AllOf(HasSubstr("POSTBOX_OUTBOX"), HasSubstr(folder.file("outbox.db"))));
  }
}

TEST_F(Accounts, ThatDifferInTheNetworkAreRefused) {
  Account other = account("memory:", second);
  Config config = *other.config;
  config.http.total_timeout = seconds(20);
  other.config = config.validate().value();
  Services parts = shared();
  parts.http = nullptr;
  const auto trackers =
      Tracker::start_all({account("memory:", first), std::move(other)}, std::move(parts));
  ASSERT_FALSE(trackers);
  EXPECT_THAT(trackers.error().message, HasSubstr("Config::http"));
  EXPECT_FALSE(Tracker::start_all({}, shared()));
}

}  // namespace
}  // namespace postbox::tests
