#include <postbox/clock.hpp>
#include <postbox/event.hpp>
#include <postbox/http_client.hpp>
#include <postbox/operator.hpp>

#include "support/engine_harness.hpp"

namespace postbox::tests {
namespace {

using ::testing::Test;

class SenderTest : public EngineHarness {
 protected:
  void answer(int status, std::vector<std::pair<std::string, std::string>> headers = {}) {
    http->on_request([status, headers](const HttpRequest&) {
      return ScriptedHttpClient::answer(status, {}, headers);
    });
  }
};

TEST_F(SenderTest, DeliversAnAcceptedEventOnce) {
  start();
  EXPECT_EQ(track("a"), TrackStatus::kAccepted);
  run_for(seconds(1));
  EXPECT_EQ(bodies(), std::vector<std::string>{"a\n"});
  EXPECT_EQ(tracker->stats().delivered, 1U);
  EXPECT_EQ(lines.count("sent a"), 1U);
}

TEST_F(SenderTest, RetriesWithTheSameBytesAfterABackoff) {
  start();
  answer(503);
  track("a");
  run_for(seconds(30));
  const auto failed = bodies().size();
  EXPECT_GT(failed, 2U);
  EXPECT_EQ(tracker->stats().retries, failed);
  answer(202);
  run_for(seconds(301));
  EXPECT_EQ(tracker->stats().delivered, 1U);
  for (const auto& body : bodies()) EXPECT_EQ(body, "a\n");
}

TEST_F(SenderTest, AMissingAnswerIsRetried) {
  start();
  http->on_request([n = 0](const HttpRequest&) mutable {
    return ++n == 1 ? ScriptedHttpClient::failure(TransportFault::kReset)
                    : ScriptedHttpClient::answer(202);
  });
  track("a");
  run_for(seconds(10));
  EXPECT_EQ(bodies().size(), 2U);
  EXPECT_EQ(tracker->stats().delivered, 1U);
}

TEST_F(SenderTest, AFailingEventDoesNotDelayTheOthers) {
  start();
  http->on_request([](const HttpRequest& request) {
    return ScriptedHttpClient::answer(request.body == "bad\n" ? 503 : 202);
  });
  track("bad");
  for (int i = 0; i < 20; ++i) track("good" + std::to_string(i));
  run_for(milliseconds(0));
  EXPECT_EQ(tracker->stats().delivered, 20U);
}

TEST_F(SenderTest, ARateLimitPausesEverythingSpendsNothingAndIsLoggedOnce) {
  start();
  answer(429, {{"retry-after", "7"}});
  for (int i = 0; i < 40; ++i) track("n" + std::to_string(i));
  run_for(milliseconds(6'900));
  const auto first_wave = bodies().size();
  EXPECT_LE(first_wave, config.max_in_flight);
  EXPECT_EQ(lines.count("paused 7000"), 1U);
  answer(202);
  run_for(seconds(1));
  EXPECT_EQ(tracker->stats().delivered, 40U);
  EXPECT_EQ(tracker->stats().retries, 0U);
  EXPECT_EQ(tracker->stats().rate_limited, first_wave);
}

TEST_F(SenderTest, AfterAPauseOneProbeGoesFirst) {
  start();
  answer(429, {{"retry-after", "7"}});
  for (int i = 0; i < 40; ++i) track("n" + std::to_string(i));
  run_for(seconds(1));
  const auto before = bodies().size();
  hang(true);
  run_for(seconds(10));
  EXPECT_EQ(bodies().size(), before + 1);
  answer(202);
  hang(false);
  run_for(seconds(1));
  EXPECT_EQ(tracker->stats().delivered, 40U);
}

TEST_F(SenderTest, KeyTroubleParksKeepsEveryEventAndProbes) {
  start();
  answer(401);
  for (int i = 0; i < 40; ++i) track("n" + std::to_string(i));
  run_for(seconds(299));
  const auto asked = bodies().size();
  EXPECT_LE(asked, config.max_in_flight);
  EXPECT_EQ(lines.count("parked"), 1U);
  run_for(seconds(302));
  EXPECT_EQ(bodies().size(), asked + 2) << "a probe every five minutes";
  EXPECT_EQ(tracker->stats().waiting, 40U);
  EXPECT_EQ(tracker->stats().dead, 0U);
}

TEST_F(SenderTest, ReloadProbesAParkedDestinationAtOnce) {
  start();
  answer(401);
  track("a");
  run_for(seconds(1));
  answer(202);
  ASSERT_TRUE(tracker->reload());
  run_for(milliseconds(0));
  EXPECT_EQ(tracker->stats().delivered, 1U);
}

// Runs a step of the test while the sender takes in its finished transfers.
class InterruptedClient final : public HttpClient {
 public:
  explicit InterruptedClient(std::shared_ptr<HttpClient> real) : real_(std::move(real)) {}

  std::function<void()> interruption;

  Result<TransferId> start(HttpRequest request) override {
    return real_->start(std::move(request));
  }
  std::vector<HttpCompletion> poll(std::chrono::nanoseconds max_wait) override {
    if (interruption) std::exchange(interruption, nullptr)();
    return real_->poll(max_wait);  // uses up the wake of the interruption
  }
  void wake() noexcept override { real_->wake(); }
  void cancel_all() noexcept override { real_->cancel_all(); }

 private:
  std::shared_ptr<HttpClient> real_;
};

TEST_F(SenderTest, AReloadInTheMiddleOfAStepIsNotSleptThrough) {
  start();
  track("a");
  flags[0].second = Flag::off();
  ASSERT_TRUE(tracker->reload());
  run_for(seconds(1));
  tracker.reset();
  auto interrupted = std::make_shared<InterruptedClient>(http);
  tracker.emplace(
      Tracker::start(
          config.validate().value(),
          {.destination = vendor, .flags = flags, .reload = [this] { return reloaded(); }},
          {.outbox = outbox, .http = interrupted, .clock = clock, .threads = false})
          .value());
  tracker->run_once();
  interrupted->interruption = [this] {
    flags[0].second = Flag::on();
    EXPECT_TRUE(tracker->reload());
  };
  tracker->run_once();
  EXPECT_EQ(bodies(), std::vector<std::string>{"a\n"});
  run_for(seconds(1));
}

TEST_F(SenderTest, ARefusedEventBecomesADeadLetterWithItsReason) {
  start();
  answer(400);
  track("a");
  run_for(seconds(1));
  const auto dead = outbox->dead({}, EventHandle{0}, 10).value();
  ASSERT_EQ(dead.size(), 1U);
  EXPECT_EQ(dead[0].record.payload, "a");
  EXPECT_EQ(dead[0].http_status, 400);
  EXPECT_EQ(dead[0].reason, "status 400");
  EXPECT_EQ(lines.count("dead a: status 400"), 1U);
}

TEST_F(SenderTest, ABatchIsHalvedUntilThePoisonStandsAlone) {
  start(8);
  http->on_request([](const HttpRequest& request) {
    return ScriptedHttpClient::answer(request.body.find("poison") == std::string::npos ? 202 : 400);
  });
  for (int i = 0; i < 5; ++i) track("n" + std::to_string(i));
  track("poison");
  track("n6");
  track("n7");
  run_for(seconds(1));
  EXPECT_EQ(tracker->stats().delivered, 7U);
  EXPECT_EQ(tracker->stats().dead, 1U);
  EXPECT_EQ(bodies().size(), 7U) << "1 + 2 + 2 + 2";
}

TEST_F(SenderTest, AnEventThatIsTooOldIsGivenUpWithTheLastAnswer) {
  config.give_up_after = std::chrono::hours(1);
  start();
  answer(503);
  track("a");
  run_for(std::chrono::minutes(59));
  EXPECT_EQ(tracker->stats().dead, 0U);
  run_for(std::chrono::minutes(12));
  EXPECT_EQ(tracker->stats().dead, 1U);
  EXPECT_NE(outbox->dead({}, EventHandle{0}, 1).value().at(0).reason.find("status 503"),
            std::string::npos);
}

// What waited without being tried has its whole time before it: a replay, a family that was off, a
// process that did not run.
TEST_F(SenderTest, AnEventThatWasReplayedIsTriedAsLongAsANewOne) {
  config.give_up_after = std::chrono::hours(1);
  start();
  answer(503);
  track("a");
  run_for(std::chrono::minutes(75));
  ASSERT_EQ(tracker->replay({}).value(), 1U);
  run_for(std::chrono::minutes(55));
  EXPECT_EQ(tracker->stats().dead, 0U);
  run_for(std::chrono::minutes(20));
  EXPECT_EQ(tracker->stats().dead, 1U);
}

TEST_F(SenderTest, TimeInWhichNothingWasTriedGivesNothingUp) {
  config.give_up_after = std::chrono::minutes(5);
  start();
  answer(503);
  track("a");
  run_for(seconds(1));
  tracker.reset();
  clock->advance(std::chrono::hours(24));
  restart();
  answer(503);
  run_for(seconds(30));
  EXPECT_EQ(tracker->stats().dead, 0U);
  run_for(std::chrono::hours(1));
  EXPECT_EQ(tracker->stats().dead, 1U);
  const auto letter = outbox->dead({}, EventHandle{0}, 1).value().at(0);
  EXPECT_EQ(letter.attempts, 10U) << letter.reason;
  EXPECT_EQ(letter.reason, "given up after 10 attempts in 24 h; last answer: status 503");
}

// A destination of the host's own that does not keep its promise.
class ThrowingVendor final : public Destination {
 public:
  explicit ThrowingVendor(std::shared_ptr<FakeVendor> real) : real_(std::move(real)) {}

  mutable int bad_requests = 0;
  mutable int bad_verdicts = 0;
  bool has_no_words = false;

  std::span<const Family> families() const noexcept override { return real_->families(); }
  bool ready() const noexcept override { return true; }
  std::span<const Lane> lanes() const noexcept override { return real_->lanes(); }
  HttpRequest request(std::size_t lane, std::span<const EventRecord* const> events) const override {
    if (bad_requests > 0 && bad_requests-- > 0) throw std::runtime_error("request");
    return real_->request(lane, events);
  }
  Verdict verdict(const std::variant<HttpResponse, TransportFailure>& outcome,
                  std::span<const EventRecord* const> events, WallTime now) const override {
    if (bad_verdicts > 0 && bad_verdicts-- > 0) throw std::runtime_error("verdict");
    return real_->verdict(outcome, events, now);
  }
  std::string type_of(const EventRecord& event) const override {
    if (has_no_words) throw std::runtime_error("type");
    return real_->type_of(event);
  }
  void mark_backfill(EventRecord& event) const override { real_->mark_backfill(event); }
  LogLine log_line(const EventRecord& event, const Verdict& verdict) const override {
    if (has_no_words) throw std::runtime_error("line");
    return real_->log_line(event, verdict);
  }

 private:
  std::shared_ptr<FakeVendor> real_;
};

class ThrowingDestination : public SenderTest {
 protected:
  void SetUp() override {
    start();
    tracker.reset();
    throwing = std::make_shared<ThrowingVendor>(vendor);
    tracker.emplace(Tracker::start(config.validate().value(),
                                   {.destination = throwing, .flags = flags},
                                   {.outbox = outbox,
                                    .http = http,
                                    .clock = clock,
                                    .random = seeded_random(7),
                                    .threads = false})
                        .value());
  }

  std::shared_ptr<ThrowingVendor> throwing;
};

// An event that is not settled is sent again without end.
TEST_F(ThrowingDestination, ThatHasNoWordsForAnEventSettlesItAllTheSame) {
  throwing->has_no_words = true;
  track("delivered");
  run_for(std::chrono::minutes(10));
  EXPECT_EQ(bodies().size(), 1U);
  EXPECT_EQ(tracker->stats().delivered, 1U);
  answer(400);
  track("refused");
  run_for(std::chrono::minutes(10));
  EXPECT_EQ(bodies().size(), 2U);
  EXPECT_EQ(tracker->stats().dead, 1U);
  answer(503);
  track("later");
  run_for(seconds(10));
  EXPECT_GE(tracker->stats().retries, 1U);
  answer(401);
  run_for(std::chrono::minutes(1));
  EXPECT_GE(tracker->stats().parked, 1U);
  answer(202);
  run_for(std::chrono::minutes(10));
  EXPECT_EQ(tracker->stats().delivered, 2U);
  EXPECT_EQ(lines.count("an exception ended"), 0U);
}

TEST_F(ThrowingDestination, CostsAnAttemptOfTheEventsItConcerns) {
  for (int i = 0; i < 10; ++i) track("n" + std::to_string(i));
  throwing->bad_requests = 1;
  throwing->bad_verdicts = 2;
  run_for(seconds(30));
  EXPECT_EQ(tracker->stats().delivered, 10U);
  EXPECT_EQ(tracker->stats().retries, 3U);
  EXPECT_EQ(lines.count("an exception ended"), 0U);
}

TEST_F(SenderTest, ALongOutageIsNotHammered) {
  start();
  answer(503);
  for (int i = 0; i < 1'000; ++i) track("n" + std::to_string(i));
  run_for(std::chrono::minutes(60));
  EXPECT_LT(bodies().size(), 1'000U);
  answer(202);
  run_for(seconds(301));
  EXPECT_EQ(tracker->stats().delivered, 1'000U);
}

TEST_F(SenderTest, QueuedEventsOfAFamilyThatIsSwitchedOffAreHeldUntilItIsOnAgain) {
  start();
  hang(true);
  track("sent");
  run_for(seconds(1));
  track("queued", "1", kMemos);
  flags[1].second = Flag::off();
  ASSERT_TRUE(tracker->reload());
  hang(false);
  run_for(seconds(1));
  EXPECT_EQ(bodies(), std::vector<std::string>{"sent\n"});
  EXPECT_EQ(tracker->stats().held, 1U);
  EXPECT_EQ(track("later", "1", kMemos), TrackStatus::kDisabled);
  flags[1].second = Flag::on();
  ASSERT_TRUE(tracker->reload());
  run_for(seconds(1));
  EXPECT_EQ(bodies().back(), "queued\n");
  EXPECT_EQ(tracker->stats().held, 0U);
}

TEST_F(SenderTest, APercentageHoldsOnlyTheProfilesOutsideIt) {
  start();
  hang(true);
  for (int i = 0; i < 16; ++i) track("busy" + std::to_string(i));
  run_for(seconds(1));
  track("in", "29");
  track("out", "30");
  flags[0].second = Flag::parse("30%").value();
  ASSERT_TRUE(tracker->reload());
  hang(false);
  run_for(seconds(1));
  EXPECT_EQ(tracker->stats().delivered, 17U);
  EXPECT_EQ(tracker->stats().held, 1U);
  EXPECT_EQ(track("new", "30"), TrackStatus::kDisabled);
  flags[0].second = Flag::on();
  ASSERT_TRUE(tracker->reload());
  run_for(seconds(1));
  EXPECT_EQ(bodies().back(), "out\n");
}

// The rollout that docs/operations.md recommends, with a backlog outside the percentage.
TEST_F(SenderTest, WhatAPercentageHoldsIsLeftAloneUntilTheFlagChanges) {
  start();
  hang(true);
  for (int i = 0; i < 2'500; ++i) track("n" + std::to_string(i), "99");
  flags[0].second = Flag::parse("50%").value();
  ASSERT_TRUE(tracker->reload());
  hang(false);
  run_for(seconds(10));
  ASSERT_EQ(tracker->stats().held, 2'500U);
  ASSERT_TRUE(tracker->reload());
  restart();  // which looks at what is held, too
  int steps = 0;
  for (const SteadyTime end = clock->now() + seconds(60); clock->now() < end; ++steps) {
    const SteadyTime next = tracker->run_once();
    if (next > clock->now()) clock->advance(next - clock->now());
  }
  EXPECT_LT(steps, 40) << "nothing changes: nothing but the look every five seconds is due";
  EXPECT_EQ(tracker->stats().held, 2'500U);
  flags[0].second = Flag::on();
  ASSERT_TRUE(tracker->reload());
  run_for(seconds(60));
  EXPECT_EQ(tracker->stats().delivered, 2'500U);
}

TEST_F(SenderTest, AThousandHeldEventsAreSetAsideInBoundedSteps) {
  start();
  flags[0].second = Flag::on();
  hang(true);
  for (int i = 0; i < 3'000; ++i) track("n" + std::to_string(i), "99");
  flags[0].second = Flag::parse("50%").value();
  ASSERT_TRUE(tracker->reload());
  hang(false);
  run_for(seconds(1));
  EXPECT_EQ(tracker->stats().held, 3'000U);
  EXPECT_TRUE(bodies().empty());
  flags[0].second = Flag::on();
  ASSERT_TRUE(tracker->reload());
  tracker->run_once();
  EXPECT_GT(tracker->stats().held, 0U) << "one step releases no backlog";
  run_for(seconds(1));
  EXPECT_EQ(tracker->stats().delivered, 3'000U);
}

TEST_F(SenderTest, PurchasesGoBeforeLaterFamilies) {
  start();
  config.max_in_flight = 1;
  restart();
  track("memo1", "1", kMemos);
  track("memo2", "1", kMemos);
  track("note1");
  run_for(seconds(1));
  EXPECT_EQ(bodies(), (std::vector<std::string>{"note1\n", "memo1\n", "memo2\n"}));
}

TEST_F(SenderTest, NeverMoreThanTheLimitInFlight) {
  start();
  hang(true);
  for (int i = 0; i < 100; ++i) track("n" + std::to_string(i));
  run_for(seconds(1));
  EXPECT_EQ(http->unanswered(), config.max_in_flight);
  hang(false);
  run_for(seconds(1));
  EXPECT_EQ(tracker->stats().delivered, 100U);
}

TEST_F(SenderTest, WhatHangsAtStopGoesBackToTheOutboxAndIsSentAfterTheNextStart) {
  start();
  hang(true);
  for (int i = 0; i < 20; ++i) track("n" + std::to_string(i));
  run_for(seconds(1));
  const StopReport report = tracker->stop(seconds(1));
  EXPECT_TRUE(report.in_time);
  EXPECT_EQ(report.in_memory, 0U);
  EXPECT_EQ(report.in_outbox, 20U);
  expect_conservation();
  hanging = false;
  restart();
  run_for(seconds(1));
  EXPECT_EQ(tracker->stats().recovered, 20U);
  EXPECT_EQ(tracker->stats().delivered, 20U);
}

TEST_F(SenderTest, WithoutAKeyNothingIsKeptAndNothingIsSent) {
  start();
  vendor->has_key = false;
  EXPECT_EQ(track("a"), TrackStatus::kDisabled);
  run_for(seconds(10));
  EXPECT_TRUE(bodies().empty());
  EXPECT_EQ(tracker->stats().disabled, 1U);
}

}  // namespace
}  // namespace postbox::tests
