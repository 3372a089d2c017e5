// What every outbox must do, as one suite over a list of backends.
//
// Place:     included by exactly one file of a test program, which instantiates OutboxConformance
//            with its backends.
// Threads:   the test's thread; a backend tests its own locking.
// Lifetime:  one store per test.
// Failure:   an ordinary test failure.
#pragma once

#include "support/outbox_fixture.hpp"

namespace postbox::testing {

struct OutboxBackend {
  std::string name;
  // Returns options for a new, empty store; `folder` is empty and belongs to the test.
  std::function<OutboxOptions(const std::filesystem::path& folder)> options;
};

class OutboxConformance : public ::testing::TestWithParam<OutboxBackend>, protected OutboxFixture {
 protected:
  void SetUp() override { use(take(open_outbox(GetParam().options(folder_.path()), clock_))); }
  void TearDown() override {
    expect_conservation();
    const Checked checked = take(outbox().check());
    EXPECT_TRUE(checked.problems.empty()) << checked.problems.front();
  }
};

[[nodiscard]] inline std::string backend_name(
    const ::testing::TestParamInfo<OutboxBackend>& backend) {
  return backend.param.name;
}

TEST_P(OutboxConformance, ABatchIsStoredWithItsKeysAndBytes) {
  const Appended appended = take(outbox().append(events(1, 3)));
  EXPECT_EQ(appended.inserted, 3U);
  EXPECT_EQ(appended.duplicates, 0U);
  clock_->advance(5s);
  const Claim claimed = claim();
  ASSERT_EQ(claimed.events.size(), 3U);
  for (std::uint32_t i = 0; i < 3; ++i) {
    expect_same(claimed.events[i].record, event(1 + i));
    EXPECT_EQ(claimed.events[i].attempts, 1U);
    EXPECT_EQ(claimed.events[i].tried_for, 0s);
    EXPECT_EQ(claimed.events[i].age, 5s);
  }
}

TEST_P(OutboxConformance, TheOldestIsTheAgeOfWhatWaitsLongest) {
  append({event(1)});
  clock_->advance(10s);
  append({event(2)});
  clock_->advance(5s);
  EXPECT_EQ(stats_of().oldest, 15s);
  const Claim claimed = claim(1);
  EXPECT_EQ(stats_of().oldest, 15s) << "also while it is leased";
  settle(claimed, {outcome(claimed.events[0], OutcomeKind::kRetry, 1h)});
  EXPECT_EQ(stats_of().oldest, 15s) << "and while it waits for a retry";
  clock_->advance(5s);
  EXPECT_EQ(stats_of().oldest, 20s);
  EXPECT_EQ(stats_of(kOtherQueue).oldest, std::nullopt);
}

TEST_P(OutboxConformance, AFailedAppendStoresNothing) {
  std::vector<EventRecord> batch = events(1, 3);
  batch[2].payload.assign(outbox().caps().max_payload.count + 1, 'x');
  expect_error(outbox().append(batch), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(claim().events.empty());
  batch[2].payload = "small";
  EXPECT_EQ(append(batch), 3U);
}

TEST_P(OutboxConformance, AnEmptyBatchIsNoError) { EXPECT_EQ(append({}), 0U); }

TEST_P(OutboxConformance, ADuplicateIsCountedAndNotStored) {
  append({event(1)});
  EventRecord repeated = event(1);
  repeated.payload = "second";
  const std::vector<EventRecord> batch = {repeated, event(2), event(2)};
  const Appended appended = take(outbox().append(batch));
  EXPECT_EQ(appended.inserted, 1U);
  EXPECT_EQ(appended.duplicates, 2U);
  const Claim claimed = claim();
  ASSERT_EQ(claimed.events.size(), 2U);
  EXPECT_EQ(claimed.events[0].record.payload, event(1).payload);
  EXPECT_EQ(take(outbox().stats()).totals.duplicates, 2U);
}

TEST_P(OutboxConformance, DuplicatesInTheMidstOfManyAreCountedAndNotStored) {
  append(events(5, 2));
  std::vector<EventRecord> batch = events(1, 20);  // 5 and 6 are waiting
  batch[11] = event(3);
  batch[19] = event(18);
  batch[4].payload = batch[11].payload = batch[19].payload = "second";
  const Appended appended = take(outbox().append(batch));
  EXPECT_EQ(appended.inserted, 16U);
  EXPECT_EQ(appended.duplicates, 4U);
  const std::vector<std::uint32_t> expected = {5,  6,  1,  2,  3,  4,  7,  8,  9,
                                               10, 11, 13, 14, 15, 16, 17, 18, 19};
  const Claim claimed = claim();
  ASSERT_EQ(claimed.events.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    expect_same(claimed.events[i].record, event(expected[i]));
  }
}

TEST_P(OutboxConformance, AHandleIsNeverUsedAgain) {
  append({event(1)});
  const Claim first = claim();
  settle_all(first, OutcomeKind::kDelivered);
  append({event(2)});
  EXPECT_GT(claim().events.at(0).handle, first.events.at(0).handle);
}

TEST_P(OutboxConformance, AKeyIsADuplicateWhileItsEventIsLeasedDelayedOrHeld) {
  append(events(1, 3));
  const Claim claimed = claim();
  EXPECT_EQ(append({event(1)}), 0U);
  settle(claimed, {outcome(claimed.events[0], OutcomeKind::kRetry, 10s),
                   outcome(claimed.events[1], OutcomeKind::kHold),
                   outcome(claimed.events[2], OutcomeKind::kDelivered)});
  EXPECT_EQ(append({event(1)}), 0U);
  EXPECT_EQ(append({event(2)}), 0U);
  EXPECT_EQ(append({event(3)}), 1U) << "a delivered event is gone";
}

TEST_P(OutboxConformance, QueuesDoNotShareKeysOrClaims) {
  append({event(1, kQueue), event(1, kOtherQueue)});
  EXPECT_EQ(claim(100, kQueue).events.size(), 1U);
  EXPECT_EQ(claim(100, kOtherQueue).events.size(), 1U);
}

TEST_P(OutboxConformance, AnyBytesAreAPayload) {
  std::vector<EventRecord> batch = events(1, 4);
  batch[0].payload = std::string("a\0b\0\xff\n'\"", 8);
  batch[1].payload.clear();
  batch[2].payload.assign(1 << 20, '\0');
  batch[3].payload = std::string(1, '\0');
  append(batch);
  for (const EventRecord& expected : batch) {
    const Claim claimed = claim(1);
    ASSERT_EQ(claimed.events.size(), 1U);
    expect_same(claimed.events[0].record, expected);
  }
}

TEST_P(OutboxConformance, AClaimIsExclusive) {
  append(events(1, 5));
  EXPECT_EQ(claim(2).events.size(), 2U);
  const Claim rest = claim();
  ASSERT_EQ(rest.events.size(), 3U);
  expect_same(rest.events[0].record, event(3));
  EXPECT_TRUE(claim().events.empty());
}

TEST_P(OutboxConformance, AClaimKeepsItsLimits) {
  constexpr std::uint64_t size = 1'000;
  constexpr std::uint64_t kAround = 100;  // a store may add some to each, such as an encryption
  std::vector<EventRecord> batch = events(1, 5);
  for (EventRecord& record : batch) record.payload.resize(size, ' ');
  append(batch);
  const auto by_bytes = [&](std::uint64_t bytes) {
    return take(outbox().claim(kQueue, {.max_events = 100, .max_bytes = Bytes{bytes}}, kLease))
        .events.size();
  };
  EXPECT_EQ(claim(0).events.size(), 0U);
  EXPECT_EQ(by_bytes(2 * size + kAround), 2U);
  EXPECT_EQ(by_bytes(2 * size - 1), 1U);
  EXPECT_EQ(by_bytes(1), 1U) << "one event is returned even if it is larger";
  EXPECT_EQ(claim().events.size(), 1U);
}

TEST_P(OutboxConformance, ALeaseEnds) {
  append({event(1)});
  const Claim first = claim();
  clock_->advance(kLease - 1ms);
  EXPECT_TRUE(claim().events.empty());
  clock_->advance(1ms);
  const Claim second = claim();
  ASSERT_EQ(second.events.size(), 1U);
  EXPECT_EQ(second.events[0].attempts, 1U) << "nobody has said that the first was spent";
  EXPECT_NE(second.token, first.token);
}

TEST_P(OutboxConformance, ALongLeaseIsNotCut) {
  append({event(1)});
  const auto lease = std::chrono::milliseconds(24h);
  const Claim claimed = take(outbox().claim(kQueue, {}, lease));
  clock_->advance(lease - 1ms);
  EXPECT_TRUE(claim().events.empty());
  EXPECT_EQ(settle_all(claimed, OutcomeKind::kDelivered).applied, 1U);
}

TEST_P(OutboxConformance, AStaleTokenChangesNothing) {
  append({event(1)});
  const Claim first = claim();
  clock_->advance(kLease);
  const Claim second = claim();
  for (const OutcomeKind kind :
       {OutcomeKind::kDelivered, OutcomeKind::kRetry, OutcomeKind::kHold, OutcomeKind::kDead}) {
    EXPECT_EQ(settle_all(first, kind).stale, 1U);
  }
  const std::vector<EventHandle> handles = {first.events[0].handle};
  EXPECT_EQ(take(outbox().extend(first.token, handles, kLease)), 0U);
  EXPECT_EQ(stats_of().leased, 1U);
  EXPECT_EQ(settle_all(second, OutcomeKind::kDelivered).applied, 1U);
  EXPECT_EQ(settle_all(second, OutcomeKind::kDelivered).stale, 1U) << "settled only once";
}

TEST_P(OutboxConformance, AnUnclaimedEventCannotBeSettled) {
  append({event(1)});
  const std::vector<Outcome> forged = {{.handle = EventHandle{1}, .kind = OutcomeKind::kDelivered}};
  EXPECT_EQ(take(outbox().settle(ClaimToken{0}, forged)).stale, 1U);
  EXPECT_EQ(stats_of().ready, 1U);
}

TEST_P(OutboxConformance, ExtendedEventsStayLeased) {
  append(events(1, 2));
  const Claim claimed = claim();
  clock_->advance(kLease - 1ms);
  const std::vector<EventHandle> handles = {claimed.events[0].handle};
  EXPECT_EQ(take(outbox().extend(claimed.token, handles, kLease)), 1U);
  clock_->advance(1s);
  const Claim second = claim();
  ASSERT_EQ(second.events.size(), 1U);
  EXPECT_EQ(second.events[0].handle, claimed.events[1].handle);
}

}  // namespace postbox::testing

#include "outbox/outbox_conformance_dead.hpp"
#include "outbox/outbox_conformance_held.hpp"
#include "outbox/outbox_conformance_order.hpp"
#include "outbox/outbox_conformance_settle.hpp"
#include "outbox/outbox_conformance_timers.hpp"
