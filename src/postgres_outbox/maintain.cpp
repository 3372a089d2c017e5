#include "maintain.hpp"

#include <algorithm>
#include <optional>

#include "outbox.hpp"
#include "rows.hpp"

namespace postbox {
namespace postgres {
namespace {

constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();

// What is due, by one look into the indexes: nothing more is asked while nothing is.
struct Due {
  explicit Due(Session& session) {
    Transaction transaction(session, Transaction::Kind::kRelaxed);
    const Rows rows = transaction.finish(
        "SELECT postbox_now($1), EXISTS (SELECT 1 FROM postbox_inbox),"
        " (SELECT min(next_at) FROM postbox_outbox WHERE state = 1),"
        " (SELECT max(next_at) FROM postbox_outbox WHERE state = 1),"
        " (SELECT min(died_at) FROM postbox_dead),"
        " (SELECT min(due_at) FROM postbox_timer WHERE event_id = 0),"
        " (SELECT due_at - delay FROM postbox_timer WHERE event_id = 0 ORDER BY due_at DESC LIMIT "
        "1),"
        " (SELECT min(due_at) FROM postbox_timer WHERE event_id > 0),"
        " (SELECT min(due_at) FROM postbox_collapsing),"
        " (SELECT min(expires_at) FROM postbox_end), (SELECT max(expires_at) FROM postbox_end),"
        " (SELECT sum(dead_bytes)::bigint FROM postbox_totals),"
        " (SELECT sum(ends)::bigint FROM postbox_totals)",
        Parameters(session.time.injected()));
    now = rows.integer(0, 0);
    inbox = rows.boolean(0, 1);
    first_delayed = rows.optional(0, 2).value_or(kForever);
    last_delayed = rows.optional(0, 3).value_or(0);
    first_death = rows.optional(0, 4).value_or(kForever);
    first_timer = rows.optional(0, 5).value_or(kForever);
    last_start = rows.optional(0, 6).value_or(0);
    first_fired = rows.optional(0, 7).value_or(kForever);
    first_collapsing = rows.optional(0, 8).value_or(kForever);
    first_end = rows.optional(0, 9).value_or(kForever);
    last_end = rows.optional(0, 10).value_or(0);
    dead_bytes = rows.integer(0, 11);
    ends = rows.integer(0, 12);
  }

  std::int64_t now = 0;
  bool inbox = false;
  std::int64_t first_delayed = 0;
  std::int64_t last_delayed = 0;
  std::int64_t first_death = 0;
  std::int64_t first_timer = 0;
  std::int64_t last_start = 0;  // of the timer that is due last
  std::int64_t first_fired = 0;
  std::int64_t first_collapsing = 0;
  std::int64_t first_end = 0;
  std::int64_t last_end = 0;
  std::int64_t dead_bytes = 0;
  std::int64_t ends = 0;
};

// Maintenance of one call, and whether it has left some undone.
class Round {
 public:
  Round(Session& session, const Due& due) : session_(session), due_(due) {}

  std::size_t promote();
  std::size_t expire(std::int64_t cutoff);
  std::size_t crowd_out(Bytes max_disk);
  std::size_t fire();
  void look_at_fired();
  void forget_collapsing();
  void forget_ends(Bytes max_disk);
  [[nodiscard]] bool has_more() const noexcept { return has_more_; }
  [[nodiscard]] bool has_changed() const noexcept { return has_changed_; }

 private:
  // A chunk that is full may not be the last.
  std::size_t counted(std::int64_t rows) {
    has_more_ |= rows >= kChunk;
    has_changed_ |= rows > 0;
    return static_cast<std::size_t>(rows);
  }
  void date_anew();
  std::size_t bury_dead(const char* sql, std::int64_t bound);

