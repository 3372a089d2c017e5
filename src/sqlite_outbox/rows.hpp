// Tools that the SQLite outbox's source files share: the clock arithmetic of rows, how a row is
// inserted, and the totals.
//
// Place:     included by the SQLite outbox's source files only.
// Threads:   free functions; one thread at a time per Database.
// Lifetime:  plain values.
// Failure:   throws sqlite::Failure.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <postbox/outbox.hpp>

#include "format.hpp"
#include "sqlite/database.hpp"
#include "waiting_keys.hpp"

#include "base/assert.hpp"

namespace postbox::sqlite {

// Returns `duration` in milliseconds, not negative and not beyond what will be believed on reading.
[[nodiscard]] inline std::int64_t bounded(std::chrono::milliseconds duration,
                                          std::chrono::milliseconds horizon) {
  return std::clamp(duration, std::chrono::milliseconds(0), horizon).count();
}

// The wall clock may have been set back since `then`: no age is negative.
[[nodiscard]] inline std::chrono::milliseconds elapsed(std::int64_t then, std::int64_t now) {
  return std::chrono::milliseconds(std::max<std::int64_t>(0, now - then));
}

// Rows per transaction of work that could touch a whole backlog: appends get their turn in between.
inline constexpr std::int64_t kChunk = 200;

// The chunks that one call may do. Who asks for more asks again: the sender, which sends meanwhile.
// The log of `database` is kept short between them.
class Chunks {
 public:
  explicit Chunks(Database* database = nullptr) noexcept : database_(database) {}

  [[nodiscard]] bool take() noexcept {
    if (left_ == 0) return false;
    if (database_ != nullptr) database_->keep_log_short();
    --left_;
    return true;
  }
  [[nodiscard]] bool are_used_up() const noexcept { return left_ == 0; }

 private:
  Database* database_;
  int left_ = 10;  // some fifty milliseconds
};

// The fate of a record, and of the id that it was given.
enum class Stored : std::uint8_t {
  kNot,      // it is no event, a duplicate, in a waiting one's row, or older than that
  kNew,      // a row more
  kInPlace,  // the row of an older one, which has the id now
};

// Calls `attempt(number)` with a number for the record's row in the index, and with the next one
// while another key has that, until it returns true. `id` is the newest id. False when the record's
// key waits in a row that is not `own`.
template <class Attempt>
bool with_number(Database& database, const EventRecord& record, std::int64_t id, Attempt attempt,
                 std::int64_t own = 0) {
  const auto queue = static_cast<std::int64_t>(record.queue);
  WaitingKeys& keys = WaitingKeys::of(database);
  if (keys.row_of(database, queue, record.dedup_key).value_or(own) != own) return false;
  for (std::int64_t tries = 0;; ++tries) {
    const std::int64_t number = keys.take_number(queue, record.dedup_key, id, tries);
    if (attempt(number)) return true;
    Query same(database,
               "SELECT 1 FROM outbox WHERE dedup = ?1 AND queue_id = ?2 AND dedup_key = ?3");
    if (same.bind(number, queue, record.dedup_key).step()) return false;
  }
}

// Returns whether the record was stored, as `id`; its key is waiting otherwise.
inline bool insert(Database& database, const EventRecord& record, std::int64_t checksum,
                   std::int64_t id, std::int64_t now) {
  Query query(database,
              "INSERT INTO outbox(id, queue_id, created_at, dedup, dedup_key, profile_key,"
              " checksum, payload)"
              " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT(dedup) DO NOTHING");
  return with_number(database, record, id, [&](std::int64_t number) {
    return query
               .bind(id, static_cast<std::int64_t>(record.queue), now, number, record.dedup_key,
                     record.profile_key, checksum, record.payload)
               .run() == 1;
  });
}

inline bool insert(Database& database, const EventRecord& record, std::int64_t id,
                   std::int64_t now) {
  return insert(database, record, checksum_of(record.dedup_key, record.payload), id, now);
}

// Adds what has left the outbox to the totals, inside the transaction that makes the change.
inline void add_totals(Database& database, const OutboxTotals& delta) {
  POSTBOX_ASSERT(database.in_transaction());  // with the rows that it counts, or not at all
  Query(database,
        "UPDATE totals SET delivered = delivered + ?1, purged = purged + ?2,"
        " expired = expired + ?3")
      .bind(static_cast<std::int64_t>(delta.delivered), static_cast<std::int64_t>(delta.purged),
            static_cast<std::int64_t>(delta.expired))
      .run();
}

// Returns the bytes of the pages that hold something: deleted rows leave pages on the free list,
// which later rows use before the file grows.
[[nodiscard]] inline std::uint64_t live_bytes(Database& database) {
  const std::int64_t pages =
      database.integer("PRAGMA page_count") - database.integer("PRAGMA freelist_count");
  return static_cast<std::uint64_t>(pages * database.integer("PRAGMA page_size"));
}

// Returns the bytes by which the log is longer than it ever is while all is well, which nobody can
// give back before whoever reads has ended.
[[nodiscard]] inline std::uint64_t stalled_log_bytes(Database& database) {
  const int pages = database.log_pages();
  if (pages <= kStalledLog) return 0;
  return static_cast<std::uint64_t>(pages - kStalledLog) *
         static_cast<std::uint64_t>(database.integer("PRAGMA page_size"));
}

}  // namespace postbox::sqlite
