#include <postbox/clock.hpp>
#include <postbox/event.hpp>
#include <postbox/http_client.hpp>
#include <postbox/operator.hpp>
#include <postbox/outbox.hpp>
#include <postbox/tracker.hpp>

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "support/broken_outbox.hpp"
#include "support/engine_harness.hpp"

namespace postbox::tests {
namespace {

using ::testing::ElementsAre;

class TrackerTest : public EngineHarness {};

TEST_F(TrackerTest, ARejectedEventIsAnsweredWithItsViolationsAndCounted) {
  start();
  const TrackResult result = tracker->track(Note{"!a", "1", 3});
  EXPECT_EQ(result.status(), TrackStatus::kRejected);
  EXPECT_THAT(result.violations(), ElementsAre(Violation{"text", "must not begin with '!'"}));
  EXPECT_EQ(result.to_string(), "rejected: text: must not begin with '!'");
  EXPECT_FALSE(result);
  EXPECT_EQ(tracker->stats().rejected, 3U);
}

struct Throwing {
  [[nodiscard]] const Family& family() const noexcept { return kNotes; }
  [[nodiscard]] Key profile_key() const { return {}; }
  [[nodiscard]] std::size_t size() const noexcept { return 1; }
  void encode(EventBatch& /*batch*/) const { throw std::runtime_error("the event's own"); }
};

TEST_F(TrackerTest, AnEventThatCannotBeEncodedIsRejectedAsAWhole) {
  start();
  EXPECT_EQ(tracker->track(Throwing()).to_string(),
            "rejected: event: could not be encoded: out of memory, or an exception of the event's "
            "own");
}

TEST(TrackResultTest, AViolationWithoutAPathIsItsRule) {
  const TrackResult result(TrackStatus::kRejected, {{"", "no"}, {"a.b", "neither"}});
  EXPECT_EQ(result.to_string(), "rejected: no; a.b: neither");
}

TEST_F(TrackerTest, AFamilyThatIsOffIsDisabledWithoutBeingEncoded) {
  flags[0].second = Flag::off();
  start();
  const TrackResult result = tracker->track(Note{"!would be rejected"});
  EXPECT_EQ(result.status(), TrackStatus::kDisabled);
  EXPECT_TRUE(result);
}

// Says something of others, too.
struct NoteThatEnds : Note {
  void encode_disabled(EventBatch& batch) const {
    Timing ends{.as_of = batch.now(), .cancels = {profile_key()}, .effects_only = true};
    EventRecord record;
    record.timing = std::make_shared<Timing>(std::move(ends));
    batch.add(std::move(record));
  }
};

class EffectsTest : public TrackerTest {
 protected:
  // A cart's timer runs, which a NoteThatEnds ends.
  void arm() {
    EventRecord cart;
    cart.queue = kMemos.queue;
    cart.payload = "cart\n";
    Timing timing{.slot = {std::byte{1}}, .as_of = clock->wall_now()};
    timing.timer =
        Timer{.delay = seconds(60), .cancelled_by = {Note{"x"}.profile_key()}, .event = cart};
    cart.timing = std::make_shared<Timing>(std::move(timing));
    ASSERT_TRUE(outbox->append(std::vector{cart}));
    ASSERT_EQ(tracker->stats().timers_pending, 1U);
  }
};

TEST_F(EffectsTest, WhatADisabledEventSaysOfOthersIsStoredAndCountsAsNoEvent) {
  flags[0].second = Flag::off();
  start();
  arm();
  EXPECT_EQ(tracker->track(NoteThatEnds{{"x"}}).status(), TrackStatus::kDisabled);
  EXPECT_EQ(tracker->stats().waiting, 1U) << "the cart";
  run_for(seconds(1));
  EXPECT_EQ(tracker->stats().timers_pending, 0U);
  EXPECT_EQ(tracker->stats().disabled, 1U);
}

TEST_F(EffectsTest, WhatARejectedEventSaysOfOthersIsStored) {
  start();
  arm();
  EXPECT_EQ(tracker->track(NoteThatEnds{{"!x"}}).status(), TrackStatus::kRejected);
  run_for(seconds(1));
  EXPECT_EQ(tracker->stats().timers_pending, 0U);
  EXPECT_EQ(tracker->stats().rejected, 1U);
}

TEST_F(EffectsTest, WhatAnEventThatFindsNoRoomSaysOfOthersIsStored) {
  config.max_queued_bytes = kibibytes(64);
  start();
  arm();
  ASSERT_EQ(track(std::string(57'000, 'x')), TrackStatus::kAccepted);
  EXPECT_EQ(tracker->track(NoteThatEnds{{std::string(10'000, 'y')}}).status(), TrackStatus::kFull);
  run_for(seconds(1));
  EXPECT_EQ(tracker->stats().timers_pending, 0U);
  EXPECT_EQ(tracker->stats().full, 1U);
}

// It would be full whenever it is offered.
TEST_F(TrackerTest, WhatCanNeverFitIntoMemoryIsRejectedAndSaysWhatItTakes) {
  config.max_queued_bytes = kibibytes(64);
  start();
  const TrackResult result = tracker->track(Note{std::string(1'000, 'x'), "1", 100});
  EXPECT_EQ(result.status(), TrackStatus::kRejected);
  EXPECT_NE(result.to_string().find("POSTBOX_MAX_MEMORY"), std::string::npos);
  EXPECT_EQ(tracker->stats().rejected, 100U);
}

// What has no place on the disk is not accepted: it would be gone at the next stop.
TEST_F(TrackerTest, AFullDiskRefusesBeforeItAccepts) {
  outbox = open_outbox({.url = "memory:", .max_disk = kibibytes(256)}, clock).value();
  start();
  hang(true);
  const std::string kilobytes(10'000, 'x');
  std::size_t accepted = 0;
  for (int i = 0; i < 100; ++i) {
    accepted += tracker->track(Note{kilobytes + std::to_string(i)}) ? 1 : 0;
    tracker->run_once();
  }
  EXPECT_LT(accepted, 30U);
  const StopReport report = tracker->stop(seconds(1));
  EXPECT_LE(report.in_memory, 1U) << "that which found the disk full";
  EXPECT_GE(report.in_outbox, accepted - 1);
}

TEST_F(TrackerTest, WhatIsLeftOfTheDiskBoundsWhatWaitsInMemory) {
  outbox = open_outbox({.url = "memory:", .max_disk = kibibytes(512)}, clock).value();
  start();
  hang(true);
  ASSERT_EQ(track("first"), TrackStatus::kAccepted);
  tracker->run_once();  // the store tells what it has left
  const std::string kilobytes(10'000, 'x');
  std::size_t accepted = 0;
  for (int i = 0; i < 100; ++i)
    accepted += track(kilobytes + std::to_string(i)) == TrackStatus::kAccepted;
  EXPECT_GE(accepted, 20U);
  EXPECT_LT(accepted, 45U);
  const StopReport report = tracker->stop(seconds(1));
  EXPECT_EQ(report.in_memory, 0U) << "all of it found a place";
}

// No append comes to tell that there is room again.
TEST_F(TrackerTest, AnEventThatFoundTooLittleRoomIsTakenWhenThereIsMore) {
  outbox = open_outbox({.url = "memory:", .max_disk = kibibytes(512)}, clock).value();
  start();
  hang(true);
  ASSERT_EQ(track(std::string(250'000, 'a')), TrackStatus::kAccepted);
  run_for(milliseconds(10));
  ASSERT_EQ(track("b"), TrackStatus::kAccepted);
  run_for(milliseconds(10));
  const std::string large(230'000, 'c');
  EXPECT_EQ(track(large), TrackStatus::kFull);
  hang(false);
  run_for(seconds(10));
  EXPECT_EQ(track(large), TrackStatus::kAccepted);
  run_for(seconds(10));
  EXPECT_EQ(tracker->stats().delivered, 3U);
}

// A burst is stored piece by piece, each call as a whole.
TEST_F(TrackerTest, AHundredThousandEventsAtOnceAreAccepted) {
  config.log_level = LogLevel::kWarn;
  start();
  for (int i = 0; i < 25'000; ++i) {
    ASSERT_EQ(tracker->track(Note{std::to_string(i), "1", 4}).status(), TrackStatus::kAccepted);
  }
  for (int steps = 0; tracker->stats().delivered < 100'000; ++steps) {
    ASSERT_LT(steps, 10'000);
    run_for(seconds(1));
  }
}

TEST_F(TrackerTest, TheMemoryCapRefusesWholeCallsAndSaysSo) {
  config.max_queued_events = 10;
  start();
  EXPECT_EQ(tracker->track(Note{"a", "1", 8}).status(), TrackStatus::kAccepted);
  EXPECT_EQ(tracker->track(Note{"b", "1", 3}).status(), TrackStatus::kFull);
  EXPECT_EQ(tracker->track(Note{"c", "1", 2}).status(), TrackStatus::kAccepted);
  run_for(seconds(1));
  EXPECT_EQ(tracker->stats().full, 3U);
  EXPECT_EQ(tracker->stats().delivered, 10U);
  EXPECT_EQ(lines.count("a cap is reached"), 1U);
}

TEST_F(TrackerTest, ATenthOfMemoryIsKeptForTheFirstFamily) {
  config.max_queued_events = 10;
  start();
  EXPECT_EQ(tracker->track(Note{"a", "1", 8, &kMemos}).status(), TrackStatus::kAccepted);
  EXPECT_EQ(tracker->track(Note{"b", "1", 2, &kMemos}).status(), TrackStatus::kFull);
  EXPECT_EQ(tracker->track(Note{"c", "1", 2, &kNotes}).status(), TrackStatus::kAccepted);
  run_for(seconds(1));
  EXPECT_EQ(tracker->stats().delivered, 10U);
}

// Of the first family, and yet no purchase of now.
struct History : Note {
  void encode(EventBatch& batch) const {
    Note::encode(batch);
    for (EventRecord& record : batch.records()) record.queue = kMemos.queue;
  }
};

TEST_F(TrackerTest, HistoryOfTheFirstFamilyDoesNotTakeWhatIsKeptForIt) {
  config.max_queued_events = 10;
  start();
  EXPECT_EQ(tracker->track(History{{"a", "1", 9}}).status(), TrackStatus::kAccepted);
  EXPECT_EQ(tracker->track(History{{"b"}}).status(), TrackStatus::kFull);
  EXPECT_EQ(tracker->track(Note{"c"}).status(), TrackStatus::kAccepted);
  run_for(seconds(1));
}

// The same where none has asked in vain.
TEST_F(TrackerTest, WhatIsDeliveredMakesRoomForABurst) {
  outbox = open_outbox({.url = "memory:", .max_disk = kibibytes(512)}, clock).value();
  start();
  hang(true);
  ASSERT_EQ(track(std::string(250'000, 'a')), TrackStatus::kAccepted);
  run_for(milliseconds(10));
  ASSERT_EQ(track("b"), TrackStatus::kAccepted);  // and the store tells what it has left
  run_for(milliseconds(10));
  hang(false);
  run_for(seconds(10));
  EXPECT_EQ(track(std::string(230'000, 'c')), TrackStatus::kAccepted);
  run_for(seconds(10));
  EXPECT_EQ(tracker->stats().delivered, 3U);
}

TEST_F(TrackerTest, ATenthOfTheDiskIsKeptForTheFirstFamilyUntilThereIsRoomAgain) {
  outbox = open_outbox({.url = "memory:", .max_disk = kibibytes(512)}, clock).value();
  const std::string kilobytes(10'000, 'x');
  start();
  hang(true);
  std::size_t memos = 0;
  while (memos < 100 && tracker->track(Note{kilobytes + std::to_string(memos), "1", 1, &kMemos})) {
    ++memos;
    tracker->run_once();
  }
  EXPECT_LT(memos, 100U) << "full for what matters less";
  EXPECT_EQ(tracker->track(Note{kilobytes, "1", 1, &kNotes}).status(), TrackStatus::kAccepted);
  run_for(milliseconds(10));
  EXPECT_EQ(tracker->stats().outbox_failures, 0U) << "it found room on the disk";
  hang(false);
  run_for(seconds(300));
  EXPECT_EQ(tracker->track(Note{"again", "1", 1, &kMemos}).status(), TrackStatus::kAccepted);
  run_for(seconds(5));
  EXPECT_EQ(tracker->stats().delivered, memos + 2);
}

TEST_F(TrackerTest, TheMemoryCapCountsBytes) {
  config.max_queued_bytes = kibibytes(64);
  start();
  EXPECT_EQ(track(std::string(60'000, 'x')), TrackStatus::kAccepted);
  EXPECT_EQ(track(std::string(10'000, 'y')), TrackStatus::kFull);
  run_for(seconds(1));
  EXPECT_EQ(track(std::string(10'000, 'y')), TrackStatus::kAccepted);
}

TEST_F(TrackerTest, AfterStopEverythingIsClosed) {
  start();
  tracker->stop(seconds(1));
  EXPECT_EQ(track("a"), TrackStatus::kClosed);
  EXPECT_EQ(tracker->stats().closed, 1U);
}

TEST_F(TrackerTest, TheSameEventOfferedTwiceIsStoredOnceWhileItWaits) {
  start();
  hang(true);
  track("a");
  track("a");
  run_for(seconds(1));
  hang(false);
  run_for(seconds(1));
  EXPECT_EQ(bodies(), std::vector<std::string>{"a\n"});
  EXPECT_EQ(tracker->stats().duplicates, 1U);
}

TEST_F(TrackerTest, TrackDurablyReturnsWhenTheEventIsStored) {
  start();
  hang(true);
  EXPECT_EQ(tracker->track_durably(Note{"a"}, seconds(1)).status(), TrackStatus::kAccepted);
  EXPECT_EQ(outbox->stats().value().totals.appended, 1U);
}

TEST_F(TrackerTest, AReloadThatFailsChangesNothing) {
  start();
  tracker->stop(seconds(1));
  tracker.reset();
  auto started = Tracker::start(config.validate().value(), {.destination = vendor},
                                {.outbox = outbox, .http = http, .clock = clock, .threads = false});
  ASSERT_TRUE(started);
  EXPECT_EQ(started->reload().error().code, ErrorCode::kInvalidArgument);
}

// With threads, on the machine's clock.
class ThreadedTrackerTest : public EngineHarness {
 protected:
  void start_threads() {
    outbox = open_outbox(OutboxOptions{.url = "memory:"}, system_clock()).value();
    vendor = std::make_shared<FakeVendor>();
    http = http_at_start;
    config.log = lines.sink();
    auto started =
        Tracker::start(config.validate().value(), {.destination = vendor, .flags = flags},
                       {.outbox = outbox, .http = http});
    ASSERT_TRUE(started) << started.error().message;
    tracker.emplace(*std::move(started));
  }
};

TEST_F(ThreadedTrackerTest, ManyCallersAtOnceLoseNothing) {
  start_threads();
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kEach = 500;
  std::vector<std::thread> callers;
  for (std::size_t t = 0; t < kThreads; ++t) {
    callers.emplace_back([this, t] {
      for (std::size_t i = 0; i < kEach; ++i) {
        const Note note{std::to_string(t) + "." + std::to_string(i)};
        if (i % 50 == 0) {
          EXPECT_EQ(tracker->track_durably(note, seconds(30)).status(), TrackStatus::kAccepted);
        } else {
          EXPECT_EQ(tracker->track(note).status(), TrackStatus::kAccepted);
        }
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_TRUE(tracker->flush(seconds(60)));
  EXPECT_EQ(tracker->stats().delivered, kThreads * kEach);
}

TEST_F(ThreadedTrackerTest, FlushGivesUpAtItsDeadlineAndStopsNothing) {
  start_threads();
  http->hang(true);
  track("a");
  EXPECT_FALSE(tracker->flush(milliseconds(1)));
  http->hang(false);
  http->wake();
  EXPECT_TRUE(tracker->flush(seconds(60)));
}

TEST_F(ThreadedTrackerTest, TheLongestDeadlineIsForEverAndANegativeOneHasPassed) {
  start_threads();
  EXPECT_TRUE(tracker->track_durably(Note{"a"}, milliseconds::max()));
  EXPECT_TRUE(tracker->flush(milliseconds::max()));
  http->hang(true);
  track("b");
  EXPECT_FALSE(tracker->flush(milliseconds::min()));
  http->hang(false);
  http->wake();
  EXPECT_TRUE(tracker->flush(milliseconds::max()));
  EXPECT_TRUE(tracker->stop(milliseconds::max()).in_time);
}

TEST_F(ThreadedTrackerTest, WhatNobodyWaitsForGathersAndWhoWaitsGetsItAtOnce) {
  config.commit_interval = seconds(10);
  start_threads();
  track("a");
  track("b");
  // The writer's first step may take them along; while it does, they are counted twice.
  Stats gathering = tracker->stats();
  while (!gathering.conserved()) gathering = tracker->stats();
  EXPECT_EQ(gathering.accepted, 2U) << "counted, wherever they are";
  EXPECT_TRUE(tracker->track_durably(Note{"c"}, seconds(5)));
  track("d");
  EXPECT_TRUE(tracker->flush(seconds(5)));
  EXPECT_EQ(tracker->stats().delivered, 4U);
  track("e");
  EXPECT_EQ(tracker->stop(seconds(5)).in_memory, 0U);
}

TEST_F(ThreadedTrackerTest, WhatNobodyWaitsForIsWrittenByItself) {
  for (const milliseconds interval : {milliseconds(0), milliseconds(2)}) {
    config.commit_interval = interval;
    start_threads();
    for (std::uint64_t i = 1; i <= 3; ++i) {
      track(std::to_string(i));
      while (tracker->stats().delivered < i) std::this_thread::yield();
    }
  }
}

// A client of the host's own that does not keep its promise.
class MoodyClient final : public HttpClient {
 public:
  explicit MoodyClient(std::shared_ptr<HttpClient> real) : real_(std::move(real)) {}

  std::atomic<int> bad_polls{0};

  Result<TransferId> start(HttpRequest request) override {
    return real_->start(std::move(request));
  }
  std::vector<HttpCompletion> poll(std::chrono::nanoseconds max_wait) override {
    if (bad_polls > 0 && bad_polls-- > 0) throw std::runtime_error("poll");
    return real_->poll(max_wait);
  }
  void wake() noexcept override { real_->wake(); }
  void cancel_all() noexcept override { real_->cancel_all(); }

 private:
  std::shared_ptr<HttpClient> real_;
};

TEST_F(ThreadedTrackerTest, AClientThatThrowsIsAskedAgain) {
  outbox = open_outbox(OutboxOptions{.url = "memory:"}, system_clock()).value();
  vendor = std::make_shared<FakeVendor>();
  config.log = lines.sink();
  const auto moody = std::make_shared<MoodyClient>(http_at_start);
  moody->bad_polls = 2;  // one in a step, one in the wait behind it
  tracker.emplace(Tracker::start(config.validate().value(), {.destination = vendor, .flags = flags},
                                 {.outbox = outbox, .http = moody})
                      .value());
  track("a");
  EXPECT_TRUE(tracker->flush(seconds(60)));
  EXPECT_EQ(moody->bad_polls, 0);
  EXPECT_GE(lines.count("an exception ended a worker's step"), 1U);
}

TEST_F(ThreadedTrackerTest, StopGivesBackWhatHangs) {
  start_threads();
  http->hang(true);
  track("a");
  const StopReport report = tracker->stop(milliseconds(500));
  EXPECT_TRUE(report.in_time);
  EXPECT_EQ(report.in_memory + report.in_outbox, 1U);
}

TEST_F(ThreadedTrackerTest, AMovedTrackerGoesOnAndTheOldOneMayDie) {
  start_threads();
  Tracker moved = std::move(*tracker);
  tracker.reset();
  EXPECT_TRUE(moved.track(Note{"a"}));
  EXPECT_TRUE(moved.flush(seconds(60)));
}

TEST_F(TrackerTest, ATrackerThatWasMovedFromIsClosed) {
  start();
  Tracker moved = std::move(*tracker);
  Tracker& old = *tracker;
  EXPECT_EQ(old.track(Note{"a"}).status(), TrackStatus::kClosed);
  EXPECT_EQ(old.track_durably(Note{"a"}, seconds(1)).status(), TrackStatus::kClosed);
  EXPECT_TRUE(old.flush(seconds(1)));
  EXPECT_EQ(old.stop(seconds(1)).in_memory, 0U);
  EXPECT_FALSE(old.stats().complete);
  EXPECT_EQ(old.reload().error().code, ErrorCode::kClosed);
  EXPECT_EQ(old.dead_letters({}, {}, 1).error().code, ErrorCode::kClosed);
  EXPECT_EQ(old.replay({}).error().code, ErrorCode::kClosed);
  EXPECT_EQ(old.purge({}).error().code, ErrorCode::kClosed);
  EXPECT_EQ(old.forget({}).error().code, ErrorCode::kClosed);
  EXPECT_EQ(old.outbox_file(), std::nullopt);
  EXPECT_EQ(old.run_once(), SteadyTime::max());
  old = std::move(moved);
  EXPECT_TRUE(old.track(Note{"b"}));
}

// Years ahead of the machine's clock, so that a wait for that one would not end.
TEST_F(TrackerTest, TrackDurablyEndsByTheInjectedClock) {
  clock->advance(std::chrono::hours(24 * 365 * 20));
  const auto broken =
      std::make_shared<BrokenOutbox>(open_outbox(OutboxOptions{.url = "memory:"}, clock).value());
  outbox = broken;
  start();
  broken->broken = true;
  EXPECT_EQ(tracker->track_durably(Note{"a"}, std::chrono::hours(1)).status(),
            TrackStatus::kNotDurable);
  broken->broken = false;
  run_for(seconds(60));
}

TEST_F(TrackerTest, AThreadThatTracksDurablyWaitsByTheInjectedClock) {
  clock->advance(std::chrono::hours(24 * 365 * 20));
  const auto again =
      std::make_shared<BrokenOutbox>(open_outbox(OutboxOptions{.url = "memory:"}, clock).value());
  vendor = std::make_shared<FakeVendor>();
  auto threaded = Tracker::start(config.validate().value(), {.destination = vendor, .flags = flags},
                                 {.outbox = again, .http = http_at_start, .clock = clock})
                      .value();
  ASSERT_TRUE(threaded.track_durably(Note{"b"}, std::chrono::hours(1)));
  again->broken = true;
  std::atomic<bool> stopped{false};  // until then, time must go on: the next try waits for it
  std::thread time([&] {
    while (!stopped) {
      clock->advance(std::chrono::minutes(1));
      std::this_thread::yield();
    }
  });
  EXPECT_EQ(threaded.track_durably(Note{"c"}, std::chrono::hours(1)).status(),
            TrackStatus::kNotDurable);
  again->broken = false;
  EXPECT_TRUE(threaded.stop(seconds(60)).in_time);
  stopped = true;
  time.join();
  const Stats stats = threaded.stats();
  EXPECT_TRUE(stats.accepted == 2 && stats.conserved()) << describe(stats);
}

TEST_F(ThreadedTrackerTest, AStopFromSeveralThreadsHasOneReport) {
  start_threads();
  track("a");
  StopReport first;
  StopReport second;
  std::thread other([&] { first = tracker->stop(seconds(2)); });
  second = tracker->stop(seconds(2));
  other.join();
  EXPECT_EQ(first.in_outbox, second.in_outbox);
}

TEST_F(ThreadedTrackerTest, AThrowingLogSinkIsCountedAndHarmless) {
  outbox = open_outbox(OutboxOptions{.url = "memory:"}, system_clock()).value();
  vendor = std::make_shared<FakeVendor>();
  http = http_at_start;
  config.log = [](LogLevel, std::string_view) { throw std::runtime_error("sink"); };
  tracker.emplace(Tracker::start(config.validate().value(), {.destination = vendor, .flags = flags},
                                 {.outbox = outbox, .http = http})
                      .value());
  track("a");
  EXPECT_TRUE(tracker->flush(seconds(60)));
  EXPECT_GE(tracker->stats().sink_failures, 1U);
}

}  // namespace
}  // namespace postbox::tests
