// The third part of the conformance suite: dead letters, and the removal of a profile.
//
// Place:     included by outbox_conformance.hpp only.
// Threads:   the test's thread.
// Lifetime:  one store per test.
// Failure:   an ordinary test failure.
#pragma once

#include "outbox/outbox_conformance.hpp"

namespace postbox::testing {

TEST_P(OutboxConformance, ADeadLetterKeepsEverything) {
  append({event(1)});
  clock_->advance(2s);
  const Claim claimed = claim();
  std::vector<Outcome> buried = outcomes(claimed, OutcomeKind::kDead);
  buried[0].http_status = 400;
  buried[0].reason = "the vendor's reason";
  buried[0].pointer = "/data/attributes/value";
  settle(claimed, buried);
  clock_->advance(3s);
  const std::vector<DeadLetter> letters = dead();
  ASSERT_EQ(letters.size(), 1U);
  expect_same(letters[0].record, event(1));
  EXPECT_EQ(letters[0].handle, claimed.events[0].handle);
  EXPECT_EQ(letters[0].attempts, 1U);
  EXPECT_EQ(letters[0].age, 5s);
  EXPECT_EQ(letters[0].first_attempt, 3s);
  EXPECT_EQ(letters[0].dead_since, 3s);
  EXPECT_EQ(letters[0].http_status, 400);
  EXPECT_EQ(letters[0].reason, "the vendor's reason");
  EXPECT_EQ(letters[0].pointer, "/data/attributes/value");
}

TEST_P(OutboxConformance, TheFirstAttemptIsTheFirstThatWasSpent) {
  append({event(1)});
  clock_->advance(1s);
  Claim claimed = claim();
  std::vector<Outcome> unspent = outcomes(claimed, OutcomeKind::kRetry);
  unspent[0].spend_attempt = false;
  settle(claimed, unspent);
  clock_->advance(1s);
  settle_all(claim(), OutcomeKind::kRetry);
  clock_->advance(1s);
  settle_all(claim(), OutcomeKind::kDead);
  clock_->advance(1s);
  const DeadLetter letter = dead().at(0);
  EXPECT_EQ(letter.first_attempt, 2s);
  EXPECT_EQ(letter.dead_since, 1s);
  EXPECT_EQ(letter.attempts, 2U);
}

TEST_P(OutboxConformance, AReplayedEventHasAFirstAttemptAgain) {
  bury({event(1)});
  clock_->advance(10s);
  (void)take(outbox().replay({}, 1, {}));
  settle_all(claim(), OutcomeKind::kDead);
  clock_->advance(1s);
  EXPECT_EQ(dead().at(0).first_attempt, 1s);
}

TEST_P(OutboxConformance, DeadLettersAreFoundByAgeAndReason) {
  const auto bury_with = [this](std::uint32_t number, const char* reason) {
    append({event(number)});
    const Claim claimed = claim();
    std::vector<Outcome> buried = outcomes(claimed, OutcomeKind::kDead);
    buried[0].reason = reason;
    settle(claimed, buried);
  };
  bury_with(1, "HTTP 400 invalid: 100 % of it");
  clock_->advance(1h);
  bury_with(2, "HTTP 400 invalid: the value");
  bury_with(3, "given up after 72 h");
  EXPECT_EQ(dead({.dead_for = 1h}).size(), 1U);
  EXPECT_TRUE(dead({.dead_for = 1h + 1ms}).empty());
  EXPECT_EQ(dead({.dead_for = 0ms}).size(), 3U);
  EXPECT_EQ(dead({.reason = "HTTP 400"}).size(), 2U);
  EXPECT_EQ(dead({.reason = "100 %"}).size(), 1U) << "a text, not a pattern";
  EXPECT_TRUE(dead({.reason = "http"}).empty());
  EXPECT_EQ(take(outbox().replay({.dead_for = 1h, .reason = "given up"}, 100, {})), 0U);
  EXPECT_EQ(take(outbox().replay({.reason = "given up"}, 100, {})), 1U);
  EXPECT_EQ(take(outbox().purge({.dead_for = 1h, .reason = "HTTP"})), 1U);
  ASSERT_EQ(dead().size(), 1U);
  expect_same(dead()[0].record, event(2));
}

TEST_P(OutboxConformance, ADeathAheadOfTheClockIsOfNoAge) {
  bury({event(1)});
  clock_->jump_wall(-1h);
  EXPECT_TRUE(dead({.dead_for = 1ms}).empty());
  EXPECT_EQ(dead({.dead_for = 0ms}).at(0).dead_since, 0ms);
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
  append(events(1, 3));
  settle_all(claim(), OutcomeKind::kRetry);
  clock_->advance(10s);
  const Claim second = claim();
  ASSERT_EQ(second.events.size(), 3U);
  EXPECT_EQ(second.events[0].attempts, 2U);
  EXPECT_EQ(second.events[0].tried_for, 10s);
  settle_all(second, OutcomeKind::kDead);
  clock_->advance(10s);
  EXPECT_EQ(take(outbox().replay({}, 2, {})), 2U);
  const Claim claimed = claim();
  ASSERT_EQ(claimed.events.size(), 2U);
  expect_same(claimed.events[0].record, event(1));
  EXPECT_EQ(claimed.events[0].attempts, 1U) << "attempts start anew";
  EXPECT_EQ(claimed.events[0].tried_for, 0s) << "and so does their time";
  EXPECT_EQ(dead().size(), 1U);
}

TEST_P(OutboxConformance, ReplaySkipsAKeyThatIsWaitingAlready) {
  bury(events(1, 2));
  EXPECT_EQ(append({event(1)}), 1U) << "a dead letter does not block its key";
  EXPECT_EQ(take(outbox().replay({}, 100, {})), 1U);
  ASSERT_EQ(dead().size(), 1U);
  expect_same(dead()[0].record, event(1));
}

TEST_P(OutboxConformance, ReplayRevivesAKeyOnce) {
  bury({event(1)});
  bury({event(1)});
  EXPECT_EQ(take(outbox().replay({}, 100, {})), 1U);
  EXPECT_EQ(dead().size(), 1U);
}

TEST_P(OutboxConformance, AReplayMayChangeQueueAndPayloadAndNeverTheKeys) {
  bury(events(1, 2));
  const Rewrite move = [](EventRecord& record) {
    record.payload += " moved";
    record.queue = kOtherQueue;
    record.dedup_key = record.profile_key = key_of(99);
  };
  EXPECT_EQ(take(outbox().replay({}, 1, move)), 1U);
  EXPECT_TRUE(claim().events.empty());
  const Claim claimed = claim(100, kOtherQueue);
  ASSERT_EQ(claimed.events.size(), 1U);
  EventRecord moved = event(1, kOtherQueue);
  moved.payload += " moved";
  expect_same(claimed.events[0].record, moved);
  expect_same(dead().at(0).record, event(2));
}

TEST_P(OutboxConformance, ReplayLooksForTheKeyInTheOldQueueAndTheNew) {
  bury(events(1, 3));
  append({event(1), event(2, kOtherQueue)});
  const Rewrite move = [](EventRecord& record) { record.queue = kOtherQueue; };
  EXPECT_EQ(take(outbox().replay({}, 1, move)), 1U) << "looks behind what it must skip";
  EXPECT_EQ(dead().size(), 2U);
  EXPECT_EQ(stats_of(kOtherQueue).ready, 2U);
}

TEST_P(OutboxConformance, ThousandsAreReplayedAndPurgedWhole) {
  bury(events(1, 2'500));
  EXPECT_EQ(take(outbox().replay({}, 1'200, {})), 1'200U);
  EXPECT_EQ(dead().at(0).record.dedup_key, key_of(1'201)) << "the oldest go first";
  EXPECT_EQ(take(outbox().purge({})), 1'300U);
  EXPECT_EQ(stats_of().ready, 1'200U);
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
