// A file that is damaged, removed or replaced while it is in use: what can be read goes on, and
// what is kept aside says so.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <thread>

#include "timed_records.hpp"

namespace postbox::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPage = 4'096;
constexpr ClaimLimits kEverything{.max_events = 10'000, .max_bytes = mebibytes(64)};

class SqliteSalvage : public ::testing::Test, protected OutboxFixture {
 protected:
  void SetUp() override { use(another()); }
  void TearDown() override { expect_conservation(); }

  [[nodiscard]] fs::path path() const { return folder_.path() / "outbox.db"; }
  [[nodiscard]] std::shared_ptr<Outbox> another() {
    OutboxOptions options;
    options.url = "sqlite:" + path().string();
    options.busy_timeout = 20ms;
    return take(open_outbox(options, clock_));
  }

  // Files of the folder whose names contain `part`, without the log's.
  [[nodiscard]] std::vector<fs::path> files_with(const std::string& part) const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder_.path())) {
      const std::string name = entry.path().filename().string();
      if (name.find(part) == std::string::npos) continue;
      if (name.ends_with("-wal") || name.ends_with("-shm")) continue;
      found.push_back(entry.path());
    }
    return found;
  }

  [[nodiscard]] static std::string contents(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static void overwrite(const fs::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }

  [[nodiscard]] static std::vector<EventRecord> large_events(std::uint32_t first,
                                                             std::uint32_t count) {
    std::vector<EventRecord> batch = events(first, count);
    for (EventRecord& record : batch) record.payload.append(1'000, 'x');
    return batch;
  }

  // Fills the file and spoils the pages for which `is_bad(page)`. Returns the file's bytes.
  template <class IsBad>
  std::string damage(std::uint32_t events, IsBad is_bad) {
    append(large_events(1, events));
    bury(large_events(events + 1, 3));
    use(nullptr);
    std::string bytes = contents(path());
    for (std::size_t page = 1; page < bytes.size() / kPage; ++page) {
      if (is_bad(page)) bytes.replace(page * kPage, kPage, std::string(kPage, '\xff'));
    }
    overwrite(path(), bytes);
    use(another());
    return bytes;
  }

  // Uses the outbox until it has been repaired. Returns what it said last.
  std::string use_until_repaired() {
    std::string said;
    const std::vector<EventRecord> batch = {event(9'999)};
    for (int i = 0; i < 10; ++i) {
      (void)outbox().claim(kQueue, kEverything, kLease);
      clock_->advance(kLease);
      const auto appended = outbox().append(batch);
      if (appended) return said;
      said = appended.error().message;
      if (said.find("salvaged") == std::string::npos) continue;
    }
    ADD_FAILURE() << "not repaired: " << said;
    return said;
  }
};

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
  EXPECT_EQ(take(outbox().stats()).armed, 3U);
  append({order(5'004, slot_of(8), 2s)});
  EXPECT_EQ(take(outbox().stats()).armed, 2U);
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
  constexpr std::uint32_t kRounds = 20;
  const auto second = another();
  for (std::uint32_t round = 0; round < kRounds; ++round) {
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

TEST_F(SqliteSalvage, ARemovedFileIsWrittenAgain) {
  append(events(1, 5));
  const Claim claimed = claim(2);
  settle(claimed, {outcome(claimed.events[0], OutcomeKind::kDelivered),
                   outcome(claimed.events[1], OutcomeKind::kDead)});
  fs::remove(path());
  const std::vector<EventRecord> batch = {event(6)};
  expect_error(outbox().append(batch), ErrorCode::kOutboxUnavailable,
               "removed while it was in use; 3 waiting events and 1 dead letters");
  EXPECT_EQ(append(batch), 1U);
  EXPECT_EQ(claim().events.size(), 4U);
  EXPECT_EQ(dead().size(), 1U);
  EXPECT_EQ(take(outbox().stats()).totals.delivered, 1U);
  use(nullptr);
  use(another());
  EXPECT_EQ(claim().events.size(), 4U) << "the new file is a whole one";
}

TEST_F(SqliteSalvage, ARemovedFileIsSavedByTheSenderAndNobodyElse) {
  append(events(1, 5));
  EXPECT_EQ(claim(1).events.size(), 1U);
  const auto second = another();
  const std::vector<EventRecord> known = {event(5)};
  EXPECT_TRUE(second->append(known));
  fs::remove(path());
  const std::vector<EventRecord> batch = {event(6)};
  expect_error(second->append(batch), ErrorCode::kOutboxUnavailable,
               "the process that sends from it saves what it held");
  expect_error(outbox().append(batch), ErrorCode::kOutboxUnavailable, "5 waiting events");
  EXPECT_EQ(append(batch), 1U);
  EXPECT_EQ(claim().events.size(), 6U);
}

TEST_F(SqliteSalvage, ARemovedFolderOfFilesIsWrittenAgain) {
  append(events(1, 5));
  EXPECT_EQ(claim(2).events.size(), 2U);
  for (const char* suffix : {"", "-wal", "-shm", "-sender"}) fs::remove(path().string() + suffix);
  const std::vector<EventRecord> batch = {event(6)};
  EXPECT_FALSE(outbox().append(batch));
  EXPECT_EQ(append(batch), 1U);
  clock_->advance(kLease);
  EXPECT_EQ(claim().events.size(), 6U);
}

TEST_F(SqliteSalvage, AFileThatWasReplacedByAnotherIsKeptUnderAnotherName) {
  append(events(1, 5));
  EXPECT_EQ(claim(1).events.size(), 1U);
  const fs::path other = folder_.path() / "other.db";
  {
    const auto outbox = take(open_outbox({.url = "sqlite:" + other.string()}, clock_));
    const std::vector<EventRecord> batch = {event(50)};
    EXPECT_TRUE(outbox->append(batch));
  }
  fs::rename(other, path());
  const std::vector<EventRecord> batch = {event(6)};
  expect_error(outbox().append(batch), ErrorCode::kOutboxUnavailable, "another file was put");
  const auto kept = files_with(".removed-");
  ASSERT_EQ(kept.size(), 1U);
  const auto old = take(open_outbox({.url = "sqlite:" + kept.front().string()}, clock_));
  EXPECT_EQ(take(old->claim(kQueue, {}, kLease)).events.size(), 5U);
  EXPECT_EQ(append(batch), 1U);
  EXPECT_EQ(claim().events.size(), 2U) << "the other file's, and the new one";
}

TEST_F(SqliteSalvage, ASalvageThatWasInterruptedBeforeItsLastStepIsFinished) {
  append(events(1, 3));
  use(nullptr);
  fs::rename(path(), path().string() + "-salvaged");
  use(another());
  EXPECT_EQ(claim().events.size(), 3U);
}

}  // namespace
}  // namespace postbox::testing
