#include "outbox.hpp"

#include <filesystem>
#include <system_error>
#include <utility>

#include "append.hpp"
#include "base/file_name.hpp"
#include "format.hpp"
#include "maintain.hpp"
#include "open.hpp"
#include "room.hpp"
#include "rows.hpp"
#include "run.hpp"
#include "salvage.hpp"
#include "sqlite/locks.hpp"
#include "timers.hpp"

namespace postbox {
namespace {

using sqlite::Database;
using sqlite::Failure;
using sqlite::Query;
using sqlite::Transaction;

constexpr std::string_view kFileScheme = "sqlite:";
constexpr std::string_view kMemoryUrl = "memory:";

// Far above any vendor's limit for one event, far below SQLite's for one row.
constexpr Bytes kMaxPayload = mebibytes(16);

void check_payloads(std::span<const EventRecord> batch) {
  for (const EventRecord& record : batch) {
    const bool timed = record.timing && record.timing->timer;
    const std::size_t size =
        std::max(record.payload.size(), timed ? record.timing->timer->event.payload.size() : 0);
    if (size <= kMaxPayload.count) continue;
    throw Failure(Error{ErrorCode::kInvalidArgument, "a payload of " + std::to_string(size) +
                                                         " bytes is larger than " +
                                                         std::to_string(kMaxPayload.count)});
  }
}

Appended room_left(const sqlite::Room& room) {
  if (room.is_full()) throw Failure(room.error());
  return {.fullness = room.fullness(), .room = room.left()};
}

}  // namespace

std::string_view advice_of(ErrorCode code) noexcept {
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

SqliteOutbox::SqliteOutbox(std::string path, const OutboxOptions& options,
                           std::shared_ptr<Clock> clock)
    : path_(std::move(path)),
      max_disk_(options.max_disk),
      busy_timeout_(options.busy_timeout),
      clock_(std::move(clock)),
      ages_(clock_),
      flow_lane_(path_.empty() ? std::string() : path_ + "-sender") {}

SqliteOutbox::~SqliteOutbox() {
  const NoFork no_fork;
  {
    const MutexLock lock(flow_lane_.mutex);
    try {
      if (has_moved(flow_lane_)) restore(flow_lane_);
    } catch (...) {
      // It says what was done, and there is nobody left to tell.
    }
    flow_lane_.database.reset();
  }
  const MutexLock lock(operator_lane_.mutex);
  operator_lane_.database.reset();
  withdraw();
}

OutboxCaps SqliteOutbox::caps() const noexcept {
  return {.append = in_memory() ? Durability::kNone : Durability::kMachine,
          .max_payload = kMaxPayload};
}

Result<Appended> SqliteOutbox::append(std::span<const EventRecord> batch) {
  return run<Appended>(Role::kFlow, "outbox append", [&](Database& database, Memory& memory) {
    check_payloads(batch);
    if (batch.empty()) return room_left(sqlite::room_in(database, max_disk_));
    const std::int64_t number = memory.batch.of(batch);
    sqlite::make_room(database, max_disk_);
    Transaction transaction(database, Transaction::Kind::kDurable);
    // Asked under the lock: whoever moves a damaged file aside holds it until another stands there.
    if (database.has_moved()) {
      throw Failure(Error{ErrorCode::kOutboxUnavailable, "the file was moved while this waited"});
    }
    const Appended* repeated = memory.batch.repeated();
    if (repeated != nullptr && database.integer("SELECT last_batch FROM totals") == number) {
      // It is in the log, and nobody has synced it: a commit does.
      Query(database, "UPDATE totals SET last_batch = ?1").bind(number).run();
      const Appended appended = *repeated;
      transaction.commit();
      memory.batch.sure();
      return appended;
    }
    const sqlite::Room room = sqlite::room_in(database, max_disk_);
    if (room.is_full() && !sqlite::needs_no_room(batch)) {
      if (memory.batch.is_refused_first(batch) && sqlite::end_all(database, batch, now())) {
        transaction.commit();
      }
      throw Failure(room.error());
    }
    const bool is_sender = memory.seat.is_ours(database, memory.token);
    Appended appended =
        sqlite::append_batch(database, batch, number, now(), is_sender ? &leases_ : nullptr);
    appended.fullness = room.fullness();
    appended.room = room.left();
    memory.batch.not_sure(batch, appended);
    transaction.commit();
    memory.batch.sure();
    // What has given way in order stood before others perhaps.
    if (appended.duplicates > 0) leases_.look_from_start();
    if (database.log_pages() >= sqlite::kStalledLog) database.checkpoint();
    return appended;
  });
}

Result<Maintained> SqliteOutbox::maintain(std::chrono::milliseconds retention) {
  return run<Maintained>(Role::kOperator, "outbox maintain", [&](Database& database) {
    const std::int64_t time = now();
    if (must_empty_log_ || database.log_pages() >= sqlite::kStalledLog) empty_log(database);
    Maintained maintained;
    sqlite::Chunks chunks(&database);
    maintained.promoted = sqlite::promote_due(database, time, chunks);
    if (maintained.promoted > 0) leases_.look_from_start();
    if (ages_.is_old()) {
      const std::int64_t cutoff = ages_.earliest() - std::max<std::int64_t>(0, retention.count());
      maintained.expired = sqlite::expire_dead(database, cutoff, chunks);
    }
    maintained.crowded_out = sqlite::crowd_out(database, max_disk_, chunks);
    maintained.fired = sqlite::fire_timers(database, time, chunks);
    sqlite::forget_ends(database, time, max_disk_, chunks);
    std::optional<std::int64_t> next = sqlite::next_timer(database);
    Query query(database, "SELECT next_at FROM outbox WHERE state = 1 ORDER BY next_at LIMIT 1");
    if (query.step()) next = std::min(next.value_or(query.integer(0)), query.integer(0));
    database.keep_log_short();
    if (chunks.are_used_up()) next = time;
    if (next) maintained.next_due = sqlite::elapsed(time, *next);
    return maintained;
  });
}

SqliteOutbox::Lane& SqliteOutbox::lane(Role role) noexcept {
  return in_memory() || role == Role::kFlow ? flow_lane_ : operator_lane_;
}

sqlite::Database& SqliteOutbox::connect(Role role, Lane& lane) {
  const std::uint64_t generation = generation_.load();
  if (lane.database.has_value() && lane.generation == generation) return *lane.database;
  lane.database.reset();
  leases_.look_from_start();
  if (in_memory()) {
    lane.database.emplace(sqlite::open_memory_store());
  } else if (role == Role::kFlow) {
    lane.database.emplace(sqlite::open_store(path_, shared_, busy_timeout_));
  } else {
    const sqlite::Turn turn(shared_.turn, busy_timeout_);
    lane.database.emplace(sqlite::open_store(path_, shared_, busy_timeout_));
    lane.database->take_turns();
    lane.database->execute(
        "PRAGMA cache_size=-2048;"   // passes over rows, and comes back to none
        "PRAGMA secure_delete=ON");  // a purge must leave nothing behind
  }
  lane.generation = generation;
  return *lane.database;
}

// Moving the log syncs the disk twice, so it is done on the operator's connection and the sender's
// time, while appends go on; on an append's time only where no sender does it. An operator at work
// is not waited for: it moves the log itself.
void SqliteOutbox::move_log() {
  const NoFork no_fork;
  if (shared_.wal_pages.load(std::memory_order_relaxed) < sqlite::kDueLog) return;
  if (!operator_lane_.mutex.try_lock()) return;
  if (operator_lane_.database.has_value()) operator_lane_.database->keep_log_short();
  operator_lane_.mutex.unlock();
}

// What was removed stands in the log until that is written over. While another program reads the
// file it cannot be emptied: maintain() tries again.
void SqliteOutbox::empty_log(Database& database) noexcept {
  must_empty_log_ = !database.empty_log();
}

// Without the mutex, which whoever was in the middle of a call keeps for ever. The seat's
// descriptor is all that is touched.
void SqliteOutbox::forked() noexcept POSTBOX_NO_THREAD_SAFETY_ANALYSIS {
  flow_lane_.memory.seat.leave();
}

bool SqliteOutbox::give_up() noexcept {
  if (!sqlite_locks_are_free()) return false;
  for (Lane* each : {&flow_lane_, &operator_lane_}) {
    const MutexLock lock(each->mutex);
    if (each->database.has_value()) each->database->abandon();
    each->database.reset();
    each->memory.batch = {};  // the parent goes on with its numbers
  }
  leases_.end_all();
  return true;
}

void SqliteOutbox::after_failure(ErrorCode code, Lane& lane) {
  // Memory lives as long as its connection does, and so does a file that has lost its name.
  if (in_memory() || has_moved(lane)) return;
  if (code != ErrorCode::kOutboxUnavailable && code != ErrorCode::kOutboxCorrupt) return;
  if (code == ErrorCode::kOutboxCorrupt) damaged_.store(true);
  lane.database.reset();
  ++generation_;
}

bool SqliteOutbox::has_moved(Lane& lane) noexcept {
  return !in_memory() && &lane == &flow_lane_ && lane.database.has_value() &&
         lane.database->has_moved();
}

// The sender repairs; to everybody else the file is what it is, until another stands in its place.
void SqliteOutbox::repair(Lane& flow) {
  if (in_memory() || !flow.memory.seat.take_lock() || !close_operators()) return;
  flow.database.reset();
  const Error what_was_done = sqlite::replace_damaged_file(path_);
  leases_.end_all();
  throw Failure(what_was_done);
}

// The flow's connection is all that is left of the file: closed once its rows are saved, here or by
// the process that sends.
void SqliteOutbox::restore(Lane& flow) {
  if (!close_operators()) {
    throw Failure(Error{ErrorCode::kOutboxBusy,
                        "the file was removed or replaced while it was in "
                        "use, and an operator's work must end first"});
  }
  std::error_code ignored;
  Error what_was_done{ErrorCode::kOutboxUnavailable,
                      "the file was removed or replaced while it was in use: the process that "
                      "sends from it saves what it held"};
  if (flow.memory.seat.take_lock()) {
    what_was_done = sqlite::restore_removed_file(*flow.database, path_);
  } else if (!std::filesystem::exists(path_, ignored)) {
    throw Failure(what_was_done);  // before that there is nothing to open
  }
  flow.database.reset();
  ++generation_;
  throw Failure(what_was_done);
}

// Two files with one name must not be open at once: SQLite would have them share their -shm.
bool SqliteOutbox::close_operators() {
  if (!operator_lane_.mutex.try_lock()) return false;
  operator_lane_.database.reset();
  operator_lane_.mutex.unlock();
  return true;
}

std::int64_t SqliteOutbox::now() const noexcept {
  return clock_->wall_now().time_since_epoch().count();
}

Result<std::shared_ptr<Outbox>> open_outbox(const OutboxOptions& options,
                                            std::shared_ptr<Clock> clock) {
  const std::string_view url = options.url;
  if (clock == nullptr) return Error{ErrorCode::kInvalidArgument, "open_outbox needs a clock"};
  if (url == kMemoryUrl) {
    return {std::make_shared<SqliteOutbox>(std::string(), options, std::move(clock))};
  }
  const std::string_view path =
      url.starts_with(kFileScheme) ? url.substr(kFileScheme.size()) : std::string_view();
  // SQLite gives names that start with a colon a meaning of their own.
  if (path.empty() || path.front() == ':') {
    // No more than the scheme: what follows may hold a password.
    return Error{ErrorCode::kInvalidConfig, "POSTBOX_OUTBOX: '" +
                                                std::string(url.substr(0, url.find(':'))) +
                                                ":…' is not supported; use sqlite:PATH or memory:"};
  }
  auto resolved = resolved_name(std::string(path));
  if (!resolved) return resolved.error().with_context("POSTBOX_OUTBOX");
  return {std::make_shared<SqliteOutbox>(*std::move(resolved), options, std::move(clock))};
}

}  // namespace postbox