  Session& session_;
  const Due& due_;
  bool has_more_ = false;
  bool has_changed_ = false;
};

// Further ahead than any delay: the clock was set back, and the row would wait for it forever.
std::size_t Round::promote() {
  const std::int64_t horizon = due_.now + kDelayHorizon.count();
  if (due_.first_delayed > due_.now && due_.last_delayed <= horizon) return 0;
  Transaction transaction(session_, Transaction::Kind::kDurable);
  const Rows rows = transaction.finish(
      "WITH due AS MATERIALIZED (SELECT id FROM postbox_outbox"
      "  WHERE state = 1 AND (next_at <= $1 OR next_at > $2)"
      "  ORDER BY next_at LIMIT $3 FOR UPDATE SKIP LOCKED),"
      " promoted AS (UPDATE postbox_outbox AS o SET state = 0 FROM due WHERE o.id = due.id"
      "  RETURNING 1) SELECT count(*) FROM promoted",
      Parameters(due_.now, horizon, kChunk));
  return counted(rows.integer(0, 0));
}

std::size_t Round::bury_dead(const char* sql, std::int64_t bound) {
  Transaction transaction(session_, Transaction::Kind::kDurable);
  const Rows rows = transaction.run(sql, Parameters(bound, kChunk));
  const std::int64_t removed = rows.integer(0, 0);
  finish(session_, transaction, {.expired = removed, .dead_bytes = -rows.integer(0, 1)});
  return counted(removed);
}

std::size_t Round::expire(std::int64_t cutoff) {
  if (due_.first_death > cutoff) return 0;
  return bury_dead(
      "WITH old AS MATERIALIZED (SELECT id FROM postbox_dead WHERE died_at <= $1"
      "  ORDER BY died_at, id LIMIT $2 FOR UPDATE SKIP LOCKED),"
      " gone AS (DELETE FROM postbox_dead AS d USING old WHERE d.id = old.id"
      "  RETURNING postbox_dead_size(payload, reason, pointer) AS size)"
      " SELECT count(*), coalesce(sum(size), 0)::bigint FROM gone",
      cutoff);
}

// Dead letters have a quarter of the disk: enough for weeks of an operator's absence, and what is
// alive always has the other three. Some more than needed go, so that it is not done again for
// each.
std::size_t Round::crowd_out(Bytes max_disk) {
  const auto share = static_cast<std::int64_t>(max_disk.count / 4);
  if (due_.dead_bytes <= share) return 0;
  const std::int64_t too_many = due_.dead_bytes - (share - share / 16);
  return bury_dead(
      "WITH old AS MATERIALIZED (SELECT id, postbox_dead_size(payload, reason, pointer) AS size,"
      "   died_at FROM postbox_dead ORDER BY died_at, id LIMIT $2 FOR UPDATE SKIP LOCKED),"
      " gone AS (DELETE FROM postbox_dead AS d USING (SELECT id, size,"
      "   sum(size) OVER (ORDER BY died_at, id) - size AS before FROM old) AS each"
      "  WHERE d.id = each.id AND before < $1 RETURNING each.size)"
      " SELECT count(*), coalesce(sum(size), 0)::bigint FROM gone",
      too_many);
}

// The clock was set back since they were started: from now on they wait their delay at most.
void Round::date_anew() {
  if (due_.last_start <= due_.now) return;
  Transaction transaction(session_, Transaction::Kind::kDurable);
  const Rows rows = transaction.finish(
      "WITH late AS MATERIALIZED (SELECT id FROM postbox_timer"
      "  WHERE event_id = 0 AND due_at > $1 + delay ORDER BY due_at DESC LIMIT $2"
      "  FOR UPDATE SKIP LOCKED),"
      " dated AS (UPDATE postbox_timer AS t SET due_at = $1 + delay FROM late WHERE t.id = late.id"
      "  RETURNING 1) SELECT count(*) FROM dated",
      Parameters(due_.now, kChunk));
  (void)counted(rows.integer(0, 0));
}

std::size_t Round::fire() {
  date_anew();
  if (due_.first_timer > due_.now) return 0;
  Transaction transaction(session_, Transaction::Kind::kDurable);
  const Rows rows = transaction.run("SELECT looked_at, fired, bytes FROM postbox_fire($1, $2::int)",
                                    Parameters(session_.time.injected(), kChunk));
  (void)counted(rows.integer(0, 0));
  const std::int64_t fired = rows.integer(0, 1);
  finish(session_, transaction, {.fired = fired, .bytes = rows.integer(0, 2)});
  return static_cast<std::size_t>(fired);
}

// A fired timer whose event is gone has nothing left to take back.
void Round::look_at_fired() {
  if (due_.first_fired > due_.now) return;
  Transaction transaction(session_, Transaction::Kind::kDurable);
  const Rows rows = transaction.finish(
      "WITH due AS MATERIALIZED (SELECT id, event_id, ended_by FROM postbox_timer"
      "  WHERE event_id > 0 AND due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED),"
      " waits AS (UPDATE postbox_timer AS t SET due_at = $1 + 3600000 FROM due"
      "  WHERE t.id = due.id AND EXISTS (SELECT 1 FROM postbox_outbox WHERE id = due.event_id)),"
      " over AS (DELETE FROM postbox_timer AS t USING due WHERE t.id = due.id AND NOT EXISTS"
      "  (SELECT 1 FROM postbox_outbox WHERE id = due.event_id)),"
      " keys AS (DELETE FROM postbox_timer_key AS k USING due WHERE k.key = ANY(due.ended_by)"
      "  AND k.timer_id = due.id AND NOT EXISTS"
      "   (SELECT 1 FROM postbox_outbox WHERE id = due.event_id))"
      " SELECT count(*) FROM due",
      Parameters(due_.now, kChunk));
  (void)counted(rows.integer(0, 0));
}

void Round::forget_collapsing() {
  if (due_.first_collapsing > due_.now) return;
  Transaction transaction(session_, Transaction::Kind::kRelaxed);
  const Rows rows = transaction.finish(
      "WITH over AS MATERIALIZED (SELECT slot FROM postbox_collapsing WHERE due_at <= $1"
      "  ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED),"
      " gone AS (DELETE FROM postbox_collapsing AS c USING over WHERE c.slot = over.slot"
      "  RETURNING 1) SELECT count(*) FROM gone",
      Parameters(due_.now, kChunk));
  (void)counted(rows.integer(0, 0));
}

// The oldest first, while there are too many; and what the clock, set back since, would keep for
// longer than a day. A sixteenth of the disk: of 2 GiB, what four orders a second leave in a day.
void Round::forget_ends(Bytes max_disk) {
  constexpr std::uint64_t kBytesOfAnEnd = 200;  // with its indexes
  constexpr std::int64_t kDay = 86'400'000;
  const auto most = static_cast<std::int64_t>(max_disk.count / 16 / kBytesOfAnEnd);
  const std::int64_t too_many = std::max<std::int64_t>(0, due_.ends - most);
  if (due_.first_end > due_.now && due_.last_end <= due_.now + kDay && too_many == 0) return;
  Transaction transaction(session_, Transaction::Kind::kDurable);
  const Rows rows = transaction.run(
      "WITH oldest AS MATERIALIZED (SELECT key, row_number() OVER (ORDER BY expires_at) AS place,"
      "   expires_at FROM (SELECT key, expires_at FROM postbox_end"
      "    WHERE expires_at <= $1 OR expires_at > $2 OR $3 > 0 ORDER BY expires_at LIMIT $4"
      "    FOR UPDATE SKIP LOCKED) AS locked),"
      " gone AS (DELETE FROM postbox_end AS e USING oldest WHERE e.key = oldest.key"
      "  AND (oldest.place <= $3 OR oldest.expires_at <= $1 OR oldest.expires_at > $2)"
      "  RETURNING 1) SELECT count(*) FROM gone",
      Parameters(due_.now, due_.now + kDay, too_many, kChunk));
  const std::int64_t gone = rows.integer(0, 0);
  finish(session_, transaction, {.ends = -gone});
  (void)counted(gone);
}

}  // namespace

bool take_in(Session& session) {
  constexpr int kMostChunks = 4;
  for (int chunk = 0; chunk < kMostChunks; ++chunk) {
    Transaction transaction(session, Transaction::Kind::kDurable);
    const Rows rows = transaction.run(
        "SELECT taken, stored, duplicates, purged, bytes, ends FROM postbox_take_in($1, $2::int)",
        Parameters(session.time.injected(), kChunk));
    const std::int64_t taken = rows.integer(0, 0);
    if (taken == 0) return false;
    finish(session, transaction,
           {.appended = rows.integer(0, 1),
            .duplicates = rows.integer(0, 2),
            .purged = rows.integer(0, 3),
            .bytes = rows.integer(0, 4),
            .ends = rows.integer(0, 5)});
    if (taken < kChunk) return false;
  }
  return true;
}

}  // namespace postgres

Result<Maintained> PostgresOutbox::maintain(std::chrono::milliseconds retention) {
  return run<Maintained>(Role::kSender, "outbox maintain", [&](postgres::Session& session) {
    postgres::Due due(session);
    // An order there ends the timer that would fire next.
    const bool has_more = due.inbox && postgres::take_in(session);
    postgres::Round round(session, due);
    Maintained maintained;
    maintained.promoted = round.promote();
    const AgeClock ages = store_.time().ages();
    if (ages.is_old()) {
      maintained.expired =
          round.expire(ages.earliest() - std::max<std::int64_t>(0, retention.count()));
    }
    maintained.crowded_out = round.crowd_out(max_disk_);
    maintained.fired = round.fire();
    round.look_at_fired();
    round.forget_collapsing();
    round.forget_ends(max_disk_);
    if (maintained.promoted > 0) fronts_.rescan();
    if (round.has_changed()) due = postgres::Due(session);
    std::int64_t next = std::min(due.first_delayed, due.first_timer);
    if (has_more || round.has_more()) next = due.now;
    if (next != postgres::kForever) maintained.next_due = postgres::elapsed(due.now, next);
    return maintained;
  });
}

}  // namespace postbox
