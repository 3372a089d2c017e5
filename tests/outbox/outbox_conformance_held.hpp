// The part of the conformance suite for events that are held, for lists of all events, and for
// what a store keeps beside events.
//
// Place:     included by outbox_conformance.hpp only.
// Threads:   the test's thread.
// Lifetime:  one store per test.
// Failure:   an ordinary test failure.
#pragma once

#include "outbox/outbox_conformance.hpp"

namespace postbox::testing {

// Three events of the queue, the first two of which are held, and one of another queue.
class OutboxHeld : public OutboxConformance {
 protected:
  void hold_some() {
    append({event(1), event(2)});
    clock_->advance(2s);
    claimed = claim();
    settle_all(claimed, OutcomeKind::kHold);
    append({event(3), event(4, kOtherQueue)});
  }
  [[nodiscard]] std::vector<HeldEvent> held(const HeldFilter& filter = {}) {
    return take(outbox().held(filter, EventHandle{0}, 1000));
  }
  [[nodiscard]] static HeldFilter off(QueueId queue) {
    return {.off_queues = std::uint64_t{1} << static_cast<std::uint32_t>(queue)};
  }

  Claim claimed;
};

TEST_P(OutboxHeld, AreListedWithEverythingAndInPages) {
  hold_some();
  const std::vector<HeldEvent> events = held();
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].handle, claimed.events[0].handle);
  EXPECT_EQ(events[0].age, 2s);
  EXPECT_EQ(events[0].attempts, 0U);
  expect_same(events[0].record, event(1));
  expect_same(events[1].record, event(2));
  EXPECT_EQ(take(outbox().held({}, EventHandle{0}, 1)).size(), 1U);
  EXPECT_EQ(take(outbox().held({}, events[0].handle, 9)).size(), 1U);
  EXPECT_EQ(held({.handle = events[1].handle}).size(), 1U);
  EXPECT_EQ(held({.queue = kOtherQueue}).size(), 0U);
  EXPECT_EQ(held({.waits_for = 2s}).size(), 2U);
  EXPECT_EQ(held({.waits_for = 3s}).size(), 0U);
}

TEST_P(OutboxHeld, InAQueueThatIsOffEverythingIsHeldThatNobodyHasClaimed) {
  hold_some();
  EXPECT_EQ(held(off(kQueue)).size(), 3U);
  EXPECT_EQ(held(off(kOtherQueue)).size(), 3U);
  const Claim third = claim();
  EXPECT_EQ(held(off(kQueue)).size(), 2U);
  settle_all(third, OutcomeKind::kRetry, 1min);
  EXPECT_EQ(held(off(kQueue)).size(), 3U) << "also what is delayed";
}

TEST_P(OutboxHeld, AreFreedInTheirOrder) {
  hold_some();
  HeldFilter filter = off(kQueue);
  const auto first = take(outbox().free_held(filter, EventHandle{0}, 1));
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(take(outbox().free_held(filter, first.back(), 100)).size(), 2U);
  EXPECT_EQ(stats_of().held, 0U);
  const Claim freed = claim();
  ASSERT_EQ(freed.events.size(), 3U);
  expect_same(freed.events[0].record, event(1));
  EXPECT_TRUE(take(outbox().free_held(filter, EventHandle{0}, 100)).empty()) << "they are leased";
}

