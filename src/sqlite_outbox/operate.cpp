// The operators' part of the SQLite outbox: look at dead letters, revive or remove events.
#include <array>
#include <limits>
#include <optional>

#include "format.hpp"
#include "outbox.hpp"
#include "rows.hpp"
#include "timers.hpp"

#include "base/assert.hpp"

namespace postbox {
namespace {

using sqlite::Database;
using sqlite::kChunk;
using sqlite::Query;
using sqlite::Transaction;

// A filter as bounds, which are the same statement whatever is set. `reason` is the filter's.
struct Bounds {
  std::int64_t above;
  std::int64_t up_to = std::numeric_limits<std::int64_t>::max();
  std::int64_t lowest_queue = 0;
  std::int64_t highest_queue = std::numeric_limits<std::uint32_t>::max();
  std::int64_t died_by = std::numeric_limits<std::int64_t>::max();
  std::string_view reason;
};

constexpr EventHandle kFromStart{std::numeric_limits<std::int64_t>::min()};

Bounds bounds_of(const EventFilter& filter, EventHandle after, std::int64_t now) {
  Bounds bounds{.above = static_cast<std::int64_t>(after), .reason = filter.reason};
  if (filter.handle.has_value()) {
    bounds.up_to = static_cast<std::int64_t>(*filter.handle);
    bounds.above = std::max(bounds.above, bounds.up_to - 1);
  }
  if (filter.queue.has_value()) {
    bounds.lowest_queue = bounds.highest_queue = static_cast<std::int64_t>(*filter.queue);
  }
  // Zero is no bound: what died before the clock was set back lies ahead.
  if (filter.dead_for.has_value() && filter.dead_for->count() > 0) {
    bounds.died_by = now - filter.dead_for->count();
  }
  return bounds;
}

// Binds ?1 to ?6, and `more` after them.
template <class... More>
void bind_bounds(Query& query, const Bounds& bounds, const More&... more) {
  query.bind(bounds.above, bounds.up_to, bounds.lowest_queue, bounds.highest_queue, bounds.died_by,
             bounds.reason, more...);
}

std::int64_t as_limit(std::size_t max) {
  constexpr std::size_t kMost = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::min(max, kMost));
}

DeadLetter read_dead(const Query& query, std::int64_t now) {
  DeadLetter letter;
  letter.handle = EventHandle{query.integer(0)};
  letter.record.queue = QueueId{static_cast<std::uint32_t>(query.integer(1))};
  letter.attempts = static_cast<std::uint32_t>(query.integer(2));
  letter.age = sqlite::elapsed(query.integer(3), now);
  letter.first_attempt = sqlite::elapsed(query.integer(4), now);
  letter.dead_since = sqlite::elapsed(query.integer(5), now);
  letter.http_status = static_cast<int>(query.integer(6));
  letter.reason = query.bytes(7);
  letter.pointer = query.bytes(8);
  letter.record.dedup_key = query.key(9);
  letter.record.profile_key = query.key(10);
  letter.record.payload = query.bytes(11);
  return letter;
}

// Nothing when the letter is gone, or is not what was written.
std::optional<EventRecord> read_dead_record(Database& database, std::int64_t id) {
  Query query(
      database,
      "SELECT queue_id, dedup_key, profile_key, payload, checksum FROM outbox_dead WHERE id = ?1");
  if (!query.bind(id).step()) return std::nullopt;
  EventRecord record;
  record.queue = QueueId{static_cast<std::uint32_t>(query.integer(0))};
  record.dedup_key = query.key(1);
  record.profile_key = query.key(2);
  record.payload = query.bytes(3);
  if (sqlite::checksum_of(record.dedup_key, record.payload) != query.integer(4))
    return std::nullopt;
  return record;
}

// A replay may change an event's queue and bytes, never its keys. A dead letter that is sent again
// as a backfill gets one member more and waits behind everything else; its `unique_id` is what
// makes the replay harmless.
//
// Moves one dead letter back under its old handle, so that what an operator noted stays true. One
// that has come in again meanwhile, perhaps as another dead letter that was revived, stays.
bool revive(Database& database, std::int64_t id, const Rewrite& rewrite) {
  std::optional<EventRecord> record = read_dead_record(database, id);
  if (!record) return false;
  const Key key = record->dedup_key;
  const auto waits = [&] {
    return sqlite::WaitingKeys::of(database)
        .row_of(database, static_cast<std::int64_t>(record->queue), key)
        .has_value();
  };
  if (waits()) return false;
  if (rewrite) rewrite(*record);
  record->dedup_key = key;
  Query insert(database,
               "INSERT INTO outbox(id, queue_id, created_at, dedup, dedup_key, profile_key,"
               " checksum, payload, slot)"
               " SELECT id, ?2, created_at, ?3, dedup_key, profile_key, ?4, ?5, slot"
               " FROM outbox_dead WHERE id = ?1 ON CONFLICT(dedup) DO NOTHING");
  const std::int64_t last_id = database.integer("SELECT last_id FROM totals");
  const bool is_back = sqlite::with_number(database, *record, last_id, [&](std::int64_t number) {
    return insert
               .bind(id, static_cast<std::int64_t>(record->queue), number,
                     sqlite::checksum_of(key, record->payload), record->payload)
               .run() == 1;
  });
  if (!is_back) return false;
  return Query(database, "DELETE FROM outbox_dead WHERE id = ?1").bind(id).run() == 1;
}

std::vector<std::int64_t> ids_of(Query& query) {
  std::vector<std::int64_t> ids;
  while (query.step()) ids.push_back(query.integer(0));
  return ids;
}

// A part of work that could touch everything. The connection is free for the sender after each.
struct Page {
  std::size_t done = 0;
  bool is_last = true;
};

// Calls `act(ids)` with the first dead letters that match, in a transaction; it returns with how
// many it has dealt. Moves `bounds` behind them.
template <class Act>
Page take_page(Database& database, Bounds& bounds, std::size_t max, Act act) {
  database.keep_log_short();
  Transaction transaction(database, Transaction::Kind::kDurable);
  std::vector<std::int64_t> ids;
  {
    Query query(database,
                "SELECT id FROM outbox_dead WHERE id > ?1 AND id <= ?2"
                " AND +queue_id BETWEEN ?3 AND ?4 AND +died_at <= ?5 AND instr(reason, ?6) > 0"
                " ORDER BY id LIMIT ?7");
    bind_bounds(query, bounds, std::min(kChunk, as_limit(max)));
    ids = ids_of(query);
  }
  if (ids.empty()) return {};
  const std::size_t done = act(ids);
  POSTBOX_ASSERT(done <= ids.size());
  transaction.commit();
  bounds.above = ids.back();
  return {done, done >= max};
}

// Calls `next(left)`, which returns a Result<Page>, until `max` is done in all or a page is the
// last.
template <class Next>
Result<std::size_t> all_pages(std::size_t max, Next next) {
  std::size_t done = 0;
  while (done < max) {
    const Result<Page> page = next(max - done);
    if (!page) return page.error();
    done += page->done;
    POSTBOX_ASSERT(done <= max);
    if (page->is_last) break;
  }
  return done;
}

constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

// Where rows of a profile are, in the order in which they go from one to the next, so that none
// slips through between two pages.
struct Place {
  const char* last;  // id of the rows that a page looks at, after ?1
  const char* find;  // in (?1, ?2] what is the profile's, ?3
};

// The profile stands in no index, which would cost half the insert rate.
constexpr std::array kPlaces = {
    Place{"SELECT max(id) FROM (SELECT id FROM timer WHERE id > ?1 ORDER BY id LIMIT 4000)",
          "SELECT id FROM timer NOT INDEXED WHERE id > ?1 AND id <= ?2 AND profile_key = ?3"
          " AND event_id = 0 ORDER BY id LIMIT ?4"},
    Place{"SELECT max(id) FROM (SELECT id FROM outbox WHERE id > ?1 ORDER BY id LIMIT 4000)",
          "SELECT id FROM outbox NOT INDEXED WHERE id > ?1 AND id <= ?2 AND profile_key = ?3"
          " ORDER BY id LIMIT ?4"},
    Place{"SELECT max(id) FROM (SELECT id FROM outbox_dead WHERE id > ?1 ORDER BY id LIMIT 4000)",
          "SELECT id FROM outbox_dead NOT INDEXED WHERE id > ?1 AND id <= ?2 AND profile_key = ?3"
          " ORDER BY id LIMIT ?4"}};

// Returns how many of them were still there and the profile's.
std::size_t remove_of(Database& database, const Place& place, const std::vector<std::int64_t>& ids,
                      const Key& profile) {
  if (&place == &kPlaces[0]) return sqlite::remove_timers(database, ids, profile);
  Query remove(database, &place == &kPlaces[1]
                             ? "DELETE FROM outbox WHERE id = ?1 AND profile_key = ?2"
                             : "DELETE FROM outbox_dead WHERE id = ?1 AND profile_key = ?2");
  std::size_t removed = 0;
  for (const std::int64_t id : ids) removed += remove.bind(id, profile).run();
  POSTBOX_ASSERT(removed <= ids.size());
  if (removed > 0) sqlite::add_totals(database, {.purged = removed});
  return removed;
}

// Looks at the next rows without the write lock and removes those of the profile. Moves `after`
// behind them.
Page purge_page(Database& database, const Place& place, const Key& profile, std::int64_t& after) {
  database.keep_log_short();
  std::int64_t last = 0;
  std::vector<std::int64_t> ids;
  {
    Query query(database, place.last);
    if (!query.bind(after).step() || (last = query.integer(0)) <= after) return {};
  }
  {
    Query query(database, place.find);
    query.bind(after, last, profile, kChunk);
    ids = ids_of(query);
  }
  after = ids.size() < static_cast<std::size_t>(kChunk) ? last : ids.back();
  if (ids.empty()) return {0, false};
  Transaction transaction(database, Transaction::Kind::kDurable);
  const std::size_t removed = remove_of(database, place, ids, profile);
  transaction.commit();
  return {removed, false};
}

// A chunk of the held rows of a queue, read without a lock on the file.
struct HeldRows {
  std::vector<std::int64_t> included;  // those whose profiles the flag includes
  std::optional<EventHandle> last;     // of all; unset when the chunk is the last one
};

HeldRows next_held(Database& database, QueueId queue, Flag flag, EventHandle after) {
  Query query(database,
              "SELECT id, profile_key FROM outbox INDEXED BY outbox_held"
              " WHERE queue_id = ?1 AND state = 2 AND id > ?2 ORDER BY id LIMIT ?3");
  query.bind(static_cast<std::int64_t>(queue), static_cast<std::int64_t>(after), kChunk);
  HeldRows rows;
  std::int64_t looked_at = 0;
  while (query.step()) {
    rows.last = EventHandle{query.integer(0)};
    ++looked_at;
    if (flag.is_on() || flag.includes(query.key(1))) rows.included.push_back(query.integer(0));
  }
  if (looked_at < kChunk) rows.last.reset();
  return rows;
}

std::size_t make_ready(Database& database, const std::vector<std::int64_t>& held) {
  Transaction transaction(database, Transaction::Kind::kDurable);
  Query query(database, "UPDATE outbox SET state = 0 WHERE id = ?1 AND state = 2");
  std::size_t released = 0;
  for (const std::int64_t row : held) released += query.bind(row).run();
  transaction.commit();
  return released;
}

}  // namespace

