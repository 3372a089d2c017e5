// The SQLite outbox on a disk that is busy, hangs, is full or broken.
#include <sqlite3.h>
#include <sys/resource.h>

#include <csignal>
#include <thread>

#include "support/raw_file.hpp"
#include "support/sqlite_outbox_fixture.hpp"

namespace postbox::testing {
namespace {

namespace fs = std::filesystem;

using tests::RawConnection;

TEST_F(SqliteOutbox, ABusyDatabaseIsAnErrorAndThenRecovers) {
  reopen();
  append({event(1)});
  const std::vector<EventRecord> batch = {event(2)};
  {
    RawConnection other(path());
    other.execute("BEGIN EXCLUSIVE");
    expect_error(outbox().append(batch), ErrorCode::kOutboxBusy, "append");
    expect_error(outbox().claim(kQueue, {}, kLease), ErrorCode::kOutboxBusy);
    EXPECT_TRUE(outbox().stats()) << "readers go on";
    EXPECT_TRUE(outbox().maintain(24h)) << "nothing is due, nothing is written";
  }
  EXPECT_EQ(append(batch), 1U);
  EXPECT_EQ(claim().events.size(), 2U);
}

TEST_F(SqliteOutbox, AnAppendThatHangsBlocksNobodyForEver) {
  reopen();
  append({event(1)});
  const Claim claimed = claim();
  EXPECT_EQ(stats_of().leased, 1U);
  FaultVfs::hold_syncs();
  std::thread appender([this] { append({event(2)}); });
  FaultVfs::wait_for_a_held_sync();
  EXPECT_TRUE(outbox().stats());
  EXPECT_TRUE(outbox().dead({}, EventHandle{0}, 10));
  EXPECT_TRUE(outbox().maintain(24h));
  expect_error(outbox().due_queues(), ErrorCode::kOutboxBusy, "the disk hangs");
  expect_error(outbox().settle(claimed.token, outcomes(claimed, OutcomeKind::kDelivered)),
               ErrorCode::kOutboxBusy);
  FaultVfs::release_syncs();
  appender.join();
  EXPECT_EQ(settle_all(claimed, OutcomeKind::kDelivered).applied, 1U);
}

// A forgotten shell: SQLite's log cannot start again while it reads.
TEST_F(SqliteOutbox, ALogThatAnotherProgramHoldsUpCountsAgainstTheCap) {
  OutboxOptions small = options();
  small.max_disk = mebibytes(24);
  use(take(open_outbox(small, clock_)));
  append(events(1, 1));
  const auto pass_through = [&](std::uint32_t first) -> Result<Appended> {
    std::vector<EventRecord> batch = events(first, 8);
    for (EventRecord& record : batch) record.payload.append(1 << 20, 'x');
    auto appended = outbox().append(batch);
    const Claim claimed =
        take(outbox().claim(kQueue, {.max_events = 9, .max_bytes = mebibytes(16)}, kLease));
    settle_all(claimed, OutcomeKind::kDelivered);
    return appended;
  };
  Result<Appended> last = Appended{};
  {
    RawConnection shell(path());
    shell.execute("BEGIN; SELECT count(*) FROM outbox");
    for (std::uint32_t i = 0; last && i < 20; ++i) last = pass_through(100 + 8 * i);
    expect_error(last, ErrorCode::kOutboxFull, "POSTBOX_MAX_DISK allows");
    EXPECT_GT(take(outbox().stats()).used, small.max_disk);
  }
  for (std::uint32_t i = 0; !last && i < 3; ++i) last = pass_through(1'000 + 8 * i);
  EXPECT_TRUE(last) << last.error().message;
}

TEST_F(SqliteOutbox, TheDiskCapStopsAppendsAndNothingElse) {
  OutboxOptions capped = options();
  capped.max_disk = kibibytes(320);
  use(take(open_outbox(capped, clock_)));
  std::vector<EventRecord> batch = {event(1)};
  Result<Appended> appended = Appended{};
  for (std::uint32_t number = 1; number < 1'000 && appended; ++number) {
    batch = {event(number)};
    batch[0].payload.assign(2'000, 'x');
    appended = outbox().append(batch);
  }
  expect_error(appended, ErrorCode::kOutboxFull, "POSTBOX_MAX_DISK allows 327680");
  EXPECT_GE(take(outbox().stats()).used, capped.max_disk);
  EXPECT_GT(settle_all(claim(), OutcomeKind::kDelivered).applied, 50U);
  EXPECT_LT(take(outbox().stats()).used, capped.max_disk);
  EXPECT_EQ(append(batch), 1U);
}

TEST_F(SqliteOutbox, AFullDiskIsAnErrorAndThenRecovers) {
  reopen();
  append(events(1, 2));
  const Claim claimed = claim(1);
  FaultVfs::fail_writes(SQLITE_FULL);
  const std::vector<EventRecord> batch = {event(3)};
  expect_error(outbox().append(batch), ErrorCode::kOutboxFull, "append");
  expect_error(outbox().settle(claimed.token, outcomes(claimed, OutcomeKind::kDelivered)),
               ErrorCode::kOutboxFull, "settle");
  EXPECT_EQ(claim().events.size(), 1U) << "a claim writes nothing";
  EXPECT_TRUE(outbox().stats());
  FaultVfs::fail_writes(SQLITE_OK);
  EXPECT_EQ(append(batch), 1U);
  EXPECT_EQ(settle_all(claimed, OutcomeKind::kDelivered).applied, 1U);
  EXPECT_EQ(claim().events.size(), 1U);
}

// As a quota does: a write of the real disk fails, and not for want of space on the disk.
TEST_F(SqliteOutbox, ALimitOnTheFilesSizeIsAFullDiskAndThenRecovers) {
  reopen();
  append(events(1, 2));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto previous = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = fs::file_size(path().string() + "-wal");
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::vector<EventRecord> batch = {event(3)};
  const auto refused = outbox().append(batch);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  (void)std::signal(SIGXFSZ, previous);
  expect_error(refused, ErrorCode::kOutboxFull, "File too large");
  EXPECT_EQ(append(batch), 1U);
  EXPECT_EQ(claim().events.size(), 3U);
}

// More than the page cache holds: SQLite writes while rows are still being inserted.
TEST_F(SqliteOutbox, ADiskThatIsFullInTheMidstOfManyRowsStoresNone) {
  reopen();
  append({event(1)});
  std::vector<EventRecord> batch = events(1, 32);
  for (EventRecord& record : batch) record.payload.append(1 << 20, 'x');
  FaultVfs::fail_writes(SQLITE_FULL);
  expect_error(outbox().append(batch), ErrorCode::kOutboxFull, "INSERT");
  FaultVfs::fail_writes(SQLITE_OK);
  EXPECT_EQ(take(outbox().stats()).totals.appended, 1U);
  EXPECT_EQ(append(batch), 31U);
  EXPECT_EQ(stats_of().ready, 32U);
}

TEST_F(SqliteOutbox, ABrokenDiskIsAnErrorAndThenRecoversWithItsLeases) {
  reopen();
  append(events(1, 2));
  const Claim claimed = claim(1);
  FaultVfs::fail_writes(SQLITE_IOERR_WRITE);
  const std::vector<EventRecord> batch = {event(3)};
  expect_error(outbox().append(batch), ErrorCode::kOutboxUnavailable, "append");
  FaultVfs::fail_writes(SQLITE_OK);
  EXPECT_EQ(append(batch), 1U);
  EXPECT_EQ(claim().events.size(), 2U) << "what was leased before stays leased";
  EXPECT_EQ(settle_all(claimed, OutcomeKind::kDelivered).applied, 1U);
}

TEST_F(SqliteOutbox, AFailedAppendThatWasStoredAllTheSameIsNoDuplicateWhenItIsRepeated) {
  reopen();
  append({event(1)});
  const std::vector<EventRecord> batch = {event(1), event(2), event(3)};
  FaultVfs::fail_syncs(SQLITE_IOERR_FSYNC);
  expect_error(outbox().append(batch), ErrorCode::kOutboxUnavailable, "append");
  FaultVfs::fail_syncs(SQLITE_OK);
  EXPECT_EQ(claim().events.size(), 3U) << "SQLite found the commit in its log";
  const Appended repeated = take(outbox().append(batch));
  EXPECT_EQ(repeated.inserted, 2U);
  EXPECT_EQ(repeated.duplicates, 1U);
  EXPECT_EQ(take(outbox().stats()).totals.appended, 3U);
  EXPECT_EQ(take(outbox().stats()).totals.duplicates, 1U);
  EXPECT_EQ(append(batch), 0U) << "once more, and they are duplicates";
  EXPECT_EQ(take(outbox().stats()).totals.duplicates, 4U);
}

}  // namespace
}  // namespace postbox::testing
