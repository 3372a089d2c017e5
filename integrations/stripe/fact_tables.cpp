#include <initializer_list>
#include <stripe/fact_tables.hpp>

#include "sqlite/database.hpp"

namespace stripe {
namespace {

using postbox::Error;
using postbox::ErrorCode;
using postbox::Result;
using postbox::WallTime;
using postbox::sqlite::Database;
using postbox::sqlite::Failure;
using postbox::sqlite::Query;
using postbox::sqlite::Transaction;

// Stripe delivers for up to three days: so long a replaced value is of use.
constexpr std::chrono::hours kLate{24 * 4};

constexpr const char* kSchema = R"(
CREATE TABLE IF NOT EXISTS known(
  key TEXT NOT NULL, as_of INTEGER NOT NULL, value TEXT NOT NULL, expires INTEGER NOT NULL,
  PRIMARY KEY(key, as_of)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS known_expires ON known(expires);
CREATE TABLE IF NOT EXISTS decided(
  key TEXT PRIMARY KEY, value TEXT NOT NULL, expires INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS decided_expires ON decided(expires);
CREATE TABLE IF NOT EXISTS waiting(
  event_id TEXT PRIMARY KEY, body BLOB NOT NULL, key TEXT NOT NULL, until INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS waiting_until ON waiting(until);
CREATE INDEX IF NOT EXISTS waiting_key ON waiting(key);
)";

constexpr const char* kPutKnown =
    "INSERT INTO known VALUES(?1, ?2, ?3, ?4) ON CONFLICT(key, as_of) DO UPDATE SET"
    " value = max(value, ?3), expires = max(expires, ?4)";

std::int64_t stamp(WallTime time) { return time.time_since_epoch().count(); }

WallTime time_in(const Query& row, int column) {
  return WallTime(std::chrono::milliseconds(row.integer(column)));
}

std::int64_t limit_of(std::size_t limit) { return static_cast<std::int64_t>(limit); }

// Binds strings as the columns hold them, as text: a blob never equals a text.
template <class Value>
const Value& as_column(const Value& value) {
  return value;
}
std::string_view as_column(const std::string& value) { return value; }
std::int64_t as_column(WallTime time) { return stamp(time); }

template <class... Values>
std::size_t run(Database& database, const char* sql, const Values&... values) {
  return Query(database, sql).bind(as_column(values)...).run();
}

std::size_t remove_expired(Database& database, WallTime now) {
  return run(database, "DELETE FROM known WHERE expires <= ?1", now) +
         run(database, "DELETE FROM decided WHERE expires <= ?1", now);
}

WaitingBody body_of(const Query& row) {
  return {row.bytes(0), row.bytes(1), row.bytes(2), time_in(row, 3)};
}

// Rows in one transaction of a rewrite: some milliseconds, for webhooks wait for it.
constexpr std::size_t kRowsAtOnce = 250;

struct Column {
  const char* select;  // key and text of the rows behind a key
  const char* update;  // the text of a key
};

using Rewritten = FactTables::Rewritten;

// Returns whether there may be more rows.
bool rewrite_text(Database& database, const Column& column, Rewritten& done,
                  const FactStore::Rewrite& change) {
  std::vector<std::pair<std::string, std::string>> rows;
  Query query(database, column.select);
  query.bind(std::string_view(done.key), limit_of(kRowsAtOnce));
  while (query.step()) rows.emplace_back(query.bytes(0), query.bytes(1));
  for (const auto& [key, text] : rows) {
    if (const auto changed = change(text))
      done.changed += run(database, column.update, key, *changed);
    done.key = key;
  }
  return rows.size() == kRowsAtOnce;
}

struct KnownRow {
  std::string key;
  std::int64_t as_of = 0;
  std::string value;
  std::int64_t expires = 0;
};

// One whose key becomes another may meet the same fact there.
bool replace_known(Database& database, const KnownRow& row, const FactStore::Rewrite& change) {
  const auto [kind, address] = split_address(row.key);
  const auto address_now = address.empty() ? std::nullopt : change(address);
  const auto value_now = change(row.value);
  if (!address_now && !value_now) return false;
  const std::string key = address_now ? std::string(kind).append(*address_now) : row.key;
  run(database, "DELETE FROM known WHERE key = ?1 AND as_of = ?2", row.key, row.as_of);
  run(database, kPutKnown, key, row.as_of, value_now.value_or(row.value), row.expires);
  return true;
}

bool rewrite_known(Database& database, Rewritten& done, const FactStore::Rewrite& change) {
  std::vector<KnownRow> rows;
  Query query(database,
              "SELECT key, as_of, value, expires FROM known WHERE (key, as_of) > (?1, ?2)"
              " ORDER BY key, as_of LIMIT ?3");
  query.bind(std::string_view(done.key), done.as_of, limit_of(kRowsAtOnce));
  while (query.step()) {
    rows.push_back({query.bytes(0), query.integer(1), query.bytes(2), query.integer(3)});
  }
  for (const KnownRow& row : rows) {
    if (replace_known(database, row, change)) ++done.changed;
    done.key = row.key;
    done.as_of = row.as_of;
  }
  return rows.size() == kRowsAtOnce;
}

// Copies what can be read from one end of a table up to the damage, and then from the other end.
template <class Copy>
void copy_around_damage(Database& from, std::initializer_list<const char*> both_ways, Copy copy) {
  for (const char* sql : both_ways) {
    try {
      Query rows(from, sql);
      while (rows.step()) copy(rows);
      return;
    } catch (const Failure&) {
      continue;
    }
  }
}

}  // namespace

void FactTables::create(Database& database) {
  Transaction transaction(database, Transaction::Kind::kWrite);
  database.execute(kSchema);
  transaction.commit();
}

std::int64_t FactTables::copy_readable_rows(Database& from, Database& to) {
  Transaction transaction(to, Transaction::Kind::kDurable);
  copy_around_damage(from,
                     {"SELECT event_id, body, key, until FROM waiting ORDER BY rowid",
                      "SELECT event_id, body, key, until FROM waiting ORDER BY rowid DESC"},
                     [&](const Query& row) {
                       run(to, "INSERT INTO waiting VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                           row.bytes(0), row.bytes(1), row.bytes(2), row.integer(3));
                     });
  copy_around_damage(from,
                     {"SELECT key, value, expires FROM decided ORDER BY key",
                      "SELECT key, value, expires FROM decided ORDER BY key DESC"},
                     [&](const Query& row) {
                       run(to, "INSERT INTO decided VALUES(?1, ?2, ?3) ON CONFLICT DO NOTHING",
                           row.bytes(0), row.bytes(1), row.integer(2));
                     });
  copy_around_damage(from,
                     {"SELECT key, as_of, value, expires FROM known ORDER BY key, as_of",
                      "SELECT key, as_of, value, expires FROM known ORDER BY key DESC, as_of DESC"},
                     [&](const Query& row) {
                       run(to, "INSERT INTO known VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                           row.bytes(0), row.integer(1), row.bytes(2), row.integer(3));
                     });
  const std::int64_t waiting = to.integer("SELECT count(*) FROM waiting");
  transaction.commit();
  return waiting;
}

// Of a key, only the newest value lasts until `expires`. Those before it are for bodies that come
// late, and last for as long as Stripe delivers such.
void FactTables::put_facts(Database& database, const std::vector<Fact>& facts, WallTime now,
                           WallTime expires) {
  Transaction transaction(database, Transaction::Kind::kWrite);
  for (const Fact& fact : facts) {
    run(database, kPutKnown, fact.key, fact.as_of, fact.value, expires);
    run(database,
        "UPDATE known SET expires = min(expires, ?2) WHERE key = ?1"
        " AND as_of < (SELECT max(as_of) FROM known WHERE key = ?1)",
        fact.key, now + kLate);
  }
  tidy_now_and_then(database, now);
  transaction.commit();
}

std::optional<std::string> FactTables::find_fact(Database& database, std::string_view key,
                                                 WallTime at, WallTime now) {
  Query then(database,
             "SELECT value FROM known WHERE key = ?1 AND as_of <= ?2 AND expires > ?3"
             " ORDER BY as_of DESC LIMIT 1");
  if (then.bind(key, stamp(at), stamp(now)).step()) return then.bytes(0);
  Query later(database,
              "SELECT value FROM known WHERE key = ?1 AND as_of > ?2 AND expires > ?3"
              " AND value <> '' ORDER BY as_of LIMIT 1");
  if (later.bind(key, stamp(at), stamp(now)).step()) return later.bytes(0);
  return std::nullopt;
}

// The first decision stands, whoever made it: each key is written once until it expires, and read
// again in the transaction that tried to write it. All of them are tried, also after one that
// stands otherwise: then the next attempt needs no further decision of another process.
bool FactTables::put_decisions(Database& database, const std::vector<Decision>& decisions,
                               WallTime now, WallTime expires) {
  Transaction transaction(database, Transaction::Kind::kDurable);
  bool all_stand = true;
  for (const auto& [key, value] : decisions) {
    run(database,
        "INSERT INTO decided VALUES(?1, ?2, ?3) ON CONFLICT(key) DO UPDATE SET"
        " value = ?2, expires = ?3 WHERE expires <= ?4",
        key, value, expires, now);
    Query standing(database, "SELECT value FROM decided WHERE key = ?1");
    standing.bind(std::string_view(key));
    all_stand = standing.step() && standing.bytes(0) == value && all_stand;
  }
  tidy_now_and_then(database, now);
  transaction.commit();
  return all_stand;
}

std::optional<std::string> FactTables::find_decision(Database& database, std::string_view key,
                                                     WallTime now) {
  Query query(database, "SELECT value FROM decided WHERE key = ?1 AND expires > ?2");
  if (query.bind(key, stamp(now)).step()) return query.bytes(0);
  return std::nullopt;
}

// The count excludes the body itself: one that waits already may go on waiting under another key
// when the table is full.
Result<void> FactTables::put_body(Database& database, const WaitingBody& body) const {
  Transaction transaction(database, Transaction::Kind::kDurable);
  Query count(database, "SELECT count(*) FROM waiting WHERE event_id <> ?1");
  count.bind(std::string_view(body.event_id));
  if (count.step() && count.integer(0) >= limit_of(limits_.waiting)) {
    return Error{ErrorCode::kOutboxFull,
                 "too many webhooks are waiting (limit " + std::to_string(limits_.waiting) + ")"};
  }
  run(database,
      "INSERT INTO waiting VALUES(?1, ?2, ?3, ?4) ON CONFLICT(event_id) DO UPDATE SET key = ?3",
      body.event_id, body.body, body.key, body.until);
  transaction.commit();
  return {};
}

// A body is in one of the parts only: by its time, or by one key.
std::vector<WaitingBody> FactTables::ready_bodies(Database& database,
                                                  const std::vector<Fact>& facts, WallTime now) {
  std::vector<WaitingBody> all;
  Query due(database,
            "SELECT event_id, body, key, until FROM waiting WHERE until <= ?1 ORDER BY until");
  due.bind(stamp(now));
  while (due.step()) all.push_back(body_of(due));
  for (const Fact& fact : facts) {
    Query waiting(database,
                  "SELECT event_id, body, key, until FROM waiting WHERE key = ?1 AND until > ?2"
                  " ORDER BY until");
    waiting.bind(std::string_view(fact.key), stamp(now));
    while (waiting.step()) all.push_back(body_of(waiting));
  }
  return all;
}

std::vector<std::string> FactTables::awaited_keys(Database& database) {
  std::vector<std::string> keys;
  Query query(database, "SELECT key FROM waiting ORDER BY until");
  while (query.step()) keys.push_back(query.bytes(0));
  return keys;
}

std::optional<WallTime> FactTables::next_due(Database& database) {
  Query query(database, "SELECT until FROM waiting ORDER BY until LIMIT 1");
  if (query.step()) return time_in(query, 0);
  return std::nullopt;
}

bool FactTables::remove_body(Database& database, std::string_view event_id) {
  Transaction transaction(database, Transaction::Kind::kWrite);
  const std::size_t removed = run(database, "DELETE FROM waiting WHERE event_id = ?1", event_id);
  transaction.commit();
  return removed > 0;
}

void FactTables::remove_bodies(Database& database) { database.execute("DELETE FROM waiting"); }

std::size_t FactTables::forget(Database& database, std::string_view email) {
  Transaction transaction(database, Transaction::Kind::kDurable);
  std::size_t removed = 0;
  for (const char* sql :
       {"DELETE FROM known WHERE value = ?1 OR (key >= 'bought:' AND key < 'bought;'"
        " AND substr(key, -length(?1)) = ?1)",
        "DELETE FROM decided WHERE value = ?1",
        "DELETE FROM waiting WHERE instr(lower(CAST(body AS TEXT)), ?1) > 0"}) {
    removed += run(database, sql, email);
  }
  transaction.commit();
  (void)database.empty_log();  // where the address stands, too
  return removed;
}

std::size_t FactTables::expire(Database& database, WallTime now) {
  Transaction transaction(database, Transaction::Kind::kWrite);
  const std::size_t removed = remove_expired(database, now);
  transaction.commit();
  if (removed > 0) (void)database.empty_log();  // where they stand, too
  return removed;
}

void FactTables::rewrite_some(Database& database, Rewritten& done,
                              const FactStore::Rewrite& change) {
  using Table = Rewritten::Table;
  Transaction transaction(database, Transaction::Kind::kWrite);
  bool has_more = false;
  Rewritten after = done;
  switch (done.next) {
    case Table::kWaiting:
      has_more = rewrite_text(
          database,
          {"SELECT event_id, body FROM waiting WHERE event_id > ?1 ORDER BY event_id LIMIT ?2",
           "UPDATE waiting SET body = ?2 WHERE event_id = ?1"},
          after, change);
      break;
    case Table::kDecided:
      has_more =
          rewrite_text(database,
                       {"SELECT key, value FROM decided WHERE key > ?1 ORDER BY key LIMIT ?2",
                        "UPDATE decided SET value = ?2 WHERE key = ?1"},
                       after, change);
      break;
    case Table::kKnown:
      has_more = rewrite_known(database, after, change);
      break;
    case Table::kNone:
      return;
  }
  transaction.commit();
  if (!has_more) {
    after.next = static_cast<Table>(static_cast<int>(done.next) + 1);
    after.key.clear();
  }
  done = std::move(after);
}

void FactTables::tidy_now_and_then(Database& database, WallTime now) {
  constexpr std::size_t kTidyEvery = 256;
  if (writes_++ % kTidyEvery != 0) return;
  (void)remove_expired(database, now);
  const auto bound = [&](const std::string& from, const std::string& to, std::size_t limit) {
    run(database,
        "DELETE FROM known WHERE (key, as_of) IN (SELECT key, as_of FROM known"
        " WHERE key >= ?1 AND key < ?2 ORDER BY expires LIMIT max(0,"
        " (SELECT count(*) FROM known WHERE key >= ?1 AND key < ?2) - ?3))",
        from, to, limit_of(limit));
  };
  // ';' comes after ':'.
  bound("customer:", "customer;", limits_.addresses);
  bound("bought:", "bought;", limits_.addresses);
  for (const std::string kind : {"order", "payment", "refunded", "dispute", "fresh", "trial"}) {
    bound(kind + ":", kind + ";", limits_.links);
  }
  run(database,
      "DELETE FROM decided WHERE key IN (SELECT key FROM decided ORDER BY expires"
      " LIMIT max(0, (SELECT count(*) FROM decided) - ?1))",
      limit_of(limits_.decisions));
}

}  // namespace stripe
