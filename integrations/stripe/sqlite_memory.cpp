#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <exception>
#include <mutex>
#include <stripe/memory.hpp>
#include <utility>

namespace stripe {
namespace {

using postbox::Error;
using postbox::ErrorCode;
using postbox::Result;
using postbox::WallTime;

constexpr int kBusyMilliseconds = 1'000;

constexpr const char* kSchema = R"(
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA secure_delete = ON;
CREATE TABLE IF NOT EXISTS facts(
  key TEXT PRIMARY KEY, value TEXT NOT NULL, as_of INTEGER NOT NULL, expires INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS facts_expires ON facts(expires);
CREATE TABLE IF NOT EXISTS waiting(
  event_id TEXT PRIMARY KEY, body BLOB NOT NULL, key TEXT NOT NULL, until INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS waiting_until ON waiting(until);
CREATE INDEX IF NOT EXISTS waiting_key ON waiting(key);
)";

class Failure final : public std::exception {
 public:
  explicit Failure(Error error) : error_(std::move(error)) {}
  [[nodiscard]] const Error& error() const noexcept { return error_; }
  [[nodiscard]] const char* what() const noexcept override { return error_.message.c_str(); }

 private:
  Error error_;
};

struct Close {
  void operator()(sqlite3* handle) const noexcept { sqlite3_close(handle); }
};
using Handle = std::unique_ptr<sqlite3, Close>;

[[noreturn]] void fail(sqlite3* handle) {
  const int code = sqlite3_errcode(handle) & 0xff;
  throw Failure({code == SQLITE_FULL ? ErrorCode::kOutboxFull : ErrorCode::kOutboxUnavailable,
                 std::string("what webhooks remember: ") + sqlite3_errmsg(handle)});
}

void execute(sqlite3* handle, const char* sql) {
  if (sqlite3_exec(handle, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail(handle);
}

// One statement with its values; the texts must outlive it.
class Statement {
 public:
  template <class... Values>
  Statement(sqlite3* handle, const char* sql, const Values&... values) : handle_(handle) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(handle, sql, -1, &statement, nullptr) != SQLITE_OK) fail(handle);
    statement_.reset(statement);
    int index = 0;
    (bind(++index, values), ...);
  }

  bool step() {
    const int code = sqlite3_step(statement_.get());
    if (code != SQLITE_ROW && code != SQLITE_DONE) fail(handle_);
    return code == SQLITE_ROW;
  }

  [[nodiscard]] std::string text(int column) const {
    const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column));
    return bytes == nullptr ? std::string() : std::string(bytes, size);
  }
  [[nodiscard]] std::int64_t integer(int column) const {
    return sqlite3_column_int64(statement_.get(), column);
  }
  [[nodiscard]] bool is_null(int column) const {
    return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
  }
  [[nodiscard]] WallTime time(int column) const {
    return WallTime(std::chrono::milliseconds(integer(column)));
  }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
  };

  void bind(int index, std::string_view text) {
    check(sqlite3_bind_text64(statement_.get(), index, text.data(), text.size(), SQLITE_STATIC,
                              SQLITE_UTF8));
  }
  void bind(int index, std::int64_t value) {
    check(sqlite3_bind_int64(statement_.get(), index, value));
  }
  void bind(int index, std::size_t value) { bind(index, static_cast<std::int64_t>(value)); }
  void bind(int index, WallTime time) {
    bind(index, static_cast<std::int64_t>(time.time_since_epoch().count()));
  }
  void check(int code) const {
    if (code != SQLITE_OK) fail(handle_);
  }

  sqlite3* handle_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

template <class... Values>
void run(sqlite3* handle, const char* sql, const Values&... values) {
  Statement(handle, sql, values...).step();
}

class Transaction {
 public:
  explicit Transaction(sqlite3* handle) : handle_(handle) { execute(handle, "BEGIN IMMEDIATE"); }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction() {
    if (!done_) sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
  void commit() {
    execute(handle_, "COMMIT");
    done_ = true;
  }

 private:
  sqlite3* handle_;
  bool done_ = false;
};

// Commits inside its scope sync the disk.
class Durably {
 public:
  explicit Durably(sqlite3* handle) : handle_(handle) {
    execute(handle, "PRAGMA synchronous=FULL");
  }
  Durably(const Durably&) = delete;
  Durably& operator=(const Durably&) = delete;
  ~Durably() { sqlite3_exec(handle_, "PRAGMA synchronous=NORMAL", nullptr, nullptr, nullptr); }

