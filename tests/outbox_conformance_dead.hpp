// The third part of the conformance suite: dead letters, and the removal of a profile.
//
// Place:     included by outbox_conformance.hpp only.
// Threads:   the test's thread.
// Lifetime:  one store per test.
// Failure:   an ordinary test failure.
#pragma once

#include "outbox_conformance.hpp"

namespace postbox::testing {

TEST_P(OutboxConformance, ADeadLetterKeepsEverything) {
  append({event(1)});
  clock_->advance(2s);
  const Claim claimed = claim();
  std::vector<Outcome> buried = outcomes(claimed, OutcomeKind::kDead);
  buried[0].http_status = 400;
  buried[0].reason = "the vendor's reason";
  settle(claimed, buried);
  clock_->advance(3s);
  const std::vector<DeadLetter> letters = dead();
  ASSERT_EQ(letters.size(), 1U);
  expect_same(letters[0].record, event(1));
  EXPECT_EQ(letters[0].handle, claimed.events[0].handle);
  EXPECT_EQ(letters[0].attempts, 1U);
  EXPECT_EQ(letters[0].age, 5s);
  EXPECT_EQ(letters[0].dead_since, 3s);
  EXPECT_EQ(letters[0].http_status, 400);
  EXPECT_EQ(letters[0].reason, "the vendor's reason");
}

TEST_P(OutboxConformance, DeadLettersAreReadInPages) {
  bury(events(1, 5));
  bury({event(9, kOtherQueue)});
  EXPECT_EQ(dead({.queue = kOtherQueue, .handle = {}}).size(), 1U);
  const std::vector<DeadLetter> page = take(outbox().dead({}, EventHandle{0}, 2));
  ASSERT_EQ(page.size(), 2U);
  const std::vector<DeadLetter> rest = take(outbox().dead({}, page[1].handle, 100));
  ASSERT_EQ(rest.size(), 4U);
  EXPECT_LT(page[1].handle, rest[0].handle);
  EXPECT_EQ(dead({.queue = {}, .handle = rest[1].handle}).size(), 1U);
}

TEST_P(OutboxConformance, AReplayedEventIsTheSameEvent) {
  bury(events(1, 3));
  clock_->advance(10s);
  EXPECT_EQ(take(outbox().replay({}, 2)), 2U);
  const Claim claimed = claim();
  ASSERT_EQ(claimed.events.size(), 2U);
  expect_same(claimed.events[0].record, event(1));
  EXPECT_EQ(claimed.events[0].attempts, 1U) << "attempts start anew";
  EXPECT_EQ(claimed.events[0].age, 10s) << "the age does not";
  EXPECT_EQ(dead().size(), 1U);
}

TEST_P(OutboxConformance, ReplaySkipsAKeyThatIsWaitingAlready) {
  bury(events(1, 2));
  EXPECT_EQ(append({event(1)}), 1U) << "a dead letter does not block its key";
  EXPECT_EQ(take(outbox().replay({}, 100)), 1U);
  ASSERT_EQ(dead().size(), 1U);
  expect_same(dead()[0].record, event(1));
}

TEST_P(OutboxConformance, ReplayRevivesAKeyOnce) {
  bury({event(1)});
  bury({event(1)});
  EXPECT_EQ(take(outbox().replay({}, 100)), 1U);
  EXPECT_EQ(dead().size(), 1U);
}

TEST_P(OutboxConformance, PurgeRemovesWhatTheFilterNames) {
  bury(events(1, 3));
  const std::vector<DeadLetter> letters = dead();
  EXPECT_EQ(take(outbox().purge({.queue = kOtherQueue, .handle = {}})), 0U);
  EXPECT_EQ(take(outbox().purge({.queue = {}, .handle = letters.at(1).handle})), 1U);
  EXPECT_EQ(take(outbox().purge({.queue = kQueue, .handle = {}})), 2U);
  EXPECT_EQ(take(outbox().stats()).totals.purged, 3U);
}

TEST_P(OutboxConformance, PurgingAProfileCoversEveryState) {
  // The same profile five times: dead, leased, delayed, held, ready. And somebody else.
  bury({event(1)});
  append({event(11), event(21), event(31), event(2)});
  const Claim claimed = claim();
  settle(claimed, {outcome(claimed.events[0], OutcomeKind::kRetry, 1s),
                   outcome(claimed.events[1], OutcomeKind::kHold)});
  append({event(41)});
  EXPECT_EQ(take(outbox().purge_profile(key_of(1))), 5U);
  const Settled late = settle_all(claimed, OutcomeKind::kDelivered);
  EXPECT_EQ(late.applied, 1U) << "only the other profile's";
  EXPECT_EQ(late.stale, 3U);
  EXPECT_TRUE(dead().empty());
}

TEST_P(OutboxConformance, DeadLettersExpireAfterTheirRetention) {
  bury({event(1)});
  clock_->advance(1h);
  bury({event(2)});
  EXPECT_EQ(take(outbox().maintain(1h + 1ms)).expired, 0U);
  EXPECT_EQ(take(outbox().maintain(1h)).expired, 1U);
  ASSERT_EQ(dead().size(), 1U);
  expect_same(dead()[0].record, event(2));
}

}  // namespace postbox::testing
