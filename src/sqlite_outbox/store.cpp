#include "store.hpp"

#include <filesystem>
#include <system_error>
#include <utility>

#include "open.hpp"
#include "salvage.hpp"
#include "sqlite/locks.hpp"

namespace postbox::sqlite {
namespace {

std::string_view advice(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOutboxCorrupt:
      return "; the process that sends from it will salvage what can be read, and keep the file";
    case ErrorCode::kOutboxFull:
      return "; free some disk space, the outbox goes on by itself";
    case ErrorCode::kOutboxBusy:
      return "; another connection holds the write lock";
    default:
      return "";
  }
}

}  // namespace

Store::Store(std::string path, std::chrono::milliseconds busy_timeout)
    : path_(std::move(path)),
      busy_timeout_(busy_timeout),
      flow_(path_.empty() ? std::string() : path_ + "-sender") {}

Store::~Store() {
  const NoFork no_fork;
  {
    const MutexLock lock(flow_.mutex);
    try {
      if (has_moved(flow_)) restore(flow_);
    } catch (...) {
      // It says what was done, and there is nobody left to tell.
    }
    flow_.database.reset();
  }
  const MutexLock lock(operator_.mutex);
  operator_.database.reset();
  withdraw();
}

Store::Connection& Store::connection(Role role) noexcept {
  return in_memory() || role == Role::kFlow ? flow_ : operator_;
}

Database& Store::connect(Role role, Connection& connection) {
  const std::uint64_t generation = generation_.load();
  if (connection.database.has_value() && connection.generation == generation)
    return *connection.database;
  connection.database.reset();
  leases_.rescan();
  if (in_memory()) {
    connection.database.emplace(open_memory_store());
  } else if (role == Role::kFlow) {
    connection.database.emplace(open_store(path_, shared_, busy_timeout_));
  } else {
    const WriterGuard guard(shared_.writer, busy_timeout_);
    connection.database.emplace(open_store(path_, shared_, busy_timeout_));
    connection.database->lock_to_write();
    connection.database->execute(
        "PRAGMA cache_size=-2048;"   // passes over rows, and comes back to none
        "PRAGMA secure_delete=ON");  // a purge must leave nothing behind
  }
  connection.generation = generation;
  return *connection.database;
}

Error Store::with_advice(const Failure& failure) {
  Error error = failure.error();
  if (failure.is_of_sqlite()) error.message += advice(error.code);
  return error;
}

// Checkpoints are made on the operators' connection and the sender's time, since they sync the disk
// twice.
//
// Moving the log syncs the disk twice, so it is done on the operator's connection and the sender's
// time, while appends go on; on an append's time only where no sender does it. An operator at work
// is not waited for: it moves the log itself.
void Store::move_log() {
  const NoFork no_fork;
  if (shared_.wal_pages.load(std::memory_order_relaxed) < kDueLog) return;
  if (!operator_.mutex.try_lock()) return;
  if (operator_.database.has_value()) operator_.database->keep_log_short();
  operator_.mutex.unlock();
}

// Without the mutex, which whoever was in the middle of a call keeps for ever. The sender lock's
// descriptor is all that is touched.
void Store::forked() noexcept POSTBOX_NO_THREAD_SAFETY_ANALYSIS { flow_.flow.sender_lock.leave(); }

bool Store::give_up() noexcept {
  if (!sqlite_locks_are_free()) return false;
  for (Connection* each : {&flow_, &operator_}) {
    const MutexLock lock(each->mutex);
    if (each->database.has_value()) each->database->abandon();
    each->database.reset();
    each->flow.batch = {};  // the parent goes on with its numbers
  }
  leases_.end_all();
  return true;
}

void Store::after_failure(ErrorCode code, Connection& connection) {
  // Memory lives as long as its connection does, and so does a file that has lost its name.
  if (in_memory() || has_moved(connection)) return;
  if (code != ErrorCode::kOutboxUnavailable && code != ErrorCode::kOutboxCorrupt) return;
  if (code == ErrorCode::kOutboxCorrupt) damaged_.store(true);
  connection.database.reset();
  ++generation_;
}

bool Store::has_moved(Connection& connection) noexcept {
  return !in_memory() && &connection == &flow_ && connection.database.has_value() &&
         connection.database->has_moved();
}

// The sender repairs; to everybody else the file is what it is, until another stands in its place.
void Store::repair(Connection& flow) {
  if (in_memory() || !flow.flow.sender_lock.take_lock() || !close_operators()) return;
  flow.database.reset();
  const Error what_was_done = replace_damaged_file(path_);
  leases_.end_all();
  throw Failure(what_was_done);
}

// The flow's connection is all that is left of the file: closed once its rows are saved, here or by
// the process that sends.
void Store::restore(Connection& flow) {
  if (!close_operators()) {
    throw Failure(Error{ErrorCode::kOutboxBusy,
                        "the file was removed or replaced while it was in "
                        "use, and an operator's work must end first"});
  }
  std::error_code ignored;
  Error what_was_done{ErrorCode::kOutboxUnavailable,
                      "the file was removed or replaced while it was in use: the process that "
                      "sends from it saves what it held"};
  if (flow.flow.sender_lock.take_lock()) {
    what_was_done = restore_removed_file(*flow.database, path_);
  } else if (!std::filesystem::exists(path_, ignored)) {
    throw Failure(what_was_done);  // before that there is nothing to open
  }
  flow.database.reset();
  ++generation_;
  throw Failure(what_was_done);
}

// Two files with one name must not be open at once: SQLite would have them share their -shm.
bool Store::close_operators() {
  if (!operator_.mutex.try_lock()) return false;
  operator_.database.reset();
  operator_.mutex.unlock();
  return true;
}

}  // namespace postbox::sqlite
