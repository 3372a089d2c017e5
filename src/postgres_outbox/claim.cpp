// The sender's part of the PostgreSQL outbox: which rows it leases.
#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "base/record_checksum.hpp"
#include "maintain.hpp"
#include "outbox.hpp"
#include "rows.hpp"

namespace postbox {
namespace {

using postgres::Parameters;
using postgres::Rows;
using postgres::Session;
using postgres::Transaction;

// Random, so that no two processes' claims have the same; never zero, which is nobody's.
std::int64_t new_token() {
  std::random_device random;
  const std::uint64_t bits = (std::uint64_t{random()} << 32U) | random();
  return static_cast<std::int64_t>(bits >> 1U | 1U);
}

// MATERIALIZED is no matter of speed: without it the planner may run the part with the LIMIT once
// for every row, and ten become two hundred. A lease far ahead of the clock was taken before that
// was set back.
constexpr const char* kClaim =
    "WITH time AS MATERIALIZED (SELECT postbox_now($1) AS now),"
    " ready AS MATERIALIZED ("
    "  SELECT o.id, octet_length(o.payload)::bigint AS size FROM postbox_outbox AS o"
    "  WHERE o.queue_id = $2 AND o.state = 0 AND o.id > $3"
    "   AND (o.lease_until <= (SELECT now FROM time)"
    "    OR o.lease_until > (SELECT now FROM time) + 86400000)"
    "   AND (o.slot IS NULL OR NOT EXISTS (SELECT 1 FROM postbox_outbox AS older"
    "    WHERE older.slot IS NOT NULL AND older.profile_key = o.profile_key AND older.id < o.id))"
    "  ORDER BY o.id LIMIT $4 + 1 FOR UPDATE OF o SKIP LOCKED),"
    " chosen AS MATERIALIZED ("
    "  SELECT id FROM (SELECT id, row_number() OVER upto AS place, sum(size) OVER upto AS bytes"
    "   FROM ready WINDOW upto AS (ORDER BY id)) AS each"
    "  WHERE place <= $4 AND (place = 1 OR bytes <= $5))"
    " UPDATE postbox_outbox AS o SET lease_until = (SELECT now FROM time) + $6, lease_token = $7,"
    "  claimed_at = $8"
    " FROM chosen WHERE o.id = chosen.id"
    " RETURNING o.id, o.attempts, o.first_attempt_at, o.created_at, o.slot IS NOT NULL,"
    "  o.dedup_key, o.profile_key, o.payload, o.checksum, (SELECT count(*) FROM ready)";

ClaimedEvent read(const Rows& rows, int row, QueueId queue, const AgeClock& ages) {
  ClaimedEvent event;
  event.handle = EventHandle{rows.integer(row, 0)};
  event.attempts = static_cast<std::uint32_t>(rows.integer(row, 1)) + 1;
  const std::int64_t first_attempt = rows.integer(row, 2);
  const std::int64_t created = rows.integer(row, 3);
  if (event.attempts > 1) event.tried_for = ages.since(first_attempt > 0 ? first_attempt : created);
  event.age = ages.since(created);
  event.in_order = rows.boolean(row, 4);
  event.record.queue = queue;
  event.record.dedup_key = rows.key(row, 5);
  event.record.profile_key = rows.key(row, 6);
  event.record.payload = rows.bytes(row, 7);
  return event;
}

// Takes what is not what was written out of the claim, and returns its handles.
std::vector<Outcome> take_damaged(Claim& claim, const Rows& rows) {
  std::vector<Outcome> damaged;
  std::vector<ClaimedEvent> sound;
  for (int row = 0; row < rows.size(); ++row) {
    ClaimedEvent& event = claim.events[static_cast<std::size_t>(row)];
    const auto checksum = rows.optional(row, 8);
    if (!checksum || *checksum == checksum_of(event.record.dedup_key, event.record.payload)) {
      sound.push_back(std::move(event));
      continue;
    }
    damaged.push_back({.handle = event.handle,
                       .kind = OutcomeKind::kDead,
                       .spend_attempt = false,
                       .reason = "damaged in the database: its checksum does not fit"});
  }
  claim.events = std::move(sound);
  return damaged;
}

// A loose index scan: one look for each queue, however many rows there are, and one for a row that
// can be claimed. And -1 when somebody has told events that are not taken in yet.
constexpr const char* kDueQueues =
    "WITH RECURSIVE time AS MATERIALIZED (SELECT postbox_now($1) AS now), queue(id) AS ("
    "  SELECT min(queue_id) FROM postbox_outbox WHERE state = 0"
    "  UNION ALL SELECT (SELECT min(queue_id) FROM postbox_outbox"
    "   WHERE state = 0 AND queue_id > queue.id) FROM queue WHERE queue.id IS NOT NULL)"
    " SELECT id FROM queue WHERE id IS NOT NULL AND EXISTS ("
    "  SELECT 1 FROM postbox_outbox AS o WHERE o.queue_id = queue.id AND o.state = 0"
    "   AND (o.lease_until <= (SELECT now FROM time)"
    "    OR o.lease_until > (SELECT now FROM time) + 86400000)"
    "   AND (o.slot IS NULL OR NOT EXISTS (SELECT 1 FROM postbox_outbox AS older"
    "    WHERE older.slot IS NOT NULL AND older.profile_key = o.profile_key"
    "     AND older.id < o.id)))"
    " UNION ALL SELECT -1 WHERE EXISTS (SELECT 1 FROM postbox_inbox) ORDER BY 1";

}  // namespace

Result<Claim> PostgresOutbox::claim(QueueId queue, const ClaimLimits& limits,
                                    std::chrono::milliseconds lease) {
  auto claimed = run<Claim>(Role::kSender, "outbox claim", [&](Session& session) {
    Claim claim;
    if (limits.max_events == 0) return claim;
    const std::int64_t number = postgres::number_of(queue);
    const std::int64_t from = fronts_.of(number, store_.time().steady_now());
    const AgeClock ages = store_.time().ages();
    const std::int64_t token = new_token();
    constexpr std::size_t kMost = 100'000;
    Transaction transaction(session, Transaction::Kind::kRelaxed);
    const Rows rows = transaction.finish(
        kClaim, Parameters(session.time.injected(), number, from,
                           postgres::as_limit(std::min(limits.max_events, kMost)),
                           postgres::as_limit(limits.max_bytes.count),
                           postgres::bounded(lease, postgres::kLeaseHorizon), token, ages.now()));
    if (rows.size() == 0) return claim;
    claim.token = ClaimToken{token};
    claim.limited = rows.integer(0, 9) > rows.size();
    for (int row = 0; row < rows.size(); ++row) {
      claim.events.push_back(read(rows, row, queue, ages));
    }
    const std::vector<Outcome> damaged = take_damaged(claim, rows);
    claim.damaged = damaged.size();
    if (!damaged.empty()) {
      const Decision decision{claim.token, damaged};
      (void)settle_in(session, std::span(&decision, 1));
    }
    std::ranges::sort(claim.events, {}, &ClaimedEvent::handle);
    const auto ids = rows.integers(0);
    fronts_.move(number, *std::ranges::max_element(ids));
    POSTBOX_ASSERT(claim.events.size() <= limits.max_events);
    return claim;
  });
  if (claimed && claimed->damaged > 0) fronts_.rescan();
  return claimed;
}

Result<std::size_t> PostgresOutbox::extend(ClaimToken token, std::span<const EventHandle> events,
                                           std::chrono::milliseconds lease) {
  return run<std::size_t>(Role::kSender, "outbox extend", [&](Session& session) {
    std::vector<std::int64_t> ids;
    for (const EventHandle event : events) ids.push_back(static_cast<std::int64_t>(event));
    Transaction transaction(session, Transaction::Kind::kRelaxed);
    const Rows rows = transaction.finish(
        "WITH extended AS (UPDATE postbox_outbox SET lease_until = postbox_now($1) + $2"
        " WHERE id = ANY($3) AND lease_token = $4 AND $4 > 0 AND state = 0 RETURNING 1)"
        " SELECT count(*) FROM extended",
        Parameters(session.time.injected(), postgres::bounded(lease, postgres::kLeaseHorizon), ids,
                   static_cast<std::int64_t>(token)));
    return static_cast<std::size_t>(rows.integer(0, 0));
  });
}

Result<std::vector<QueueId>> PostgresOutbox::due_queues() {
  using Queues = std::vector<QueueId>;
  return run<Queues>(Role::kSender, "outbox due", [&](Session& session) {
    const auto look = [&session] {
      Transaction transaction(session, Transaction::Kind::kRelaxed);
      return transaction.finish(kDueQueues, Parameters(session.time.injected())).integers(0);
    };
    std::vector<std::int64_t> found = look();
    if (!found.empty() && found.front() < 0) {
      postgres::take_in(session);
      found = look();
    }
    Queues queues;
    for (const std::int64_t queue : found) {
      if (queue >= 0) queues.push_back(QueueId{static_cast<std::uint32_t>(queue)});
    }
    return queues;
  });
}

}  // namespace postbox
