// SQLite's log beside the file: how long it may grow, and that nothing waits for a settlement to
// shorten it.
#include <atomic>
#include <thread>

#include "support/raw_file.hpp"
#include "support/rounds.hpp"
#include "support/sqlite_outbox_fixture.hpp"
#include "support/timed_records.hpp"

namespace postbox::testing {
namespace {

namespace fs = std::filesystem;

using tests::contents;
using tests::RawConnection;
using tests::rounds;

constexpr std::uint64_t kNormalLog = 52'000'000;  // 12,000 pages, and what a step adds
constexpr std::uint32_t kMoreThanALog = 60'000'000;

class SqliteLog : public SqliteOutbox {
 protected:
  void use_with(Bytes max_disk) {
    OutboxOptions capped = options();
    capped.max_disk = max_disk;
    use(take(open_outbox(capped, clock_)));
  }
  [[nodiscard]] std::uint64_t log_size() const { return fs::file_size(path().string() + "-wal"); }
  [[nodiscard]] static std::vector<EventRecord> large(std::uint32_t first, std::uint32_t count,
                                                      std::size_t bytes) {
    std::vector<EventRecord> batch = events(first, count);
    for (EventRecord& record : batch) record.payload.append(bytes, 'x');
    return batch;
  }
  void append_many(std::uint32_t first, std::uint32_t count, std::size_t bytes) {
    constexpr std::uint32_t kAtOnce = 500;
    for (std::uint32_t done = 0; done < count; done += kAtOnce) {
      append(large(first + done, std::min(kAtOnce, count - done), bytes));
    }
  }
  void deliver_all() {
    while (true) {
      const Claim claimed =
          take(outbox().claim(kQueue, {.max_events = 1'000, .max_bytes = mebibytes(16)}, kLease));
      if (claimed.events.empty()) return;
      settle_all(claimed, OutcomeKind::kDelivered);
    }
  }
  // Orders come and go while another program reads, until the cap is reached.
  Result<Appended> fill_log_behind_a_reader() {
    Result<Appended> last = Appended{};
    for (std::uint32_t first = 1; last && first < 400; first += 8) {
      last = outbox().append(large(first, 8, 1 << 20));
      deliver_all();
    }
    return last;
  }
};

// Nothing is settled any more when the store is empty: appends alone must find out.
TEST_F(SqliteLog, AnAppendGoesOnByItselfWhenTheReaderThatHeldUpTheLogHasEnded) {
  for (const Bytes cap : {mebibytes(1), mebibytes(24)}) {
    use(nullptr);
    fs::remove_all(folder_.path());
    fs::create_directories(folder_.path());
    use_with(cap);
    append({event(9'000)});
    {
      RawConnection backup(path());
      backup.execute("BEGIN; SELECT count(*) FROM outbox");
      expect_error(fill_log_behind_a_reader(), ErrorCode::kOutboxFull, "another program reads");
      EXPECT_GT(log_size(), 48'000'000U);
    }
    deliver_all();
    const std::vector<EventRecord> batch = {event(9'001)};
    const auto first = outbox().append(batch);
    EXPECT_TRUE(first) << first.error().message;
    EXPECT_LT(log_size(), 1 << 20) << "and the disk has its room again";
    EXPECT_LT(take(outbox().stats()).used.count, 1U << 20);
  }
}

TEST_F(SqliteLog, WhatIsAtRestGetsItsLogShortenedByMaintain) {
  use_with(mebibytes(24));
  append({event(9'000)});
  {
    RawConnection backup(path());
    backup.execute("BEGIN; SELECT count(*) FROM outbox");
    (void)fill_log_behind_a_reader();
    (void)take(outbox().maintain(24h));
    EXPECT_GT(log_size(), kNormalLog);
  }
  (void)take(outbox().maintain(24h));
  EXPECT_LT(log_size(), 1 << 20);
}

TEST_F(SqliteLog, AnAppendOfAnotherProcessGoesOnToo) {
  use_with(mebibytes(24));
  append({event(9'000)});
  OutboxOptions capped = options();
  capped.max_disk = mebibytes(24);
  const auto other = take(open_outbox(capped, clock_));
  const std::vector<EventRecord> batch = {event(9'001)};
  {
    RawConnection backup(path());
    backup.execute("BEGIN; SELECT count(*) FROM outbox");
    (void)fill_log_behind_a_reader();
    (void)other->append(std::vector{event(9'002)});  // has seen how long the log is
    expect_error(other->append(batch), ErrorCode::kOutboxFull);
  }
  EXPECT_TRUE(other->append(batch));
}

TEST_F(SqliteLog, AMassExpiryDoesNotFillTheLog) {
  use_with(mebibytes(256));
  const std::uint32_t many = rounds(30'000U);
  append_many(1, many, kMoreThanALog / many);
  while (true) {
    const Claim claimed =
        take(outbox().claim(kQueue, {.max_events = 1'000, .max_bytes = mebibytes(16)}, kLease));
    if (claimed.events.empty()) break;
    settle_all(claimed, OutcomeKind::kDead);
  }
  clock_->advance(24h * 31);
  std::size_t expired = 0;
  while (true) {
    const Maintained step = take(outbox().maintain(24h * 30));
    expired += step.expired + step.crowded_out;
    if (step.expired + step.crowded_out == 0) break;
    ASSERT_LT(log_size(), kNormalLog);
  }
  EXPECT_EQ(expired, many);
  append({event(40'000)});
}

TEST_F(SqliteLog, WhatAnOperatorRemovesDoesNotFillTheLogAndIsNotReadableInItAfterwards) {
  use_with(mebibytes(512));
  const std::uint32_t many = rounds(30'000U);
  append_many(1, many, kMoreThanALog / many);
  EventRecord personal = event(40'000);
  personal.profile_key = key_of(99'999);
  personal.payload = "somebody@goldenacre.example";
  append({personal});
  ASSERT_NE(contents(path().string() + "-wal").find(personal.payload), std::string::npos);
  EXPECT_EQ(take(outbox().purge_profile(personal.profile_key)), 1U);
  EXPECT_EQ(contents(path().string() + "-wal").find(personal.payload), std::string::npos);
  EXPECT_EQ(contents(path()).find(personal.payload), std::string::npos);
  EXPECT_EQ(take(outbox().purge_profile(key_of(1))), many / 10);
  EXPECT_LT(log_size(), kNormalLog);
}

// The sender, which maintains, gets its turn between the pages.
TEST_F(SqliteLog, WhoForgetsAPersonAmongManyLetsOthersInBetween) {
  use_with(mebibytes(256));
  append_many(1, 40'000, 100);
  std::atomic<bool> done{false};
  std::atomic<bool> asks{false};
  std::size_t answered = 0;
  std::thread sender([&] {
    while (!done) {
      (void)take(outbox().maintain(24h));
      if (!done) ++answered;
      asks = true;
    }
  });
  while (!asks) std::this_thread::yield();
  EXPECT_EQ(take(outbox().purge_profile(key_of(1))), 4'000U);
  done = true;
  sender.join();
  EXPECT_GT(answered, 5U) << "twenty pages, and each lets in who waits";
}

TEST_F(SqliteLog, WhatAReaderKeepsInTheLogIsOverwrittenWhenItHasEnded) {
  use_with(mebibytes(64));
  EventRecord personal = event(1);
  personal.payload = "somebody@goldenacre.example";
  bury({personal});
  {
    RawConnection backup(path());
    backup.execute("BEGIN; SELECT count(*) FROM outbox");
    EXPECT_EQ(take(outbox().purge({})), 1U);
    EXPECT_NE(contents(path().string() + "-wal").find(personal.payload), std::string::npos);
    (void)take(outbox().maintain(24h));
  }
  (void)take(outbox().maintain(24h));
  EXPECT_EQ(contents(path().string() + "-wal").find(personal.payload), std::string::npos);
  EXPECT_EQ(contents(path()).find(personal.payload), std::string::npos);
}

}  // namespace
}  // namespace postbox::testing
