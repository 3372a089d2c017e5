#include "open.hpp"

#include "base/file_name.hpp"
#include "base/mutex.hpp"
#include "base/name_lock.hpp"
#include "format.hpp"
#include "sqlite/store_file.hpp"

namespace postbox::sqlite {
namespace {

// Returns the version. Only reads, since the file may be somebody else's.
std::int64_t check_identity(Database& database) {
  const Transaction snapshot(database, Transaction::Kind::kRead);
  const std::int64_t tables = database.integer("SELECT count(*) FROM sqlite_schema");
  const std::int64_t application = database.integer("PRAGMA application_id");
  const std::int64_t version = database.integer("PRAGMA user_version");
  const bool empty = tables == 0 && application == 0 && version == 0;
  if (!empty && application != kApplicationId) {
    throw Failure(Error{ErrorCode::kOutboxUnavailable,
                        "the file is the database of another program: set POSTBOX_OUTBOX to "
                        "another path"});
  }
  if (version < 0) {
    throw Failure(
        Error{ErrorCode::kOutboxCorrupt,
              "the file's format is " + std::to_string(version) + ", which there is not"});
  }
  if (version > kSchemaVersion) {
    throw Failure(Error{ErrorCode::kOutboxTooNew,
                        "the file has format " + std::to_string(version) +
                            ", and this version of Postbox knows formats up to " +
                            std::to_string(kSchemaVersion) + ": run the newer version again"});
  }
  return version;
}

void use_wal(Database& database) {
  Query query(database, "PRAGMA journal_mode=WAL");
  const bool supported = query.step() && query.bytes(0) == "wal";
  // The statement commits when it is done, and that can fail as well.
  if (!query.step() && supported) return;
  throw Failure(Error{ErrorCode::kOutboxUnavailable,
                      "the file system does not support SQLite's WAL mode: put the outbox on a "
                      "local disk"});
}

// The flow's page cache holds the events on their way: with 8 MiB a page was read again for one
// event in five. The operators' connection, which passes over rows once, has 2 MiB. The log is
// moved when it has 6,000 pages in place of 4,000, since a page that was written ten times is moved
// once: a third less to move.
//
// Delivered events are not overwritten with zeros (`secure_delete=FAST`): Debian's SQLite does so
// by default, which writes every freed page once more, 2 of 16 µs of CPU an event in bulk. What
// operators remove is overwritten.
void prepare(Database& database) {
  // Read first, with nothing set: a damaged or foreign file must stay as it is.
  const std::int64_t version = check_identity(database);
  use_wal(database);
  database.execute(
      "PRAGMA secure_delete=FAST;"            // Debian's default writes a freed page as zeros
      "PRAGMA cache_size=-12288;"             // KiB: holds five thousand events on their way
      "PRAGMA temp_store=MEMORY;"             // no temporary files with other people's events
      "PRAGMA journal_size_limit=33554432");  // a WAL that grew behind a slow reader shrinks again
  if (version < kSchemaVersion) migrate(database);
  database.remember_log_file();
}

// Instances of one process open one after another: the switch to WAL finds the file busy
// when two of them try at once, and no timeout helps there.
Mutex& opening() {
  static Mutex mutex;
  return mutex;
}

}  // namespace

Database open_store(const std::string& path, SharedFile& shared,
                    std::chrono::milliseconds busy_timeout) {
  const MutexLock lock(opening());
  const NameLock name(path, busy_timeout);
  if (name.trouble()) throw Failure(*name.trouble());
  finish_replacement(path);
  return open_new_store(path, shared, busy_timeout);
}

Database open_new_store(const std::string& path, SharedFile& shared,
                        std::chrono::milliseconds busy_timeout) {
  create_private_file(path);
  if (const auto only = check_only_name(path); !only) throw Failure(only.error());
  Database database = Database::open_file(path, shared, busy_timeout);
  prepare(database);
  return database;
}

Database open_memory_store() {
  Database database = Database::open_memory();
  database.execute("PRAGMA temp_store=MEMORY");
  migrate(database);
  return database;
}

}  // namespace postbox::sqlite
