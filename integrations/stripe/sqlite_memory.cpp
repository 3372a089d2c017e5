#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <mutex>
#include <stripe/memory.hpp>
#include <stripe/sqlite.hpp>

#include "base/file_name.hpp"
#include "base/fork_gate.hpp"
#include "base/name_lock.hpp"
#include "sqlite/locks.hpp"

namespace stripe {
namespace {

using postbox::Error;
using postbox::ErrorCode;
using postbox::LogLevel;
using postbox::Result;
using postbox::WallTime;

constexpr std::chrono::milliseconds kBusy{1'000};

constexpr const char* kForked = "this process was forked while SQLite was in use";

// Stripe delivers for up to three days; what has been replaced is of use for so long.
constexpr std::chrono::hours kLate{24 * 4};

constexpr const char* kSchema = R"(
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA secure_delete = ON;
CREATE TABLE IF NOT EXISTS known(
  key TEXT NOT NULL, as_of INTEGER NOT NULL, value TEXT NOT NULL, expires INTEGER NOT NULL,
  PRIMARY KEY(key, as_of)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS known_expires ON known(expires);
CREATE TABLE IF NOT EXISTS decided(
  key TEXT PRIMARY KEY, value TEXT NOT NULL, expires INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS decided_expires ON decided(expires);
CREATE TABLE IF NOT EXISTS waiting(
  event_id TEXT PRIMARY KEY, body BLOB NOT NULL, key TEXT NOT NULL, until INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS waiting_until ON waiting(until);
CREATE INDEX IF NOT EXISTS waiting_key ON waiting(key);
)";

void create_private_file(const std::string& path) {
  const int descriptor =
      ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (descriptor >= 0) ::close(descriptor);  // otherwise opening it tells what is wrong
}

class SqliteMemory final : public Memory, private postbox::Inherited {
 public:
  SqliteMemory(std::string path, MemoryLimits limits, postbox::LogSink log)
      : path_(path.empty() ? ":memory:" : std::move(path)), limits_(limits), log_(std::move(log)) {}
  SqliteMemory(const SqliteMemory&) = delete;
  SqliteMemory& operator=(const SqliteMemory&) = delete;
  ~SqliteMemory() override {
    const postbox::NoFork no_fork;
    withdraw();
    if (!postbox::forked_at_rest()) {
      (void)handle_.release();
    } else if (!is_current()) {
      close();
    }
    handle_.reset();
  }

  Result<void> put(const std::vector<Fact>& facts, WallTime now, WallTime expires) override {
    return use([&](sqlite3* handle) -> Result<void> {
      Transaction transaction(handle);
      for (const Fact& fact : facts) {
        run(handle,
            "INSERT INTO known VALUES(?1, ?2, ?3, ?4) ON CONFLICT(key, as_of) DO UPDATE SET"
            " value = max(value, ?3), expires = max(expires, ?4)",
            fact.key, fact.as_of, fact.value, expires);
        run(handle,
            "UPDATE known SET expires = min(expires, ?2) WHERE key = ?1"
            " AND as_of < (SELECT max(as_of) FROM known WHERE key = ?1)",
            fact.key, now + kLate);
      }
      tidy_now_and_then(handle, now);
      transaction.commit();
      return {};
    });
  }

  Result<std::optional<std::string>> get(std::string_view key, WallTime at, WallTime now) override {
    using Found = std::optional<std::string>;
    return use([&](sqlite3* handle) -> Result<Found> {
      Statement then(handle,
                     "SELECT value FROM known WHERE key = ?1 AND as_of <= ?2 AND expires > ?3"
                     " ORDER BY as_of DESC LIMIT 1",
                     key, at, now);
      if (then.step()) return Found(then.text(0));
      Statement later(handle,
                      "SELECT value FROM known WHERE key = ?1 AND as_of > ?2 AND expires > ?3"
                      " AND value <> '' ORDER BY as_of LIMIT 1",
                      key, at, now);
      return later.step() ? Found(later.text(0)) : Found();
    });
  }

  Result<bool> decide(const std::vector<Decision>& decisions, WallTime now,
                      WallTime expires) override {
    return use([&](sqlite3* handle) -> Result<bool> {
      const Durably durably(handle);
      Transaction transaction(handle);
      bool all_stand = true;
      for (const auto& [key, value] : decisions) {
        run(handle,
            "INSERT INTO decided VALUES(?1, ?2, ?3) ON CONFLICT(key) DO UPDATE SET"
            " value = ?2, expires = ?3 WHERE expires <= ?4",
            key, value, expires, now);
        Statement standing(handle, "SELECT value FROM decided WHERE key = ?1", key);
        all_stand = standing.step() && standing.text(0) == value && all_stand;
      }
      tidy_now_and_then(handle, now);
      transaction.commit();
      return all_stand;
    });
  }

  Result<std::optional<std::string>> decided(std::string_view key, WallTime now) override {
    using Found = std::optional<std::string>;
    return use([&](sqlite3* handle) -> Result<Found> {
      Statement query(handle, "SELECT value FROM decided WHERE key = ?1 AND expires > ?2", key,
                      now);
      return query.step() ? Found(query.text(0)) : Found();
    });
  }

  Result<void> wait(const WaitingBody& body) override {
    return use([&](sqlite3* handle) -> Result<void> {
      const Durably durably(handle);
      Transaction transaction(handle);
      Statement count(handle, "SELECT count(*) FROM waiting WHERE event_id <> ?1", body.event_id);
      if (count.step() && count.integer(0) >= static_cast<std::int64_t>(limits_.waiting)) {
        return Error{ErrorCode::kOutboxFull,
                     "as many bodies wait as may: " + std::to_string(limits_.waiting)};
      }
      run(handle,
          "INSERT INTO waiting VALUES(?1, ?2, ?3, ?4) ON CONFLICT(event_id) DO UPDATE SET key = ?3",
          body.event_id, body.body, body.key, body.until);
      transaction.commit();
      return {};
    });
  }

  Result<std::vector<WaitingBody>> ready(const std::vector<Fact>& facts, WallTime now) override {
    return use([&](sqlite3* handle) -> Result<std::vector<WaitingBody>> {
      std::vector<WaitingBody> all;
      Statement due(handle, "SELECT * FROM waiting WHERE until <= ?1 ORDER BY until", now);
      while (due.step()) all.push_back(body_of(due));
      for (const Fact& fact : facts) {
        Statement waiting(handle,
                          "SELECT * FROM waiting WHERE key = ?1 AND until > ?2 ORDER BY until",
                          fact.key, now);
        while (waiting.step()) all.push_back(body_of(waiting));
      }
      return all;
    });
  }

  Result<std::vector<std::string>> awaited() override {
    return use([&](sqlite3* handle) -> Result<std::vector<std::string>> {
      std::vector<std::string> keys;
      Statement query(handle, "SELECT key FROM waiting ORDER BY until");
      while (query.step()) keys.push_back(query.text(0));
      return keys;
    });
  }

  Result<std::optional<WallTime>> next_due() override {
    using Due = std::optional<WallTime>;
    return use([&](sqlite3* handle) -> Result<Due> {
      Statement query(handle, "SELECT min(until) FROM waiting");
      return query.step() && !query.is_null(0) ? Due(query.time(0)) : Due();
    });
  }

  Result<std::size_t> forget(std::string_view email) override {
    return use([&](sqlite3* handle) -> Result<std::size_t> {
      const Durably durably(handle);
      Transaction transaction(handle);
      int removed = 0;
      for (const char* sql :
           {"DELETE FROM known WHERE value = ?1 OR (key >= 'bought:' AND key < 'bought;'"
            " AND substr(key, -length(?1)) = ?1)",
            "DELETE FROM decided WHERE value = ?1",
            "DELETE FROM waiting WHERE instr(lower(CAST(body AS TEXT)), ?1) > 0"}) {
        run(handle, sql, email);
        removed += sqlite3_changes(handle);
      }
      transaction.commit();
      return static_cast<std::size_t>(removed);
    });
  }

  Result<bool> done(std::string_view event_id) override {
    return use([&](sqlite3* handle) -> Result<bool> {
      run(handle, "DELETE FROM waiting WHERE event_id = ?1", event_id);
      return sqlite3_changes(handle) > 0;
    });
  }

 private:
  static WaitingBody body_of(const Statement& row) {
    return {row.text(0), row.text(1), row.text(2), row.time(3)};
  }

  void tidy_now_and_then(sqlite3* handle, WallTime now) {
    constexpr std::size_t kTidyEvery = 256;
    if (writes_++ % kTidyEvery != 0) return;
    run(handle, "DELETE FROM known WHERE expires <= ?1", now);
    run(handle, "DELETE FROM decided WHERE expires <= ?1", now);
    const auto bound = [&](std::string_view from, std::string_view to, std::size_t limit) {
      run(handle,
          "DELETE FROM known WHERE (key, as_of) IN (SELECT key, as_of FROM known"
          " WHERE key >= ?1 AND key < ?2 ORDER BY expires LIMIT max(0,"
          " (SELECT count(*) FROM known WHERE key >= ?1 AND key < ?2) - ?3))",
          from, to, limit);
    };
    // ';' comes after ':'.
    bound("customer:", "customer;", limits_.addresses);
    bound("bought:", "bought;", limits_.addresses);
    for (const std::string kind : {"order", "payment", "refunded", "dispute", "fresh", "trial"}) {
      bound(kind + ":", kind + ";", limits_.links);
    }
    run(handle,
        "DELETE FROM decided WHERE key IN (SELECT key FROM decided ORDER BY expires"
        " LIMIT max(0, (SELECT count(*) FROM decided) - ?1))",
        limits_.decisions);
  }

  // Runs `work` on the open database; an exception of it becomes the result. A file that turns out
  // to be damaged is replaced, and `work` has another try.
  template <class Work>
  auto use(Work work) -> decltype(work(nullptr)) {
    const postbox::NoFork no_fork;
    if (!postbox::forked_at_rest()) {
      return Error{ErrorCode::kClosed, kForked};
    }
    const std::lock_guard lock(mutex_);
    try {
      for (bool is_first = true;; is_first = false) {
        try {
          if (handle_ && !is_current()) close();
          if (!handle_) open();
          return work(handle_.get());
        } catch (const Failure& failure) {
          if (!failure.is_damage() || !is_first || in_memory()) return failure.error();
          if (const auto failed = move_aside(); !failed) return failed.error();
        }
      }
    } catch (const std::exception& error) {  // out of memory
      return Error{ErrorCode::kInternal, error.what()};
    }
  }

  void open() {
    if (!postbox::sqlite_locks_are_free()) throw_error({ErrorCode::kClosed, kForked});
    std::optional<postbox::NameLock> name;
    if (!in_memory()) {
      name.emplace(path_, kBusy);
      if (name->trouble()) throw_error(*name->trouble());
      create_private_file(path_);
      if (const auto only = postbox::check_only_name(path_); !only) throw_error(only.error());
    }
    opened_inode_ = inode_now();
    sqlite3* handle = nullptr;
    const int code = sqlite3_open_v2(path_.c_str(), &handle,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
    Handle opened(handle);
    if (code != SQLITE_OK) fail(handle);
    sqlite3_busy_timeout(handle, static_cast<int>(kBusy.count()));
    execute(handle, kSchema);
    handle_ = std::move(opened);
  }

  [[nodiscard]] ino_t inode_now() const noexcept {
    struct stat status {};
    return ::stat(path_.c_str(), &status) == 0 ? status.st_ino : 0;
  }

  // Whether the open file still bears the name: another process may have moved it aside.
  [[nodiscard]] bool is_current() const noexcept {
    return in_memory() || inode_now() == opened_inode_;
  }

  // SQLite removes the log by its name at the last close, and that may be another file's by now.
  void close() noexcept {
    if (!handle_) return;
    sqlite3_db_config(handle_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    handle_.reset();
  }

  // Another process may have done it: then a healthy file bears the name, and stays.
  Result<void> move_aside() {
    close();
    const postbox::NameLock name(path_, kBusy);
    if (name.trouble()) return *name.trouble();
    if (inode_now() != opened_inode_) return {};
    const std::string aside = free_name();
    for (const char* suffix : {"-wal", "-shm", ""}) {
      std::rename((path_ + suffix).c_str(), (aside + suffix).c_str());
    }
    if (!log_) return {};
    log_(LogLevel::kError, "the file '" + path_ + "' was damaged and is kept as '" + aside +
                               "': webhooks that waited in it are lost, addresses and orders are "
                               "learned again; check the disk");
    return {};
  }

  [[nodiscard]] bool in_memory() const noexcept { return path_ == ":memory:"; }

  [[noreturn]] static void throw_error(const Error& error) { throw Failure(error, false); }

  // What was in memory is known to the child, too; what waits there is the parent's to track.
  [[nodiscard]] bool give_up() noexcept override {
    if (!postbox::sqlite_locks_are_free()) return false;
    if (!in_memory()) close();
    if (handle_) sqlite3_exec(handle_.get(), "DELETE FROM waiting", nullptr, nullptr, nullptr);
    return true;
  }

  [[nodiscard]] std::string free_name() const {
    std::string name = path_ + ".damaged";
    for (int i = 2; ::access(name.c_str(), F_OK) == 0; ++i) {
      name = path_ + ".damaged-" + std::to_string(i);
    }
    return name;
  }

  // Constant after construction.
  const std::string path_;
  const MemoryLimits limits_;
  const postbox::LogSink log_;

  // Guarded by mutex_.
  std::mutex mutex_;
  Handle handle_;
  ino_t opened_inode_ = 0;
  std::size_t writes_ = 0;
};

}  // namespace

std::shared_ptr<Memory> sqlite_memory(std::string path, MemoryLimits limits, postbox::LogSink log) {
  if (!path.empty()) path = postbox::resolved_name(path).value_or(path);
  return std::make_shared<SqliteMemory>(std::move(path), limits, std::move(log));
}

}  // namespace stripe
