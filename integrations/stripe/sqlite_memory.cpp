#include <mutex>
#include <optional>
#include <stripe/memory.hpp>

#include "base/file_name.hpp"
#include "base/fork_gate.hpp"
#include "base/name_lock.hpp"
#include "sqlite/database.hpp"
#include "sqlite/locks.hpp"
#include "sqlite/store_file.hpp"

namespace stripe {
namespace {

using postbox::Error;
using postbox::ErrorCode;
using postbox::LogLevel;
using postbox::Result;
using postbox::WallTime;
using postbox::sqlite::Database;
using postbox::sqlite::Failure;
using postbox::sqlite::Query;
using postbox::sqlite::Transaction;

constexpr std::chrono::milliseconds kBusy{1'000};

// Stripe delivers for up to three days; what has been replaced is of use for so long.
constexpr std::chrono::hours kLate{24 * 4};

constexpr const char* kSchema = R"(
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

std::int64_t stamp(WallTime time) { return time.time_since_epoch().count(); }

WallTime time_in(const Query& row, int column) {
  return WallTime(std::chrono::milliseconds(row.integer(column)));
}

std::int64_t limit_of(std::size_t limit) { return static_cast<std::int64_t>(limit); }

// Binds texts as what the columns hold: a blob equals no text.
template <class Value>
const Value& as_column(const Value& value) {
  return value;
}
std::string_view as_column(const std::string& value) { return value; }
std::int64_t as_column(WallTime time) { return stamp(time); }

template <class... Values>
std::size_t run(Database& database, const char* sql, const Values&... values) {
  return Query(database, sql).bind(as_column(values)...).run();
}

void open_wal(Database& database) {
  database.execute("PRAGMA journal_mode = WAL; PRAGMA secure_delete = ON");
}

void set_up(Database& database) {
  Transaction transaction(database, Transaction::Kind::kWrite);
  database.execute(kSchema);
  transaction.commit();
}

// Copies what can be read from one end of a table up to the damage, and then from the other end.
template <class Copy>
void copy_around_damage(Database& from, std::initializer_list<const char*> both_ways, Copy copy) {
  for (const char* sql : both_ways) {
    try {
      Query rows(from, sql);
      while (rows.step()) copy(rows);
      return;
    } catch (const Failure&) {
      continue;
    }
  }
}

// Returns how many bodies wait in `to` then.
std::int64_t copy_readable_rows(Database& from, Database& to) {
  Transaction transaction(to, Transaction::Kind::kDurable);
  copy_around_damage(from,
                     {"SELECT event_id, body, key, until FROM waiting ORDER BY rowid",
                      "SELECT event_id, body, key, until FROM waiting ORDER BY rowid DESC"},
                     [&](const Query& row) {
                       run(to, "INSERT INTO waiting VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                           row.bytes(0), row.bytes(1), row.bytes(2), row.integer(3));
                     });
  copy_around_damage(from,
                     {"SELECT key, value, expires FROM decided ORDER BY key",
                      "SELECT key, value, expires FROM decided ORDER BY key DESC"},
                     [&](const Query& row) {
                       run(to, "INSERT INTO decided VALUES(?1, ?2, ?3) ON CONFLICT DO NOTHING",
                           row.bytes(0), row.bytes(1), row.integer(2));
                     });
  copy_around_damage(from,
                     {"SELECT key, as_of, value, expires FROM known ORDER BY key, as_of",
                      "SELECT key, as_of, value, expires FROM known ORDER BY key DESC, as_of DESC"},
                     [&](const Query& row) {
                       run(to, "INSERT INTO known VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                           row.bytes(0), row.integer(1), row.bytes(2), row.integer(3));
                     });
  const std::int64_t waiting = to.integer("SELECT count(*) FROM waiting");
  transaction.commit();
  return waiting;
}

class SqliteMemory final : public Memory, private postbox::Inherited {
 public:
  // An empty path is memory only.
  SqliteMemory(std::string path, MemoryLimits limits, postbox::LogSink log)
      : path_(std::move(path)), limits_(limits), log_(std::move(log)) {}
  SqliteMemory(const SqliteMemory&) = delete;
  SqliteMemory& operator=(const SqliteMemory&) = delete;
  ~SqliteMemory() override {
    const postbox::NoFork no_fork;
    withdraw();
    // Nothing of SQLite may be called: it stays open until the child ends.
    if (!postbox::forked_at_rest()) (void)database_.release();
    database_.reset();
  }

  Result<void> put(const std::vector<Fact>& facts, WallTime now, WallTime expires) override {
    return use([&](Database& database) -> Result<void> {
      Transaction transaction(database, Transaction::Kind::kWrite);
      for (const Fact& fact : facts) {
        run(database,
            "INSERT INTO known VALUES(?1, ?2, ?3, ?4) ON CONFLICT(key, as_of) DO UPDATE SET"
            " value = max(value, ?3), expires = max(expires, ?4)",
            fact.key, fact.as_of, fact.value, expires);
        run(database,
            "UPDATE known SET expires = min(expires, ?2) WHERE key = ?1"
            " AND as_of < (SELECT max(as_of) FROM known WHERE key = ?1)",
            fact.key, now + kLate);
      }
      tidy_now_and_then(database, now);
      transaction.commit();
      return {};
    });
  }

  Result<std::optional<std::string>> get(std::string_view key, WallTime at, WallTime now) override {
    using Found = std::optional<std::string>;
    return use([&](Database& database) -> Result<Found> {
      Query then(database,
                 "SELECT value FROM known WHERE key = ?1 AND as_of <= ?2 AND expires > ?3"
                 " ORDER BY as_of DESC LIMIT 1");
      if (then.bind(key, stamp(at), stamp(now)).step()) return Found(then.bytes(0));
      Query later(database,
                  "SELECT value FROM known WHERE key = ?1 AND as_of > ?2 AND expires > ?3"
                  " AND value <> '' ORDER BY as_of LIMIT 1");
      return later.bind(key, stamp(at), stamp(now)).step() ? Found(later.bytes(0)) : Found();
    });
  }

  Result<bool> decide(const std::vector<Decision>& decisions, WallTime now,
                      WallTime expires) override {
    return use([&](Database& database) -> Result<bool> {
      Transaction transaction(database, Transaction::Kind::kDurable);
      bool all_stand = true;
      for (const auto& [key, value] : decisions) {
        run(database,
            "INSERT INTO decided VALUES(?1, ?2, ?3) ON CONFLICT(key) DO UPDATE SET"
            " value = ?2, expires = ?3 WHERE expires <= ?4",
            key, value, expires, now);
        Query standing(database, "SELECT value FROM decided WHERE key = ?1");
        standing.bind(std::string_view(key));
        all_stand = standing.step() && standing.bytes(0) == value && all_stand;
      }
      tidy_now_and_then(database, now);
      transaction.commit();
      return all_stand;
    });
  }

  Result<std::optional<std::string>> decided(std::string_view key, WallTime now) override {
    using Found = std::optional<std::string>;
    return use([&](Database& database) -> Result<Found> {
      Query query(database, "SELECT value FROM decided WHERE key = ?1 AND expires > ?2");
      return query.bind(key, stamp(now)).step() ? Found(query.bytes(0)) : Found();
    });
  }

  Result<void> wait(const WaitingBody& body) override {
    return use([&](Database& database) -> Result<void> {
      Transaction transaction(database, Transaction::Kind::kDurable);
      Query count(database, "SELECT count(*) FROM waiting WHERE event_id <> ?1");
      count.bind(std::string_view(body.event_id));
      if (count.step() && count.integer(0) >= limit_of(limits_.waiting)) {
        return Error{ErrorCode::kOutboxFull, "too many webhooks are waiting (limit " +
                                                 std::to_string(limits_.waiting) + ")"};
      }
      run(database,
          "INSERT INTO waiting VALUES(?1, ?2, ?3, ?4) ON CONFLICT(event_id) DO UPDATE SET key = ?3",
          body.event_id, body.body, body.key, body.until);
      transaction.commit();
      return {};
    });
  }

  Result<std::vector<WaitingBody>> ready(const std::vector<Fact>& facts, WallTime now) override {
    return use([&](Database& database) -> Result<std::vector<WaitingBody>> {
      std::vector<WaitingBody> all;
      Query due(database,
                "SELECT event_id, body, key, until FROM waiting WHERE until <= ?1 ORDER BY until");
      due.bind(stamp(now));
      while (due.step()) all.push_back(body_of(due));
      for (const Fact& fact : facts) {
        Query waiting(database,
                      "SELECT event_id, body, key, until FROM waiting WHERE key = ?1 AND until > ?2"
                      " ORDER BY until");
        waiting.bind(std::string_view(fact.key), stamp(now));
        while (waiting.step()) all.push_back(body_of(waiting));
      }
      return all;
    });
  }

  Result<std::vector<std::string>> awaited() override {
    return use([&](Database& database) -> Result<std::vector<std::string>> {
      std::vector<std::string> keys;
      Query query(database, "SELECT key FROM waiting ORDER BY until");
      while (query.step()) keys.push_back(query.bytes(0));
      return keys;
    });
  }

  Result<std::optional<WallTime>> next_due() override {
    using Due = std::optional<WallTime>;
    return use([&](Database& database) -> Result<Due> {
      Query query(database, "SELECT until FROM waiting ORDER BY until LIMIT 1");
      return query.step() ? Due(time_in(query, 0)) : Due();
    });
  }

  Result<std::size_t> forget(std::string_view email) override {
    return use([&](Database& database) -> Result<std::size_t> {
      Transaction transaction(database, Transaction::Kind::kDurable);
      std::size_t removed = 0;
      for (const char* sql :
           {"DELETE FROM known WHERE value = ?1 OR (key >= 'bought:' AND key < 'bought;'"
            " AND substr(key, -length(?1)) = ?1)",
            "DELETE FROM decided WHERE value = ?1",
            "DELETE FROM waiting WHERE instr(lower(CAST(body AS TEXT)), ?1) > 0"}) {
        removed += run(database, sql, email);
      }
      transaction.commit();
      (void)database.empty_log();  // where the address stands, too
      return removed;
    });
  }

  Result<bool> done(std::string_view event_id) override {
    return use([&](Database& database) -> Result<bool> {
      Transaction transaction(database, Transaction::Kind::kWrite);
      const std::size_t removed =
          run(database, "DELETE FROM waiting WHERE event_id = ?1", event_id);
      transaction.commit();
      return removed > 0;
    });
  }

 private:
  static WaitingBody body_of(const Query& row) {
    return {row.bytes(0), row.bytes(1), row.bytes(2), time_in(row, 3)};
  }

  void tidy_now_and_then(Database& database, WallTime now) {
    constexpr std::size_t kTidyEvery = 256;
    if (writes_++ % kTidyEvery != 0) return;
    run(database, "DELETE FROM known WHERE expires <= ?1", now);
    run(database, "DELETE FROM decided WHERE expires <= ?1", now);
    const auto bound = [&](const std::string& from, const std::string& to, std::size_t limit) {
      run(database,
          "DELETE FROM known WHERE (key, as_of) IN (SELECT key, as_of FROM known"
          " WHERE key >= ?1 AND key < ?2 ORDER BY expires LIMIT max(0,"
          " (SELECT count(*) FROM known WHERE key >= ?1 AND key < ?2) - ?3))",
          from, to, limit_of(limit));
    };
    // ';' comes after ':'.
    bound("customer:", "customer;", limits_.addresses);
    bound("bought:", "bought;", limits_.addresses);
    for (const std::string kind : {"order", "payment", "refunded", "dispute", "fresh", "trial"}) {
      bound(kind + ":", kind + ";", limits_.links);
    }
    run(database,
        "DELETE FROM decided WHERE key IN (SELECT key FROM decided ORDER BY expires"
        " LIMIT max(0, (SELECT count(*) FROM decided) - ?1))",
        limit_of(limits_.decisions));
  }

  // Runs `work` on the open database; an exception of it becomes the result. A file that turns out
  // to be damaged is replaced, and `work` has another try.
  template <class Work>
  auto use(Work work) -> decltype(work(std::declval<Database&>())) {
    const postbox::NoFork no_fork;
    if (!postbox::forked_at_rest()) {
      return Error{ErrorCode::kClosed, "this process was forked while SQLite was in use"};
    }
    const std::lock_guard lock(mutex_);
    try {
      for (bool is_first = true;; is_first = false) {
        try {
          auto result = work(open());
          database_->keep_log_short();
          return result;
        } catch (const Failure& failure) {
          const bool is_damage = failure.error().code == ErrorCode::kOutboxCorrupt;
          if (!is_damage || !is_first || in_memory()) return named(failure.error());
          replace_damaged_file();
        }
      }
    } catch (const Failure& failure) {
      return named(failure.error());
    } catch (const std::exception& error) {  // out of memory
      return Error{ErrorCode::kInternal, error.what()};
    }
  }

  static Error named(const Error& error) { return error.with_context("what webhooks remember"); }

  Database& open() {
    // Another process may have moved the file aside.
    if (database_ && !in_memory() && database_->has_moved()) database_.reset();
    if (database_) return *database_;
    if (!postbox::sqlite_locks_are_free()) {
      throw Failure(Error{ErrorCode::kClosed, "this process was forked while SQLite was in use"});
    }
    if (in_memory()) {
      auto database = std::make_unique<Database>(Database::open_memory());
      set_up(*database);
      database_ = std::move(database);
    } else {
      const postbox::NameLock name(path_, kBusy);
      if (name.trouble()) throw Failure(*name.trouble());
      database_ = open_file();
    }
    return *database_;
  }

  // Under the NameLock. Kept open whatever becomes of the tables: whose file is damaged moves it.
  std::unique_ptr<Database> open_file() {
    postbox::sqlite::create_private_file(path_);
    if (const auto only = postbox::check_only_name(path_); !only) throw Failure(only.error());
    auto database = std::make_unique<Database>(Database::open_file(path_, shared_, kBusy));
    open_wal(*database);
    set_up(*database);
    return database;
  }

  // Another process may have done it: then a healthy file bears the name, and stays.
  void replace_damaged_file() {
    const postbox::NameLock name(path_, kBusy);
    if (name.trouble()) throw Failure(*name.trouble());
    const bool is_replaced = database_ && database_->has_moved();
    if (database_) database_->abandon();
    database_.reset();
    if (is_replaced) return;
    const std::string aside = postbox::sqlite::name_aside(path_, "damaged");
    postbox::sqlite::set_aside(path_, aside);
    for (const char* suffix : {"-wal", "-shm"}) postbox::sqlite::remove_file(path_ + suffix);
    database_ = open_file();
    const std::int64_t waiting = salvage_from(aside);
    if (!log_) return;
    log_(LogLevel::kError,
         "the file '" + path_ + "' was damaged and is kept as '" + aside +
             "': " + std::to_string(waiting) +
             " webhooks that wait were salvaged, with the addresses and orders that could be read; "
             "check the disk");
  }

  std::int64_t salvage_from(const std::string& aside) {
    try {
      postbox::sqlite::SharedFile shared;
      Database from = Database::open_file(aside, shared, kBusy);
      from.abandon();
      return copy_readable_rows(from, *database_);
    } catch (const Failure&) {
      return 0;
    }
  }

  [[nodiscard]] bool in_memory() const noexcept { return path_.empty(); }

  // What was in memory is known to the child, too; what waits there is the parent's to track.
  [[nodiscard]] bool give_up() noexcept override {
    if (!postbox::sqlite_locks_are_free()) return false;
    if (!database_) return true;
    if (!in_memory()) {
      database_->abandon();
      database_.reset();
      return true;
    }
    try {
      database_->execute("DELETE FROM waiting");
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }

  // Constant after construction.
  const std::string path_;
  const MemoryLimits limits_;
  const postbox::LogSink log_;

  std::mutex mutex_;
  postbox::sqlite::SharedFile shared_;
  std::unique_ptr<Database> database_;  // guarded by mutex_
  std::size_t writes_ = 0;              // guarded by mutex_
};

}  // namespace

std::shared_ptr<Memory> sqlite_memory(std::string path, MemoryLimits limits, postbox::LogSink log) {
  if (!path.empty()) path = postbox::resolved_name(path).value_or(path);
  return std::make_shared<SqliteMemory>(std::move(path), limits, std::move(log));
}

}  // namespace stripe