Result<Released> SqliteOutbox::release_held(QueueId queue, Flag flag, EventHandle after) {
  const NoFork no_fork;  // the leases have a lock, too
  auto result = run<Released>(Role::kOperator, "outbox release", [&](Database& database) {
    Released released{.go_on_after = after};
    for (sqlite::Chunks chunks(&database); released.go_on_after && chunks.take();) {
      const HeldRows held = next_held(database, queue, flag, *released.go_on_after);
      if (!held.included.empty()) released.released += make_ready(database, held.included);
      released.go_on_after = held.last;
    }
    return released;
  });
  leases_.rescan();  // also for what was released before a failure
  return result;
}

Result<std::vector<DeadLetter>> SqliteOutbox::dead(const EventFilter& filter, EventHandle after,
                                                   std::size_t max) {
  using Letters = std::vector<DeadLetter>;
  return run<Letters>(Role::kOperator, "outbox dead", [&](Database& database) {
    const std::int64_t time = now();
    // The plus signs: in the order of the primary key, whatever the planner thinks of the others.
    Query query(database,
                "SELECT id, queue_id, attempts, created_at, max(created_at, first_attempt_at),"
                " died_at, http_status, reason, pointer, dedup_key, profile_key, payload"
                " FROM outbox_dead WHERE id > ?1 AND id <= ?2"
                " AND +queue_id BETWEEN ?3 AND ?4 AND +died_at <= ?5 AND instr(reason, ?6) > 0"
                " ORDER BY id LIMIT ?7");
    bind_bounds(query, bounds_of(filter, after, time), as_limit(max));
    Letters letters;
    while (query.step()) letters.push_back(read_dead(query, time));
    return letters;
  });
}

