// The SQLite outbox: the conformance suite over a file and over memory, then what only a file can
// show.
#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mutex>
#include <set>
#include <thread>

#include "outbox/outbox_conformance.hpp"
#include "sqlite_outbox/format.hpp"
#include "support/far_store.hpp"
#include "support/raw_file.hpp"
#include "support/sqlite_outbox_fixture.hpp"

namespace postbox::testing {
namespace {

namespace fs = std::filesystem;

using tests::contents;
using tests::overwrite;
using tests::RawConnection;

OutboxOptions memory_options(const fs::path&) {
  OutboxOptions options;
  options.url = "memory:";
  return options;
}

OutboxOptions encrypted_options(const fs::path& folder) {
  OutboxOptions options = file_options(folder);
  options.encryption_keys = {std::string(64, 'a')};
  return options;
}

// What is meant for a database, with a spill beside it: while that is there, the spill shows in
// nothing.
OutboxOptions spilling_options(const fs::path& folder) {
  OutboxOptions options;
  options.url = "far://" + (folder / "outbox.db").string();
  options.spill = "sqlite:" + (folder / "spill.db").string();
  options.backends.push_back(&tests::far_backend());
  return options;
}

INSTANTIATE_TEST_SUITE_P(Sqlite, OutboxConformance,
                         ::testing::Values(OutboxBackend{"File", file_options},
                                           OutboxBackend{"Encrypted", encrypted_options},
                                           OutboxBackend{"Memory", memory_options},
                                           OutboxBackend{"Spilling", spilling_options}),
                         backend_name);
INSTANTIATE_TEST_SUITE_P(Sqlite, OutboxHeld,
                         ::testing::Values(OutboxBackend{"File", file_options},
                                           OutboxBackend{"Encrypted", encrypted_options},
                                           OutboxBackend{"Memory", memory_options},
                                           OutboxBackend{"Spilling", spilling_options}),
                         backend_name);
INSTANTIATE_TEST_SUITE_P(Sqlite, OutboxTimers,
                         ::testing::Values(OutboxBackend{"File", file_options},
                                           OutboxBackend{"Encrypted", encrypted_options},
                                           OutboxBackend{"Memory", memory_options},
                                           OutboxBackend{"Spilling", spilling_options}),
                         backend_name);
INSTANTIATE_TEST_SUITE_P(Sqlite, OutboxOrder,
                         ::testing::Values(OutboxBackend{"File", file_options},
                                           OutboxBackend{"Encrypted", encrypted_options},
                                           OutboxBackend{"Memory", memory_options},
                                           OutboxBackend{"Spilling", spilling_options}),
                         backend_name);

TEST_F(SqliteOutbox, PromisesWhatItsStorageCanKeep) {
  EXPECT_EQ(another()->caps().append, Durability::kMachine);
  EXPECT_EQ(take(open_outbox(memory_options({}), clock_))->caps().append, Durability::kNone);
}

TEST_F(SqliteOutbox, OpensAtFirstUse) {
  use(another());
  EXPECT_FALSE(fs::exists(path()));
  append({event(1)});
  EXPECT_TRUE(fs::exists(path()));
}

TEST_F(SqliteOutbox, EveryFileIsPrivate) {
  reopen();
  append({event(1)});
  (void)claim();
  for (const char* suffix : {"", "-wal", "-shm", "-sender"}) {
    struct stat status {};
    ASSERT_EQ(::stat((path().string() + suffix).c_str(), &status), 0) << suffix;
    EXPECT_EQ(status.st_mode & 0777U, 0600U) << suffix;
  }
}

TEST_F(SqliteOutbox, AMissingFolderIsNamed) {
  const auto outbox = take(
      open_outbox({.url = "sqlite:" + (folder_.path() / "no" / "outbox.db").string()}, clock_));
  const std::vector<EventRecord> batch = {event(1)};
  expect_error(outbox->append(batch), ErrorCode::kOutboxUnavailable, "does not exist: create it");
  fs::create_directory(folder_.path() / "no");
  EXPECT_TRUE(outbox->append(batch)) << "no restart is needed";
}

// Root may write everywhere: such a test is somebody else for a while.
class NotRoot {
 public:
  NotRoot() {
    constexpr uid_t kNobody = 65'534;
    EXPECT_EQ(::seteuid(before_ == 0 ? kNobody : before_), 0);
  }
  NotRoot(const NotRoot&) = delete;
  NotRoot& operator=(const NotRoot&) = delete;
  ~NotRoot() { EXPECT_EQ(::seteuid(before_), 0); }

