// The third part of the conformance suite: records with a Timing.
//
// Place:     included by outbox_conformance.hpp only.
// Threads:   the test's thread.
// Lifetime:  one store per test.
// Failure:   an ordinary test failure.
#pragma once

#include "outbox/outbox_conformance.hpp"
#include "support/timed_records.hpp"

namespace postbox::testing {

class OutboxTimers : public OutboxConformance {
 protected:
  Maintained maintain() { return take(outbox().maintain(24h)); }
  [[nodiscard]] std::uint64_t timers_pending() { return take(outbox().stats()).timers_pending; }

  // What is ready, delivered.
  std::vector<std::string> deliver() {
    std::vector<std::string> payloads;
    const Claim claimed = claim();
    for (const ClaimedEvent& each : claimed.events) payloads.push_back(each.record.payload);
    settle_all(claimed, OutcomeKind::kDelivered);
    return payloads;
  }
  [[nodiscard]] static std::vector<std::string> payloads(std::vector<std::uint32_t> numbers) {
    std::vector<std::string> all;
    for (const std::uint32_t number : numbers) all.push_back(event(number).payload);
    return all;
  }
};

TEST_P(OutboxTimers, ATimerBecomesAnEventAfterItsDelayAndNotBefore) {
  append({update(1, 7, 1s)});
  EXPECT_EQ(deliver(), payloads({1}));
  EXPECT_EQ(timers_pending(), 1U);
  EXPECT_EQ(maintain().next_due, kDelay);
  clock_->advance(kDelay - 1ms);
  EXPECT_EQ(maintain().fired, 0U);
  EXPECT_EQ(deliver(), payloads({}));
  clock_->advance(1ms);
  const Maintained due = maintain();
  EXPECT_EQ(due.fired, 1U);
  EXPECT_EQ(due.next_due, std::nullopt);
  EXPECT_EQ(timers_pending(), 0U);
  const Claim claimed = claim();
  ASSERT_EQ(claimed.events.size(), 1U);
  expect_same(claimed.events[0].record, event(kFired + 1));
  settle_all(claimed, OutcomeKind::kDelivered);
  EXPECT_EQ(take(outbox().stats()).totals.fired, 1U);
  clock_->advance(2 * kDelay);
  EXPECT_EQ(maintain().fired, 0U);
}

TEST_P(OutboxTimers, AnUpdateStartsTheClockAnew) {
  append({update(1, 7, 1s)});
  clock_->advance(kDelay - 1s);
  append({update(2, 7, 2s)});
  EXPECT_EQ(timers_pending(), 1U);
  clock_->advance(1s);
  EXPECT_EQ(maintain().fired, 0U);
  clock_->advance(kDelay - 1s);
  EXPECT_EQ(maintain().fired, 1U);
  EXPECT_EQ(deliver(), payloads({1, 2, kFired + 2}));
}

TEST_P(OutboxTimers, AnOlderUpdateAndARepeatedOneChangeNothing) {
  append({update(2, 7, 2s)});
  clock_->advance(1min);
  append({update(1, 7, 1s), update(2, 7, 2s)});
  EXPECT_EQ(maintain().next_due, kDelay - 1min);
  clock_->advance(kDelay - 1min);
  EXPECT_EQ(maintain().fired, 1U);
  EXPECT_EQ(deliver(), payloads({2, 1, kFired + 2}));
  append({update(2, 7, 2s)});
  EXPECT_EQ(timers_pending(), 0U) << "it has fired";
  EXPECT_EQ(deliver(), payloads({2}));
}

TEST_P(OutboxTimers, EveryKeyOfAnOrderEndsATimer) {
  append({update(1, 7, 1s), update(2, 8, 1s)});
  append({order(3, slot_of(7), 2s)});
  EXPECT_EQ(timers_pending(), 1U);
  append({order(4, user_of(2), 2s)});
  EXPECT_EQ(timers_pending(), 1U) << "somebody else's";
  append({order(5, user_of(1), 1s)});
  EXPECT_EQ(timers_pending(), 0U) << "as old as the update";
  clock_->advance(kDelay);
  EXPECT_EQ(maintain().fired, 0U);
}

TEST_P(OutboxTimers, AnOrderThatArrivesFirstEndsWhatIsOlder) {
  append({order(1, user_of(1), 2s)});
  append({update(2, 7, 1s), update(3, 8, 2s)});
  EXPECT_EQ(timers_pending(), 0U);
  append({update(4, 7, 2'001ms)});
  EXPECT_EQ(timers_pending(), 1U) << "the customer shops on";
}

TEST_P(OutboxTimers, AnEndDoesNotReachWhatIsNewer) {
  append({update(1, 7, 3s)});
  append({order(2, user_of(1), 2s)});
  EXPECT_EQ(timers_pending(), 1U);
}

TEST_P(OutboxTimers, AnOlderEndDoesNotWeakenANewerOne) {
  append({order(1, user_of(1), 5s), order(2, user_of(1), 2s)});
  append({update(3, 7, 4s)});
  EXPECT_EQ(timers_pending(), 0U);
}

TEST_P(OutboxTimers, AnUpdateThatIsOverEndsItsPredecessor) {
  // A guest's cart; then the customer logs in, and has bought meanwhile.
  EventRecord guest =
      with(event(1),
           {.slot = slot_of(7), .as_of = at(1s), .timer = Timer{kDelay, {}, event(kFired + 1)}});
  append({guest, order(2, user_of(1), 3s)});
  EXPECT_EQ(timers_pending(), 1U);
  append({update(3, 7, 2s)});
  EXPECT_EQ(timers_pending(), 0U);
}

TEST_P(OutboxTimers, AnEndIsRememberedForADay) {
  append({order(1, user_of(1), 2s)});
  clock_->advance(24h + 2s - kBefore - 1ms);
  maintain();
  append({update(2, 7, 1s)});
  EXPECT_EQ(timers_pending(), 0U);
  clock_->advance(1ms);
  maintain();
  append({update(3, 7, 1s)});
  EXPECT_EQ(timers_pending(), 1U);
}

TEST_P(OutboxTimers, AnEndTakesBackWhatHasFiredAndWaits) {
  append({update(1, 7, 1s)});
  settle_all(claim(), OutcomeKind::kDelivered);
  clock_->advance(kDelay);
  EXPECT_EQ(maintain().fired, 1U);
  append({order(2, slot_of(7), 2s)});
  EXPECT_EQ(deliver(), payloads({}));
  EXPECT_EQ(take(outbox().stats()).totals.purged, 1U);
}

TEST_P(OutboxTimers, AnEndTakesBackWhatIsUnderWayAndTheSettlementIsStale) {
  append({update(1, 7, 1s)});
  settle_all(claim(), OutcomeKind::kDelivered);
  clock_->advance(kDelay);
  maintain();
  const Claim claimed = claim();
  ASSERT_EQ(claimed.events.size(), 1U);
  append({order(2, slot_of(7), 2s)});
  EXPECT_EQ(settle_all(claimed, OutcomeKind::kRetry, 1s).stale, 1U);
  EXPECT_EQ(stats_of().delayed, 0U);
}

TEST_P(OutboxTimers, AnEndLongAfterTheEventFiredStillFindsIt) {
  append({update(1, 7, 1s)});
  settle_all(claim(), OutcomeKind::kDelivered);
  clock_->advance(kDelay);
  for (int hour = 0; hour < 30; ++hour) {  // Klaviyo does not answer
    maintain();
    clock_->advance(1h);
  }
  EXPECT_EQ(stats_of().ready, 1U);
  append({order(2, slot_of(7), 2s)});
  EXPECT_EQ(stats_of().ready, 0U);
}

TEST_P(OutboxTimers, AnUpdateTakesBackWhatHasFiredAndWaits) {
  append({update(1, 7, 1s)});
  settle_all(claim(), OutcomeKind::kDelivered);
  clock_->advance(kDelay);
  maintain();
  append({update(2, 7, 2s)});
  EXPECT_EQ(deliver(), payloads({2}));
  EXPECT_EQ(timers_pending(), 1U);
}

TEST_P(OutboxTimers, WhatWasFiredAndDeliveredIsForgotten) {
  append({update(1, 7, 1s)});
  clock_->advance(kDelay);
  maintain();
  EXPECT_EQ(deliver(), payloads({1, kFired + 1}));
  clock_->advance(1h);
  maintain();
  append({order(2, slot_of(7), 2s)});
  EXPECT_EQ(take(outbox().stats()).totals.purged, 0U);
}

TEST_P(OutboxTimers, AnEventThatWaitsAlreadyIsNotMadeAgain) {
  append({update(1, 7, 1s), event(kFired + 1)});
  clock_->advance(kDelay);
  EXPECT_EQ(maintain().fired, 0U);
  EXPECT_EQ(timers_pending(), 0U);
  EXPECT_EQ(deliver(), payloads({1, kFired + 1}));
}

TEST_P(OutboxTimers, ManyAreDueAtOnce) {
  constexpr std::uint32_t kCarts = 2'100;
  std::vector<EventRecord> batch;
  for (std::uint32_t cart = 0; cart < kCarts; ++cart) {
    // No number is that of what a timer becomes.
    batch.push_back(update(2 * kFired * (cart / kFired) + cart % kFired, cart, 1s));
  }
  append(batch);
  clock_->advance(kDelay);
  Maintained maintained = maintain();
  EXPECT_LT(maintained.fired, kCarts) << "a step is no backlog";
  for (std::size_t fired = maintained.fired; fired < kCarts; fired += maintained.fired) {
    ASSERT_EQ(maintained.next_due, 0ms) << fired;
    maintained = maintain();
  }
  EXPECT_EQ(stats_of().ready, 2 * kCarts);
}

TEST_P(OutboxTimers, AClockThatIsSetBackDelaysByNoMoreThanTheDelay) {
  append({update(1, 7, 1s)});
  clock_->jump_wall(-24h * 365);
  EXPECT_EQ(maintain().next_due, kDelay);
  clock_->advance(kDelay - 1ms);
  EXPECT_EQ(maintain().fired, 0U);
  clock_->advance(1ms);
  EXPECT_EQ(maintain().fired, 1U);
}

TEST_P(OutboxTimers, AClockThatIsSetForwardMakesThemDue) {
  append({update(1, 7, 1s)});
  clock_->jump_wall(24h * 365);
  EXPECT_EQ(maintain().fired, 1U);
}

TEST_P(OutboxTimers, AFailedAppendStartsAndEndsNothing) {
  append({update(1, 7, 1s)});
  std::vector<EventRecord> batch = {order(2, slot_of(7), 2s), update(3, 8, 1s), event(4)};
  batch[2].payload.assign(outbox().caps().max_payload.count + 1, 'x');
  expect_error(outbox().append(batch), ErrorCode::kInvalidArgument);
  EXPECT_EQ(timers_pending(), 1U);
}

TEST_P(OutboxTimers, AnOrderInTheMidstOfManyEndsWhatWasStartedBeforeIt) {
  std::vector<EventRecord> batch = events(100, 30);
  batch[9] = update(1, 1, 0s);
  batch[20] = order(2, user_of(1), 1s);
  batch[25] = update(3, 2, 2s);
  EXPECT_EQ(append(batch), 30U);
  EXPECT_EQ(take(outbox().stats()).timers_pending, 1U) << "the update after the order";
  EXPECT_EQ(claim().events.size(), 29U) << "the order is in the other queue";
}

TEST_P(OutboxTimers, ADuplicateStillEnds) {
  append({event(2, kOtherQueue), update(1, 7, 1s)});
  EXPECT_EQ(append({order(2, slot_of(7), 2s)}), 0U);
  EXPECT_EQ(timers_pending(), 0U);
}

TEST_P(OutboxTimers, AnEndThatIsADayOldWhenItIsReportedIsNotRemembered) {
  append({update(1, 7, 1s - 24h)});
  append({order(2, user_of(1), kBefore - 24h)});
  EXPECT_EQ(timers_pending(), 0U) << "it still ends what is older";
  append({update(3, 7, 2s - 24h)});
  EXPECT_EQ(timers_pending(), 1U);
}

// A browser's clock, or another server's.
TEST_P(OutboxTimers, AnUpdateAheadOfTheClockIsEndedByTheOrderThatFollows) {
  append({update(1, 7, kBefore + 10s), update(2, 8, kBefore + 24h * 90)});
  append({order(3, slot_of(7), kBefore)});
  EXPECT_EQ(timers_pending(), 1U);
  append({order(4, user_of(1), kBefore)});
  EXPECT_EQ(timers_pending(), 0U);
  clock_->advance(1s);
  append({update(5, 7, kBefore + 1s)});
  EXPECT_EQ(timers_pending(), 1U) << "the customer shops on, under the same id";
}

TEST_P(OutboxTimers, AnUpdateFarAheadDoesNotOutliveTheNextOne) {
  append({update(1, 7, 24h * 90), quiet_update(2, 8, 24h * 90)});
  clock_->advance(1s);
  append({update(3, 7, kBefore + 1s), quiet_update(4, 8, kBefore + 1s)});
  clock_->advance(kDelay);
  EXPECT_EQ(maintain().fired, 1U);
  EXPECT_EQ(deliver(), payloads({1, 4, 3, kFired + 3}));
}

TEST_P(OutboxTimers, AnOrderEndsTheCartThatItNamesAlsoWhenThatIsMinutesNewer) {
  append({update(1, 7, 1min + 59s), update(2, 8, 1min + 59s)});
  append({order(3, slot_of(7), 0s), order(4, user_of(1), 0s)});
  EXPECT_EQ(timers_pending(), 1U) << "the customer's other cart is newer";
  append({update(5, 7, 3s)});
  EXPECT_EQ(timers_pending(), 2U) << "what is remembered is strict: an id may be used again";
  append({update(6, 9, 2min + 1ms), order(7, slot_of(9), 0s)});
  EXPECT_EQ(timers_pending(), 3U);
}

TEST_P(OutboxTimers, ACartThatIsEmptiedEndsNothingThatHappenedToItLater) {
  append({update(1, 7, 3s)});
  append({with(event(2), {.slot = slot_of(7), .as_of = at(2s), .cancels = {slot_of(7)}})});
  EXPECT_EQ(timers_pending(), 1U);
}

TEST_P(OutboxTimers, AClockThatWasSetBackMakesNoEndOutliveItsDay) {
  append({order(1, user_of(1), kBefore)});
  clock_->jump_wall(-24h * 30);
  maintain();
  append({update(2, 7, kBefore - 24h * 30)});
  EXPECT_EQ(timers_pending(), 1U);
}

TEST_P(OutboxTimers, ATimingThatStandsAloneEndsAndIsNoEvent) {
  append({update(1, 7, 1s)});
  auto alone = with(event(2), {.as_of = at(2s), .cancels = {slot_of(7)}, .effects_only = true});
  const auto appended = outbox().append(std::vector{alone, event(3), event(3)}).value();
  EXPECT_EQ(appended.inserted, 1U);
  EXPECT_EQ(appended.duplicates, 1U);
  EXPECT_EQ(timers_pending(), 0U);
  EXPECT_EQ(deliver(), payloads({1, 3}));
}

TEST_P(OutboxTimers, PurgingAProfileRemovesItsTimers) {
  append({update(1, 7, 1s), update(2, 8, 1s)});
  settle_all(claim(), OutcomeKind::kDelivered);
  EXPECT_EQ(take(outbox().purge_profile(event(kFired + 1).profile_key)), 1U);
  EXPECT_EQ(timers_pending(), 1U);
}

TEST_P(OutboxTimers, TenUpdatesInARowAreOneEventThatIsNotPutOff) {
  for (std::uint32_t number = 1; number <= 10; ++number) {
    const std::vector<EventRecord> batch = {quiet_update(number, 7, number * 1s)};
    const Appended appended = take(outbox().append(batch));
    EXPECT_EQ(appended.inserted, number == 1 ? 1U : 0U);
    EXPECT_EQ(appended.duplicates, number == 1 ? 0U : 1U);
    clock_->advance(400ms);
  }
  EXPECT_EQ(maintain().next_due, kQuiet - 4s);
  EXPECT_EQ(deliver(), payloads({}));
  clock_->advance(1s);
  EXPECT_EQ(maintain().promoted, 1U);
  const Claim claimed = claim();
  ASSERT_EQ(claimed.events.size(), 1U);
  expect_same(claimed.events[0].record, event(10));
}

TEST_P(OutboxTimers, AnOlderUpdateDoesNotReplaceANewerOne) {
  append({quiet_update(2, 7, 2s), quiet_update(1, 7, 1s)});
  clock_->advance(kQuiet);
  maintain();
  EXPECT_EQ(deliver(), payloads({2}));
}

TEST_P(OutboxTimers, ReplacedKeysAreFreeAndTheNewOnesTaken) {
  append({quiet_update(1, 7, 1s), quiet_update(2, 7, 2s)});
  EXPECT_EQ(append({event(2)}), 0U);
  EXPECT_EQ(append({event(1)}), 1U);
}

TEST_P(OutboxTimers, WhatWasUnderWayIsNotReplaced) {
  append({quiet_update(1, 7, 1s)});
  clock_->advance(kQuiet);
  maintain();
  settle_all(claim(), OutcomeKind::kRetry, kQuiet);
  EXPECT_EQ(append({quiet_update(2, 7, 2s)}), 1U);
  clock_->advance(kQuiet);
  maintain();
  EXPECT_EQ(deliver(), payloads({1, 2}));
}

TEST_P(OutboxTimers, CartsDoNotReplaceEachOther) {
  EXPECT_EQ(append({quiet_update(1, 7, 1s), quiet_update(2, 8, 1s)}), 2U);
}

}  // namespace postbox::testing
