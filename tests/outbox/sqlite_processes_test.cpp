// Several processes that begin with one outbox file at the same moment, whatever state that is in
// and by whatever name they reach it.
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "base/name_lock.hpp"
#include "support/child_process.hpp"
#include "support/sqlite_salvage_fixture.hpp"

namespace postbox::testing {
namespace {

namespace fs = std::filesystem;

using tests::Child;
using tests::Signal;

constexpr std::uint32_t kProcesses = 12;
constexpr std::uint32_t kEach = 3;
constexpr int kRounds = 40;

// A place where processes wait for each other: closer together than a pipe wakes them.
class Meeting {
 public:
  Meeting()
      : arrived_(static_cast<std::atomic<std::uint32_t>*>(
            mmap(nullptr, sizeof *arrived_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                 0))) {}
  Meeting(const Meeting&) = delete;
  Meeting& operator=(const Meeting&) = delete;
  ~Meeting() { munmap(arrived_, sizeof *arrived_); }

  void wait_for(std::uint32_t processes) const {
    ++*arrived_;
    while (*arrived_ < processes) sched_yield();
  }

 private:
  std::atomic<std::uint32_t>* arrived_;
};

class SqliteProcesses : public SqliteSalvage {
 protected:
  void SetUp() override {
    if (!tests::kForkIsTestable) GTEST_SKIP() << "the sanitizers themselves do not survive a fork";
    SqliteSalvage::SetUp();
  }
  void TearDown() override {
    if (tests::kForkIsTestable) SqliteSalvage::TearDown();
  }

  // Each appends events of its own, durably, until it has succeeded; then all are killed.
  void append_from_processes() {
    use(nullptr);
    const Meeting begin;
    Signal done;
    std::vector<std::unique_ptr<Child>> all;
    for (std::uint32_t number = 0; number < kProcesses; ++number) {
      all.push_back(std::make_unique<Child>([&] {
        const auto outbox = another();
        begin.wait_for(kProcesses);
        EXPECT_TRUE(append_to(*outbox, events(own(number), kEach)));
        done.give();
        for (;;) pause();
        return true;
      }));
    }
    done.stay_silent();
    for (std::uint32_t number = 0; number < kProcesses; ++number) EXPECT_TRUE(done.wait());
    for (const auto& each : all) each->end(SIGKILL);
    use(another());
  }

  static bool append_to(Outbox& outbox, const std::vector<EventRecord>& batch) {
    for (int tries = 0; tries < 10'000; ++tries) {
      if (outbox.append(batch)) return true;
      (void)outbox.claim(kQueue, {.max_events = 1}, kLease);  // the sender among them repairs
    }
    return false;
  }

  static std::uint32_t own(std::uint32_t number) { return 100 * (number + 1); }

  void clear() {
    use(nullptr);
    for (const auto& entry : fs::directory_iterator(folder_.path())) fs::remove_all(entry);
    use(another());
  }

  // The events of every process are there, and those with numbers from `first`.
  void expect_all(std::uint32_t first, std::uint32_t count) {
    std::vector<EventRecord> expected = large_events(first, count);
    for (std::uint32_t number = 0; number < kProcesses; ++number) {
      for (EventRecord& event : events(own(number), kEach)) expected.push_back(std::move(event));
    }
    std::vector<std::string> payloads;
    for (const ClaimedEvent& each : take(outbox().claim(kQueue, kEverything, kLease)).events) {
      payloads.push_back(each.record.payload);
    }
    for (const EventRecord& event : expected) {
      EXPECT_EQ(std::ranges::count(payloads, event.payload), 1) << event.payload.substr(0, 20);
    }
    EXPECT_EQ(payloads.size(), expected.size());
  }

