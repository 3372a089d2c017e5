// The second part of the conformance suite: what becomes of an event after its claim.
//
// Place:     included by outbox_conformance.hpp only.
// Threads:   the test's thread.
// Lifetime:  one store per test.
// Failure:   an ordinary test failure.
#pragma once

#include "outbox/outbox_conformance.hpp"

namespace postbox::testing {

TEST_P(OutboxConformance, OneSettleTakesMixedOutcomes) {
  append(events(1, 5));
  const Claim claimed = claim();
  ASSERT_EQ(claimed.events.size(), 5U);
  const Settled settled =
      settle(claimed, {outcome(claimed.events[0], OutcomeKind::kDelivered),
                       outcome(claimed.events[1], OutcomeKind::kRetry, 1s),
                       outcome(claimed.events[2], OutcomeKind::kHold),
                       outcome(claimed.events[3], OutcomeKind::kDead),
                       outcome(claimed.events[4], OutcomeKind::kRetry),
                       {.handle = EventHandle{999}, .kind = OutcomeKind::kDelivered}});
  EXPECT_EQ(settled.applied, 5U);
  EXPECT_EQ(settled.stale, 1U);
  const QueueStats stats = stats_of();
  EXPECT_EQ(stats.ready, 1U);
  EXPECT_EQ(stats.leased, 0U);
  EXPECT_EQ(stats.delayed, 1U);
  EXPECT_EQ(stats.held, 1U);
  EXPECT_EQ(stats.dead, 1U);
  EXPECT_EQ(take(outbox().stats()).totals.delivered, 1U);
}

TEST_P(OutboxConformance, SeveralClaimsAreSettledTogether) {
  append({event(1), event(2), event(3), event(4, kOtherQueue)});
  const Claim first = claim(1);
  const Claim second = claim(2);
  const Claim other = claim(1, kOtherQueue);
  const auto delivered = outcomes(first, OutcomeKind::kDelivered);
  const auto mixed = std::vector{outcome(second.events[0], OutcomeKind::kDelivered),
                                 outcome(second.events[1], OutcomeKind::kDead)};
  const auto again = outcomes(other, OutcomeKind::kRetry);
  const std::vector<Decision> decisions{
      {first.token, delivered}, {second.token, mixed}, {other.token, again}, {other.token, mixed}};
  const Settled settled = take(outbox().settle_all(decisions));
  EXPECT_EQ(settled.applied, 4U);
  EXPECT_EQ(settled.stale, 2U) << "those of another claim";
  EXPECT_EQ(take(outbox().stats()).totals.delivered, 2U);
  EXPECT_EQ(stats_of().dead, 1U);
  EXPECT_EQ(stats_of(kOtherQueue).ready, 1U);
  EXPECT_EQ(take(outbox().settle_all(decisions)).applied, 0U);
  EXPECT_EQ(take(outbox().settle_all({})).stale, 0U);
}

// Rows of another queue stand between, one is still on its way, one was purged meanwhile.
TEST_P(OutboxConformance, DeliveredEventsMayComeInAnyOrderWithGaps) {
  append({event(1), event(2), event(3), event(4, kOtherQueue), event(5), event(6), event(7)});
  const Claim claimed = claim();
  ASSERT_EQ(claimed.events.size(), 6U);
  EXPECT_EQ(take(outbox().purge_profile(event(6).profile_key)), 1U);
  const auto delivered = [&](std::size_t place) {
    return outcome(claimed.events[place], OutcomeKind::kDelivered);
  };
  const Settled settled =
      settle(claimed, {delivered(5), delivered(0), delivered(4), delivered(1), delivered(0)});
  EXPECT_EQ(settled.applied, 3U);
  EXPECT_EQ(settled.stale, 2U);
  EXPECT_EQ(take(outbox().stats()).totals.delivered, 3U);
  EXPECT_EQ(stats_of(kQueue).leased, 2U);
  EXPECT_EQ(stats_of(kOtherQueue).ready, 1U);
  clock_->advance(kLease);
  const Claim rest = claim();
  ASSERT_EQ(rest.events.size(), 2U);
  expect_same(rest.events[0].record, event(3));
  expect_same(rest.events[1].record, event(5));
}

TEST_P(OutboxConformance, ARetryComesBackAfterItsDelayAndNotBefore) {
  append(events(1, 2));
  const Claim claimed = claim();
  settle(claimed, {outcome(claimed.events[0], OutcomeKind::kRetry, 10s),
                   outcome(claimed.events[1], OutcomeKind::kRetry, 20s)});
  EXPECT_EQ(take(outbox().maintain(24h)).next_due, 10s);
  clock_->advance(9'999ms);
  const Maintained early = take(outbox().maintain(24h));
  EXPECT_EQ(early.promoted, 0U);
  EXPECT_EQ(early.next_due, 1ms);
  EXPECT_TRUE(claim().events.empty());
  clock_->advance(1ms);
  const Maintained due = take(outbox().maintain(24h));
  EXPECT_EQ(due.promoted, 1U);
  EXPECT_EQ(due.next_due, 10s);
  EXPECT_EQ(claim().events.size(), 1U);
  clock_->advance(10s);
  EXPECT_EQ(take(outbox().maintain(24h)).next_due, std::nullopt);
}

TEST_P(OutboxConformance, AnAttemptMayBeginTheTimeAgain) {
  append({event(1)});
  settle_all(claim(), OutcomeKind::kRetry, 1ms);
  clock_->advance(10min);
  ASSERT_EQ(take(outbox().maintain(24h)).promoted, 1U);
  const Claim claimed = claim();
  EXPECT_EQ(claimed.events.at(0).tried_for, 10min);
  std::vector<Outcome> foreign = outcomes(claimed, OutcomeKind::kRetry, 1ms);
  foreign[0].begin_again = true;
  settle(claimed, foreign);
  clock_->advance(1min);
  ASSERT_EQ(take(outbox().maintain(24h)).promoted, 1U);
  const Claim again = claim();
  EXPECT_EQ(again.events.at(0).tried_for, 1min);
  EXPECT_EQ(again.events.at(0).attempts, 3U) << "which are spent all the same";
}

TEST_P(OutboxConformance, ARetryWithoutDelayIsReadyAtOnce) {
  append({event(1)});
  settle_all(claim(), OutcomeKind::kRetry);
  EXPECT_EQ(claim().events.size(), 1U);
}

TEST_P(OutboxConformance, AnAttemptIsSpentOnlyWhenAskedTo) {
  append({event(1)});
  Claim claimed = claim();
  settle_all(claimed, OutcomeKind::kRetry);
  claimed = claim();
  EXPECT_EQ(claimed.events.at(0).attempts, 2U);
  std::vector<Outcome> unspent = outcomes(claimed, OutcomeKind::kRetry);
  unspent[0].spend_attempt = false;
  settle(claimed, unspent);
  claimed = claim();
  EXPECT_EQ(claimed.events.at(0).attempts, 2U);
  settle_all(claimed, OutcomeKind::kHold);
  EXPECT_EQ(release_all(), 1U);
  EXPECT_EQ(claim().events.at(0).attempts, 2U) << "nothing was sent while it was held";
}

TEST_P(OutboxConformance, HeldEventsWaitForTheirQueue) {
  append({event(1), event(2), event(3, kOtherQueue)});
  settle_all(claim(), OutcomeKind::kHold);
  settle_all(claim(100, kOtherQueue), OutcomeKind::kHold);
  clock_->advance(240h);
  EXPECT_EQ(take(outbox().maintain(24h)).promoted, 0U);
  EXPECT_TRUE(claim().events.empty());
  EXPECT_EQ(release_all(), 2U);
  const Claim released = claim();
  ASSERT_EQ(released.events.size(), 2U);
  expect_same(released.events[0].record, event(1));
  EXPECT_EQ(stats_of(kOtherQueue).held, 1U);
}

TEST_P(OutboxConformance, AReleaseTakesTheProfilesOfTheFlagAndLeavesTheOthersHeld) {
  constexpr std::uint32_t kEvents = 5'000;  // more than one call looks at
  append(events(0, kEvents));
  settle_all(claim(kEvents), OutcomeKind::kHold);
  std::size_t included = 0;
  const Flag half = Flag::parse("50%").value();
  for (std::uint32_t i = 0; i < kEvents; ++i) included += half.includes(event(i).profile_key);
  ASSERT_GT(included, 0U);
  ASSERT_LT(included, kEvents);
  EXPECT_EQ(release(half), included);
  EXPECT_EQ(release(half), 0U) << "those outside it stay";
  for (const ClaimedEvent& each : claim(kEvents).events) {
    EXPECT_TRUE(half.includes(each.record.profile_key));
  }
  EXPECT_EQ(stats_of().held, kEvents - included);
  EXPECT_EQ(release_all(), kEvents - included);
}

TEST_P(OutboxConformance, DueQueuesHaveSomethingToClaim) {
  EXPECT_TRUE(take(outbox().due_queues()).empty());
  append({event(1, kOtherQueue), event(2, kQueue), event(3, QueueId{0})});
  EXPECT_EQ(take(outbox().due_queues()), (std::vector{QueueId{0}, kQueue, kOtherQueue}));
  const Claim claimed = claim();
  settle_all(claim(100, QueueId{0}), OutcomeKind::kRetry, 1s);
  EXPECT_EQ(take(outbox().due_queues()), std::vector{kOtherQueue});
  clock_->advance(kLease);
  EXPECT_EQ(take(outbox().due_queues()), (std::vector{kQueue, kOtherQueue}));
  (void)take(outbox().maintain(24h));
  EXPECT_EQ(take(outbox().due_queues()).size(), 3U);
}

TEST_P(OutboxConformance, AnEndedLeaseThatNobodyTookCanStillBeSettled) {
  append({event(1)});
  const Claim claimed = claim();
  clock_->advance(kLease);
  EXPECT_EQ(stats_of().leased, 0U);
  EXPECT_EQ(stats_of().ready, 1U);
  EXPECT_EQ(settle_all(claimed, OutcomeKind::kDelivered).applied, 1U);
}

TEST_P(OutboxConformance, NoLeaseOrDelayIsBelievedForEver) {
  append(events(1, 2));
  (void)take(outbox().claim(kQueue, {.max_events = 1}, 24h * 365));
  settle_all(claim(1), OutcomeKind::kRetry, std::chrono::milliseconds::max());
  clock_->advance(2h);
  EXPECT_EQ(take(outbox().maintain(24h)).promoted, 1U);
  clock_->advance(22h);
  EXPECT_EQ(claim().events.size(), 2U);
}

TEST_P(OutboxConformance, ABacklogIsPromotedAndExpiredWhole) {
  append(events(1, 2'500));
  settle_all(claim(2'500), OutcomeKind::kRetry, 1s);
  clock_->advance(1s);
  std::vector<std::size_t> parts = {take(outbox().maintain(24h)).promoted};
  EXPECT_EQ(take(outbox().stats()).queues.at(0).ready, parts[0]) << "a step is no backlog";
  while (parts.back() > 0) parts.push_back(take(outbox().maintain(24h)).promoted);
  EXPECT_GT(parts.size(), 2U);
  EXPECT_EQ(std::accumulate(parts.begin(), parts.end(), std::size_t{0}), 2'500U);
  settle_all(claim(2'500), OutcomeKind::kDead);
  clock_->advance(24h);
  Maintained maintained = take(outbox().maintain(24h));
  std::size_t expired = maintained.expired;
  for (; maintained.next_due == 0ms; expired += maintained.expired) {
    maintained = take(outbox().maintain(24h));
  }
  EXPECT_EQ(expired, 2'500U) << "whoever comes when he is told to has done all";
}

TEST_P(OutboxConformance, AClockThatWasSetBackFreezesNoEvent) {
  append(events(1, 2));
  const Claim claimed = claim(1);
  settle_all(claim(1), OutcomeKind::kRetry, 60s);
  clock_->jump_wall(-24h * 365);
  EXPECT_EQ(take(outbox().maintain(24h)).promoted, 1U) << "the delay";
  clock_->advance(kLease);
  EXPECT_EQ(take(outbox().due_queues()).size(), 1U) << "the lease";
  const Claim again = claim();
  ASSERT_EQ(again.events.size(), 2U);
  EXPECT_EQ(again.events[0].tried_for, 0ms);
  EXPECT_EQ(again.events[1].tried_for, kLease);
  EXPECT_EQ(settle_all(claimed, OutcomeKind::kDelivered).stale, 1U);
}

TEST_P(OutboxConformance, AClockThatWasSetForwardMakesNothingOlder) {
  append(events(1, 3));
  settle_all(claim(1), OutcomeKind::kDead);
  settle_all(claim(1), OutcomeKind::kRetry);
  clock_->advance(2h);
  clock_->jump_wall(24h * 31);
  append({event(4)});
  settle_all(claim(1), OutcomeKind::kRetry);  // a second time
  EXPECT_EQ(take(outbox().maintain(24h * 30)).expired, 0U);
  Claim claimed = claim(1);
  EXPECT_EQ(claimed.events.at(0).attempts, 3U);
  EXPECT_EQ(claimed.events.at(0).tried_for, 2h);
  settle_all(claimed, OutcomeKind::kRetry);
  clock_->jump_wall(-24h * 31);
  clock_->advance(1s);
  EXPECT_EQ(claim(1).events.at(0).tried_for, 2h + 1s);
  clock_->advance(24h * 30);
  EXPECT_EQ(take(outbox().maintain(24h * 30)).expired, 1U);
}

TEST_P(OutboxConformance, AClockThatWasSetForwardEndsDelays) {
  append(events(1, 2));
  settle_all(claim(1), OutcomeKind::kRetry, 60s);
  clock_->jump_wall(24h * 365);
  EXPECT_EQ(take(outbox().maintain(24h)).promoted, 1U);
  EXPECT_EQ(claim().events.size(), 2U);
}

}  // namespace postbox::testing
