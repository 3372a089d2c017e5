// The counts of the PostgreSQL outbox: what is in which state, and what became of the rest.
#include <algorithm>
#include <map>

#include "outbox.hpp"
#include "rows.hpp"

namespace postbox {
namespace {

using postgres::Parameters;
using postgres::Rows;
using postgres::Session;
using postgres::Transaction;

using ByQueue = std::map<std::int64_t, QueueStats>;

// One row for each queue and state; a lease in force makes a fourth state of ready rows.
constexpr const char* kWaiting =
    "SELECT queue_id, CASE WHEN state = 0 AND lease_until > (SELECT postbox_now($1))"
    "  AND lease_until <= (SELECT postbox_now($1)) + 86400000 THEN 3 ELSE state END,"
    " count(*), min(created_at) FROM postbox_outbox GROUP BY 1, 2";

void add(QueueStats& queue, std::int64_t state, std::uint64_t count, std::int64_t oldest,
         std::int64_t now) {
  switch (state) {
    case 1:
      queue.delayed = count;
      break;
    case 2:
      queue.held = count;
      return;
    case 3:
      queue.leased = count;
      break;
    default:
      queue.ready = count;
  }
  const auto age = postgres::elapsed(oldest, now);
  queue.oldest = std::max(age, queue.oldest.value_or(age));
}

OutboxTotals totals_in(const Rows& rows) {
  const auto column = [&rows](int index) {
    return static_cast<std::uint64_t>(rows.integer(0, index));
  };
  return {.appended = column(0),
          .duplicates = column(1),
          .delivered = column(2),
          .purged = column(3),
          .expired = column(4),
          .fired = column(5)};
}

}  // namespace

Result<OutboxStats> PostgresOutbox::stats() {
  return run<OutboxStats>(Role::kOperator, "outbox stats", [&](Session& session) {
    Transaction transaction(session, Transaction::Kind::kRead);
    std::vector<postgres::Statement> statements;
    statements.push_back({kWaiting, Parameters(session.time.injected())});
    statements.push_back({"SELECT queue_id, count(*) FROM postbox_dead GROUP BY 1"});
    statements.push_back(
        {"SELECT sum(appended)::bigint, sum(duplicates)::bigint, sum(delivered)::bigint,"
         " sum(purged)::bigint, sum(expired)::bigint, sum(fired)::bigint,"
         " sum(bytes + dead_bytes)::bigint,"
         " (SELECT count(*) FROM postbox_timer WHERE event_id = 0),"
         " (SELECT count(*) FROM postbox_inbox) FROM postbox_totals"});
    const std::vector<Rows> results = transaction.run_all(std::move(statements));
    ByQueue queues;
    const Rows& waiting = results[0];
    for (int row = 0; row < waiting.size(); ++row) {
      add(queues[waiting.integer(row, 0)], waiting.integer(row, 1),
          static_cast<std::uint64_t>(waiting.integer(row, 2)), waiting.integer(row, 3),
          transaction.now());
    }
    const Rows& dead = results[1];
    for (int row = 0; row < dead.size(); ++row) {
      queues[dead.integer(row, 0)].dead = static_cast<std::uint64_t>(dead.integer(row, 1));
    }
    OutboxStats stats;
    for (auto& [id, queue] : queues) {
      queue.queue = QueueId{static_cast<std::uint32_t>(id)};
      stats.queues.push_back(queue);
    }
    stats.totals = totals_in(results[2]);
    stats.used = Bytes{static_cast<std::uint64_t>(results[2].integer(0, 6))};
    stats.timers_pending = static_cast<std::uint64_t>(results[2].integer(0, 7));
    stats.inbox = static_cast<std::uint64_t>(results[2].integer(0, 8));
    transaction.commit();
    return stats;
  });
}

}  // namespace postbox
