// A file that is damaged while it is in use: what can be read goes on, and what is kept aside says
// so.
#include <algorithm>
#include <thread>

#include "support/sqlite_salvage_fixture.hpp"

namespace postbox::testing {
namespace {

namespace fs = std::filesystem;

TEST_F(SqliteSalvage, TheReadableRowsOfADamagedFileGoOnAndTheFileIsKept) {
  const std::string bad = damage(600, [](std::size_t page) { return page == 40 || page == 41; });
  use_until_repaired();
  const Claim claimed = take(outbox().claim(kQueue, kEverything, kLease));
  EXPECT_GT(claimed.events.size(), 580U);
  EXPECT_LT(claimed.events.size(), 601U) << "the one that was appended now, and what was readable";
  for (const ClaimedEvent& each : claimed.events) {
    if (each.record.payload.size() > 1'000) {
      EXPECT_TRUE(each.record.payload.ends_with(std::string(1'000, 'x')));
    }
  }
  EXPECT_EQ(dead().size(), 3U);
  const auto kept = files_with(".damaged-");
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(contents(kept.front()).substr(40 * kPage, 2 * kPage),
            bad.substr(40 * kPage, 2 * kPage));
  EXPECT_TRUE(files_with("-salvaged").empty());
}

TEST_F(SqliteSalvage, TheTimersOfADamagedFileGoOnAndCanStillBeEnded) {
  append({update(5'001, 7, 1s), update(5'002, 8, 1s), update(5'003, 9, 1s)});
  damage(600, [](std::size_t page) { return page == 60 || page == 61; });
  use_until_repaired();
  EXPECT_EQ(take(outbox().stats()).timers_pending, 3U);
  append({order(5'004, slot_of(8), 2s)});
  EXPECT_EQ(take(outbox().stats()).timers_pending, 2U);
  clock_->advance(kDelay);
  EXPECT_EQ(take(outbox().maintain(24h)).fired, 2U);
  append({order(5'005, user_of(1), 2s)});
  std::vector<std::string> payloads;
  for (const ClaimedEvent& each : take(outbox().claim(kQueue, kEverything, kLease)).events) {
    payloads.push_back(each.record.payload);
  }
  for (const std::uint32_t cart : {5'001U, 5'002U, 5'003U}) {
    const std::string abandoned = event(kFired + cart).payload;
    EXPECT_EQ(std::ranges::count(payloads, abandoned), 0) << "an order took it back";
  }
}

// So that not even the newest id can be read.
TEST_F(SqliteSalvage, WhatAFileKeepsBesideEventsGoesOn) {
  const std::string secret(64, 's');
  EXPECT_EQ(take(outbox().keep("secret", secret)), secret);
  EXPECT_EQ(take(another()->keep("secret", "another process's")), secret);
  const std::string settings(3'000, 'z');
  EXPECT_EQ(take(outbox().exchange("settings", settings)), "");
  append({event(1)});
  std::filesystem::remove(path());  // what the connection has open is all that is left
  for (int calls = 0; calls < 5; ++calls) (void)outbox().append({});
  EXPECT_EQ(take(outbox().keep("secret", "anew")), secret);
  EXPECT_EQ(take(outbox().keep("settings", "")), settings);
  use(nullptr);
  use(another());
  EXPECT_EQ(take(outbox().keep("secret", "anew")), secret);
}

TEST_F(SqliteSalvage, TimersBeforeALastPageThatIsDamagedGoOn) {
  std::vector<EventRecord> carts;
  for (std::uint32_t i = 0; i < 100; ++i) {
    carts.push_back(update(5'000 + i, i, 1s));
    Timing timing = *carts.back().timing;
    timing.timer->event.payload.append(1'000, 't');
    carts.back().timing = std::make_shared<const Timing>(timing);
  }
  append(carts);
  use(nullptr);
  std::string bytes = contents(path());
  const std::size_t newest = bytes.find(event(kFired + 5'099).payload + "tt");
  ASSERT_NE(newest, std::string::npos);
  bytes.replace(newest / kPage * kPage, kPage, std::string(kPage, '\xff'));
  overwrite(path(), bytes);
  use(another());
  (void)outbox().claim(kQueue, kEverything, kLease);
  clock_->advance(kDelay);
  ASSERT_FALSE(outbox().maintain(24h));
  use_until_repaired();
  const Maintained maintained = take(outbox().maintain(24h));
  EXPECT_GT(maintained.fired, 90U);
  EXPECT_LT(maintained.fired, 100U);
}

TEST_F(SqliteSalvage, AnIndexThatNamesADelayedEventWhichIsMissingIsDamage) {
  append(events(1, 2));
  settle_all(claim(), OutcomeKind::kRetry, 1s);
  use(nullptr);
  {
    RawConnection other(path());
    other.execute(
        "PRAGMA writable_schema=ON; CREATE TABLE kept AS SELECT * FROM sqlite_schema WHERE"
        " name = 'outbox_delayed'; DELETE FROM sqlite_schema WHERE name = 'outbox_delayed'");
  }
  {
    RawConnection other(path());
    other.execute(
        "DELETE FROM outbox WHERE id = 1; PRAGMA writable_schema=ON;"
        " INSERT INTO sqlite_schema SELECT * FROM kept");
  }
  RawConnection(path()).execute("DROP TABLE kept");
  use(another());
  clock_->advance(1s);
  EXPECT_EQ(take(outbox().maintain(24h)).promoted, 1U);
  expect_error(outbox().maintain(24h), ErrorCode::kOutboxCorrupt, "a delayed event");
  use_until_repaired();
  EXPECT_TRUE(outbox().maintain(24h));
  EXPECT_EQ(claim().events.size(), 2U);
}

TEST_F(SqliteSalvage, AFileOfWhichNothingCanBeReadIsKeptAndTheOutboxGoesOn) {
  const std::string bad = damage(100, [](std::size_t) { return true; });
  use_until_repaired();
  EXPECT_EQ(claim().events.size(), 1U);
  ASSERT_EQ(files_with(".damaged-").size(), 1U);
  EXPECT_TRUE(contents(files_with(".damaged-").front()) == bad);
}

TEST_F(SqliteSalvage, ABitThatTurnedInAnEventMakesItADeadLetterThatIsNeverSent) {
  bury(large_events(4, 1));
  append(large_events(1, 3));
  use(nullptr);
  std::string bytes = contents(path());
  const auto turn_a_bit_of = [&bytes](std::uint32_t number) {
    const std::size_t at = bytes.find(large_events(number, 1).front().payload);
    ASSERT_NE(at, std::string::npos);
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
  };
  turn_a_bit_of(2);
  turn_a_bit_of(4);
  overwrite(path(), bytes);
  use(another());

  const Claim claimed = claim();
  ASSERT_EQ(claimed.events.size(), 2U);
  expect_same(claimed.events[0].record, large_events(1, 1).front());
  expect_same(claimed.events[1].record, large_events(3, 1).front());
  EXPECT_EQ(claimed.damaged, 1U);
  const std::vector<DeadLetter> letters = dead();
  ASSERT_EQ(letters.size(), 2U);
  EXPECT_EQ(letters[1].reason, "damaged on the disk: its checksum does not fit");
  EXPECT_EQ(take(outbox().replay({}, 100, {})), 0U) << "neither can be sent again";
  EXPECT_TRUE(claim().events.empty());
  EXPECT_EQ(take(outbox().purge({})), 2U);
}

TEST_F(SqliteSalvage, OfManyEventsOnlyThoseWithTurnedBitsAreNotSent) {
  append(events(1, 21));
  const std::vector<std::uint32_t> damaged = {1, 2, 4, 8, 9, 17, 21};
  RawConnection(path()).execute(
      "UPDATE outbox SET payload = x'00ff' WHERE id IN (1, 2, 4, 8, 9, 17, 21)");
  const Claim claimed = claim();
  EXPECT_EQ(claimed.damaged, damaged.size());
  ASSERT_EQ(claimed.events.size(), 21 - damaged.size());
  auto sent = claimed.events.begin();
  for (std::uint32_t number = 1; number <= 21; ++number) {
    if (std::ranges::count(damaged, number) == 0) expect_same((sent++)->record, event(number));
  }
  EXPECT_EQ(take(outbox().purge({})), damaged.size());
}

TEST_F(SqliteSalvage, OnlyTheSenderRepairs) {
  append(large_events(1, 100));
  (void)claim(1);
  const auto second = another();
  const std::vector<EventRecord> batch = {event(500)};
  EXPECT_TRUE(second->append(batch));
  const auto third = another();
  std::string bytes = contents(path());
  overwrite(path(), bytes.substr(0, kPage) + std::string(bytes.size() - kPage, '\xff'));
  for (int i = 0; i < 3; ++i) (void)third->append(batch);
  EXPECT_TRUE(files_with(".damaged-").empty());
  overwrite(path(), bytes);
}

TEST_F(SqliteSalvage, WhatAnotherProcessHasExpiredMeanwhileIsNoDamage) {
  constexpr std::uint32_t kSalvages = 20;
  const auto second = another();
  for (std::uint32_t round = 0; round < kSalvages; ++round) {
    bury(events(1 + 300 * round, 300));
    clock_->advance(1h);
    const auto expire = [](Outbox& outbox) {
      const auto maintained = outbox.maintain(1ms);
      EXPECT_TRUE(maintained || maintained.error().code == ErrorCode::kOutboxBusy)
          << maintained.error().message;
    };
    std::thread other([&] { expire(*second); });
    expire(outbox());
    other.join();
    expire(outbox());
    EXPECT_TRUE(dead().empty());
  }
  EXPECT_TRUE(files_with(".damaged-").empty());
}

// The damaged file has been renamed, and its log still bears the name.
TEST_F(SqliteSalvage, ASalvageThatWasInterruptedBeforeItsLastStepIsFinished) {
  append(events(1, 3));
  use(nullptr);
  const std::string readable = contents(path());
  use(another());
  append(events(11, 5));
  const std::string log = contents(path().string() + "-wal");
  use(nullptr);
  fs::remove(path());
  overwrite(path().string() + "-salvaged", readable);
  overwrite(path().string() + "-wal", log);
  use(another());
  EXPECT_EQ(claim().events.size(), 3U);
}

}  // namespace
}  // namespace postbox::testing
