// The counts of the SQLite outbox: what is in which state, and what became of the rest.
#include <algorithm>
#include <map>

#include "outbox.hpp"
#include "rows.hpp"
#include "timers.hpp"

#include "base/assert.hpp"

namespace postbox {
namespace {

using sqlite::Database;
using sqlite::Query;
using sqlite::Transaction;

using ByQueue = std::map<std::int64_t, QueueStats>;

void count(Database& database, const char* sql, std::uint64_t QueueStats::*member,
           ByQueue& queues) {
  Query query(database, sql);
  while (query.step()) {
    queues[query.integer(0)].*member = static_cast<std::uint64_t>(query.integer(1));
  }
}

// The same for rows that wait, with the age of the oldest: ids are given in order.
void count_waiting(Database& database, const char* sql, std::uint64_t QueueStats::*member,
                   std::int64_t now, ByQueue& queues) {
  Query query(database, sql);
  while (query.step()) {
    QueueStats& queue = queues[query.integer(0)];
    queue.*member = static_cast<std::uint64_t>(query.integer(1));
    Query oldest(database, "SELECT created_at FROM outbox WHERE id = ?1");
    if (!oldest.bind(query.integer(2)).step()) continue;
    const auto age = sqlite::elapsed(oldest.integer(0), now);
    queue.oldest = std::max(age, queue.oldest.value_or(age));
  }
}

void count_ready(Database& database, const std::map<std::int64_t, std::uint64_t>& leased,
                 std::int64_t now, ByQueue& queues) {
  count_waiting(database,
                "SELECT queue_id, count(*), min(id) FROM outbox INDEXED BY outbox_ready"
                " WHERE state = 0 GROUP BY queue_id",
                &QueueStats::ready, now, queues);
  for (auto& [id, queue] : queues) {
    const auto found = leased.find(id);
    if (found == leased.end()) continue;
    // The leases were counted a moment before the rows, or some were purged.
    queue.leased = std::min(found->second, queue.ready);
    queue.ready -= queue.leased;
    POSTBOX_ASSERT(queue.ready + queue.leased >= found->second || queue.ready == 0);
  }
}

OutboxTotals read_totals(Database& database) {
  Query query(database,
              "SELECT appended, duplicates, delivered, purged, expired, fired FROM totals");
  if (!query.step()) return {};
  const auto column = [&query](int index) {
    return static_cast<std::uint64_t>(query.integer(index));
  };
  return {.appended = column(0),
          .duplicates = column(1),
          .delivered = column(2),
          .purged = column(3),
          .expired = column(4),
          .fired = column(5)};
}

}  // namespace

Result<OutboxStats> SqliteOutbox::stats() {
  return run<OutboxStats>(Role::kOperator, "outbox stats", [&](Database& database) {
    OutboxStats stats;
    ByQueue queues;
    const Transaction snapshot(database, Transaction::Kind::kRead);
    const std::int64_t time = now();
    count_ready(database, leases_.count(clock_->now()), time, queues);
    count_waiting(database,
                  "SELECT queue_id, count(*), min(id) FROM outbox INDEXED BY outbox_delayed"
                  " WHERE state = 1 GROUP BY queue_id",
                  &QueueStats::delayed, time, queues);
    count(database,
          "SELECT queue_id, count(*) FROM outbox INDEXED BY outbox_held"
          " WHERE state = 2 GROUP BY queue_id",
          &QueueStats::held, queues);
    count(database, "SELECT queue_id, count(*) FROM outbox_dead GROUP BY queue_id",
          &QueueStats::dead, queues);
    for (auto& [id, queue] : queues) {
      queue.queue = QueueId{static_cast<std::uint32_t>(id)};
      stats.queues.push_back(queue);
    }
    stats.totals = read_totals(database);
    stats.timers_pending = sqlite::count_timers(database);
    stats.used = Bytes{sqlite::live_bytes(database) + sqlite::stalled_log_bytes(database)};
    return stats;
  });
}

}  // namespace postbox
