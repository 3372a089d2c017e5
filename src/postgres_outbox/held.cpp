// Questions of operators to the PostgreSQL outbox about events that are held, and what it keeps
// beside events.
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "outbox.hpp"
#include "rows.hpp"

namespace postbox {
namespace {

using postgres::kChunk;
using postgres::Parameters;
using postgres::Rows;
using postgres::Session;
using postgres::Transaction;

constexpr std::int64_t kNoBound = std::numeric_limits<std::int64_t>::max();

// What a HeldFilter means, by $1 to $7; $8 is how many. What is leased is in somebody's hands.
#define POSTBOX_HELD_FILTER                                                            \
  " id > $1 AND id <= $2 AND queue_id BETWEEN $3 AND $4"                               \
  " AND ($5 <= 0 OR created_at <= postbox_now($7) - $5)"                               \
  " AND (state = 2 OR (queue_id < 64 AND ($6 >> queue_id::int) & 1 = 1 AND (state = 1" \
  "  OR lease_until <= postbox_now($7) OR lease_until > postbox_now($7) + 86400000)))" \
  " ORDER BY id LIMIT $8"

Parameters filter_of(Session& session, const HeldFilter& filter, EventHandle after,
                     std::int64_t max) {
  std::int64_t above = static_cast<std::int64_t>(after);
  const std::int64_t up_to = filter.handle ? static_cast<std::int64_t>(*filter.handle) : kNoBound;
  if (filter.handle) above = std::max(above, up_to - 1);
  const std::int64_t lowest = filter.queue ? postgres::number_of(*filter.queue) : 0;
  const std::int64_t highest = filter.queue ? lowest : kNoBound;
  const std::int64_t waits_for = filter.waits_for ? filter.waits_for->count() : 0;
  return Parameters(above, up_to, lowest, highest, waits_for,
                    static_cast<std::int64_t>(filter.off_queues), session.time.injected(), max);
}

HeldEvent read_held(const Rows& rows, int row, std::int64_t now) {
  HeldEvent event;
  event.handle = EventHandle{rows.integer(row, 0)};
  event.record.queue = QueueId{static_cast<std::uint32_t>(rows.integer(row, 1))};
  event.attempts = static_cast<std::uint32_t>(rows.integer(row, 2));
  event.age = postgres::elapsed(rows.integer(row, 3), now);
  event.record.dedup_key = rows.key(row, 4);
  event.record.profile_key = rows.key(row, 5);
  event.record.payload = rows.bytes(row, 6);
  return event;
}

std::string kept_in(const Rows& rows) {
  return rows.size() == 0 ? std::string() : std::string(rows.bytes(0, 0));
}

}  // namespace

Result<std::vector<HeldEvent>> PostgresOutbox::held(const HeldFilter& filter, EventHandle after,
                                                    std::size_t max) {
  using Events = std::vector<HeldEvent>;
  return run<Events>(Role::kOperator, "outbox held", [&](Session& session) {
    Transaction transaction(session, Transaction::Kind::kRead);
    const Rows rows = transaction.finish(
        "SELECT id, queue_id, attempts, created_at, dedup_key, profile_key, payload"
        " FROM postbox_outbox WHERE" POSTBOX_HELD_FILTER,
        filter_of(session, filter, after, postgres::as_limit(max)));
    Events events;
    for (int row = 0; row < rows.size(); ++row) {
      events.push_back(read_held(rows, row, transaction.now()));
    }
    return events;
  });
}

Result<std::vector<EventHandle>> PostgresOutbox::free_held(const HeldFilter& filter,
                                                           EventHandle after, std::size_t max) {
  using Handles = std::vector<EventHandle>;
  auto freed = run<Handles>(Role::kOperator, "outbox free", [&](Session& session) {
    Transaction transaction(session, Transaction::Kind::kDurable);
    const Rows rows = transaction.finish(
        "WITH chosen AS MATERIALIZED (SELECT id FROM postbox_outbox WHERE" POSTBOX_HELD_FILTER
        "  FOR UPDATE),"
        " freed AS (UPDATE postbox_outbox AS o SET state = 0 FROM chosen"
        "  WHERE o.id = chosen.id AND o.state <> 0)"
        " SELECT id FROM chosen ORDER BY id",
        filter_of(session, filter, after, std::min(postgres::as_limit(max), kChunk)));
    Handles handles;
    for (const std::int64_t id : rows.integers(0)) handles.push_back(EventHandle{id});
    return handles;
  });
  fronts_.rescan();
  return freed;
}

Result<std::size_t> PostgresOutbox::purge_held(const HeldFilter& filter) {
  std::size_t purged = 0;
  for (bool more = true; more;) {
    const auto page = run<std::size_t>(Role::kOperator, "outbox purge", [&](Session& session) {
      Transaction transaction(session, Transaction::Kind::kDurable);
      const EventHandle from_start{std::numeric_limits<std::int64_t>::min()};
      const Rows rows = transaction.run(
          "WITH chosen AS MATERIALIZED (SELECT id FROM postbox_outbox WHERE" POSTBOX_HELD_FILTER
          "  FOR UPDATE),"
          " gone AS (DELETE FROM postbox_outbox AS o USING chosen WHERE o.id = chosen.id"
          "  RETURNING postbox_size(payload) AS size)"
          " SELECT count(*), coalesce(sum(size), 0)::bigint FROM gone",
          filter_of(session, filter, from_start, kChunk));
      const std::int64_t removed = rows.integer(0, 0);
      if (removed > 0) {
        postgres::finish(session, transaction, {.purged = removed, .bytes = -rows.integer(0, 1)});
      }
      return static_cast<std::size_t>(removed);
    });
    if (!page) return page.error();
    purged += *page;
    more = *page > 0;
  }
  fronts_.rescan();  // what stood behind others in order
  return purged;
}

Result<Released> PostgresOutbox::release_held(QueueId queue, Flag flag, EventHandle after) {
  auto result = run<Released>(Role::kSender, "outbox release", [&](Session& session) {
    constexpr std::int64_t kLookedAt = 2'000;
    Transaction transaction(session, Transaction::Kind::kDurable);
    const Rows rows = transaction.run(
        "SELECT id, profile_key FROM postbox_outbox"
        " WHERE state = 2 AND queue_id = $1 AND id > $2 ORDER BY id LIMIT $3",
        Parameters(postgres::number_of(queue), static_cast<std::int64_t>(after), kLookedAt));
    std::vector<std::int64_t> included;
    for (int row = 0; row < rows.size(); ++row) {
      if (flag.is_on() || flag.includes(rows.key(row, 1))) included.push_back(rows.integer(row, 0));
    }
    Released released;
    if (rows.size() == kLookedAt) {
      released.go_on_after = EventHandle{rows.integer(rows.size() - 1, 0)};
    }
    if (included.empty()) return released;
    const Rows made_ready = transaction.finish(
        "WITH released AS (UPDATE postbox_outbox SET state = 0 WHERE id = ANY($1) AND state = 2"
        " RETURNING 1) SELECT count(*) FROM released",
        Parameters(included));
    released.released = static_cast<std::size_t>(made_ready.integer(0, 0));
    return released;
  });
  fronts_.rescan();  // also for what was released before a failure
  return result;
}

Result<std::string> PostgresOutbox::keep(std::string_view name, std::string_view text) {
  return run<std::string>(Role::kOperator, "outbox keep", [&](Session& session) {
    Transaction transaction(session, Transaction::Kind::kDurable);
    std::string kept = kept_in(transaction.run(
        "SELECT value FROM postbox_kept WHERE name = convert_from($1, 'UTF8')", Parameters(name)));
    if (!kept.empty() || text.empty()) return kept;
    // Whoever is the first of several keeps its own.
    return kept_in(transaction.finish(
        "INSERT INTO postbox_kept AS k(name, value) VALUES (convert_from($1, 'UTF8'), $2)"
        " ON CONFLICT (name) DO UPDATE SET value = k.value RETURNING value",
        Parameters(name, text)));
  });
}

Result<std::string> PostgresOutbox::exchange(std::string_view name, std::string_view text) {
  return run<std::string>(Role::kOperator, "outbox exchange", [&](Session& session) {
    Transaction transaction(session, Transaction::Kind::kDurable);
    transaction.run(
        "INSERT INTO postbox_kept AS k(name, value) VALUES (convert_from($1, 'UTF8'), '')"
        " ON CONFLICT (name) DO UPDATE SET value = k.value",
        Parameters(name));
    std::string before = kept_in(transaction.run(
        "SELECT value FROM postbox_kept WHERE name = convert_from($1, 'UTF8')", Parameters(name)));
    if (text.empty()) {
      transaction.finish("DELETE FROM postbox_kept WHERE name = convert_from($1, 'UTF8')",
                         Parameters(name));
    } else {
      transaction.finish("UPDATE postbox_kept SET value = $2 WHERE name = convert_from($1, 'UTF8')",
                         Parameters(name, text));
    }
    return before;
  });
}

}  // namespace postbox