 private:
  sqlite3* handle_;
};

void create_private_file(const std::string& path) {
  const int descriptor =
      ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (descriptor >= 0) ::close(descriptor);  // otherwise opening it tells what is wrong
}

class SqliteMemory final : public Memory {
 public:
  SqliteMemory(std::string path, MemoryLimits limits)
      : path_(path.empty() ? ":memory:" : std::move(path)), limits_(limits) {}

  Result<void> put(const std::vector<Fact>& facts, WallTime as_of, WallTime expires) override {
    return use([&](sqlite3* handle) -> Result<void> {
      Transaction transaction(handle);
      for (const Fact& fact : facts) {
        run(handle,
            "INSERT INTO facts VALUES(?1, ?2, ?3, ?4) ON CONFLICT(key) DO UPDATE SET"
            " value = ?2, as_of = ?3, expires = ?4 WHERE as_of <= ?3",
            fact.key, fact.value, as_of, expires);
      }
      constexpr std::size_t kTidyEvery = 256;
      if (puts_++ % kTidyEvery == 0) tidy(handle, as_of);
      transaction.commit();
      return {};
    });
  }

  Result<std::optional<std::string>> get(std::string_view key, WallTime now) override {
    using Found = std::optional<std::string>;
    return use([&](sqlite3* handle) -> Result<Found> {
      Statement query(handle, "SELECT value FROM facts WHERE key = ?1 AND expires > ?2", key, now);
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

  Result<std::optional<WallTime>> next_due() override {
    using Due = std::optional<WallTime>;
    return use([&](sqlite3* handle) -> Result<Due> {
      Statement query(handle, "SELECT min(until) FROM waiting");
      return query.step() && !query.is_null(0) ? Due(query.time(0)) : Due();
    });
  }

  Result<void> done(std::string_view event_id) override {
    return use([&](sqlite3* handle) -> Result<void> {
      run(handle, "DELETE FROM waiting WHERE event_id = ?1", event_id);
      return {};
    });
  }

 private:
  static WaitingBody body_of(const Statement& row) {
    return {row.text(0), row.text(1), row.text(2), row.time(3)};
  }

  void tidy(sqlite3* handle, WallTime now) const {
    run(handle, "DELETE FROM facts WHERE expires <= ?1", now);
    run(handle,
        "DELETE FROM facts WHERE key IN (SELECT key FROM facts ORDER BY expires"
        " LIMIT max(0, (SELECT count(*) FROM facts) - ?1))",
        limits_.facts);
  }

  // Runs `work` on the open database; an exception of it becomes the result.
  template <class Work>
  auto use(Work work) -> decltype(work(nullptr)) {
    const std::lock_guard lock(mutex_);
    try {
      if (!handle_) open();
      return work(handle_.get());
    } catch (const Failure& failure) {
      return failure.error();
    } catch (const std::exception& error) {  // out of memory
      return Error{ErrorCode::kInternal, error.what()};
    }
  }

  void open() {
    if (path_ != ":memory:") create_private_file(path_);
    sqlite3* handle = nullptr;
    const int code = sqlite3_open_v2(path_.c_str(), &handle,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
    Handle opened(handle);
    if (code != SQLITE_OK) fail(handle);
    sqlite3_busy_timeout(handle, kBusyMilliseconds);
    execute(handle, kSchema);
    handle_ = std::move(opened);
  }

  // Constant after construction.
  const std::string path_;
  const MemoryLimits limits_;

  // Guarded by mutex_.
  std::mutex mutex_;
  Handle handle_;
  std::size_t puts_ = 0;
};

}  // namespace

std::shared_ptr<Memory> sqlite_memory(std::string path, MemoryLimits limits) {
  return std::make_shared<SqliteMemory>(std::move(path), limits);
}

}  // namespace stripe
