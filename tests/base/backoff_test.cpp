#include "base/backoff.hpp"

#include <gtest/gtest.h>

#include "send/send_gate.hpp"

namespace postbox {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr SteadyTime kStart{std::chrono::hours(1)};
constexpr std::size_t kAny = std::numeric_limits<std::size_t>::max();

TEST(Backoff, FollowsThePublishedSequence) {
  constexpr std::array<int, 12> kPublished{500,    1'000,  2'000,   4'000,   8'000,   16'000,
                                           32'000, 64'000, 128'000, 256'000, 300'000, 300'000};
  for (std::uint32_t i = 0; i < kPublished.size(); ++i) {
    EXPECT_EQ(backoff_ceiling(i + 1), milliseconds(kPublished[i]));
  }
  EXPECT_EQ(backoff_ceiling(0), milliseconds(500));
  EXPECT_EQ(backoff_ceiling(4'000'000'000U), milliseconds(300'000));
}

TEST(Backoff, JitterFillsTheWholeRangeEvenly) {
  const auto random = seeded_random(1);
  std::array<int, 10> buckets{};
  for (int i = 0; i < 10'000; ++i) {
    const auto wait = full_jitter(milliseconds(999), *random);
    ASSERT_GE(wait.count(), 0);
    ASSERT_LE(wait.count(), 999);
    ++buckets[static_cast<std::size_t>(wait.count() / 100)];
  }
  for (const int bucket : buckets) EXPECT_NEAR(bucket, 1'000, 150);
  EXPECT_EQ(full_jitter(milliseconds(0), *random).count(), 0);
}

TEST(SendGate, IsOpenUntilSomethingHappens) {
  const SendGate gate(seconds(300));
  EXPECT_EQ(gate.width(kStart), kAny);
}

TEST(SendGate, PausesForWhatTheVendorAsksAndReportsItOnce) {
  const auto random = seeded_random(1);
  SendGate gate(seconds(300));
  EXPECT_EQ(gate.pause(kStart, seconds(7), *random), seconds(7));
  EXPECT_EQ(gate.pause(kStart, seconds(7), *random), milliseconds(0));
  EXPECT_EQ(gate.width(kStart + milliseconds(6'999)), 0U);
  EXPECT_EQ(gate.width(kStart + seconds(7)), 1U);
  gate.succeeded();
  EXPECT_EQ(gate.width(kStart + seconds(7)), kAny);
}

TEST(SendGate, ALongerRequestExtendsThePauseSilently) {
  const auto random = seeded_random(1);
  SendGate gate(seconds(300));
  gate.pause(kStart, seconds(7), *random);
  EXPECT_EQ(gate.pause(kStart, seconds(60), *random), milliseconds(0));
  EXPECT_EQ(gate.width(kStart + seconds(59)), 0U);
}

TEST(SendGate, WithoutAUsableRetryAfterRepeatedPausesGrow) {
  const auto random = seeded_random(3);
  SendGate gate(seconds(300));
  SteadyTime now = kStart;
  milliseconds last{};
  for (int i = 0; i < 12; ++i) {
    gate.pause(now, {}, *random);
    last = std::max(last, std::chrono::floor<milliseconds>(gate.closed_until() - now));
    now = std::max(now, gate.closed_until());
  }
  EXPECT_GT(last, seconds(30));
  EXPECT_LE(last, seconds(300));
}

TEST(SendGate, ClosesOnlyAfterFiveFailuresInARow) {
  const auto random = seeded_random(5);
  SendGate gate(seconds(300));
  for (int i = 0; i < 4; ++i) gate.failed(kStart, *random);
  gate.succeeded();
  for (int i = 0; i < 4; ++i) gate.failed(kStart, *random);
  EXPECT_EQ(gate.width(kStart), kAny);
  gate.failed(kStart, *random);
  EXPECT_EQ(gate.width(gate.closed_until()), 1U);
}

TEST(SendGate, FailuresOfRequestsThatWereUnderWayDoNotProlongThePause) {
  const auto random = seeded_random(5);
  SendGate gate(seconds(300));
  for (int i = 0; i < 1'000; ++i) gate.failed(kStart, *random);
  EXPECT_LE(gate.closed_until(), kStart + milliseconds(500));
}

TEST(SendGate, AnOutageIsProbedAtLeastEvery30Seconds) {
  const auto random = seeded_random(5);
  SendGate gate(seconds(300));
  SteadyTime now = kStart;
  for (int i = 0; i < 100; ++i) {
    gate.failed(now, *random);
    EXPECT_LE(gate.closed_until(), now + seconds(30));
    now = std::max(now, gate.closed_until());
  }
}

TEST(RetryBudget, CoversAFifthOfTheRequestsAfterAStartOfAHundred) {
  RetryBudget budget;
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(budget.spend()) << i;
  EXPECT_FALSE(budget.spend());
  for (int i = 0; i < 6; ++i) budget.earn();
  EXPECT_TRUE(budget.spend());
  EXPECT_FALSE(budget.spend());
  for (int i = 0; i < 10'000; ++i) budget.earn();
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(budget.spend()) << i;
  EXPECT_FALSE(budget.spend());
}

TEST(SendGate, ParksForTheProbeIntervalUntilItIsReopened) {
  SendGate gate(seconds(300));
  gate.park(kStart);
  const SteadyTime first = gate.closed_until();
  gate.park(kStart + seconds(1));
  EXPECT_EQ(gate.closed_until(), first) << "it is parked already";
  EXPECT_EQ(gate.width(kStart + seconds(299)), 0U);
  EXPECT_EQ(gate.width(kStart + seconds(300)), 1U);
  gate.park(kStart + seconds(300));
  gate.reopen();
  EXPECT_EQ(gate.width(kStart + seconds(301)), 1U) << "a probe first, whatever was changed";
}

TEST(SendGate, UnparkingEndsParkingAndNoPauseThatTheVendorAskedFor) {
  const auto random = seeded_random(1);
  SendGate gate(seconds(300));
  gate.park(kStart);
  gate.unpark();
  EXPECT_EQ(gate.width(kStart), 1U);
  gate.park(kStart);
  const SteadyTime probe = kStart + seconds(300);
  (void)gate.pause(probe, seconds(60), *random);
  gate.unpark();
  EXPECT_EQ(gate.width(probe + seconds(59)), 0U);
}

}  // namespace
}  // namespace postbox
