// Database, Query and Transaction are a thin layer over SQLite's C API: every handle has one owner,
// and every statement is reset when its scope ends, also after an error.
//
// Place:     below every store that keeps a file.
// Threads:   one thread at a time per Database; its owner holds a mutex.
// Lifetime:  a Query or Transaction lives inside a scope and must not outlive its Database.
// Failure:   throws Failure, which never leaves a store: it becomes a Result there.
#pragma once

#include <sqlite3.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <postbox/error.hpp>
#include <postbox/event.hpp>
#include <span>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "base/mutex.hpp"

namespace postbox::sqlite {

class Failure final : public std::exception {
 public:
  enum class Source : std::uint8_t { kStore, kSqlite };

  explicit Failure(Error error, Source source = Source::kStore) noexcept
      : error_(std::move(error)), source_(source) {}
  [[nodiscard]] const Error& error() const noexcept { return error_; }

  // The message is SQLite's own: a store may add what is to be done.
  [[nodiscard]] bool is_of_sqlite() const noexcept { return source_ == Source::kSqlite; }
  [[nodiscard]] const char* what() const noexcept override { return error_.message.c_str(); }

 private:
  Error error_;
  Source source_;
};

// Connections of one process take turns to write. SQLite's busy handler sleeps for milliseconds and
// is not fair: under a steady load of appends the sender hardly ever got the write lock.
//
// WriterMutex admits one writer of a file at a time, among the connections of this process. SQLite
// has one writer, too, but who finds it busy there sleeps and may miss its chance forever; here one
// waits until the other's commit has ended, and no longer: the mutex is handed over to whoever
// waits, also when its last holder wants it again. Writers of other processes meet in SQLite's own
// lock.
class WriterMutex {
 public:
  // False when the holder keeps it longer than `timeout`: it is stuck in disk I/O.
  [[nodiscard]] bool lock_for(std::chrono::milliseconds timeout) POSTBOX_EXCLUDES(mutex_);
  void unlock() POSTBOX_EXCLUDES(mutex_);

 private:
  Mutex mutex_;
  ConditionVariable handed_over_to_;
  int waiting_ POSTBOX_GUARDED_BY(mutex_) = 0;
  bool is_locked_ POSTBOX_GUARDED_BY(mutex_) = false;
  bool is_handed_over_ POSTBOX_GUARDED_BY(mutex_) = false;  // locked, for one of those who wait
};

// Holds the mutex until the end of its scope. Throws kOutboxBusy.
class WriterGuard {
 public:
  WriterGuard(WriterMutex& mutex, std::chrono::milliseconds timeout);
  WriterGuard(const WriterGuard&) = delete;
  WriterGuard& operator=(const WriterGuard&) = delete;
  ~WriterGuard() { mutex_.unlock(); }

 private:
  WriterMutex& mutex_;
};

// State that the connections of one file share. Must outlive them.
struct SharedFile {
  WriterMutex writer;

  // Pages in the write-ahead log when this process last looked: at its last commit, also those of
  // other processes. Zero once all of them have been moved into the file.
  std::atomic<int> wal_pages{0};
};

// Lengths of the log in pages. It is moved when it is due: a page that is written often is moved
// once. When it is large the rest is moved while nobody may write, for it starts again from its
// beginning only once it has been moved completely.
inline constexpr int kDueLog = 6'000;
inline constexpr int kLargeLog = 8'000;

// A log as long as this is not moved into the file by anybody, or cannot start again: another
// program reads the file and does not end.
inline constexpr int kStalledLog = 12'000;

class Database {
 public:
  // Opens a file that exists; create_private_file() makes one. Whoever writes holds the
  // writer mutex, or calls lock_to_write() first. Nobody but checkpoint() moves pages from the log
  // into the file.
  [[nodiscard]] static Database open_file(const std::string& path, SharedFile& shared,
                                          std::chrono::milliseconds busy_timeout);
  [[nodiscard]] static Database open_memory();

