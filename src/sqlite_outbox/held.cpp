// Questions of operators to the SQLite outbox about events that are held, and what it keeps beside
// events.
#include <algorithm>
#include <limits>

#include "kept.hpp"
#include "outbox.hpp"
#include "rows.hpp"

namespace postbox {
namespace {

using sqlite::Database;
using sqlite::Query;
using sqlite::Transaction;

constexpr std::int64_t kNoBound = std::numeric_limits<std::int64_t>::max();

// Binds ?1 to ?6: what `filter` means, behind `after`.
void bind_filter(Query& query, const HeldFilter& filter, EventHandle after, std::int64_t now) {
  std::int64_t above = static_cast<std::int64_t>(after);
  const std::int64_t up_to = filter.handle ? static_cast<std::int64_t>(*filter.handle) : kNoBound;
  if (filter.handle) above = std::max(above, up_to - 1);
  const std::int64_t lowest = filter.queue ? static_cast<std::int64_t>(*filter.queue) : 0;
  const std::int64_t highest = filter.queue ? lowest : std::numeric_limits<std::uint32_t>::max();
  // Zero is no bound: what was appended before the clock was set back lies ahead.
  const bool is_bound = filter.waits_for && filter.waits_for->count() > 0;
  const std::int64_t appended_by = is_bound ? now - filter.waits_for->count() : kNoBound;
  query.bind(above, up_to, lowest, highest, appended_by,
             static_cast<std::int64_t>(filter.off_queues));
}

HeldEvent read_held(const Query& query, std::int64_t now) {
  HeldEvent event;
  event.handle = EventHandle{query.integer(0)};
  event.record.queue = QueueId{static_cast<std::uint32_t>(query.integer(1))};
  event.attempts = static_cast<std::uint32_t>(query.integer(2));
  event.age = sqlite::elapsed(query.integer(3), now);
  event.record.dedup_key = query.key(4);
  event.record.profile_key = query.key(5);
  event.record.payload = query.bytes(6);
  return event;
}

// The first ones that match and are not under way, a page of them at most.
std::vector<std::int64_t> held_ids(Database& database, const HeldFilter& filter, EventHandle after,
                                   std::size_t max, const sqlite::Leases& leases,
                                   std::int64_t now) {
  Query query(database,
              "SELECT id FROM outbox NOT INDEXED WHERE id > ?1 AND id <= ?2"
              " AND queue_id BETWEEN ?3 AND ?4 AND created_at <= ?5"
              " AND (state = 2 OR (?6 >> queue_id) & 1) ORDER BY id");
  bind_filter(query, filter, after, now);
  const std::size_t most = std::min(max, static_cast<std::size_t>(sqlite::kChunk));
  std::vector<std::int64_t> ids;
  while (ids.size() < most && query.step()) {
    if (!leases.knows(query.integer(0))) ids.push_back(query.integer(0));
  }
  return ids;
}

}  // namespace

Result<std::vector<HeldEvent>> SqliteOutbox::held(const HeldFilter& filter, EventHandle after,
                                                  std::size_t max) {
  using Events = std::vector<HeldEvent>;
  return run<Events>(Role::kOperator, "outbox held", [&](Database& database) {
    const std::int64_t time = now();
    Query query(database,
                "SELECT id, queue_id, attempts, created_at, dedup_key, profile_key, payload"
                " FROM outbox NOT INDEXED WHERE id > ?1 AND id <= ?2"
                " AND queue_id BETWEEN ?3 AND ?4 AND created_at <= ?5"
                " AND (state = 2 OR (?6 >> queue_id) & 1) ORDER BY id");
    bind_filter(query, filter, after, time);
    Events events;
    while (events.size() < max && query.step()) {
      if (!leases_.knows(query.integer(0))) events.push_back(read_held(query, time));
    }
    return events;
  });
}

Result<std::vector<EventHandle>> SqliteOutbox::free_held(const HeldFilter& filter,
                                                         EventHandle after, std::size_t max) {
  using Handles = std::vector<EventHandle>;
  auto freed = run<Handles>(Role::kOperator, "outbox free", [&](Database& database) {
    database.keep_log_short();
    Transaction transaction(database, Transaction::Kind::kDurable);
    const auto ids = held_ids(database, filter, after, max, leases_, now());
    Handles handles;
    Query free(database, "UPDATE outbox SET state = 0 WHERE id = ?1 AND state <> 0");
    for (const std::int64_t id : ids) {
      free.bind(id).run();
      handles.push_back(EventHandle{id});
    }
    transaction.commit();
    return handles;
  });
  const NoFork no_fork;  // the leases have a lock, too
  leases_.rescan();
  return freed;
}

Result<std::size_t> SqliteOutbox::purge_held(const HeldFilter& filter) {
  std::size_t purged = 0;
  EventHandle after{std::numeric_limits<std::int64_t>::min()};
  for (bool more = true; more;) {
    const auto page = run<bool>(Role::kOperator, "outbox purge", [&](Database& database) {
      database.keep_log_short();
      Transaction transaction(database, Transaction::Kind::kDurable);
      const auto ids = held_ids(database, filter, after, static_cast<std::size_t>(sqlite::kChunk),
                                leases_, now());
      Query remove(database, "DELETE FROM outbox WHERE id = ?1");
      std::size_t removed = 0;
      for (const std::int64_t id : ids) removed += remove.bind(id).run();
      if (removed > 0) sqlite::add_totals(database, {.purged = removed});
      transaction.commit();
      purged += removed;
      if (!ids.empty()) after = EventHandle{ids.back()};
      return !ids.empty();
    });
    if (!page) return page.error();
    more = *page;
  }
  const NoFork no_fork;
  leases_.rescan();  // what stood behind others in order
  return erased(purged);
}

Result<std::string> SqliteOutbox::keep(std::string_view name, std::string_view text) {
  return run<std::string>(Role::kOperator, "outbox keep", [&](Database& database) {
    std::string kept = sqlite::kept_text(database, name);
    if (!kept.empty() || text.empty()) return kept;
    Transaction transaction(database, Transaction::Kind::kDurable);
    kept = sqlite::kept_text(database, name);  // another process may have been quicker
    if (kept.empty()) sqlite::replace_text(database, name, text);
    transaction.commit();
    return kept.empty() ? std::string(text) : kept;
  });
}

Result<std::string> SqliteOutbox::exchange(std::string_view name, std::string_view text) {
  return run<std::string>(Role::kOperator, "outbox exchange", [&](Database& database) {
    std::string kept = sqlite::kept_text(database, name);
    if (kept == text) return kept;
    Transaction transaction(database, Transaction::Kind::kDurable);
    kept = sqlite::kept_text(database, name);  // another process may have been quicker
    sqlite::replace_text(database, name, text);
    transaction.commit();
    return kept;
  });
}

}  // namespace postbox
