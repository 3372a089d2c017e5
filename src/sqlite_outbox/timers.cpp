#include "timers.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "format.hpp"
#include "order.hpp"
#include "rows.hpp"

#include "base/assert.hpp"

namespace postbox::sqlite {
namespace {

// How far ahead of an order's clock that of the very cart it names may be: a browser's, another
// server's. A new cart under an id that is used again is hit only when its order is reported later
// than KLAVIYO_CART_ABANDONED_AFTER, and only what happened to it in these minutes after the order.
constexpr std::int64_t kSkew = std::chrono::milliseconds(std::chrono::minutes(2)).count();

// When it happened, and never later than now: a clock that runs ahead would make a report newer
// than all that follow.
std::int64_t as_of(const Timing& timing, std::int64_t now) {
  return std::min<std::int64_t>(timing.as_of.time_since_epoch().count(), now);
}

std::vector<std::int64_t> ids_of(Query& query) {
  std::vector<std::int64_t> ids;
  while (query.step()) ids.push_back(query.integer(0));
  return ids;
}

// A row that this transaction's index names must be there: else what is repeated until nothing is
// due would never end. (Outside a transaction another process may have been quicker.)
void must_find(bool found) {
  if (!found) {
    throw Failure(Error{ErrorCode::kOutboxCorrupt, "an index names a timer that is missing"});
  }
}

// The event that waits for a newer one of its slot, as long as nobody has claimed or moved it.
struct Waiting {
  std::int64_t id;
  std::int64_t as_of;
};

std::optional<Waiting> waiting_in(Database& database, const Key& slot, std::int64_t now) {
  Query query(database,
              "SELECT id, min(as_of, ?2) FROM collapsing JOIN outbox ON id = event_id"
              " WHERE collapsing.slot = ?1 AND state = 1 AND attempts = 0 AND next_at = due_at");
  query.bind(slot, now);
  if (!query.step()) return std::nullopt;
  return Waiting{query.integer(0), query.integer(1)};
}

// Gives the waiting row the record's keys and bytes; `id` is the newest, unless the record's own
// key waits elsewhere.
void replace(Database& database, const EventRecord& record, std::int64_t row, std::int64_t id,
             std::int64_t now) {
  const bool replaced = with_number(
      database, record, id,
      [&](std::int64_t number) {
        return Query(database,
                     "UPDATE OR IGNORE outbox SET queue_id = ?2, dedup = ?3, dedup_key = ?4,"
                     " profile_key = ?5, checksum = ?6, payload = ?7 WHERE id = ?1")
                   .bind(row, static_cast<std::int64_t>(record.queue), number, record.dedup_key,
                         record.profile_key, checksum_of(record.dedup_key, record.payload),
                         record.payload)
                   .run() == 1;
      },
      row);
  if (!replaced) return;
  Query(database, "UPDATE collapsing SET as_of = ?2 WHERE slot = ?1")
      .bind(record.timing->slot, as_of(*record.timing, now))
      .run();
}

bool insert_debounced(Database& database, const EventRecord& record, std::int64_t id,
                      std::int64_t now) {
  const Timing& timing = *record.timing;
  if (const auto waiting = waiting_in(database, timing.slot, now)) {
    if (as_of(timing, now) >= waiting->as_of) replace(database, record, waiting->id, id, now);
    return false;
  }
  if (!insert(database, record, id, now)) return false;
  const std::int64_t due_at = now + bounded(timing.debounce, kDelayHorizon);
  Query(database, "UPDATE outbox SET state = 1, next_at = ?2 WHERE id = ?1").bind(id, due_at).run();
  Query(database,
        "INSERT OR REPLACE INTO collapsing(slot, event_id, due_at, as_of)"
        " VALUES (?1, ?2, ?3, ?4)")
      .bind(timing.slot, id, due_at, as_of(timing, now))
      .run();
  return true;
}

Stored insert_event(Database& database, const EventRecord& record, std::int64_t id,
                    std::int64_t now, const Leases* leases) {
  const Timing& timing = *record.timing;
  if (timing.effects_only) return Stored::kNot;
  if (timing.in_order) return insert_in_order(database, record, id, now, leases);
  const bool inserted = timing.debounce.count() > 0 ? insert_debounced(database, record, id, now)
                                                    : insert(database, record, id, now);
  return inserted ? Stored::kNew : Stored::kNot;
}

// Keys one after the other, as column timer.ended_by has them.
std::string joined(const Key& slot, const std::vector<Key>& keys) {
  std::string bytes;
  const auto append = [&bytes](const Key& key) {
    bytes.append(reinterpret_cast<const char*>(key.data()), key.size());
  };
  append(slot);
  for (const Key& key : keys) append(key);
  return bytes;
}

// Calls `act(key)`, each key once however often it stands there.
template <class Act>
void for_each_key(std::string_view joined, Act act) {
  std::vector<Key> keys;
  Key key{};
  for (; joined.size() >= key.size(); joined.remove_prefix(key.size())) {
    std::transform(joined.begin(), joined.begin() + key.size(), key.begin(),
                   [](char c) { return static_cast<std::byte>(c); });
    if (std::ranges::find(keys, key) == keys.end()) keys.push_back(key);
  }
  for (const Key& each : keys) act(each);
}

// Removes a timer, and what it has fired if that waits. Returns how many events those are.
std::size_t remove(Database& database, std::int64_t timer) {
  std::int64_t event = 0;
  std::string keys;
  {
    Query query(database, "SELECT event_id, ended_by FROM timer WHERE id = ?1");
    query.bind(timer);
    must_find(query.step());
    event = query.integer(0);
    keys = query.bytes(1);
  }
  Query unlink(database, "DELETE FROM timer_key WHERE key = ?1 AND timer_id = ?2");
  for_each_key(keys, [&](const Key& key) { unlink.bind(key, timer).run(); });
  Query(database, "DELETE FROM timer WHERE id = ?1").bind(timer).run();
  if (event == 0) return 0;
  return Query(database, "DELETE FROM outbox WHERE id = ?1").bind(event).run();
}

// For what is older and comes later. History ends nothing that could still come: an import leaves
// no row.
void remember_end(Database& database, const Key& key, std::int64_t as_of, std::int64_t now) {
  const std::int64_t expires_at = as_of + kEndMemory.count();
  if (expires_at <= now) return;
  Query(database,
        "INSERT INTO timer_end(key, as_of, expires_at) VALUES (?1, ?2, ?3) ON CONFLICT(key)"
        " DO UPDATE SET as_of = max(as_of, excluded.as_of),"
        " expires_at = max(expires_at, excluded.expires_at)")
      .bind(key, as_of, expires_at)
      .run();
}

// Returns how many fired events it removed.
std::size_t end(Database& database, const Timing& timing, const Key& key, std::int64_t now) {
  const std::int64_t ended_at = as_of(timing, now);
  remember_end(database, key, ended_at, now);
  // A cart's reports of itself go by one clock.
  const std::int64_t tolerance = key == timing.slot ? 0 : kSkew;
  std::vector<std::int64_t> timers;
  {
    Query query(database,
                "SELECT id FROM timer_key JOIN timer ON id = timer_id"
                " WHERE key = ?1 AND min(as_of, ?3) <= ?2 + iif(slot = ?1, ?4, 0)");
    query.bind(key, ended_at, now, tolerance);
    timers = ids_of(query);
  }
  std::size_t purged = 0;
  for (const std::int64_t timer : timers) purged += remove(database, timer);
  return purged;
}

bool is_ended(Database& database, std::string_view keys, std::int64_t as_of) {
  bool ended = false;
  for_each_key(keys, [&](const Key& key) {
    Query query(database, "SELECT 1 FROM timer_end WHERE key = ?1 AND as_of >= ?2");
    ended |= query.bind(key, as_of).step();
  });
  return ended;
}

// The timer of a slot.
struct Known {
  std::int64_t id;
  std::int64_t as_of;
  std::int64_t due_at;
  bool fired;
};

std::optional<Known> timer_in(Database& database, const Key& slot, std::int64_t now) {
  Query query(database, "SELECT id, min(as_of, ?2), due_at, event_id FROM timer WHERE slot = ?1");
  if (!query.bind(slot, now).step()) return std::nullopt;
  return Known{query.integer(0), query.integer(1), query.integer(2), query.integer(3) != 0};
}

// Starts the timer in place of the slot's older one. Returns how many events that one had fired and
// are gone.
std::size_t arm(Database& database, const Timing& timing, std::int64_t now) {
  const Timer& timer = *timing.timer;
  const std::int64_t started_at = as_of(timing, now);
  const std::int64_t delay = bounded(timer.delay, kTimerHorizon);
  std::int64_t due_at = now + delay;
  std::size_t purged = 0;
  if (const auto known = timer_in(database, timing.slot, now)) {
    const bool same = known->as_of == started_at;
    if (known->as_of > started_at || (same && known->fired)) return 0;
    if (same) due_at = std::min(due_at, known->due_at);  // reported again: no new start
    purged = remove(database, known->id);
  }
  const std::string keys = joined(timing.slot, timer.cancelled_by);
  if (is_ended(database, keys, started_at)) return purged;
  const EventRecord& event = timer.event;
  Query(database,
        "INSERT INTO timer(slot, due_at, delay, as_of, ended_by, queue_id, dedup_key, profile_key,"
        " checksum, payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")
      .bind(timing.slot, due_at, delay, started_at, keys, static_cast<std::int64_t>(event.queue),
            event.dedup_key, event.profile_key, checksum_of(event.dedup_key, event.payload),
            event.payload)
      .run();
  Query link(database,
             "INSERT INTO timer_key(key, timer_id) SELECT ?1, id FROM timer WHERE slot = ?2");
  for_each_key(keys, [&](const Key& key) { link.bind(key, timing.slot).run(); });
  return purged;
}

// Stores what the timer was started with, checksum included: the claim looks at it. Returns whether
// the event's key was free.
bool insert_event_of(Database& database, std::int64_t timer, std::int64_t id, std::int64_t now) {
  EventRecord event;
  std::int64_t checksum = 0;
  {
    Query query(
        database,
        "SELECT queue_id, dedup_key, profile_key, checksum, payload FROM timer WHERE id = ?1");
    query.bind(timer);
    must_find(query.step());
    event = {.queue = QueueId{static_cast<std::uint32_t>(query.integer(0))},
             .dedup_key = query.key(1),
             .profile_key = query.key(2),
             .payload = query.bytes(4)};
    checksum = query.integer(3);
  }
  return insert(database, event, checksum, id, now);
}

// A fired timer keeps its keys while its event waits, so that an order can take the event back.
//
// The timer stays, without its bytes, for as long as an end may take the event back.
bool fire(Database& database, std::int64_t timer, std::int64_t id, std::int64_t now) {
  POSTBOX_ASSERT(timer > 0 && id > 0);
  if (!insert_event_of(database, timer, id, now)) {
    (void)remove(database, timer);  // somebody else has reported the same event
    return false;
  }
  Query(database, "UPDATE timer SET event_id = ?2, due_at = ?3, payload = x'' WHERE id = ?1")
      .bind(timer, id, now + kFiredLook.count())
      .run();
  return true;
}

// `sql` selects ids of timers that are due by ?1, ?2 of them at most.
std::vector<std::int64_t> due_timers(Database& database, const char* sql, std::int64_t now) {
  Query query(database, sql);
  query.bind(now, kChunk);
  return ids_of(query);
}

std::size_t fire_chunk(Database& database, std::int64_t now) {
  Transaction transaction(database, Transaction::Kind::kWrite);
  std::int64_t last_id = database.integer("SELECT last_id FROM totals");
  std::size_t fired = 0;
  const auto timers = due_timers(
      database, "SELECT id FROM timer WHERE event_id = 0 AND due_at <= ?1 LIMIT ?2", now);
  for (const std::int64_t timer : timers) {
    if (!fire(database, timer, last_id + 1, now)) continue;
    ++last_id;
    ++fired;
  }
  POSTBOX_ASSERT(fired <= timers.size());
  Query(database, "UPDATE totals SET fired = fired + ?1, last_id = ?2")
      .bind(static_cast<std::int64_t>(fired), last_id)
      .run();
  transaction.commit();
  return fired;
}

// The clock was set back since they were started: from now on they wait their delay at most.
void date_anew(Database& database, std::int64_t now, Chunks& chunks) {
  while (database.integer("SELECT due_at - delay FROM timer WHERE event_id = 0"
                          " ORDER BY due_at DESC LIMIT 1") > now &&
         chunks.take()) {
    Transaction transaction(database, Transaction::Kind::kWrite);
    Query(database,
          "UPDATE timer SET due_at = ?1 + delay WHERE id IN (SELECT id FROM timer"
          " WHERE event_id = 0 AND due_at > ?1 + delay ORDER BY due_at DESC LIMIT ?2)")
        .bind(now, kChunk)
        .run();
    const bool any = database.changes() > 0;
    transaction.commit();
    if (!any) return;  // the next maintain() looks again
  }
}

// A fired timer whose event is gone has nothing left to take back.
void look_at_fired(Database& database, std::int64_t now) {
  Transaction transaction(database, Transaction::Kind::kWrite);
  const auto timers = due_timers(
      database, "SELECT id FROM timer WHERE event_id > 0 AND due_at <= ?1 LIMIT ?2", now);
  for (const std::int64_t timer : timers) {
    const bool waits = Query(database,
                             "UPDATE timer SET due_at = ?2 WHERE id = ?1 AND EXISTS"
                             " (SELECT 1 FROM outbox WHERE outbox.id = timer.event_id)")
                           .bind(timer, now + kFiredLook.count())
                           .run() == 1;
    if (!waits) (void)remove(database, timer);
  }
  transaction.commit();
}

// Returns whether anything was there to forget.
bool forget(Database& database, const char* sql, std::int64_t now) {
  Transaction transaction(database, Transaction::Kind::kWrite);
  const bool any = Query(database, sql).bind(now, kChunk).run() > 0;
  transaction.commit();
  return any;
}

}  // namespace

Stored insert_timed(Database& database, const EventRecord& record, std::int64_t id,
                    std::int64_t now, const Leases* leases) {
  POSTBOX_ASSERT(record.timing && database.in_transaction());
  const Timing& timing = *record.timing;
  const Stored stored = insert_event(database, record, id, now, leases);
  std::size_t purged = 0;
  for (const Key& key : timing.cancels) purged += end(database, timing, key, now);
  if (timing.timer) purged += arm(database, timing, now);
  if (purged > 0) add_totals(database, {.purged = purged});
  return stored;
}

std::size_t fire_timers(Database& database, std::int64_t now, Chunks& chunks) {
  // Each looks into an index first: nothing is written, and no lock taken, when nothing is due.
  date_anew(database, now, chunks);
  std::size_t fired = 0;
  while (next_timer(database).value_or(now + 1) <= now && chunks.take()) {
    fired += fire_chunk(database, now);
  }
  while (database.integer("SELECT ifnull(min(due_at), 9e18) FROM timer WHERE event_id > 0") <=
             now &&
         chunks.take()) {
    look_at_fired(database, now);
  }
  while (database.integer("SELECT ifnull(min(due_at), 9e18) FROM collapsing") <= now &&
         chunks.take() &&
         forget(database,
                "DELETE FROM collapsing WHERE slot IN"
                " (SELECT slot FROM collapsing WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2)",
                now)) {
  }
  return fired;
}

std::optional<std::int64_t> next_timer(Database& database) {
  Query query(database, "SELECT due_at FROM timer WHERE event_id = 0 ORDER BY due_at LIMIT 1");
  if (!query.step()) return std::nullopt;
  return query.integer(0);
}

std::uint64_t count_timers(Database& database) {
  return static_cast<std::uint64_t>(
      database.integer("SELECT count(*) FROM timer WHERE event_id = 0"));
}

std::size_t remove_timers(Database& database, const std::vector<std::int64_t>& timers,
                          const Key& profile) {
  std::size_t removed = 0;
  for (const std::int64_t timer : timers) {
    {
      Query query(database,
                  "SELECT 1 FROM timer WHERE id = ?1 AND profile_key = ?2 AND event_id = 0");
      if (!query.bind(timer, profile).step()) continue;
    }
    (void)remove(database, timer);
    ++removed;
  }
  POSTBOX_ASSERT(removed <= timers.size());
  return removed;
}

}  // namespace postbox::sqlite