 private:
  const uid_t before_ = ::geteuid();
};

TEST_F(SqliteOutbox, AReadOnlyFolderIsAnError) {
  using fs::perms;
  fs::permissions(folder_.path(),
                  perms::owner_read | perms::owner_exec | perms::others_read | perms::others_exec);
  const auto outbox = another();
  const std::vector<EventRecord> batch = {event(1)};
  {
    const NotRoot not_root;
    expect_error(outbox->append(batch), ErrorCode::kOutboxUnavailable, "cannot create");
  }
  fs::permissions(folder_.path(), perms::owner_all);
  EXPECT_TRUE(outbox->append(batch));
}

TEST_F(SqliteOutbox, ReopeningKeepsEverything) {
  reopen();
  append(events(1, 4));
  const Claim claimed = claim(3);
  settle(claimed, {outcome(claimed.events[0], OutcomeKind::kDelivered),
                   outcome(claimed.events[1], OutcomeKind::kHold),
                   outcome(claimed.events[2], OutcomeKind::kDead)});
  reopen();
  const QueueStats stats = stats_of();
  EXPECT_EQ(stats.ready, 1U);
  EXPECT_EQ(stats.held, 1U);
  EXPECT_EQ(stats.dead, 1U);
  EXPECT_EQ(take(outbox().stats()).totals.delivered, 1U);
  expect_same(claim().events.at(0).record, event(4));
}

TEST_F(SqliteOutbox, AStartWhileTheClockIsAheadMakesNothingOldAtOnce) {
  reopen();
  append(events(1, 2));
  settle_all(claim(1), OutcomeKind::kDead);
  settle_all(claim(1), OutcomeKind::kRetry);
  clock_->jump_wall(24h * 31);
  reopen();
  EXPECT_EQ(take(outbox().maintain(24h * 30)).expired, 0U);
  clock_->advance(1min);
  const Claim claimed = claim();
  EXPECT_EQ(claimed.events.at(0).tried_for, 1min) << "what is certain";
  settle_all(claimed, OutcomeKind::kRetry);
  clock_->jump_wall(-24h * 31);
  clock_->advance(1h);
  EXPECT_EQ(take(outbox().maintain(24h * 30)).expired, 0U);
  EXPECT_EQ(claim().events.at(0).tried_for, 61min) << "by both clocks";
}

TEST_F(SqliteOutbox, AStopOfAMonthMakesOldWhatWasThereBeforeIt) {
  reopen();
  bury({event(1)});
  use(nullptr);
  clock_->advance(24h * 31);
  reopen();
  EXPECT_EQ(take(outbox().maintain(24h * 30)).expired, 0U);
  clock_->advance(1h);
  EXPECT_EQ(take(outbox().maintain(24h * 30)).expired, 1U);
}

TEST_F(SqliteOutbox, OneInstanceIsTheSender) {
  reopen();
  append(events(1, 3));
  (void)claim(2);
  const auto second = another();
  EXPECT_EQ(second->due_queues().error().code, ErrorCode::kOutboxTaken);
  EXPECT_TRUE(take(second->claim(kQueue, {}, kLease)).events.empty());
  const std::vector<EventRecord> batch = {event(4)};
  EXPECT_TRUE(second->append(batch)) << "everybody may append";
  EXPECT_EQ(claim().events.size(), 2U);
}

TEST_F(SqliteOutbox, TheNextSenderTakesAClosedOnesRowsAtOnce) {
  reopen();
  append(events(1, 3));
  const Claim lost = claim(2);
  const auto second = another();
  EXPECT_EQ(second->due_queues().error().code, ErrorCode::kOutboxTaken);
  use(second);
  EXPECT_EQ(claim().events.size(), 3U);
  EXPECT_EQ(settle_all(lost, OutcomeKind::kDelivered).stale, 2U);
}

TEST_F(SqliteOutbox, AKilledSendersRowsAreClaimableAtOnce) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto outbox = another();
    const std::vector<EventRecord> batch = events(1, 3);
    if (outbox->append(batch) && take(outbox->claim(kQueue, {}, kLease)).events.size() == 3) {
      ::raise(SIGKILL);
    }
    ::_exit(1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  reopen();
  EXPECT_EQ(stats_of().ready, 3U) << "its leases died with it";
  EXPECT_EQ(claim().events.size(), 3U);
}

TEST_F(SqliteOutbox, WhoRemovesTheLockFileLetsAnotherProcessTakeTheSeat) {
  reopen();
  append(events(1, 3));
  const Claim claimed = claim(2);
  fs::remove(path().string() + "-sender");
  const auto second = another();
  EXPECT_EQ(take(second->claim(kQueue, {}, kLease)).events.size(), 3U);
  EXPECT_EQ(settle_all(claimed, OutcomeKind::kDelivered).stale, 2U);
  EXPECT_EQ(outbox().due_queues().error().code, ErrorCode::kOutboxTaken);
  EXPECT_TRUE(claim().events.empty());
}

TEST_F(SqliteOutbox, AFileThatIsNoDatabaseIsLeftAlone) {
  const std::string garbage(8'192, 'g');
  overwrite(path(), garbage);
  const auto outbox = another();
  const std::vector<EventRecord> batch = {event(1)};
  expect_error(outbox->append(batch), ErrorCode::kOutboxCorrupt);
  expect_error(outbox->claim(kQueue, {}, kLease), ErrorCode::kOutboxCorrupt, "move it aside");
  EXPECT_TRUE(contents(path()) == garbage);
  fs::rename(path(), path().string() + ".aside");
  EXPECT_TRUE(outbox->append(batch)) << "no restart is needed";
}

TEST_F(SqliteOutbox, AFileOfANewerVersionIsLeftAlone) {
  reopen();
  append({event(1)});
  use(nullptr);
  RawConnection(path()).execute("PRAGMA user_version = 99");
  const auto outbox = another();
  const std::vector<EventRecord> batch = {event(2)};
  expect_error(outbox->append(batch), ErrorCode::kOutboxTooNew, "format 99");
  RawConnection(path()).execute("PRAGMA user_version = 4");
  use(outbox);
  EXPECT_EQ(append(batch), 1U);
}

TEST_F(SqliteOutbox, AFileOfTheFirstVersionGoesOnWithAllItsRows) {
  RawConnection(path()).execute(
      contents(fs::path(POSTBOX_SOURCE_DIR) / "tests/data/outbox_version_1.sql").c_str());
  clock_->jump_wall(std::chrono::milliseconds(1'780'000'004'000) -
                    clock_->wall_now().time_since_epoch());
  use(another());
  const QueueStats before = stats_of();
  EXPECT_EQ(before.ready, 2U);
  EXPECT_EQ(before.delayed, 1U);
  EXPECT_EQ(before.held, 1U);
  const DeadLetter letter = dead().at(0);
  expect_same(letter.record, event(1));
  EXPECT_EQ(letter.first_attempt, 4s) << "not noted: since append";
  EXPECT_EQ(letter.dead_since, 1s);
  EXPECT_EQ(letter.http_status, 400);
  EXPECT_EQ(letter.pointer, "");

  settle_all(claim(), OutcomeKind::kDead);
  const std::vector<DeadLetter> letters = dead();
  ASSERT_EQ(letters.size(), 3U);
  expect_same(letters[1].record, event(5));
  EXPECT_EQ(letters[1].attempts, 2U);
  EXPECT_EQ(letters[1].first_attempt, 4s) << "its first attempt was not noted either";
  EXPECT_EQ(letters[2].first_attempt, 0s);
  EXPECT_EQ(take(outbox().replay({}, 100, {})), 3U);
  reopen();
  EXPECT_EQ(claim().events.size(), 3U);
}

TEST_F(SqliteOutbox, AFileOfTheThirdVersionGoesOnWithItsRowsTimersAndEnds) {
  RawConnection(path()).execute(
      contents(fs::path(POSTBOX_SOURCE_DIR) / "tests/data/outbox_version_3.sql").c_str());
  clock_->advance(4s);
  use(another());
  const OutboxStats before = take(outbox().stats());
  EXPECT_EQ(stats_of().ready, 4U);
  EXPECT_EQ(stats_of().delayed, 2U);
  EXPECT_EQ(stats_of().held, 1U);
  EXPECT_EQ(stats_of(kOtherQueue).ready, 1U);
  EXPECT_EQ(before.timers_pending, 1U);
  EXPECT_EQ(before.totals.appended, 10U);
  const DeadLetter letter = dead().at(0);
  expect_same(letter.record, event(1));
  EXPECT_EQ(letter.first_attempt, 2s);
  EXPECT_EQ(letter.dead_since, 1s);
  EXPECT_EQ(letter.pointer, "/data");
  RawConnection raw(path());
  EXPECT_EQ(raw.integer("SELECT dead_bytes FROM totals"), 200 + 9 + 8 + 5);
  EXPECT_EQ(raw.integer("SELECT ends FROM totals"), 1);

  append({update(18, 8, 2s), quiet_update(19, 9, 4s), in_order(20, "profile", 1)});
  EXPECT_EQ(take(outbox().stats()).timers_pending, 1U) << "the end of cart 8 is remembered";
  EXPECT_EQ(append({event(2), event(3), event(5)}), 0U) << "they wait";
  EXPECT_EQ(take(outbox().replay({}, 10, {})), 1U);
  EXPECT_EQ(claim().events.size(), 7U);
  EXPECT_EQ(raw.integer("SELECT dead_bytes FROM totals"), 0);
}

TEST_F(SqliteOutbox, ARowsChecksumIsTheSameInEveryVersionAndAmongMany) {
  std::vector<EventRecord> records = events(1, 30);
  for (std::size_t i = 3; i < records.size(); ++i) records[i].payload.assign(i * i, 'x');
  records[1].payload.assign(100, 'x');
  EXPECT_EQ(sqlite::checksum_of(records[0].dedup_key, records[0].payload), 6531116019396277698);
  EXPECT_EQ(sqlite::checksum_of(records[1].dedup_key, records[1].payload), -7651157295632713332);
  EXPECT_EQ(sqlite::checksum_of(records[2].dedup_key, records[2].payload), 8952984919605747565);
  std::vector<const EventRecord*> pointers;
  std::vector<std::int64_t> expected;
  for (const EventRecord& record : records) {
    pointers.push_back(&record);
    expected.push_back(sqlite::checksum_of(record.dedup_key, record.payload));
  }
  std::vector<std::int64_t> sums(records.size());
  sqlite::checksums_of(pointers, sums);
  EXPECT_EQ(sums, expected);
}

// The second half of a key changes all bits of the number that stands in the index; the first half
// can take the change back.
EventRecord with_the_same_number(EventRecord record) {
  const auto queue = static_cast<std::int64_t>(record.queue);
  const std::int64_t wanted = sqlite::dedup_of(queue, record.dedup_key);
  record.dedup_key.back() = std::byte{1};
  const std::int64_t change = wanted ^ sqlite::dedup_of(queue, record.dedup_key);
  for (std::size_t i = 0; i < 8; ++i) {
    record.dedup_key.at(i) ^= static_cast<std::byte>(static_cast<std::uint64_t>(change) >> (8 * i));
  }
  EXPECT_EQ(sqlite::dedup_of(queue, record.dedup_key), wanted);
  return record;
}

TEST_F(SqliteOutbox, KeysWithTheSameNumberInTheIndexAreDifferent) {
  reopen();
  EXPECT_EQ(append({event(1), with_the_same_number(event(1))}), 2U);
  EXPECT_EQ(append({event(1), with_the_same_number(event(1))}), 0U);
  EXPECT_EQ(claim().events.size(), 2U);
}

TEST_F(SqliteOutbox, KeysWithTheSameNumberAreDifferentInTheMidstOfManyToo) {
  reopen();
  std::vector<EventRecord> batch = events(1, 24);
  batch[9] = with_the_same_number(event(1));
  batch[12] = with_the_same_number(event(11));
  EXPECT_EQ(append(batch), 24U);
  EXPECT_EQ(append(batch), 0U);
  const Claim claimed = claim();
  ASSERT_EQ(claimed.events.size(), batch.size());
  for (std::size_t i = 0; i < batch.size(); ++i) expect_same(claimed.events[i].record, batch[i]);
}

TEST_F(SqliteOutbox, AnotherProgramsDatabaseIsLeftAlone) {
  RawConnection(path()).execute("CREATE TABLE theirs(id)");
  const std::string theirs = contents(path());
  const std::vector<EventRecord> batch = {event(1)};
  expect_error(another()->append(batch), ErrorCode::kOutboxUnavailable, "another program");
  EXPECT_TRUE(contents(path()) == theirs);
}

TEST_F(SqliteOutbox, OfWhatIsPurgedNothingStaysInTheFile) {
  reopen();
  EventRecord personal = event(1);
  for (int i = 0; i < 3'000; ++i) personal.payload += "somebody ";  // pages of its own
  append({personal, event(2)});
  EXPECT_EQ(take(outbox().purge_profile(personal.profile_key)), 1U);
  use(nullptr);
  EXPECT_EQ(contents(path()).find("somebody"), std::string::npos);
  use(another());
}

TEST_F(SqliteOutbox, ThreadsShareOneOutbox) {
  OutboxOptions patient = options();
  patient.busy_timeout = 30s;
  use(take(open_outbox(patient, clock_)));
  constexpr std::uint32_t kBatches = 40;
  std::vector<std::thread> threads;
  for (std::uint32_t writer = 0; writer < 2; ++writer) {
    threads.emplace_back([this, writer] {
      for (std::uint32_t i = 0; i < kBatches; ++i) append(events((writer * kBatches + i) * 5, 5));
    });
  }
  threads.emplace_back([this] {
    for (int i = 0; i < 20; ++i) expect_conservation();
  });
  std::size_t delivered = 0;
  while (delivered < std::size_t{2} * kBatches * 5) {
    const Claim claimed = claim(7);
    delivered += settle_all(claimed, OutcomeKind::kDelivered).applied;
    if (claimed.events.empty()) std::this_thread::yield();
    if (HasFailure()) break;
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(delivered, std::size_t{2} * kBatches * 5);
}

TEST_F(SqliteOutbox, OfSeveralThatExchangeATextEachGetsTheOneBefore) {
  constexpr int kEach = 20;
  reopen();
  OutboxOptions patient = options();
  patient.busy_timeout = 1min;
  std::multiset<std::string> before;
  std::multiset<std::string> expected = {""};
  std::mutex mutex;
  std::vector<std::thread> threads;
  for (char who = 'a'; who < 'd'; ++who) {
    for (int i = 1; i <= kEach; ++i) expected.insert(std::string(static_cast<std::size_t>(i), who));
    threads.emplace_back([&, who, own = take(open_outbox(patient, clock_))] {
      for (std::size_t i = 1; i <= kEach; ++i) {
        const std::string found = take(own->exchange("settings", std::string(i, who)));
        const std::lock_guard lock(mutex);
        before.insert(found);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  before.insert(take(outbox().keep("settings", "")));
  EXPECT_EQ(before, expected);
}

}  // namespace
}  // namespace postbox::testing
