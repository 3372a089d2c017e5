// When the outbox learns of what was delivered: many at a time, and never too late.
#include "support/broken_outbox.hpp"
#include "support/engine_harness.hpp"

namespace postbox::tests {
namespace {

// Of which only one profile's newest may be under way.
struct Update {
  std::string text;

  [[nodiscard]] const Family& family() const noexcept { return kNotes; }
  [[nodiscard]] Key profile_key() const { return key_of("1"); }
  [[nodiscard]] std::size_t size() const noexcept { return 1; }
  void encode(EventBatch& batch) const {
    EventRecord record{kNotes.queue, key_of(text), profile_key(), text};
    record.timing = Timing{.slot = key_of("slot of " + text), .in_order = true};
    batch.add(std::move(record));
  }
};

class SettlerTest : public EngineHarness {
 protected:
  void SetUp() override {
    config.settle_interval = seconds(1);
    broken =
        std::make_shared<BrokenOutbox>(open_outbox(OutboxOptions{.url = "memory:"}, clock).value());
    outbox = broken;
  }

  void expect_stats(std::uint64_t delivered, std::uint64_t in_flight) {
    const Stats stats = tracker->stats();
    EXPECT_EQ(stats.delivered, delivered);
    EXPECT_EQ(stats.in_flight, in_flight);
    EXPECT_TRUE(stats.conserved()) << describe(stats);
  }

  std::shared_ptr<BrokenOutbox> broken;
};

TEST_F(SettlerTest, SettlesWhatWasDeliveredWithinTheIntervalInOneGo) {
  start();
  run_for(seconds(5));
  const std::size_t before = broken->settlements;
  for (int i = 0; i < 9; ++i) {
    track(std::to_string(i));
    run_for(milliseconds(100));
  }
  EXPECT_EQ(bodies().size(), 9U);
  expect_stats(0, 9);
  run_for(milliseconds(100));
  expect_stats(9, 0);
  EXPECT_EQ(broken->settlements, before + 1);
}

TEST_F(SettlerTest, FlushAndStopWaitForNoInterval) {
  start();
  track("a");
  run_for(milliseconds(10));
  expect_stats(0, 1);
  EXPECT_TRUE(tracker->flush(milliseconds(100)));
  expect_stats(1, 0);
  track("b");
  run_for(milliseconds(30));
  expect_stats(1, 1);
  EXPECT_EQ(tracker->stop(seconds(1)).in_outbox, 0U);
  expect_stats(2, 0);
}

TEST_F(SettlerTest, MuchIsSettledAtOnce) {
  config.settle_interval = seconds(60);
  start();
  for (int i = 0; i < 600; ++i) track(std::to_string(i));
  run_for(milliseconds(500));
  EXPECT_GE(tracker->stats().delivered, 250U);
  EXPECT_TRUE(tracker->flush(seconds(60)));
  expect_stats(600, 0);
}

TEST_F(SettlerTest, WhatFailedIsSettledAtOnceAndTakesTheRestAlong) {
  start();
  http->on_request([](const HttpRequest& request) {
    return ScriptedHttpClient::answer(request.body == "bad\n" ? 400 : 202);
  });
  track("a");
  run_for(milliseconds(10));
  expect_stats(0, 1);
  track("bad");
  run_for(milliseconds(30));
  expect_stats(1, 0);
  EXPECT_EQ(tracker->stats().dead, 1U);
}

TEST_F(SettlerTest, OneThatOthersWaitForIsSettledAtOnce) {
  start();
  for (const char* text : {"a", "b", "c"}) tracker->track(Update{text});
  run_for(milliseconds(100));
  EXPECT_EQ(bodies(), (std::vector<std::string>{"a\n", "b\n", "c\n"}));
  expect_stats(3, 0);
}

TEST_F(SettlerTest, ALeaseDoesNotEndBeforeItIsSettled) {
  config.http.total_timeout = seconds(10);
  config.lease = seconds(20);
  config.settle_interval = seconds(60);
  start();
  hang(true);
  track("a");
  run_for(seconds(9));
  hang(false);
  run_for(seconds(10));
  expect_stats(0, 1);
  run_for(seconds(2));
  expect_stats(1, 0);
  EXPECT_EQ(bodies().size(), 1U);
}

// The process ends between the answer and the settlement: the event is sent again as it was.
TEST_F(SettlerTest, AfterACrashWhatWasNotSettledIsSentAgainWithTheSameBytes) {
  start();
  track("a");
  run_for(milliseconds(10));
  expect_stats(0, 1);
  broken->broken = true;  // nothing that the old process still does reaches the disk
  tracker.reset();
  broken->broken = false;
  clock->advance(config.lease);
  const auto first = bodies();
  restart();
  run_for(seconds(10));
  EXPECT_EQ(bodies(), first);
  expect_stats(1, 0);
}

TEST_F(SettlerTest, WithoutAnIntervalAndWithoutThreadsEverythingIsSettledAtOnce) {
  config.settle_interval.reset();
  start();
  track("a");
  run_for(milliseconds(1));
  expect_stats(1, 0);
}

// Which queues have something is known after an append.
TEST_F(SettlerTest, AnAppendAsksTheOutboxForNoQueues) {
  start();
  run_for(milliseconds(10));
  const std::size_t before = broken->looks;
  for (int i = 0; i < 20; ++i) {
    track(std::to_string(i));
    run_for(milliseconds(30));
  }
  EXPECT_EQ(bodies().size(), 20U);
  EXPECT_EQ(broken->looks, before);
}

}  // namespace
}  // namespace postbox::tests
