#include "send/pacer.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>

#include <postbox/testing/manual_clock.hpp>

#include "support/account_model.hpp"

namespace postbox::tests {
namespace {

using namespace std::chrono_literals;
using Pace = Pacer::Pace;

class PacerTest : public ::testing::Test {
 protected:
  // Starts every request that may start within `time`; each is answered at once by `remaining`.
  int run_for(std::chrono::nanoseconds time, Pace pace = Pace::kFast) {
    const SteadyTime end = now + time;
    int started = 0;
    for (;;) {
      const SteadyTime next = std::max(now, pacer->next(now, pace));
      if (next >= end) break;
      now = next;
      start_one();
      ++started;
    }
    now = end;
    return started;
  }

  void start_one() {
    pacer->started(now);
    ++used;
    pacer->ended(now, now, hint());
  }

  // What a server says whose minute began at `window`.
  std::optional<RateHint> hint() {
    if (silent) return std::nullopt;
    while (now >= window + 1min) {
      window += 1min;
      used = 1;
    }
    const auto reset = std::chrono::ceil<std::chrono::seconds>(window + 1min - now);
    const std::uint32_t limit = lane.steady.requests;
    return RateHint{limit, used < limit ? limit - used : 0, reset};
  }

  Lane lane = klaviyo_lanes()[1];
  std::optional<Pacer> pacer{Pacer(lane, seeded_random(1))};
  SteadyTime now{std::chrono::hours(1)};
  SteadyTime window = now - 17'300ms;
  std::uint32_t used = 0;
  bool silent = false;
};

TEST_F(PacerTest, AloneItUsesAWindowAsFastAsTheBurstAllowsAndWaitsForTheNext) {
  EXPECT_EQ(run_for(1s), 10);
  EXPECT_EQ(run_for(14s), 140);
  EXPECT_EQ(run_for(window + 60s - now), 0);
  // The end is known to a second.
  EXPECT_EQ(run_for(20s), 150);
}

TEST_F(PacerTest, NoTenthOfASecondSeesMoreThanATenthOfTheBurst) {
  lane = klaviyo_lanes()[0];
  pacer.emplace(lane, seeded_random(1));
  EXPECT_EQ(run_for(100ms), 35);
  EXPECT_EQ(run_for(900ms), 315);
  EXPECT_EQ(run_for(100ms), 35);
}

TEST_F(PacerTest, UsesNoMoreThanItsShareOfBothWindows) {
  pacer->set_share(500);
  EXPECT_EQ(run_for(1s), 5);
  EXPECT_EQ(run_for(window + 60s - now), 70);
}

TEST_F(PacerTest, WithoutAnyHintNoMinuteSeesMoreThanTheLimit) {
  silent = true;
  EXPECT_EQ(run_for(60s), 150);
  EXPECT_EQ(run_for(15s), 150);
  EXPECT_EQ(run_for(44s), 0);
}

TEST_F(PacerTest, LearnsTheLimitOfTheAccountFromTheAnswers) {
  lane.steady.requests = 300;
  start_one();
  EXPECT_EQ(run_for(1s), 19);
  lane.steady.requests = 1'000'000'000;
  start_one();
  for (int i = 0; i < 5'000; ++i) {
    ASSERT_LE(pacer->next(now, Pace::kFast), now) << i;
    pacer->started(now);
  }
}

TEST_F(PacerTest, EvenMeansAnEvenShareOfTheWindow) {
  const int started = run_for(30s, Pace::kEven);
  EXPECT_GE(started, 70);
  EXPECT_LE(started, 110) << "the window was a third over when we came";
}

TEST_F(PacerTest, LeavesOthersWhatTheyUseAndTakesItBackWhenTheyLeave) {
  int ours = 0;
  // Two minutes in which others make a hundred requests each.
  for (int second = 0; second < 120; ++second) {
    for (int i = 0; i < 5; ++i) {
      if (second % 3 != 0) used += i % 3 == 0 ? 1U : 0U;
      ours += run_for(200ms);
      ASSERT_LE(used, 150U) << second;
    }
  }
  EXPECT_LE(ours, 220);
  EXPECT_GE(ours, 100);
  // They leave: after one window that shows it, everything is ours again.
  run_for(120s);
  EXPECT_GE(run_for(60s), 145);
}

TEST_F(PacerTest, AfterARefusalItComesBackLaterThanItWasTold) {
  pacer->started(now);
  pacer->refused(now, 20s);
  EXPECT_GE(pacer->next(now, Pace::kFast), now + 20s);
  EXPECT_LE(pacer->next(now, Pace::kFast), now + 30s);
}

TEST_F(PacerTest, CapacityIsWhatTheWindowsStillAllow) {
  EXPECT_EQ(pacer->capacity(now, 3s), 30U);
  EXPECT_EQ(run_for(14s), 140);
  EXPECT_EQ(pacer->capacity(now, 3s), 10U);
  run_for(1s);
  EXPECT_EQ(pacer->capacity(now, 3s), 0U);
}

TEST_F(PacerTest, ALaneWithoutLimitsIsNeverPaced) {
  pacer.emplace(Lane{}, seeded_random(1));
  for (int i = 0; i < 1'000; ++i) {
    ASSERT_LE(pacer->next(now, Pace::kEven), now);
    pacer->started(now);
    pacer->ended(now, now, RateHint{10, 0, 60s});
  }
}

}  // namespace
}  // namespace postbox::tests