  // From now on each write transaction locks the writer mutex by itself.
  void lock_to_write() noexcept { locks_to_write_ = true; }

  // Runs SQL that takes no parameters and whose rows do not matter.
  void execute(const char* sql);

  // What belongs to this connection alone and is made at its first use. There is one, of one type.
  template <class T>
  [[nodiscard]] T& attached() {
    if (attached_ == nullptr) {
      attached_ = std::make_shared<T>();
      attached_type_ = &typeid(T);
    }
    POSTBOX_ASSERT(*attached_type_ == typeid(T));
    return *static_cast<T*>(attached_.get());
  }

  // How many transactions that write were begun: a number of the one that is open.
  [[nodiscard]] std::uint64_t transactions() const noexcept { return transactions_; }

  // Returns the integer that `sql`, a string literal, yields; zero when there is no row or it is
  // NULL.
  [[nodiscard]] std::int64_t integer(const char* sql);

  // Makes a pure function known to SQL on this connection. `name` is a string literal.
  using Function = void (*)(sqlite3_context*, int count, sqlite3_value** arguments);
  void define(const char* name, int count, Function function);

  // Writes a copy, as of one moment, to an empty file at `path`, and syncs it. Others go on.
  void copy_to(const std::string& path);

  // Moves what the log holds into the file while others go on reading and writing. A failure
  // changes nothing: the pages stay in the log, and the next commit meets the same trouble.
  void checkpoint() noexcept;

  // Moves a log that is due; outside a transaction. To be called between the parts of long work.
  void keep_log_short() noexcept;

  // Moves everything into the file and makes the log an empty file; outside a transaction. Waits
  // for nobody who reads: returns false when somebody does, or anything else is in the way.
  bool empty_log() noexcept;

  // As SharedFile::wal_pages.
  [[nodiscard]] int log_pages() const noexcept {
    return shared_ == nullptr ? 0 : shared_->wal_pages.load(std::memory_order_relaxed);
  }

  // Reads the first bytes of the file as they are. False when it has fewer.
  [[nodiscard]] bool read_header(std::span<unsigned char> header) noexcept;

  // True when the file that is open no longer bears the name under which it was opened.
  [[nodiscard]] bool has_moved() noexcept { return has_moved(handle_.get()); }

  // Notes which file is the log, once there is one. owns_log(): whether the file of that name still
  // is.
  void remember_log_file() noexcept { log_inode_ = inode_of_log(); }
  [[nodiscard]] bool owns_log() const noexcept { return log_inode_ == inode_of_log(); }

  // The connection belongs to the process that this one was forked from, and with it the log: leave
  // that alone when it is closed here.
  void abandon() noexcept { leave_log(handle_.get()); }

  // Rows that the last INSERT, UPDATE or DELETE changed.
  [[nodiscard]] std::size_t changes() const noexcept {
    return static_cast<std::size_t>(sqlite3_changes(handle_.get()));
  }
  [[nodiscard]] bool in_transaction() const noexcept {
    return sqlite3_get_autocommit(handle_.get()) == 0;
  }

  // Throws what SQLite says about its last call; `step` names what was being done.
  [[noreturn]] void fail(std::string_view step) const;

 private:
  friend class Query;
  friend class Transaction;
  struct Close {
    void operator()(sqlite3* handle) const noexcept;
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
  };
  struct Statement {
    const char* sql;
    std::unique_ptr<sqlite3_stmt, Finalize> handle;
  };

  static void leave_log(sqlite3* handle) noexcept {
    sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  }
  [[nodiscard]] static bool has_moved(sqlite3* handle) noexcept;

  Database(const char* path, int flags, SharedFile* shared);
  sqlite3_stmt* statement(const char* sql);
  void sync_commits(bool durable);
  bool lock_writer() noexcept;
  void unlock_writer() noexcept;

  [[nodiscard]] std::uint64_t inode_of_log() const noexcept;

