// Records in order in a file: over restarts, and with several processes at once.
#include "sqlite_outbox/open.hpp"
#include "sqlite_outbox/salvage.hpp"
#include "support/sqlite_outbox_fixture.hpp"
#include "support/timed_records.hpp"

namespace postbox::testing {
namespace {

using SqliteOrder = SqliteOutbox;

std::vector<std::string> deliver_all(Outbox& outbox) {
  std::vector<std::string> payloads;
  while (true) {
    const Claim claimed = take(outbox.claim(kQueue, {}, kLease));
    if (claimed.events.empty()) return payloads;
    for (const ClaimedEvent& each : claimed.events) payloads.push_back(each.record.payload);
    (void)take(outbox.settle(claimed.token, outcomes(claimed, OutcomeKind::kDelivered)));
  }
}

using StoredPayloads = std::vector<std::string>;

// Only the sender knows what it has in its hands.
TEST_F(SqliteOrder, WhoIsNotTheSenderReplacesNothingAndKeepsTheOrder) {
  reopen();
  const auto sender = another();
  append({in_order(1, "a", 7)});
  const Claim in_hand = take(sender->claim(kQueue, {}, kLease));
  ASSERT_EQ(in_hand.events.size(), 1U);
  EXPECT_EQ(append({in_order(2, "b", 7), in_order(3, "c", 7)}), 2U);
  EXPECT_TRUE(take(sender->claim(kQueue, {}, kLease)).events.empty());
  (void)take(sender->settle(in_hand.token, outcomes(in_hand, OutcomeKind::kDelivered)));
  const std::vector<EventRecord> last = {in_order(4, "d", 7)};
  EXPECT_EQ(take(sender->append(last)).inserted, 0U) << "the sender's own";
  EXPECT_EQ(deliver_all(*sender), (StoredPayloads{"b", "d"}));
}

TEST_F(SqliteOrder, TheOrderAndTheSlotsSurviveARestart) {
  reopen();
  append({in_order(1, "a", 7), in_order(2, "b", 8)});
  reopen();
  const Claim first = claim();
  ASSERT_EQ(first.events.size(), 1U);
  settle_all(first, OutcomeKind::kRetry);
  EXPECT_EQ(append({in_order(3, "c", 7)}), 0U);
  EXPECT_EQ(deliver_all(outbox()), (StoredPayloads{"b", "c"}));
}

TEST_F(SqliteOrder, WhatASalvageCopiesKeepsItsOrder) {
  reopen();
  append({in_order(1, "dead", 7), event(2)});
  settle_all(claim(1), OutcomeKind::kDead);
  append({in_order(3, "a", 7), in_order(4, "b", 8)});
  sqlite::SharedFile shared;
  {
    auto from = sqlite::open_store(path().string(), shared, 1s);
    auto to = sqlite::open_store((folder_.path() / "copy.db").string(), shared, 1s);
    const sqlite::Salvaged rows = sqlite::copy_readable_rows(from, to);
    EXPECT_EQ(rows.waiting, 3U);
    EXPECT_EQ(rows.dead, 1U);
  }
  const auto copy =
      take(open_outbox({.url = "sqlite:" + (folder_.path() / "copy.db").string()}, clock_));
  EXPECT_EQ(take(copy->replay({}, 1, {})), 1U);
  EXPECT_EQ(deliver_all(*copy), (StoredPayloads{"dead", "payload 2", "a", "b"}));
  use(copy);
}

}  // namespace
}  // namespace postbox::testing
