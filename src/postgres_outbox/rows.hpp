// Tools that the PostgreSQL outbox's source files share: bounds of durations, and the totals.
//
// Place:     included by the PostgreSQL outbox's source files only.
// Threads:   free functions; one thread at a time per Session.
// Lifetime:  plain values.
// Failure:   throws Failure.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <vector>

#include <postbox/outbox.hpp>

#include "postgres/transaction.hpp"

namespace postbox::postgres {

// The longest lease, delay and timer: what lies further ahead was written before the database's
// clock was set back, and is over. The SQL spells them, too.
inline constexpr std::chrono::milliseconds kLeaseHorizon = std::chrono::hours(24);
inline constexpr std::chrono::milliseconds kDelayHorizon = std::chrono::hours(2);

// Rows of one transaction that could touch a whole backlog.
inline constexpr std::int64_t kChunk = 500;

// Returns `duration` in milliseconds, not negative and not beyond what will be believed on reading.
[[nodiscard]] inline std::int64_t bounded(std::chrono::milliseconds duration,
                                          std::chrono::milliseconds horizon) {
  return std::clamp(duration, std::chrono::milliseconds(0), horizon).count();
}

// The clock may have been set back since `then`: no age is negative.
[[nodiscard]] inline std::chrono::milliseconds elapsed(std::int64_t then, std::int64_t now) {
  return std::chrono::milliseconds(std::max<std::int64_t>(0, now - then));
}

[[nodiscard]] inline std::int64_t as_limit(std::size_t max) {
  constexpr std::size_t kMost = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::min(max, kMost));
}

[[nodiscard]] inline std::int64_t number_of(QueueId queue) {
  return static_cast<std::int64_t>(queue);
}

// What a transaction has changed; added to one row of postbox_totals, last of all.
struct Delta {
  std::int64_t appended = 0;
  std::int64_t duplicates = 0;
  std::int64_t purged = 0;
  std::int64_t expired = 0;
  std::int64_t fired = 0;
  std::int64_t bytes = 0;
  std::int64_t dead_bytes = 0;
  std::int64_t ends = 0;
  std::int64_t batch = 0;  // its number; of no append, when zero
};

// Adds it, and commits.
inline void finish(Session& session, Transaction& transaction, const Delta& delta) {
  (void)transaction.finish(
      "UPDATE postbox_totals SET appended = appended + $2, duplicates = duplicates + $3,"
      " purged = purged + $4, expired = expired + $5, fired = fired + $6, bytes = bytes + $7,"
      " dead_bytes = dead_bytes + $8, ends = ends + $9,"
      " last_batch = CASE $10 WHEN 0 THEN last_batch ELSE $10 END,"
      " last_inserted = CASE $10 WHEN 0 THEN last_inserted ELSE $2 END WHERE part = $1",
      Parameters(session.part, delta.appended, delta.duplicates, delta.purged, delta.expired,
                 delta.fired, delta.bytes, delta.dead_bytes, delta.ends, delta.batch));
}

}  // namespace postbox::postgres
