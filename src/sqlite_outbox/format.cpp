#include "format.hpp"

#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

namespace postbox::sqlite {
namespace {

constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15;  // 2^64 / golden ratio

// Times are milliseconds since 1970. An id is never used again, not even after the newest row was
// deleted, so that what an operator noted stays true. The partial indexes repeat the state, which
// takes no room, so that counting needs no look at the rows.
constexpr const char* kVersion1 = R"sql(
CREATE TABLE outbox(
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  queue_id    INTEGER NOT NULL,
  state       INTEGER NOT NULL DEFAULT 0,
  attempts    INTEGER NOT NULL DEFAULT 0,
  lease_token INTEGER NOT NULL DEFAULT 0,
  lease_until INTEGER NOT NULL DEFAULT 0,
  next_at     INTEGER NOT NULL DEFAULT 0,
  created_at  INTEGER NOT NULL,
  dedup_key   BLOB NOT NULL,
  profile_key BLOB NOT NULL,
  payload     BLOB NOT NULL
) STRICT;
CREATE INDEX outbox_ready   ON outbox(queue_id, state)          WHERE state = 0;
CREATE INDEX outbox_delayed ON outbox(next_at, queue_id, state) WHERE state = 1;
CREATE INDEX outbox_held    ON outbox(queue_id, state)          WHERE state = 2;
CREATE UNIQUE INDEX outbox_dedup ON outbox(queue_id, dedup_key);

CREATE TABLE outbox_dead(
  id          INTEGER PRIMARY KEY,
  queue_id    INTEGER NOT NULL,
  attempts    INTEGER NOT NULL,
  created_at  INTEGER NOT NULL,
  died_at     INTEGER NOT NULL,
  http_status INTEGER NOT NULL,
  reason      TEXT NOT NULL,
  dedup_key   BLOB NOT NULL,
  profile_key BLOB NOT NULL,
  payload     BLOB NOT NULL
) STRICT;
CREATE INDEX outbox_dead_queue ON outbox_dead(queue_id);
CREATE INDEX outbox_dead_age   ON outbox_dead(died_at);

CREATE TABLE totals(
  id         INTEGER PRIMARY KEY CHECK (id = 1),
  appended   INTEGER NOT NULL DEFAULT 0,
  duplicates INTEGER NOT NULL DEFAULT 0,
  delivered  INTEGER NOT NULL DEFAULT 0,
  purged     INTEGER NOT NULL DEFAULT 0,
  expired    INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO totals(id) VALUES (1);

CREATE TABLE claimed(queue_id INTEGER PRIMARY KEY, last_id INTEGER NOT NULL) STRICT;

CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta(key, value) VALUES ('sender_epoch', 0);

PRAGMA application_id = 1346531192;
)sql";
static_assert(kApplicationId == 1346531192);

constexpr const char* kVersion2 = R"sql(
ALTER TABLE outbox ADD COLUMN first_attempt_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox_dead ADD COLUMN first_attempt_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox_dead ADD COLUMN pointer TEXT NOT NULL DEFAULT '';
)sql";

// Leases have left the rows. Ids are counted in totals, which spares each insert the update of
// AUTOINCREMENT's own table, and an index on integers takes two thirds of one on keys: the index
// that is read and written in random places is what an event costs most.
constexpr const char* kVersion3 = R"sql(
CREATE TABLE outbox_3(
  id          INTEGER PRIMARY KEY,
  queue_id    INTEGER NOT NULL,
  state       INTEGER NOT NULL DEFAULT 0,
  attempts    INTEGER NOT NULL DEFAULT 0,
  next_at     INTEGER NOT NULL DEFAULT 0,
  created_at  INTEGER NOT NULL,
  first_attempt_at INTEGER NOT NULL DEFAULT 0,
  dedup       INTEGER NOT NULL,
  dedup_key   BLOB NOT NULL,
  profile_key BLOB NOT NULL,
  checksum    INTEGER NOT NULL,
  payload     BLOB NOT NULL
) STRICT;
INSERT INTO outbox_3 SELECT id, queue_id, state, attempts, next_at, created_at, first_attempt_at,
  postbox_dedup(queue_id, dedup_key), dedup_key, profile_key,
  postbox_checksum(dedup_key, payload), payload FROM outbox;
ALTER TABLE outbox_dead ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE outbox_dead SET checksum = postbox_checksum(dedup_key, payload);
ALTER TABLE totals ADD COLUMN last_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE totals ADD COLUMN last_batch INTEGER NOT NULL DEFAULT 0;
UPDATE totals SET last_id = ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0);
DROP TABLE outbox;
DROP TABLE claimed;
ALTER TABLE outbox_3 RENAME TO outbox;
CREATE INDEX outbox_ready   ON outbox(queue_id, state)          WHERE state = 0;
CREATE INDEX outbox_delayed ON outbox(next_at, queue_id, state) WHERE state = 1;
CREATE INDEX outbox_held    ON outbox(queue_id, state)          WHERE state = 2;
CREATE UNIQUE INDEX outbox_dedup ON outbox(dedup);

