#include "send/outage.hpp"

#include <gtest/gtest.h>

namespace postbox {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kSingle = 0;
constexpr std::size_t kBulk = 1;

class OutageTest : public ::testing::Test {
 protected:
  void fail(std::size_t lane, const std::string& reason = "503", bool is_certain = false) {
    outage.failed(lane, reason, {LogLevel::kError, reason}, is_certain, now);
  }

  // What is said now: the line, "over" or nothing.
  std::string said() {
    const auto notice = outage.take(now);
    if (!notice) return {};
    since = notice->since;
    return notice->is_over ? "over" : notice->line.text;
  }

  Outage outage;
  SteadyTime now{1h};
  SteadyTime since{};
};

TEST_F(OutageTest, WithoutAFailureThereIsNothingToSay) {
  EXPECT_EQ(said(), "");
  outage.succeeded(kSingle);
  EXPECT_EQ(said(), "");
  EXPECT_EQ(outage.next(), SteadyTime::max());
}

TEST_F(OutageTest, OneFailureIsSaidAfterFiveSecondsWithoutSuccess) {
  const SteadyTime began = now;
  fail(kSingle);
  EXPECT_EQ(said(), "");
  EXPECT_EQ(outage.next(), began + 5s);
  now += 5s - 1ms;
  EXPECT_EQ(said(), "");
  now += 1ms;
  EXPECT_EQ(said(), "503");
  EXPECT_EQ(since, began);
  EXPECT_EQ(said(), "") << "once";
}

TEST_F(OutageTest, ASuccessOfTheLaneMakesNothingOfIt) {
  fail(kSingle);
  outage.succeeded(kSingle);
  now += 1min;
  EXPECT_EQ(said(), "");
  fail(kSingle);
  EXPECT_EQ(said(), "") << "the second one is not in a row with the first";
  EXPECT_EQ(outage.next(), now + 5s);
}

TEST_F(OutageTest, ASuccessOfAnotherLaneDoesNotHideALaneThatFails) {
  fail(kBulk);
  outage.succeeded(kSingle);
  now += 5s;
  EXPECT_EQ(said(), "503");
}

TEST_F(OutageTest, TwoInARowAndACertainOneAreSaidAtOnce) {
  fail(kSingle, "timeout");
  fail(kBulk, "503");
  EXPECT_EQ(said(), "503") << "the last reason";
  outage = {};
  fail(kSingle, "a page of a proxy", true);
  EXPECT_EQ(outage.next(), SteadyTime{});
  EXPECT_EQ(said(), "a page of a proxy");
}

TEST_F(OutageTest, AReasonIsSaidOnceAndEveryFiveMinutesWhileItFails) {
  fail(kSingle, "503", true);
  EXPECT_EQ(said(), "503");
  const SteadyTime began = now;
  EXPECT_EQ(outage.next(), SteadyTime::max()) << "nothing has failed since";
  now += 10min;
  EXPECT_EQ(said(), "") << "nothing has failed since";
  fail(kSingle, "503");
  EXPECT_EQ(said(), "503");
  now += 4min;
  fail(kSingle, "503");
  EXPECT_EQ(said(), "");
  EXPECT_EQ(outage.next(), now + 1min);
  fail(kSingle, "timeout");
  EXPECT_EQ(said(), "timeout") << "another reason, at once";
  EXPECT_EQ(since, began) << "of one outage";
}

TEST_F(OutageTest, EightReasonsAreToldApart) {
  for (int i = 0; i < 8; ++i) {
    fail(kSingle, std::to_string(i), true);
    EXPECT_EQ(said(), std::to_string(i));
  }
  fail(kSingle, "a ninth");
  EXPECT_EQ(said(), "");
  now += 5min;
  EXPECT_EQ(said(), "a ninth") << "as a reminder";
}

TEST_F(OutageTest, IsOverWhenEveryLaneThatFailedSucceeds) {
  fail(kSingle, "503", true);
  fail(kBulk, "503");
  EXPECT_EQ(said(), "503");
  const SteadyTime began = since;
  now += 30s;
  outage.succeeded(kSingle);
  EXPECT_EQ(said(), "") << "the other lane has not";
  EXPECT_EQ(outage.next(), now + 30s);
  outage.succeeded(kBulk);
  EXPECT_LE(outage.next(), now);
  EXPECT_EQ(said(), "over");
  EXPECT_EQ(since, began);
  EXPECT_EQ(said(), "");
  EXPECT_EQ(outage.next(), SteadyTime::max());
}

TEST_F(OutageTest, IsOverWhenNothingFailsForAMinuteAndOthersSucceed) {
  fail(kBulk, "503", true);
  EXPECT_EQ(said(), "503");
  now += 59s;
  outage.succeeded(kSingle);
  EXPECT_EQ(said(), "");
  now += 1s;
  EXPECT_EQ(said(), "over");
}

TEST_F(OutageTest, OneThatComesBackWithinAMinuteIsSaidWhenTheMinuteIsOver) {
  fail(kSingle, "503", true);
  EXPECT_EQ(said(), "503");
  outage.succeeded(kSingle);
  EXPECT_EQ(said(), "over");
  const SteadyTime calm = now + 1min;
  now += 10s;
  fail(kSingle, "503", true);
  EXPECT_EQ(said(), "");
  EXPECT_EQ(outage.next(), calm);
  now = calm;
  EXPECT_EQ(said(), "503");
  EXPECT_EQ(since, calm - 50s) << "since it came back";
}

TEST_F(OutageTest, LanesBeyondTheSixtyFourthAreLanesToo) {
  fail(64, "503", true);
  EXPECT_EQ(said(), "503");
  outage.succeeded(64);
  EXPECT_EQ(said(), "over");
}

}  // namespace
}  // namespace postbox
