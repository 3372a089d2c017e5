// An event that waits is found by its key, wherever its row has its number, and whoever wrote it.
#include "sqlite_outbox/waiting_keys.hpp"

#include "sqlite_outbox/format.hpp"
#include "support/raw_file.hpp"
#include "support/sqlite_outbox_fixture.hpp"

namespace postbox::testing {
namespace {

using tests::RawConnection;

class WaitingKeys : public SqliteOutbox {
 protected:
  void SetUp() override { use(another()); }

  void append_many(Outbox& to, std::uint32_t first, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; i += 100) {
      EXPECT_EQ(take(to.append(events(first + i, std::min(100U, count - i)))).inserted,
                std::min(100U, count - i));
    }
  }

  static std::size_t duplicates(Outbox& of, const std::vector<EventRecord>& batch) {
    return take(of.append(batch)).duplicates;
  }

  // Keys that the index gives one number, with bits that it leaves out.
  static EventRecord twin(std::uint32_t number, int which) {
    EventRecord record = event(number);
    record.dedup_key.at(6) = static_cast<std::byte>(which);
    record.payload += " of twin " + std::to_string(which);
    return record;
  }
};

TEST_F(WaitingKeys, AreFoundHoweverManyCameAfterThem) {
  append_many(outbox(), 0, 3'000);  // of six parts
  for (const std::uint32_t old : {0U, 511U, 512U, 1'700U, 2'999U}) {
    EXPECT_EQ(duplicates(outbox(), {event(old)}), 1U) << old;
  }
  std::vector<EventRecord> batch = events(5'000, 20);
  batch[3] = event(0);
  batch[13] = event(600);
  batch[19] = batch[1];
  EXPECT_EQ(duplicates(outbox(), batch), 3U);
  reopen();
  EXPECT_EQ(duplicates(outbox(), events(0, 3'000)), 3'000U);
  EXPECT_EQ(stats_of().ready, 3'017U);
}

TEST_F(WaitingKeys, AreOfOneQueue) {
  append({event(1)});
  EXPECT_EQ(duplicates(outbox(), {event(1, kOtherQueue)}), 0U);
  EXPECT_EQ(duplicates(outbox(), {event(1, kOtherQueue), event(1)}), 2U);
}

TEST_F(WaitingKeys, ThatAnotherProcessWroteAreFound) {
  const auto other = another();
  append({event(1)});
  EXPECT_EQ(duplicates(*other, {event(1)}), 1U);
  append_many(*other, 1'000, 1'300);
  append_many(outbox(), 3'000, 700);
  for (const std::uint32_t number : {1U, 1'000U, 1'600U, 2'299U, 3'000U, 3'699U}) {
    EXPECT_EQ(duplicates(outbox(), {event(number)}), 1U) << number;
    EXPECT_EQ(duplicates(*other, {event(number)}), 1U) << number;
  }
}

TEST_F(WaitingKeys, OfALetterThatAnotherProcessRevivedAreFound) {
  bury({event(1)});
  append_many(outbox(), 1'000, 1'200);
  EXPECT_EQ(take(another()->replay({}, 10, {})), 1U);
  append_many(outbox(), 4'000, 1'200);
  EXPECT_EQ(duplicates(outbox(), {event(1)}), 1U);
}

TEST_F(WaitingKeys, OfALetterThatHasComeInAgainKeepItDead) {
  bury({event(1)});
  const auto other = another();
  EXPECT_EQ(take(other->append(std::vector{event(1)})).inserted, 1U);
  EXPECT_EQ(take(outbox().replay({}, 10, {})), 0U);
  EXPECT_EQ(dead().size(), 1U);
}

TEST_F(WaitingKeys, OfARowThatAnotherProcessGaveOtherKeysAreFound) {
  const auto update = [&](std::uint32_t number, std::chrono::milliseconds as_of) {
    EventRecord record = event(number);
    record.timing =
        Timing{.slot = key_of(900), .as_of = clock_->wall_now() + as_of, .debounce = 1min};
    return record;
  };
  const auto other = another();
  append({update(1, 0ms)});
  append_many(outbox(), 1'000, 1'200);
  clock_->advance(1s);
  EXPECT_EQ(take(other->append(std::vector{update(2, 0ms)})).inserted, 0U);
  append_many(outbox(), 4'000, 1'200);
  EXPECT_EQ(duplicates(outbox(), {event(2)}), 1U);
  EXPECT_EQ(append({event(1)}), 1U) << "its key has left with it";
}

TEST_F(WaitingKeys, OfWhatHasLeftAreFree) {
  for (std::uint32_t round = 0; round < 3; ++round) {
    for (std::uint32_t first = 0; first < 6'000; first += 500) {
      append_many(outbox(), first, 500);
      settle_all(claim(500), OutcomeKind::kDelivered);
    }
  }
  EXPECT_EQ(take(outbox().stats()).totals.delivered, 18'000U);
  EXPECT_EQ(take(outbox().stats()).totals.duplicates, 0U);
}

TEST_F(WaitingKeys, OfAnAppendThatFailedAreFree) {
  FaultVfs::fail_writes(SQLITE_FULL);
  EXPECT_FALSE(outbox().append(events(0, 50)));
  FaultVfs::fail_writes(SQLITE_OK);
  EXPECT_EQ(append(events(0, 50)), 50U);
  EXPECT_EQ(duplicates(outbox(), events(0, 50)), 50U);
}

TEST_F(WaitingKeys, ThatLookAlikeAreTwo) {
  const std::vector<EventRecord> alike = {event(1), twin(1, 1), twin(1, 2), twin(1, 3)};
  ASSERT_EQ(sqlite::dedup_of(3, alike[0].dedup_key) & sqlite::kNumberKeyMask,
            sqlite::dedup_of(3, alike[3].dedup_key) & sqlite::kNumberKeyMask);
  EXPECT_EQ(append(alike), 4U);
  EXPECT_EQ(duplicates(outbox(), alike), 4U);
  append_many(outbox(), 1'000, 1'200);
  EXPECT_EQ(append({twin(1, 4)}), 1U) << "in a part of its own";
  reopen();
  EXPECT_EQ(duplicates(outbox(), {twin(1, 4), twin(1, 3), event(1)}), 3U);
  std::vector<EventRecord> batch = events(5'000, 4);  // eight at once
  for (int which = 0; which < 4; ++which) batch.push_back(twin(5'000, which + 1));
  EXPECT_EQ(append(batch), 8U);
  EXPECT_EQ(duplicates(outbox(), batch), 8U);
}

// In format 4 a number was 64 bits of the key. Those of these two were different, and are equal
// now.
TEST_F(WaitingKeys, OfAFileOfFormatFourGoOn) {
  append(events(0, 1'500));
  append({twin(1'499, 1)});
  use(nullptr);
  {
    RawConnection raw(path());
    for (std::uint32_t i = 0; i < 1'501; ++i) {
      const EventRecord record = i < 1'500 ? event(i) : twin(1'499, 1);
      raw.execute(
          ("UPDATE outbox SET dedup = " + std::to_string(sqlite::dedup_of(3, record.dedup_key)) +
           " WHERE id = " + std::to_string(i + 1))
              .c_str());
    }
    raw.execute("PRAGMA user_version = 4");
  }
  use(another());
  EXPECT_EQ(duplicates(outbox(), events(0, 1'500)), 1'500U);
  EXPECT_EQ(claim(2'000).events.size(), 1'501U);
}

}  // namespace
}  // namespace postbox::testing