ALTER TABLE totals ADD COLUMN fired INTEGER NOT NULL DEFAULT 0;
CREATE TABLE timer(
  id          INTEGER PRIMARY KEY,
  slot        BLOB NOT NULL UNIQUE,
  due_at      INTEGER NOT NULL,
  delay       INTEGER NOT NULL,
  as_of       INTEGER NOT NULL,
  event_id    INTEGER NOT NULL DEFAULT 0,
  ended_by    BLOB NOT NULL,
  queue_id    INTEGER NOT NULL,
  dedup_key   BLOB NOT NULL,
  profile_key BLOB NOT NULL,
  checksum    INTEGER NOT NULL,
  payload     BLOB NOT NULL
) STRICT;
CREATE INDEX timer_due   ON timer(due_at, event_id) WHERE event_id = 0;
CREATE INDEX timer_fired ON timer(due_at, event_id) WHERE event_id > 0;
CREATE TABLE timer_key(
  key BLOB NOT NULL, timer_id INTEGER NOT NULL, PRIMARY KEY(key, timer_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE timer_end(
  key BLOB PRIMARY KEY, as_of INTEGER NOT NULL, expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX timer_end_age ON timer_end(expires_at);
CREATE TABLE collapsing(
  slot     BLOB PRIMARY KEY,
  event_id INTEGER NOT NULL,
  due_at   INTEGER NOT NULL,
  as_of    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX collapsing_due ON collapsing(due_at);
)sql";

// Dead letters and ends count in triggers (`totals.dead_bytes`, `totals.ends`): no statement can
// forget it, and orders run none of them.
//
// Triggers count what dead letters occupy and how many ends are remembered, so that no statement
// that adds or removes one can forget to. Orders, which are neither, run none of them.
constexpr const char* kVersion4 = R"sql(
ALTER TABLE outbox ADD COLUMN slot BLOB;
ALTER TABLE outbox_dead ADD COLUMN slot BLOB;
CREATE INDEX outbox_in_order ON outbox(profile_key) WHERE slot IS NOT NULL;

ALTER TABLE totals ADD COLUMN dead_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE totals ADD COLUMN ends INTEGER NOT NULL DEFAULT 0;
UPDATE totals SET
  dead_bytes = (SELECT ifnull(sum(200 + length(payload) + length(reason) + length(pointer)), 0)
                FROM outbox_dead),
  ends = (SELECT count(*) FROM timer_end);
CREATE TRIGGER outbox_dead_added AFTER INSERT ON outbox_dead BEGIN
  UPDATE totals SET dead_bytes = dead_bytes
    + 200 + length(NEW.payload) + length(NEW.reason) + length(NEW.pointer);
END;
CREATE TRIGGER outbox_dead_removed AFTER DELETE ON outbox_dead BEGIN
  UPDATE totals SET dead_bytes = dead_bytes
    - 200 - length(OLD.payload) - length(OLD.reason) - length(OLD.pointer);
END;
CREATE TRIGGER timer_end_added AFTER INSERT ON timer_end BEGIN
  UPDATE totals SET ends = ends + 1;
END;
CREATE TRIGGER timer_end_removed AFTER DELETE ON timer_end BEGIN
  UPDATE totals SET ends = ends - 1;
END;
)sql";

// Numbers of the index begin with the part of their id. Equal ones, of which there is hardly one in
// a file, get numbers that no other row has and nobody looks for: such an event would be stored
// again if it were reported again before it is sent.
constexpr const char* kVersion5 = R"sql(
DROP INDEX outbox_dedup;
UPDATE outbox SET dedup = (((id >> 9) & 268435455) << 34) | (dedup & 17179869183);
UPDATE outbox SET dedup = -id WHERE id IN (SELECT id FROM (SELECT id,
  row_number() OVER (PARTITION BY dedup ORDER BY id) AS place FROM outbox) WHERE place > 1);
CREATE UNIQUE INDEX outbox_dedup ON outbox(dedup);
)sql";

// Step n brings a file from version n to n + 1. A published step is never edited.
constexpr std::array<const char*, kSchemaVersion> kSteps = {kVersion1, kVersion2, kVersion3,
                                                            kVersion4, kVersion5};

std::string_view bytes_of(sqlite3_value* value) {
  const auto* bytes = static_cast<const char*>(sqlite3_value_blob(value));
  const auto size = static_cast<std::size_t>(sqlite3_value_bytes(value));
  return bytes == nullptr ? std::string_view() : std::string_view(bytes, size);
}

std::optional<Key> key_of(sqlite3_value* value) {
  Key key{};
  const std::string_view bytes = bytes_of(value);
  if (bytes.size() != key.size()) return std::nullopt;
  std::memcpy(key.data(), bytes.data(), key.size());
  return key;
}

constexpr const char* kNoKey = "a key does not have 16 bytes";

// dedup_of() as an SQL function of (queue_id, dedup_key).
void dedup_function(sqlite3_context* context, int, sqlite3_value** arguments) {
  const auto key = key_of(arguments[1]);
  if (!key) return sqlite3_result_error(context, kNoKey, -1);
  sqlite3_result_int64(context, dedup_of(sqlite3_value_int64(arguments[0]), *key));
}

// checksum_of() as an SQL function of (dedup_key, payload).
void checksum_function(sqlite3_context* context, int, sqlite3_value** arguments) {
  const auto key = key_of(arguments[0]);
  if (!key) return sqlite3_result_error(context, kNoKey, -1);
  sqlite3_result_int64(context, checksum_of(*key, bytes_of(arguments[1])));
}

}  // namespace

std::int64_t dedup_of(std::int64_t queue, const Key& key) {
  const auto half = [&key](std::size_t from) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(value); ++i) {
      value |= std::to_integer<std::uint64_t>(key.at(from + i)) << (8 * i);
    }
    return value;
  };
  const std::uint64_t rest = half(8) + static_cast<std::uint64_t>(queue) * kOdd;
  return static_cast<std::int64_t>(half(0) ^ (rest * kOdd));
}

void migrate(Database& database) {
  database.define("postbox_dedup", 2, dedup_function);
  database.define("postbox_checksum", 2, checksum_function);
  Transaction transaction(database, Transaction::Kind::kDurable);
  // Asked again under the write lock: another process may have done it meanwhile.
  const std::int64_t version = database.integer("PRAGMA user_version");
  for (std::int64_t step = version; step < kSchemaVersion; ++step) {
    database.execute(kSteps.at(static_cast<std::size_t>(step)));
  }
  database.execute(("PRAGMA user_version = " + std::to_string(kSchemaVersion)).c_str());
  transaction.commit();
}

}  // namespace postbox::sqlite
