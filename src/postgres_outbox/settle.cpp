// The sender's part of the PostgreSQL outbox: what became of the rows that it had leased.
#include <algorithm>
#include <string_view>
#include <vector>

#include "base/assert.hpp"
#include "outbox.hpp"
#include "rows.hpp"

namespace postbox {
namespace {

using postgres::Parameters;
using postgres::Rows;
using postgres::Session;
using postgres::Transaction;

// All of a settlement is one statement. A row counts when its lease is still of the claim's token;
// when the lease has ended and nobody took it, it is.
constexpr const char* kSettle =
    "WITH time AS MATERIALIZED (SELECT postbox_now($1) AS now),"
    " gone AS (DELETE FROM postbox_outbox AS o"
    "  USING unnest($3::bigint[], $4::bigint[]) AS d(id, token)"
    "  WHERE o.id = d.id AND o.lease_token = d.token AND d.token > 0"
    "  RETURNING o.id, o.profile_key, o.slot, postbox_size(o.payload) AS size),"
    " again AS (UPDATE postbox_outbox AS o SET state = d.state,"
    "   next_at = (SELECT now FROM time) + d.delay, attempts = o.attempts + d.spent,"
    "   first_attempt_at = CASE WHEN d.tried = 1 AND (o.attempts = 0 OR d.anew = 1)"
    "    THEN o.claimed_at ELSE o.first_attempt_at END,"
    "   lease_until = 0, lease_token = 0"
    "  FROM unnest($5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],"
    "   $10::bigint[], $11::bigint[]) AS d(id, token, state, delay, spent, tried, anew)"
    "  WHERE o.id = d.id AND o.lease_token = d.token AND d.token > 0"
    "  RETURNING d.state = 0 AND d.delay = 0 AS at_once),"
    " buried AS (DELETE FROM postbox_outbox AS o"
    "  USING unnest($12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bytea[],"
    "   $17::bytea[]) AS d(id, token, spent, status, reason, pointer)"
    "  WHERE o.id = d.id AND o.lease_token = d.token AND d.token > 0"
    "  RETURNING o.id, o.queue_id, o.created_at, CASE o.attempts WHEN 0 THEN o.claimed_at"
    "    ELSE o.first_attempt_at END AS first_attempt_at, o.attempts + d.spent AS attempts,"
    "   d.status, o.dedup_key, o.profile_key, o.slot, o.checksum, d.reason, d.pointer, o.payload,"
    "   postbox_size(o.payload) AS size),"
    " dead AS (INSERT INTO postbox_dead(id, queue_id, created_at, first_attempt_at, died_at,"
    "   attempts, http_status, dedup_key, profile_key, slot, checksum, reason, pointer, payload)"
    "  SELECT id, queue_id, created_at, first_attempt_at, (SELECT now FROM time), attempts, status,"
    "   dedup_key, profile_key, slot, checksum, reason, pointer, payload FROM buried"
    "  RETURNING postbox_dead_size(payload, reason, pointer) AS size),"
    " total AS MATERIALIZED (SELECT (SELECT count(*) FROM gone) AS delivered,"
    "   (SELECT count(*) FROM again) AS again, (SELECT count(*) FROM dead) AS dead,"
    "   coalesce((SELECT sum(size) FROM gone), 0)::bigint"
    "    + coalesce((SELECT sum(size) FROM buried), 0)::bigint AS bytes,"
    "   coalesce((SELECT sum(size) FROM dead), 0)::bigint AS dead_bytes),"
    " counted AS (UPDATE postbox_totals SET delivered = postbox_totals.delivered + total.delivered,"
    "   bytes = postbox_totals.bytes - total.bytes,"
    "   dead_bytes = postbox_totals.dead_bytes + total.dead_bytes"
    "  FROM total WHERE part = $2 AND total.bytes > 0)"
    " SELECT delivered + again + dead,"
    "  EXISTS (SELECT 1 FROM (SELECT id, profile_key FROM gone WHERE slot IS NOT NULL"
    "    UNION ALL SELECT id, profile_key FROM buried WHERE slot IS NOT NULL) AS older"
    "   JOIN postbox_outbox AS o ON o.slot IS NOT NULL AND o.profile_key = older.profile_key"
    "    AND o.id > older.id),"
    "  EXISTS (SELECT 1 FROM again WHERE at_once) FROM total";

// The outcomes as columns: those of delivered events, of those that go on, and of dead ones.
class Columns {
 public:
  void add(std::int64_t token, const Outcome& outcome) {
    const auto id = static_cast<std::int64_t>(outcome.handle);
    const std::int64_t spent = outcome.spend_attempt ? 1 : 0;
    switch (outcome.kind) {
      case OutcomeKind::kDelivered:
        gone_.push_back(id);
        gone_tokens_.push_back(token);
        break;
      case OutcomeKind::kRetry:
        add_again(id, token, postgres::bounded(outcome.delay, postgres::kDelayHorizon), spent,
                  outcome.begin_again);
        break;
      case OutcomeKind::kHold:  // nothing was sent, so no attempt is spent
        add_again(id, token, 0, 0, false);
        states_.back() = 2;
        tried_.back() = 0;
        break;
      case OutcomeKind::kDead:
        dead_.push_back(id);
        dead_tokens_.push_back(token);
        dead_spent_.push_back(spent);
        statuses_.push_back(outcome.http_status);
        reasons_.emplace_back(outcome.reason);
        pointers_.emplace_back(outcome.pointer);
        break;
    }
  }

