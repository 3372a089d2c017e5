// A file that is removed, replaced or moved aside while it is in use: what it held goes on.
#include <atomic>
#include <thread>

#include "support/sqlite_salvage_fixture.hpp"

namespace postbox::testing {
namespace {

namespace fs = std::filesystem;

class SqliteMoved : public SqliteSalvage {};

TEST_F(SqliteMoved, ARemovedFileIsWrittenAgain) {
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

TEST_F(SqliteMoved, ARemovedFileIsSavedByTheSenderAndNobodyElse) {
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

TEST_F(SqliteMoved, ARemovedFolderOfFilesIsWrittenAgain) {
  append(events(1, 5));
  EXPECT_EQ(claim(2).events.size(), 2U);
  for (const char* suffix : {"", "-wal", "-shm", "-sender"}) fs::remove(path().string() + suffix);
  const std::vector<EventRecord> batch = {event(6)};
  EXPECT_FALSE(outbox().append(batch));
  EXPECT_EQ(append(batch), 1U);
  clock_->advance(kLease);
  EXPECT_EQ(claim().events.size(), 6U);
}

TEST_F(SqliteMoved, AFileThatWasReplacedByAnotherIsKeptUnderAnotherName) {
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

// Nobody appends any more: the sender notices when it looks for work, and at the latest at the end.
TEST_F(SqliteMoved, ARemovedFileIsWrittenAgainAlthoughNothingIsAppended) {
  append(events(1, 5));
  EXPECT_EQ(claim(1).events.size(), 1U);
  fs::remove(path());
  expect_error(outbox().due_queues(), ErrorCode::kOutboxUnavailable, "5 waiting events");
  EXPECT_EQ(take(outbox().due_queues()).size(), 1U);
  fs::remove(path());
  use(nullptr);
  use(another());
  EXPECT_EQ(claim().events.size(), 5U);
}

TEST_F(SqliteMoved, WhatCannotBeWrittenAgainYetIsKeptUntilItCan) {
  const fs::path folder = folder_.path() / "folder";
  fs::create_directory(folder);
  use(take(open_outbox({.url = "sqlite:" + (folder / "outbox.db").string()}, clock_)));
  append(events(1, 5));
  EXPECT_EQ(claim(1).events.size(), 1U);
  fs::remove_all(folder);
  const std::vector<EventRecord> batch = {event(6)};
  for (int i = 0; i < 3; ++i) {
    expect_error(outbox().append(batch), ErrorCode::kOutboxUnavailable, "does not exist");
    (void)outbox().stats();
  }
  fs::create_directory(folder);
  expect_error(outbox().append(batch), ErrorCode::kOutboxUnavailable, "5 waiting events");
  EXPECT_EQ(append(batch), 1U);
  clock_->advance(kLease);
  EXPECT_EQ(claim().events.size(), 6U);
}

TEST_F(SqliteMoved, NobodyMakesANewFileWhileTheSenderHasTheRemovedOneOpen) {
  append(events(1, 3));
  EXPECT_EQ(claim(1).events.size(), 1U);
  const auto second = another();
  EXPECT_TRUE(second->append(events(11, 1)));
  fs::remove(path());
  for (int i = 0; i < 2; ++i) {
    expect_error(second->append(events(12, 1)), ErrorCode::kOutboxUnavailable,
                 "the process that sends from it saves what it held");
    EXPECT_FALSE(fs::exists(path()));
  }
  expect_error(outbox().due_queues(), ErrorCode::kOutboxUnavailable, "4 waiting events");
  EXPECT_FALSE(second->append(events(12, 1)));
  EXPECT_TRUE(second->append(events(12, 1)));
  EXPECT_EQ(claim().events.size(), 5U);
  EXPECT_TRUE(files_with(".removed-").empty());
}

// As salvage does it: the file is moved aside under the lock for which another process waits.
TEST_F(SqliteMoved, AnAppendThatWaitedForAFileWhichIsMovedAsideIsNotDurable) {
  append(events(1, 3));
  const auto patient = take(open_outbox({.url = "sqlite:" + path().string()}, clock_));
  EXPECT_TRUE(patient->append(events(4, 1)));
  Result<Appended> waited = Error{ErrorCode::kInternal, "not called"};
  const std::vector<EventRecord> batch = events(5, 1);
  {
    RawConnection other(path());
    other.execute("BEGIN IMMEDIATE");
    std::atomic<bool> begins{false};
    std::thread thread([&] {
      begins = true;
      waited = patient->append(batch);
    });
    while (!begins) std::this_thread::yield();
    const fs::path aside = folder_.path() / "aside.db";
    fs::copy(path(), folder_.path() / "copy.db");  // meanwhile it has begun to wait
    fs::rename(path(), aside);
    fs::rename(folder_.path() / "copy.db", path());
    other.execute("ROLLBACK");
    thread.join();
  }
  expect_error(waited, ErrorCode::kOutboxUnavailable, "");
}

}  // namespace
}  // namespace postbox::testing
