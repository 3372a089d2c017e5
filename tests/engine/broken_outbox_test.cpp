// What the engine does while its store fails.
#include <gtest/gtest.h>
#include <postbox/http_client.hpp>
#include <postbox/outbox.hpp>

#include "support/broken_outbox.hpp"
#include "support/engine_harness.hpp"

namespace postbox::tests {
namespace {

class BrokenOutboxTest : public EngineHarness {
 protected:
  void SetUp() override {
    broken =
        std::make_shared<BrokenOutbox>(open_outbox(OutboxOptions{.url = "memory:"}, clock).value());
    outbox = broken;
  }
  std::shared_ptr<BrokenOutbox> broken;
};

TEST_F(BrokenOutboxTest, EventsWaitInMemoryUntilTheDiskIsBack) {
  start();
  broken->broken = true;
  EXPECT_EQ(track("a"), TrackStatus::kAccepted);
  run_for(seconds(60));
  EXPECT_TRUE(bodies().empty());
  EXPECT_GE(lines.count("the disk is gone"), 1U);
  EXPECT_EQ(tracker->track_durably(Note{"b"}, milliseconds(0)).status(), TrackStatus::kNotDurable);
  broken->broken = false;
  run_for(seconds(5));
  EXPECT_EQ(tracker->stats().delivered, 2U);
}

TEST_F(BrokenOutboxTest, AStoreThatCannotBeOpenedAtStartIsNoFailureOfTheProgram) {
  broken->broken = true;
  start();
  EXPECT_EQ(track("a"), TrackStatus::kAccepted);
  run_for(seconds(10));
  EXPECT_FALSE(tracker->stats().complete);
  broken->broken = false;
  run_for(seconds(10));
  EXPECT_EQ(tracker->stats().delivered, 1U);
}

TEST_F(BrokenOutboxTest, AnOutcomeThatCannotBeWrittenIsWrittenLaterAndTheEventSentOnce) {
  start();
  http->on_request([this](const HttpRequest&) {
    broken->broken = true;
    return ScriptedHttpClient::answer(202);
  });
  track("a");
  run_for(seconds(20));
  EXPECT_GE(tracker->stats().outbox_failures, 1U);
  broken->broken = false;
  run_for(seconds(5));
  EXPECT_EQ(bodies().size(), 1U);
  EXPECT_EQ(tracker->stats().delivered, 1U);
}

TEST_F(BrokenOutboxTest, StopSaysWhatNeverReachedTheDisk) {
  start();
  run_for(seconds(1));
  broken->broken = true;
  track("a");
  const StopReport report = tracker->stop(seconds(1));
  EXPECT_EQ(report.in_memory, 1U);
  EXPECT_EQ(lines.count("1 events that never reached the outbox"), 1U);
  broken->broken = false;
}

TEST_F(BrokenOutboxTest, AReleaseThatFailsIsRepeatedAloneAndProbesNothing) {
  start();
  http->on_request([](const HttpRequest&) { return ScriptedHttpClient::answer(401); });
  for (int i = 0; i < 40; ++i) track("n" + std::to_string(i));
  run_for(seconds(1));
  const auto asked = bodies().size();
  broken->releases = false;
  ASSERT_TRUE(tracker->reload());
  run_for(seconds(60));
  EXPECT_LE(bodies().size(), asked + 1) << "one probe for one reload";
  EXPECT_GE(tracker->stats().outbox_failures, 50U);
  EXPECT_GE(lines.count("the disk is gone"), 1U);
}

TEST_F(BrokenOutboxTest, HeldEventsGoWhenTheDiskIsBackWithoutAnotherReload) {
  flags[1].second = Flag::parse("50%").value();
  start();
  http->hang(true);
  track("held", "10", kMemos);
  flags[1].second = Flag::off();
  ASSERT_TRUE(tracker->reload());
  flags[1].second = Flag::parse("5%").value();
  ASSERT_TRUE(tracker->reload());
  http->hang(false);
  run_for(seconds(1));
  ASSERT_EQ(tracker->stats().held, 1U);
  broken->releases = false;
  flags[1].second = Flag::on();
  ASSERT_TRUE(tracker->reload());
  run_for(seconds(5));
  EXPECT_EQ(tracker->stats().held, 1U);
  broken->releases = true;
  run_for(seconds(2));
  EXPECT_EQ(tracker->stats().delivered, 1U);
}

TEST_F(BrokenOutboxTest, AStoreThatHasCountedLessMakesNoAbsurdNumbers) {
  start();
  track("a");
  track("b");
  run_for(seconds(1));
  tracker->stop(seconds(1));
  restart();
  run_for(seconds(1));
  broken->replace(open_outbox(OutboxOptions{.url = "memory:"}, clock).value());
  track("c");
  run_for(seconds(1));
  const Stats stats = tracker->stats();
  EXPECT_LE(stats.delivered, 1U) << describe(stats);
  EXPECT_EQ(stats.purged + stats.fired, 0U) << describe(stats);
  tracker.reset();  // an event that nobody has counted: nothing is conserved here
}

// On the machine's clock. A writer that asks again for every event that waits asks thousands of
// times meanwhile.
TEST_F(BrokenOutboxTest, AStoreThatCannotBeOpenedIsAskedNowAndThen) {
  vendor = std::make_shared<FakeVendor>();
  http = http_at_start;
  config.log = lines.sink();
  broken->broken = true;
  tracker.emplace(Tracker::start(config.validate().value(), {.destination = vendor, .flags = flags},
                                 {.outbox = broken, .http = http})
                      .value());
  EXPECT_EQ(tracker->track_durably(Note{"a"}, milliseconds(100)).status(),
            TrackStatus::kNotDurable);
  EXPECT_LE(broken->questions, 10U);
  broken->broken = false;
  EXPECT_TRUE(tracker->flush(seconds(60)));
}

}  // namespace
}  // namespace postbox::tests