Result<std::size_t> SqliteOutbox::replay(const EventFilter& filter, std::size_t max,
                                         const Rewrite& rewrite) {
  Bounds bounds = bounds_of(filter, kFromStart, now());
  auto result = all_pages(max, [&](std::size_t left) {
    return run<Page>(Role::kOperator, "outbox replay", [&](Database& database) {
      return take_page(database, bounds, left, [&](const std::vector<std::int64_t>& ids) {
        std::size_t revived = 0;
        for (const std::int64_t id : ids) revived += revive(database, id, rewrite) ? 1 : 0;
        return revived;
      });
    });
  });
  const NoFork no_fork;  // the leases have a lock, too
  leases_.rescan();
  return result;
}

Result<std::size_t> SqliteOutbox::purge(const EventFilter& filter) {
  Bounds bounds = bounds_of(filter, kFromStart, now());
  auto result = all_pages(kAll, [&](std::size_t left) {
    return run<Page>(Role::kOperator, "outbox purge", [&](Database& database) {
      return take_page(database, bounds, left, [&](const std::vector<std::int64_t>& ids) {
        Query remove(database, "DELETE FROM outbox_dead WHERE id = ?1");
        std::size_t purged = 0;
        for (const std::int64_t id : ids) purged += remove.bind(id).run();
        sqlite::add_totals(database, {.purged = purged});
        return purged;
      });
    });
  });
  return erased(std::move(result));
}

Result<std::size_t> SqliteOutbox::purge_profile(const Key& profile) {
  std::size_t purged = 0;
  for (const Place& place : kPlaces) {
    std::int64_t after = std::numeric_limits<std::int64_t>::min();
    const auto result = all_pages(kAll, [&](std::size_t) {
      return run<Page>(Role::kOperator, "outbox purge", [&](Database& database) {
        return purge_page(database, place, profile, after);
      });
    });
    if (!result) return result;
    purged += *result;
  }
  const NoFork no_fork;
  leases_.rescan();  // what stood behind others in order
  return erased(purged);
}

// A purge of nothing leaves the log as it is.
Result<std::size_t> SqliteOutbox::erased(Result<std::size_t> purged) {
  if (purged && *purged == 0) return purged;
  const auto emptied = run<bool>(Role::kOperator, "outbox purge", [&](Database& database) {
    store_.empty_log(database);
    return true;
  });
  if (!emptied) store_.empty_log_later();
  return purged;
}

}  // namespace postbox
