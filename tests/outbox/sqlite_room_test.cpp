// What the SQLite outbox has room for: the living beside the dead, and ends beside all of them.
#include "support/raw_file.hpp"
#include "support/sqlite_outbox_fixture.hpp"
#include "support/timed_records.hpp"

namespace postbox::testing {
namespace {

using tests::RawConnection;

class SqliteRoom : public SqliteOutbox {
 protected:
  void use_with(Bytes max_disk) {
    OutboxOptions capped = options();
    capped.max_disk = max_disk;
    use(take(open_outbox(capped, clock_)));
  }
  [[nodiscard]] static std::vector<EventRecord> large(std::uint32_t first, std::uint32_t count) {
    std::vector<EventRecord> batch = events(first, count);
    for (EventRecord& record : batch) record.payload.append(1'000, 'x');
    return batch;
  }
  // Returns how many of them were stored before the store was full.
  std::uint32_t append_until_full(std::uint32_t first, std::uint32_t most) {
    for (std::uint32_t number = 0; number < most; number += 10) {
      const auto appended = outbox().append(large(first + number, 10));
      if (appended) continue;
      expect_error(appended, ErrorCode::kOutboxFull);
      return number;
    }
    return most;
  }
};

TEST_F(SqliteRoom, DeadLettersHaveAShareAndTheOldestGiveWay) {
  use_with(mebibytes(4));
  for (std::uint32_t first = 1; first < 2'500; first += 250) {
    clock_->advance(1s);
    append(large(first, 250));
    settle_all(claim(250), OutcomeKind::kDead);
    (void)take(outbox().maintain(24h * 30));
  }
  const std::vector<DeadLetter> letters = dead();
  ASSERT_FALSE(letters.empty());
  expect_same(letters.back().record, large(2'500, 1).front());
  EXPECT_EQ(letters.back().record.payload.size() - letters.front().record.payload.size(), 0U);
  const std::int64_t gone = static_cast<std::int64_t>(letters.front().handle) - 1;
  EXPECT_EQ(static_cast<std::int64_t>(letters.size()), 2'500 - gone) << "the newest are kept";
  EXPECT_EQ(take(outbox().stats()).totals.expired, static_cast<std::uint64_t>(gone));
  RawConnection raw(path());
  EXPECT_LE(raw.integer("SELECT dead_bytes FROM totals"), 1 << 20);
  EXPECT_GT(raw.integer("SELECT dead_bytes FROM totals"), 900'000);
  EXPECT_EQ(raw.integer("SELECT dead_bytes FROM totals"),
            raw.integer("SELECT sum(200 + length(payload) + length(reason) + length(pointer))"
                        " FROM outbox_dead"));
  EXPECT_GT(append_until_full(10'000, 3'000), 2'000U) << "three quarters are for the living";
}

TEST_F(SqliteRoom, WhatGaveWayIsCountedOnceAndASecondStepFindsNothing) {
  use_with(mebibytes(1));
  bury(large(1, 400));
  const Maintained first = take(outbox().maintain(24h * 30));
  EXPECT_GT(first.crowded_out, 100U);
  EXPECT_EQ(first.expired, 0U);
  EXPECT_EQ(take(outbox().maintain(24h * 30)).crowded_out, 0U);
  EXPECT_EQ(stats_of().dead, 400 - first.crowded_out);
}

TEST_F(SqliteRoom, DeadLettersThatAreRevivedOrPurgedAreCountedNoMore) {
  use_with(mebibytes(4));
  bury(large(1, 100));
  EXPECT_EQ(take(outbox().replay({}, 30, {})), 30U);
  EXPECT_EQ(take(outbox().purge_profile(key_of(9))), 10U);
  RawConnection raw(path());
  EXPECT_GT(raw.integer("SELECT dead_bytes FROM totals"), 0);
  EXPECT_GT(take(outbox().purge({})), 0U);
  EXPECT_EQ(raw.integer("SELECT dead_bytes FROM totals"), 0);
}

TEST_F(SqliteRoom, AnEndNeedsNoRoom) {
  use_with(mebibytes(1));
  append({update(1, 7, 1s), update(2, 8, 1s)});
  (void)append_until_full(10'000, 3'000);
  EXPECT_TRUE(outbox().append(std::vector{alone(slot_of(7), 2s)}));
  EXPECT_EQ(take(outbox().stats()).timers_pending, 1U);
  const std::vector<EventRecord> mixed = {event(3), alone(slot_of(8), 2s)};
  expect_error(outbox().append(mixed), ErrorCode::kOutboxFull);
  EXPECT_EQ(take(outbox().stats()).timers_pending, 0U);
  const std::uint64_t stored = take(outbox().stats()).totals.appended;
  (void)settle_all(claim(500), OutcomeKind::kDelivered);
  EXPECT_EQ(append(mixed), 1U);
  EXPECT_EQ(take(outbox().stats()).totals.appended, stored + 1);
}

}  // namespace
}  // namespace postbox::testing