TEST_P(OutboxHeld, ArePurgedAndCounted) {
  hold_some();
  EXPECT_EQ(take(outbox().purge_held({.queue = kOtherQueue})), 0U);
  EXPECT_EQ(take(outbox().purge_held({.handle = claimed.events[0].handle})), 1U);
  EXPECT_EQ(take(outbox().purge_held({})), 1U);
  EXPECT_EQ(take(outbox().stats()).totals.purged, 2U);
  EXPECT_EQ(claim().events.size(), 1U) << "what is not held stays";
  expect_conservation();
  append(events(10, 3'000));  // more than a page
  settle_all(claim(3'000), OutcomeKind::kHold);
  EXPECT_EQ(take(outbox().purge_held({})), 3'000U);
  expect_conservation();
}

TEST_P(OutboxHeld, EventsAreListedInEveryState) {
  append({event(1), event(2), event(3), event(4)});
  const Claim first = claim();
  settle(first, {{.handle = first.events[0].handle,
                  .kind = OutcomeKind::kDead,
                  .http_status = 400,
                  .reason = "refused"},
                 outcome(first.events[1], OutcomeKind::kHold),
                 outcome(first.events[2], OutcomeKind::kRetry, 1min),
                 outcome(first.events[3], OutcomeKind::kDelivered)});
  append({event(5)});
  const Claim second = claim();
  append({event(6, kOtherQueue)});
  clock_->advance(2s);
  const auto listed = take(outbox().list(EventHandle{0}, 100));
  ASSERT_EQ(listed.size(), 5U) << "what was delivered is gone";
  constexpr std::array kStates = {EventState::kDead, EventState::kHeld, EventState::kDelayed,
                                  EventState::kLeased, EventState::kReady};
  constexpr std::array<std::uint32_t, 5> kNumbers = {1, 2, 3, 5, 6};
  for (std::size_t i = 0; i < listed.size(); ++i) {
    EXPECT_EQ(listed[i].state, kStates.at(i)) << i;
    expect_same(listed[i].record, event(kNumbers.at(i), i == 4 ? kOtherQueue : kQueue));
    EXPECT_EQ(listed[i].age, 2s);
  }
  EXPECT_EQ(listed[0].handle, first.events[0].handle);
  EXPECT_EQ(listed[0].http_status, 400);
  EXPECT_EQ(listed[0].reason, "refused");
  EXPECT_EQ(listed[2].due, 58s);
  EXPECT_EQ(listed[3].handle, second.events[0].handle);
  EXPECT_EQ(take(outbox().list(listed[1].handle, 2)).size(), 2U);
  EXPECT_EQ(take(outbox().list(listed[1].handle, 2))[0].handle, listed[2].handle);
  EXPECT_TRUE(take(outbox().list(listed[4].handle, 2)).empty());
}

TEST_P(OutboxHeld, AStoreThatIsSoundHasNoProblems) {
  hold_some();
  append({event(8, QueueId{9})});
  settle_all(claim(1, QueueId{9}), OutcomeKind::kDead);
  const Checked checked = take(outbox().check());
  EXPECT_EQ(checked.events, 5U);
  EXPECT_EQ(checked.damaged_count, 0U);
  EXPECT_TRUE(checked.problems.empty()) << checked.problems.front();
}

TEST_P(OutboxHeld, ACopyHasEverythingAndTheStoreGoesOn) {
  if (!outbox().file()) {
    expect_error(outbox().back_up((folder_.path() / "copy.db").string()),
                 ErrorCode::kInvalidArgument);
    GTEST_SKIP() << "it is no file: its server's own tools copy it";
  }
  hold_some();
  append({event(8, QueueId{9})});
  settle_all(claim(1, QueueId{9}), OutcomeKind::kDead);
  take(outbox().keep("secret", "kept"));
  const std::string file = (folder_.path() / "copy.db").string();
  ASSERT_TRUE(outbox().back_up(file));
  append({event(9)});
  OutboxOptions options = GetParam().options(folder_.path());
  options.url = "sqlite:" + file;
  const auto copy = take(open_outbox(options, clock_));
  EXPECT_EQ(take(copy->list(EventHandle{0}, 100)).size(), 5U);
  EXPECT_EQ(take(copy->dead({}, EventHandle{0}, 100)).size(), 1U);
  EXPECT_EQ(take(copy->keep("secret", "")), "kept");
  EXPECT_TRUE(take(copy->check()).problems.empty());
  const auto others = std::filesystem::perms::group_all | std::filesystem::perms::others_all;
  EXPECT_EQ(std::filesystem::status(file).permissions() & others, std::filesystem::perms::none);
  const Result<void> again = outbox().back_up(file);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kInvalidArgument);
}

TEST_P(OutboxHeld, ATextIsKeptOnceWhateverIsOfferedLater) {
  EXPECT_EQ(take(outbox().keep("secret", "")), "");
  const std::string text = std::string("\0a", 2) + std::string(62, 'x') + "\xFF";
  EXPECT_EQ(take(outbox().keep("secret", text)), text);
  EXPECT_EQ(take(outbox().keep("secret", "another")), text);
  EXPECT_EQ(take(outbox().keep("secret", "")), text);
  EXPECT_EQ(take(outbox().keep("secret_too", "s")), "s");
  const std::string longest(kMaxKeptText, 'l');
  EXPECT_EQ(take(outbox().keep("long", longest)), longest);
  EXPECT_EQ(take(outbox().keep("long", "")), longest);
  expect_error(outbox().keep("longer", longest + "l"), ErrorCode::kInvalidArgument);
  append({event(1)});
  EXPECT_EQ(claim().events.size(), 1U) << "the sender's own entries are untouched";
}

TEST_P(OutboxHeld, ATextIsExchangedForTheOneBefore) {
  std::string text;
  for (int i = 0; text.size() <= kMaxKeptText - 6; ++i) text += std::to_string(i) + '\0';
  EXPECT_EQ(take(outbox().exchange("settings", text)), "");
  EXPECT_EQ(take(outbox().exchange("settings", text)), text);
  EXPECT_EQ(take(outbox().keep("settings_too", "untouched")), "untouched");
  EXPECT_EQ(take(outbox().exchange("settings", "short")), text);
  EXPECT_EQ(take(outbox().keep("settings", "")), "short") << "nothing of the longer one is left";
  expect_error(outbox().exchange("settings", std::string(kMaxKeptText + 1, 'l')),
               ErrorCode::kInvalidArgument);
  EXPECT_EQ(take(outbox().exchange("settings", "")), "short");
  EXPECT_EQ(take(outbox().keep("settings", "")), "") << "an empty one removes";
  EXPECT_EQ(take(outbox().keep("settings_too", "")), "untouched");
}

}  // namespace postbox::testing