  [[nodiscard]] Parameters parameters(Session& session) const {
    return Parameters(session.time.injected(), session.part, gone_, gone_tokens_, again_,
                      again_tokens_, states_, delays_, spent_, tried_, anew_, dead_, dead_tokens_,
                      dead_spent_, statuses_, reasons_, pointers_);
  }

 private:
  void add_again(std::int64_t id, std::int64_t token, std::int64_t delay, std::int64_t spent,
                 bool anew) {
    again_.push_back(id);
    again_tokens_.push_back(token);
    states_.push_back(delay > 0 ? 1 : 0);
    delays_.push_back(delay);
    spent_.push_back(spent);
    // Without a delay and an attempt it is as if it had never been claimed.
    tried_.push_back(delay > 0 || spent > 0 ? 1 : 0);
    anew_.push_back(anew ? 1 : 0);
  }

  using Numbers = std::vector<std::int64_t>;
  Numbers gone_, gone_tokens_;
  Numbers again_, again_tokens_, states_, delays_, spent_, tried_, anew_;
  Numbers dead_, dead_tokens_, dead_spent_, statuses_;
  std::vector<std::string_view> reasons_, pointers_;
};

}  // namespace

Settled PostgresOutbox::settle_in(Session& session, std::span<const Decision> decisions) {
  Columns columns;
  std::size_t offered = 0;
  for (const Decision& decision : decisions) {
    offered += decision.outcomes.size();
    for (const Outcome& outcome : decision.outcomes) {
      columns.add(static_cast<std::int64_t>(decision.token), outcome);
    }
  }
  if (offered == 0) return {};
  Transaction transaction(session, Transaction::Kind::kDurable);
  const Rows rows = transaction.finish(kSettle, columns.parameters(session));
  Settled settled;
  settled.applied = static_cast<std::size_t>(rows.integer(0, 0));
  settled.ready_again = rows.boolean(0, 1);
  POSTBOX_ASSERT(settled.applied <= offered);
  settled.stale = offered - settled.applied;
  if (rows.boolean(0, 2) || settled.ready_again || settled.stale > 0) fronts_.rescan();
  return settled;
}

Result<Settled> PostgresOutbox::settle_all(std::span<const Decision> decisions) {
  return run<Settled>(Role::kSender, "outbox settle",
                      [&](Session& session) { return settle_in(session, decisions); });
}

}  // namespace postbox
