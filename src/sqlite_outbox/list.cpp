// What an operator asks of the SQLite outbox about events wherever they are.
#include <algorithm>
#include <limits>

#include "outbox.hpp"
#include "rows.hpp"

namespace postbox {
namespace {

using sqlite::Database;
using sqlite::Query;

// As the statement below numbers them: the states of a row, and one for dead letters.
constexpr std::int64_t kDelayed = 1;
constexpr std::int64_t kHeld = 2;
constexpr std::int64_t kDead = 3;

EventState state_of(std::int64_t number, bool is_leased) {
  if (number == kDead) return EventState::kDead;
  if (number == kHeld) return EventState::kHeld;
  if (number == kDelayed) return EventState::kDelayed;
  return is_leased ? EventState::kLeased : EventState::kReady;
}

ListedEvent read_listed(const Query& query, const sqlite::Leases& leases, SteadyTime steady,
                        std::int64_t now) {
  ListedEvent event;
  event.handle = EventHandle{query.integer(0)};
  event.record.queue = QueueId{static_cast<std::uint32_t>(query.integer(1))};
  event.state = state_of(query.integer(2), leases.holds(query.integer(0), steady));
  event.attempts = static_cast<std::uint32_t>(query.integer(3));
  event.age = sqlite::elapsed(query.integer(4), now);
  if (event.state == EventState::kDelayed) event.due = sqlite::elapsed(now, query.integer(5));
  event.http_status = static_cast<int>(query.integer(6));
  event.reason = query.bytes(7);
  event.record.dedup_key = query.key(8);
  event.record.profile_key = query.key(9);
  event.record.payload = query.bytes(10);
  return event;
}

}  // namespace

Result<std::vector<ListedEvent>> SqliteOutbox::list(EventHandle after, std::size_t max) {
  using Events = std::vector<ListedEvent>;
  return run<Events>(Role::kOperator, "outbox list", [&](Database& database) {
    const std::int64_t time = now();
    const SteadyTime steady = clock_->now();
    // Both are read in the order of their keys, side by side.
    Query query(database,
                "SELECT id, queue_id, state, attempts, created_at, next_at, 0, '', dedup_key,"
                " profile_key, payload FROM outbox NOT INDEXED WHERE id > ?1"
                " UNION ALL SELECT id, queue_id, 3, attempts, created_at, 0, http_status, reason,"
                " dedup_key, profile_key, payload FROM outbox_dead NOT INDEXED WHERE id > ?1"
                " ORDER BY 1 LIMIT ?2");
    constexpr std::size_t kMost = std::numeric_limits<std::int64_t>::max();
    query.bind(static_cast<std::int64_t>(after), static_cast<std::int64_t>(std::min(max, kMost)));
    Events events;
    while (query.step()) events.push_back(read_listed(query, leases_, steady, time));
    return events;
  });
}

}  // namespace postbox
