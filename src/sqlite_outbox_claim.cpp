// How the SQLite outbox leases rows: what can be claimed, and by whom.
#include "sqlite_outbox.hpp"
#include "sqlite_rows.hpp"
#include "sqlite_run.hpp"
#include "sqlite_schema.hpp"

namespace postbox {
namespace {

using sqlite::Database;
using sqlite::Failure;
using sqlite::Query;
using sqlite::SenderSeat;
using sqlite::Transaction;

// A row is claimable when its lease has ended, when its lease lies further ahead than any lease can
// (the clock was set back), or when its holder belongs to an earlier epoch and is therefore gone.
struct ClaimWindow {
  std::int64_t queue;
  std::int64_t now;
  std::int64_t horizon;
  std::int64_t first_token;
  std::int64_t after;  // no row up to this id is claimable
};

void select_claimable(Database& database, const ClaimWindow& window, const ClaimLimits& limits,
                      Claim& claim) {
  Query query(database,
              "SELECT id, attempts, created_at, dedup_key, profile_key, payload"
              " FROM outbox INDEXED BY outbox_ready WHERE queue_id = ?1 AND state = 0 AND id > ?5"
              " AND (lease_until <= ?2 OR lease_until > ?3 OR lease_token < ?4) ORDER BY id");
  query.bind(window.queue, window.now, window.horizon, window.first_token, window.after);
  std::uint64_t bytes = 0;
  while (query.step()) {
    bytes += query.size(5);
    claim.limited = claim.events.size() >= limits.max_events ||
                    (!claim.events.empty() && bytes > limits.max_bytes.count);
    if (claim.limited) return;
    ClaimedEvent& event = claim.events.emplace_back();
    event.handle = EventHandle{query.integer(0)};
    event.attempts = static_cast<std::uint32_t>(query.integer(1)) + 1;
    event.age = sqlite::elapsed(query.integer(2), window.now);
    event.record.queue = QueueId{static_cast<std::uint32_t>(window.queue)};
    event.record.dedup_key = query.key(3);
    event.record.profile_key = query.key(4);
    event.record.payload = query.bytes(5);
  }
}

// Leases exactly the rows that were selected: in the same transaction, everything claimable up to
// the last of them.
void lease_up_to(Database& database, const ClaimWindow& window, std::int64_t last,
                 std::int64_t token, std::int64_t until, std::size_t expected) {
  Query update(
      database,
      "UPDATE outbox INDEXED BY outbox_ready"
      " SET lease_token = ?7, lease_until = ?8, attempts = attempts + 1, first_attempt_at ="
      " CASE attempts WHEN 0 THEN ?2 ELSE first_attempt_at END"
      " WHERE queue_id = ?1 AND state = 0 AND id > ?5 AND id <= ?6"
      " AND (lease_until <= ?2 OR lease_until > ?3 OR lease_token < ?4)");
  update.bind(window.queue, window.now, window.horizon, window.first_token, window.after, last,
              token, until);
  if (update.run() != expected) {
    throw Failure(Error{ErrorCode::kOutboxCorrupt, "a claim found other rows on second sight"});
  }
  Query(database,
        "INSERT INTO claimed(queue_id, last_id) VALUES (?1, ?2) ON CONFLICT(queue_id)"
        " DO UPDATE SET last_id = max(last_id, excluded.last_id)")
      .bind(window.queue, last)
      .run();
}

// A loose index scan: one look per queue, however many rows there are.
std::vector<std::int64_t> queues_with_rows(Database& database) {
  Query query(database,
              "WITH RECURSIVE queue(id) AS ("
              " SELECT min(queue_id) FROM outbox INDEXED BY outbox_ready WHERE state = 0"
              " UNION ALL SELECT (SELECT min(queue_id) FROM outbox INDEXED BY outbox_ready"
              "  WHERE state = 0 AND queue_id > queue.id) FROM queue WHERE queue.id IS NOT NULL)"
              "SELECT id FROM queue WHERE id IS NOT NULL");
  std::vector<std::int64_t> queues;
  while (query.step()) queues.push_back(query.integer(0));
  return queues;
}

bool has_claimable(Database& database, const ClaimWindow& window) {
  Query query(database,
              "SELECT 1 FROM outbox INDEXED BY outbox_ready WHERE queue_id = ?1 AND state = 0"
              " AND id > ?5 AND (lease_until <= ?2 OR lease_until > ?3 OR lease_token < ?4)"
              " LIMIT 1");
  query.bind(window.queue, window.now, window.horizon, window.first_token, window.after);
  return query.step();
}

ClaimWindow window_of(SenderSeat& seat, std::int64_t queue, std::int64_t now) {
  return {.queue = queue,
          .now = now,
          .horizon = now + sqlite::kLeaseHorizon.count(),
          .first_token = seat.first_token_of_epoch(),
          .after = seat.leased_through(queue, now)};
}
}  // namespace

Result<Claim> SqliteOutbox::claim(QueueId queue, const ClaimLimits& limits,
                                  std::chrono::milliseconds lease) {
  return run<Claim>(Role::kSender, "outbox claim", [&](Database& database, SenderSeat& seat) {
    Claim claim;
    if (!seat.take(database)) return claim;
    const std::int64_t token = seat.next_token(database);
    const std::int64_t time = now();
    const ClaimWindow window = window_of(seat, static_cast<std::int64_t>(queue), time);
    Transaction transaction(database, Transaction::Kind::kWrite);
    select_claimable(database, window, limits, claim);
    if (claim.events.empty()) return claim;
    claim.token = ClaimToken{token};
    const auto last = static_cast<std::int64_t>(claim.events.back().handle);
    lease_up_to(database, window, last, token, time + sqlite::bounded(lease, sqlite::kLeaseHorizon),
                claim.events.size());
    transaction.commit();
    seat.lease_through(window.queue, last);
    return claim;
  });
}
Result<std::vector<QueueId>> SqliteOutbox::due_queues() {
  using Queues = std::vector<QueueId>;
  return run<Queues>(Role::kSender, "outbox due", [&](Database& database, SenderSeat& seat) {
    Queues queues;
    if (!seat.take(database)) {
      throw sqlite::Failure({ErrorCode::kOutboxTaken, "another process sends from this outbox"});
    }
    const std::int64_t time = now();
    for (const std::int64_t queue : queues_with_rows(database)) {
      if (!has_claimable(database, window_of(seat, queue, time))) continue;
      queues.push_back(QueueId{static_cast<std::uint32_t>(queue)});
    }
    return queues;
  });
}

}  // namespace postbox
