#include "outbox.hpp"

#include <utility>

#include "append.hpp"
#include "format.hpp"
#include "maintain.hpp"
#include "room.hpp"
#include "rows.hpp"
#include "timers.hpp"

namespace postbox {
namespace {

using sqlite::Database;
using sqlite::Failure;
using sqlite::FlowState;
using sqlite::Query;
using sqlite::Transaction;

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

SqliteOutbox::SqliteOutbox(std::string path, const OutboxOptions& options,
                           std::shared_ptr<Clock> clock)
    : max_disk_(options.max_disk),
      clock_(std::move(clock)),
      ages_(clock_),
      store_(std::move(path), options.busy_timeout) {}

OutboxCaps SqliteOutbox::caps() const noexcept {
  return {.append = store_.in_memory() ? Durability::kNone : Durability::kMachine,
          .max_payload = kMaxPayload};
}

Result<Appended> SqliteOutbox::append(std::span<const EventRecord> batch) {
  return run<Appended>(Role::kFlow, "outbox append", [&](Database& database, FlowState& flow) {
    check_payloads(batch);
    if (batch.empty()) return room_left(sqlite::room_in(database, max_disk_));
    const std::int64_t number = flow.batch.of(batch);
    sqlite::make_room(database, max_disk_);
    Transaction transaction(database, Transaction::Kind::kDurable);
    // Asked under the lock: whoever moves a damaged file aside holds it until another stands there.
    if (database.has_moved()) {
      throw Failure(Error{ErrorCode::kOutboxUnavailable, "the file was moved while this waited"});
    }
    const Appended* repeated = flow.batch.repeated();
    if (repeated != nullptr && database.integer("SELECT last_batch FROM totals") == number) {
      // It is in the log, and nobody has synced it: a commit does.
      Query(database, "UPDATE totals SET last_batch = ?1").bind(number).run();
      const Appended appended = *repeated;
      transaction.commit();
      flow.batch.sure();
      return appended;
    }
    const sqlite::Room room = sqlite::room_in(database, max_disk_);
    if (room.is_full() && !sqlite::has_effects_only(batch)) {
      if (flow.batch.is_refused_first(batch) && sqlite::apply_effects(database, batch, now())) {
        transaction.commit();
      }
      throw Failure(room.error());
    }
    const bool is_sender = flow.sender_lock.is_ours(database, flow.token);
    Appended appended =
        sqlite::append_batch(database, batch, number, now(), is_sender ? &leases_ : nullptr);
    appended.fullness = room.fullness();
    appended.room = room.left();
    flow.batch.not_sure(batch, appended);
    transaction.commit();
    flow.batch.sure();
    // An update that has given way may have stood before others.
    if (appended.duplicates > 0) leases_.rescan();
    if (database.log_pages() >= sqlite::kStalledLog) database.checkpoint();
    return appended;
  });
}

Result<Maintained> SqliteOutbox::maintain(std::chrono::milliseconds retention) {
  return run<Maintained>(Role::kOperator, "outbox maintain", [&](Database& database) {
    const std::int64_t time = now();
    if (store_.must_empty_log() || database.log_pages() >= sqlite::kStalledLog)
      store_.empty_log(database);
    Maintained maintained;
    sqlite::Chunks chunks(&database);
    maintained.promoted = sqlite::promote_due(database, time, chunks);
    if (maintained.promoted > 0) leases_.rescan();
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

std::int64_t SqliteOutbox::now() const noexcept {
  return clock_->wall_now().time_since_epoch().count();
}

}  // namespace postbox