  std::shared_ptr<void> attached_;
  const std::type_info* attached_type_ = nullptr;
  std::uint64_t transactions_ = 0;
  std::uint64_t log_inode_ = 0;
  bool locks_to_write_ = false;
  bool durable_ = true;  // synchronous=FULL, as SQLite begins
  SharedFile* shared_;   // null for a database that no other connection can see
  std::unique_ptr<std::chrono::milliseconds> busy_timeout_;  // where SQLite can find it
  std::unique_ptr<sqlite3, Close> handle_;
  std::vector<Statement> statements_;  // after handle_: SQLite wants them finalised first
};

// One use of a prepared statement. `sql` is a string literal: the statement is prepared at its
// first use on a connection and found again by the literal's address.
class Query {
 public:
  Query(Database& database, const char* sql)
      : database_(database), statement_(database.statement(sql)) {}
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
  ~Query() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }

  // Binds ?1, ?2, … in order. Strings and keys are not copied: they must outlive the next
  // step() or run().
  template <class... Values>
  Query& bind(const Values&... values) {
    return bind_from(1, values...);
  }

  // The same for the parameters from `first` on.
  template <class... Values>
  Query& bind_from(int first, const Values&... values) {
    int index = first;
    (check(bind_one(index++, values)), ...);
    return *this;
  }

  // Returns true when there is a row to read.
  [[nodiscard]] bool step();

  // Runs a statement to its end and makes it ready for the next bind(). Returns changed rows.
  std::size_t run();

  [[nodiscard]] std::int64_t integer(int column) const noexcept {
    return sqlite3_column_int64(statement_, column);
  }
  [[nodiscard]] std::size_t size(int column) const noexcept {
    return static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  }
  [[nodiscard]] std::string bytes(int column) const;
  [[nodiscard]] Key key(int column) const;
  [[nodiscard]] std::optional<Key> key_or_null(int column) const;

 private:
  int bind_one(int index, std::int64_t value) noexcept {
    return sqlite3_bind_int64(statement_, index, value);
  }
  int bind_one(int index, const Key& value) noexcept {
    return sqlite3_bind_blob64(statement_, index, value.data(), value.size(), SQLITE_STATIC);
  }
  // Copied, unlike the others.
  int bind_one(int index, const std::optional<Key>& value) noexcept {
    return value ? sqlite3_bind_blob64(statement_, index, value->data(), value->size(),
                                       SQLITE_TRANSIENT)
                 : sqlite3_bind_null(statement_, index);
  }
  int bind_one(int index, const std::string& blob) noexcept {
    return sqlite3_bind_blob64(statement_, index, blob.data(), blob.size(), SQLITE_STATIC);
  }
  int bind_one(int index, std::string_view text) noexcept {
    return sqlite3_bind_text64(statement_, index, text.data(), text.size(), SQLITE_STATIC,
                               SQLITE_UTF8);
  }
  void check(int code) const {
    if (code != SQLITE_OK) database_.fail("bind");
  }

  Database& database_;
  sqlite3_stmt* statement_;
};

// Everything until commit() happens, or nothing does: the end of the scope rolls back.
class Transaction {
 public:
  enum class Kind : std::uint8_t {
    kRead,  // one snapshot for several queries
    // Both take the write lock at once, so that no later step can find it taken. Throw kOutboxBusy
    // when another holds it for longer than the busy time-out.
    kWrite,    // synchronous=NORMAL: a power cut may undo the last commits, in order
    kDurable,  // synchronous=FULL: a commit is on the disk when it returns
  };
  Transaction(Database& database, Kind kind);
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();

  void commit();

 private:
  void roll_back() noexcept;

  Database& database_;
  std::optional<WriterGuard> guard_;
};

// Creates `path` with mode 0600 and makes the new name durable; leaves an existing file as it is,
// and returns false. SQLite gives the -wal and -shm files the mode of the database, so this one
// call protects them all, without touching the process's umask.
bool create_private_file(const std::string& path);

// Makes what was renamed or created in the folder of `path` durable.
void sync_folder_of(const std::string& path);

}  // namespace postbox::sqlite
