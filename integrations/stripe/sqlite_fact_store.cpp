#include <mutex>
#include <optional>
#include <stripe/fact_store.hpp>
#include <stripe/fact_tables.hpp>

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

constexpr std::chrono::milliseconds kBusy{1'000};

void open_wal(Database& database) {
  database.execute("PRAGMA journal_mode = WAL; PRAGMA secure_delete = ON");
}

class SqliteFactStore final : public FactStore, private postbox::Inherited {
 public:
  // An empty path is memory only.
  SqliteFactStore(std::string path, FactStoreLimits limits, postbox::LogSink log)
      : path_(std::move(path)), log_(std::move(log)), tables_(limits) {}
  SqliteFactStore(const SqliteFactStore&) = delete;
  SqliteFactStore& operator=(const SqliteFactStore&) = delete;
  ~SqliteFactStore() override {
    const postbox::NoFork no_fork;
    withdraw();
    // Otherwise SQLite may not be called, and the connection stays open until the child ends.
    if (!postbox::forked_at_rest()) (void)database_.release();
    database_.reset();
  }

  Result<void> put_facts(const std::vector<Fact>& facts, WallTime now, WallTime expires) override {
    return use([&](Database& database) -> Result<void> {
      tables_.put_facts(database, facts, now, expires);
      return {};
    });
  }

  Result<std::optional<std::string>> find_fact(std::string_view key, WallTime at,
                                               WallTime now) override {
    return use([&](Database& database) -> Result<std::optional<std::string>> {
      return FactTables::find_fact(database, key, at, now);
    });
  }

  Result<bool> put_decisions(const std::vector<Decision>& decisions, WallTime now,
                             WallTime expires) override {
    return use([&](Database& database) -> Result<bool> {
      return tables_.put_decisions(database, decisions, now, expires);
    });
  }

  Result<std::optional<std::string>> find_decision(std::string_view key, WallTime now) override {
    return use([&](Database& database) -> Result<std::optional<std::string>> {
      return FactTables::find_decision(database, key, now);
    });
  }

  Result<void> put_body(const WaitingBody& body) override {
    return use([&](Database& database) { return tables_.put_body(database, body); });
  }

  Result<std::vector<WaitingBody>> ready_bodies(const std::vector<Fact>& facts,
                                                WallTime now) override {
    return use([&](Database& database) -> Result<std::vector<WaitingBody>> {
      return FactTables::ready_bodies(database, facts, now);
    });
  }

  Result<std::vector<std::string>> awaited_keys() override {
    return use([&](Database& database) -> Result<std::vector<std::string>> {
      return FactTables::awaited_keys(database);
    });
  }

  Result<std::optional<WallTime>> next_due() override {
    return use([&](Database& database) -> Result<std::optional<WallTime>> {
      return FactTables::next_due(database);
    });
  }

  Result<bool> remove_body(std::string_view event_id) override {
    return use([&](Database& database) -> Result<bool> {
      return FactTables::remove_body(database, event_id);
    });
  }

  Result<std::size_t> forget(std::string_view email) override {
    return use([&](Database& database) -> Result<std::size_t> {
      return FactTables::forget(database, email);
    });
  }

  Result<std::size_t> expire(WallTime now) override {
    return use([&](Database& database) -> Result<std::size_t> {
      return FactTables::expire(database, now);
    });
  }

  Result<std::size_t> rewrite(const Rewrite& change) override {
    FactTables::Rewritten done;
    while (done.next != FactTables::Rewritten::Table::kNone) {
      const auto some = use([&](Database& database) -> Result<void> {
        FactTables::rewrite_some(database, done, change);
        return {};
      });
      if (!some) return some.error();
    }
    if (done.changed > 0)
      (void)use([](Database& database) -> Result<bool> {
        return database.empty_log();  // where what was replaced stands, too
      });
    return done.changed;
  }

 private:
  // Runs `work` on the open database and returns its result, or its exception as an Error. A file
  // that turns out to be damaged is replaced, and `work` is run once more: it must be a transaction
  // of its own, so that the first attempt has changed nothing.
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

  static Error named(const Error& error) {
    return error.with_context("the fact store of webhooks");
  }

  Database& open() {
    // Another process may have moved the file aside.
    if (database_ && !in_memory() && database_->has_moved()) database_.reset();
    if (database_) return *database_;
    if (!postbox::sqlite_locks_are_free()) {
      throw Failure(Error{ErrorCode::kClosed, "this process was forked while SQLite was in use"});
    }
    if (in_memory()) {
      auto database = std::make_unique<Database>(Database::open_memory());
      FactTables::create(*database);
      database_ = std::move(database);
    } else {
      const postbox::NameLock name(path_, kBusy);
      if (name.trouble()) throw Failure(*name.trouble());
      database_ = open_file();
    }
    return *database_;
  }

  // The caller holds the NameLock, so that no other process moves the file before it is open.
  std::unique_ptr<Database> open_file() {
    postbox::sqlite::create_private_file(path_);
    if (const auto only = postbox::check_only_name(path_); !only) throw Failure(only.error());
    auto database = std::make_unique<Database>(Database::open_file(path_, shared_, kBusy));
    open_wal(*database);
    FactTables::create(*database);
    return database;
  }

  // Two processes that meet the damage must not both move the file: the second one would move the
  // new one.
  void replace_damaged_file() {
    const postbox::NameLock name(path_, kBusy);
    if (name.trouble()) throw Failure(*name.trouble());
    if (is_replaced()) return;
    const std::string aside = postbox::sqlite::name_aside(path_, "damaged");
    postbox::sqlite::set_aside(path_, aside);
    for (const char* suffix : {"-wal", "-shm"}) postbox::sqlite::remove_file(path_ + suffix);
    database_ = open_file();
    const std::int64_t waiting = salvage_from(aside);
    if (!log_) return;
    log_(LogLevel::kError,
         "the file '" + path_ + "' was damaged and is kept as '" + aside +
             "': " + std::to_string(waiting) +
             " waiting webhooks were salvaged, with the addresses and orders that could be read; "
             "check the disk");
  }

  // The caller holds the NameLock. Damage that was met at opening is looked for again: it may have
  // been in a file that has gone by now. A damaged file is closed.
  [[nodiscard]] bool is_replaced() {
    if (database_) {
      const bool has_moved = database_->has_moved();
      database_->abandon();
      database_.reset();
      return has_moved;
    }
    try {
      database_ = open_file();
      return true;
    } catch (const Failure& failure) {
      if (failure.error().code != ErrorCode::kOutboxCorrupt) throw;
      return false;
    }
  }

  std::int64_t salvage_from(const std::string& aside) {
    try {
      postbox::sqlite::SharedFile shared;
      Database from = Database::open_file(aside, shared, kBusy);
      from.abandon();
      return FactTables::copy_readable_rows(from, *database_);
    } catch (const Failure&) {
      return 0;
    }
  }

  [[nodiscard]] bool in_memory() const noexcept { return path_.empty(); }

  // The child keeps facts and decisions that were in memory. The bodies that wait there are the
  // parent's: it tracks them.
  [[nodiscard]] bool give_up() noexcept override {
    if (!postbox::sqlite_locks_are_free()) return false;
    if (!database_) return true;
    if (!in_memory()) {
      database_->abandon();
      database_.reset();
      return true;
    }
    try {
      FactTables::remove_bodies(*database_);
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }

  // Constant after construction.
  const std::string path_;
  const postbox::LogSink log_;

  std::mutex mutex_;
  postbox::sqlite::SharedFile shared_;
  std::unique_ptr<Database> database_;  // guarded by mutex_
  FactTables tables_;                   // guarded by mutex_
};

}  // namespace

std::shared_ptr<FactStore> sqlite_fact_store(std::string path, FactStoreLimits limits,
                                             postbox::LogSink log) {
  if (!path.empty()) path = postbox::resolved_name(path).value_or(path);
  return std::make_shared<SqliteFactStore>(std::move(path), limits, std::move(log));
}

}  // namespace stripe