  // As a process leaves it that dies after its first rename: the new file is complete, and the log
  // of the damaged one has the name still.
  void interrupt_salvage() {
    append(large_events(1, 3));
    use(nullptr);
    const std::string readable = contents(path());
    use(another());
    append(events(11, 5));
    const std::string log = contents(path().string() + "-wal");
    const std::string index = contents(path().string() + "-shm");
    use(nullptr);
    fs::remove(path());
    overwrite(path().string() + "-salvaged", readable);
    overwrite(path().string() + "-wal", log);
    overwrite(path().string() + "-shm", index);
  }
};

TEST_F(SqliteProcesses, ThatStartAtAnInterruptedSalvageLoseNothing) {
  for (int round = 0; round < kRounds && !HasFailure(); ++round) {
    clear();
    interrupt_salvage();
    append_from_processes();
    expect_all(1, 3);
    EXPECT_TRUE(files_with("-salvaged").empty());
  }
}

// What the rounds above leave to chance: one is in the midst of the last step, another starts.
TEST_F(SqliteProcesses, OneThatStartsTouchesNothingWhileAnotherFinishesASalvage) {
  interrupt_salvage();
  const std::string log = contents(path().string() + "-wal");
  use(another());
  const std::vector<EventRecord> batch = {event(50)};
  {
    const NameLock other(path(), 0ms);
    EXPECT_FALSE(other.trouble());
    expect_error(outbox().append(batch), ErrorCode::kOutboxBusy, "opens, repairs or replaces");
    EXPECT_FALSE(fs::exists(path()));
    EXPECT_EQ(contents(path().string() + "-wal"), log);
    EXPECT_EQ(files_with("-salvaged").size(), 1U);
  }
  EXPECT_EQ(append(batch), 1U);
  EXPECT_EQ(claim().events.size(), 4U);
}

TEST_F(SqliteProcesses, ThatStartAtADamagedFileLoseNothing) {
  for (int round = 0; round < kRounds / 5 && !HasFailure(); ++round) {
    clear();
    append(large_events(1, 3));
    append(large_events(11, 40));
    use(nullptr);
    std::string bytes = contents(path());
    for (std::size_t page = 2; page < bytes.size() / kPage; ++page) {
      // All but those of the first events.
      if (bytes.substr(page * kPage, kPage).find(large_events(1, 1)[0].payload) == bytes.npos) {
        bytes.replace(page * kPage, kPage, std::string(kPage, '\xff'));
      }
    }
    overwrite(path(), bytes);
    append_from_processes();
    EXPECT_FALSE(files_with(".damaged-").empty());
    for (std::uint32_t number = 0; number < kProcesses; ++number) {
      const std::vector<EventRecord> batch = events(own(number), kEach);
      EXPECT_EQ(take(outbox().append(batch)).duplicates, kEach) << "process " << number;
    }
  }
}

TEST_F(SqliteProcesses, ThatStartWithoutAFileLoseNothing) {
  for (int round = 0; round < kRounds / 5 && !HasFailure(); ++round) {
    clear();
    use(nullptr);
    for (const auto& entry : fs::directory_iterator(folder_.path())) fs::remove_all(entry);
    append_from_processes();
    expect_all(1, 0);
  }
}

class SqliteNames : public SqliteSalvage {
 protected:
  [[nodiscard]] std::shared_ptr<Outbox> under(const fs::path& name) {
    return take(open_outbox({.url = "sqlite:" + name.string(), .busy_timeout = 20ms}, clock_));
  }
};

TEST_F(SqliteNames, ALinkedFileHasOneSenderWhateverTheName) {
  append(events(1, 3));
  EXPECT_EQ(claim(1).events.size(), 1U);
  const fs::path other = folder_.path() / "other";
  fs::create_directory(other);
  fs::create_symlink(path(), other / "link.db");
  fs::create_symlink("link.db", other / "second.db");
  fs::create_directory_symlink(folder_.path(), other / "folder");
  for (const fs::path& name : {other / "link.db", other / "second.db", other / "folder/outbox.db",
                               folder_.path() / "." / "other" / ".." / "outbox.db"}) {
    const auto outbox = under(name);
    EXPECT_EQ(outbox->file(), path().string()) << name;
    EXPECT_EQ(take(outbox->stats()).totals.appended, 3U);
    expect_error(outbox->due_queues(), ErrorCode::kOutboxTaken, "");
    EXPECT_EQ(take(outbox->claim(kQueue, {}, kLease)).events.size(), 0U);
  }
}

TEST_F(SqliteNames, AFileIsMadeWhereALinkToNothingPoints) {
  use(nullptr);
  const fs::path target = folder_.path() / "data" / "real.db";
  fs::create_directory(folder_.path() / "data");
  fs::create_symlink("data/real.db", folder_.path() / "link.db");
  use(under(folder_.path() / "link.db"));
  append(events(1, 3));
  EXPECT_TRUE(fs::is_symlink(folder_.path() / "link.db"));
  EXPECT_TRUE(fs::exists(target));
  fs::remove(folder_.path() / "link.db");
  append(events(4, 1));
  EXPECT_EQ(claim().events.size(), 4U) << "the link was a name, and is not missed";
}

TEST_F(SqliteNames, LinksThatGoInACircleAreRefused) {
  fs::create_symlink(folder_.path() / "b.db", folder_.path() / "a.db");
  fs::create_symlink(folder_.path() / "a.db", folder_.path() / "b.db");
  expect_error(open_outbox({.url = "sqlite:" + (folder_.path() / "a.db").string()}, clock_),
               ErrorCode::kInvalidConfig, "from link to link");
}

// As with docker run -v FILE:FILE. The log would be in the container, and gone with it.
TEST_F(SqliteNames, AFileThatIsMountedWithoutItsFolderIsRefused) {
  if (!tests::kForkIsTestable) GTEST_SKIP() << "the sanitizers themselves do not survive a fork";
  append(events(1, 3));
  use(nullptr);
  const fs::path other = folder_.path() / "other.db";
  overwrite(other, "");
  constexpr int kNotAllowed = 7;
  Child child([&] {
    const bool mounted = (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 || unshare(CLONE_NEWNS) == 0) &&
                         mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                         mount(path().c_str(), other.c_str(), nullptr, MS_BIND, nullptr) == 0;
    if (!mounted) _exit(kNotAllowed);
    const std::vector<EventRecord> batch = {event(4)};
    const auto refused = under(other)->append(batch);
    return !refused && refused.error().message.find("mount the folder") != std::string::npos &&
           another()->append(batch).has_value();
  });
  const int code = child.exit_code();
  use(another());
  if (code == kNotAllowed) GTEST_SKIP() << "this process may not mount";
  EXPECT_EQ(code, 0);
  EXPECT_EQ(claim().events.size(), 4U);
}

TEST_F(SqliteNames, AHardLinkIsRefusedAndTheFileIsWhole) {
  append(events(1, 3));
  const fs::path other = folder_.path() / "other.db";
  fs::create_hard_link(path(), other);
  const std::vector<EventRecord> batch = {event(4)};
  expect_error(under(other)->append(batch), ErrorCode::kOutboxUnavailable, "has 2 names");
  EXPECT_FALSE(fs::exists(other.string() + "-wal"));
  EXPECT_EQ(append(batch), 1U) << "who has it open goes on";
  fs::remove(other);
  use(another());
  EXPECT_EQ(claim().events.size(), 4U);
}

}  // namespace
}  // namespace postbox::testing
