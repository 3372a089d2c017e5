// The fourth part of the conformance suite: records in order, as updates of profiles are.
//
// Place:     included by outbox_conformance.hpp only.
// Threads:   the test's thread.
// Lifetime:  one store per test.
// Failure:   an ordinary test failure.
#pragma once

#include "outbox/outbox_conformance.hpp"
#include "support/timed_records.hpp"

namespace postbox::testing {

class OutboxOrder : public OutboxConformance {
 protected:
  // What is ready, delivered.
  std::vector<std::string> deliver(QueueId queue = kQueue) {
    std::vector<std::string> payloads;
    const Claim claimed = claim(100, queue);
    for (const ClaimedEvent& each : claimed.events) payloads.push_back(each.record.payload);
    settle_all(claimed, OutcomeKind::kDelivered);
    return payloads;
  }
  // All that is ready, in the order of its delivery.
  std::vector<std::string> deliver_all() {
    std::vector<std::string> payloads;
    for (auto some = deliver(); !some.empty(); some = deliver()) {
      payloads.insert(payloads.end(), some.begin(), some.end());
    }
    return payloads;
  }
  // Makes this instance the sender, which alone knows what is in its hands.
  void become_sender() { (void)take(outbox().due_queues()); }
};

using Payloads = std::vector<std::string>;

TEST_P(OutboxOrder, TheNewestTakesThePlaceOfWhatWaitsAndGoesToTheEnd) {
  become_sender();
  EXPECT_EQ(append({in_order(1, "true", 7), in_order(2, "other", 8)}), 2U);
  const std::vector<EventRecord> changes = {in_order(3, "false", 7), in_order(4, "true", 7)};
  const Appended changed = take(outbox().append(changes));
  EXPECT_EQ(changed.inserted, 0U);
  EXPECT_EQ(changed.duplicates, 2U);
  EXPECT_EQ(deliver_all(), (Payloads{"other", "true"}));
  EXPECT_EQ(take(outbox().stats()).totals.appended, 2U);
}

TEST_P(OutboxOrder, WhatIsInHandStaysAndTheNewestWaitsBehindIt) {
  append({in_order(1, "first", 7)});
  const Claim claimed = claim();
  ASSERT_EQ(claimed.events.size(), 1U);
  EXPECT_EQ(append({in_order(2, "second", 7)}), 1U);
  EXPECT_EQ(append({in_order(3, "third", 7)}), 0U);
  EXPECT_TRUE(claim().events.empty());
  EXPECT_TRUE(take(outbox().due_queues()).empty());
  settle_all(claimed, OutcomeKind::kRetry, 1s);  // a 503: it may have arrived, or not
  EXPECT_TRUE(claim().events.empty()) << "it waits to be tried again";
  clock_->advance(1s);
  take(outbox().maintain(24h));
  EXPECT_EQ(deliver_all(), (Payloads{"first", "third"}));
}

TEST_P(OutboxOrder, OneThatWaitsToBeTriedAgainGivesWay) {
  append({in_order(1, "bronze", 7)});
  settle_all(claim(), OutcomeKind::kRetry, 1min);
  EXPECT_EQ(append({in_order(2, "gold", 7)}), 0U);
  const Claim claimed = claim();
  ASSERT_EQ(claimed.events.size(), 1U);
  EXPECT_EQ(claimed.events[0].record.payload, "gold");
  EXPECT_EQ(claimed.events[0].attempts, 1U);
  settle_all(claimed, OutcomeKind::kDelivered);
}

TEST_P(OutboxOrder, OfOneProfileOneIsClaimedAtATimeAndTheNextIsReadyAgain) {
  append({in_order(1, "a", 7), in_order(2, "b", 8), in_order(3, "c", 7, 2), event(4)});
  const Claim first = claim();
  ASSERT_EQ(first.events.size(), 3U) << "the other profile's and the ordinary one, too";
  EXPECT_TRUE(claim().events.empty());
  EXPECT_FALSE(settle(first, {outcome(first.events[1], OutcomeKind::kDelivered),
                              outcome(first.events[2], OutcomeKind::kDelivered)})
                   .ready_again);
  EXPECT_TRUE(settle(first, {outcome(first.events[0], OutcomeKind::kDelivered)}).ready_again);
  EXPECT_EQ(deliver_all(), Payloads{"b"});
}

TEST_P(OutboxOrder, OneThatDiesLetsTheNextPass) {
  append({in_order(1, "a", 7), in_order(2, "b", 8)});
  EXPECT_TRUE(settle_all(claim(), OutcomeKind::kDead).ready_again);
  EXPECT_EQ(deliver_all(), Payloads{"b"});
}

TEST_P(OutboxOrder, OneThatIsHeldKeepsTheNextBehindIt) {
  append({in_order(1, "a", 7), in_order(2, "b", 8)});
  EXPECT_FALSE(settle_all(claim(), OutcomeKind::kHold).ready_again);
  EXPECT_TRUE(claim().events.empty());
}

TEST_P(OutboxOrder, OneThatIsPurgedLetsTheNextPass) {
  append({in_order(1, "a", 7), in_order(2, "b", 8)});
  settle_all(claim(), OutcomeKind::kDead);
  append({in_order(3, "c", 7)});
  EXPECT_TRUE(claim(1).events.at(0).record.payload == "b");
  EXPECT_EQ(take(outbox().replay({}, 10, {})), 1U);
  EXPECT_EQ(stats_of().dead, 0U);
  EXPECT_EQ(take(outbox().purge_profile(key_of(1))), 3U);
}

// The operator's answer comes late: what was said since stands behind it.
TEST_P(OutboxOrder, OneThatIsReplayedGoesBeforeWhatWaitsAndNotAfterIt) {
  append({in_order(1, "a", 7)});
  settle_all(claim(), OutcomeKind::kDead);
  append({in_order(2, "b", 8)});
  EXPECT_EQ(take(outbox().replay({}, 10, {})), 1U);
  EXPECT_EQ(deliver_all(), (Payloads{"a", "b"}));
}

TEST_P(OutboxOrder, QueuesShareTheOrder) {
  become_sender();
  EventRecord history = in_order(1, "a", 7);
  history.queue = kOtherQueue;
  append({history, in_order(2, "b", 8)});
  EXPECT_TRUE(claim().events.empty());
  EXPECT_EQ(deliver(kOtherQueue), Payloads{"a"});
  EXPECT_EQ(append({in_order(3, "c", 8)}), 0U);
  EXPECT_EQ(deliver_all(), Payloads{"c"});
}

TEST_P(OutboxOrder, OneWhoseKeyWaitsIsADuplicate) {
  append({in_order(1, "a", 7)});
  const Claim claimed = claim();
  append({in_order(2, "b", 7)});
  EXPECT_EQ(append({in_order(1, "a", 7)}), 0U);
  settle_all(claimed, OutcomeKind::kDelivered);
  EXPECT_EQ(deliver_all(), Payloads{"b"});
}

TEST_P(OutboxOrder, AfterALeaseThatEndedTheOldOneIsStillFirst) {
  append({in_order(1, "a", 7)});
  const Claim lost = claim();
  append({in_order(2, "b", 7)});
  clock_->advance(kLease);
  EXPECT_EQ(append({in_order(3, "c", 7)}), 0U) << "the first may be under way still";
  EXPECT_EQ(deliver_all(), (Payloads{"a", "c"}));
  EXPECT_EQ(settle_all(lost, OutcomeKind::kDelivered).stale, 1U);
}

}  // namespace postbox::testing
