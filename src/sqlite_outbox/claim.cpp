// The sender's part of the SQLite outbox: which rows it leases, and what became of them.
#include <algorithm>
#include <array>
#include <utility>

#include "format.hpp"
#include "order.hpp"
#include "outbox.hpp"
#include "rows.hpp"

#include "base/assert.hpp"

namespace postbox {
namespace {

using std::chrono::milliseconds;

using sqlite::Database;
using sqlite::Failure;
using sqlite::FlowState;
using sqlite::Leases;
using sqlite::Query;
using sqlite::Transaction;

// Steps through the ready rows of a queue that nobody leases, oldest first; a row in order only
// once its profile has no older one. An ordinary row costs that a look for NULL in its header.
class ClaimableRows {
 public:
  ClaimableRows(Database& database, Leases& leases, std::int64_t queue, SteadyTime now)
      : leases_(leases),
        now_(now),
        query_(database,
               "SELECT id, attempts, iif(first_attempt_at > 0, first_attempt_at, created_at),"
               " dedup_key, profile_key,"
               " payload, checksum, slot IS NOT NULL, created_at FROM outbox AS this"
               " INDEXED BY outbox_ready WHERE queue_id = ?1 AND state = 0 AND id > ?2"
               " AND (slot IS NULL OR NOT EXISTS (SELECT 1 FROM outbox INDEXED BY outbox_in_order"
               "  WHERE slot IS NOT NULL AND profile_key = this.profile_key AND id < this.id))"
               " ORDER BY id") {
    query_.bind(queue, leases.leased_through(queue, now));
  }

  [[nodiscard]] bool next() {
    while (query_.step()) {
      if (!leases_.holds(query_.integer(0), now_)) return true;
    }
    return false;
  }
  [[nodiscard]] std::int64_t id() const noexcept { return query_.integer(0); }
  [[nodiscard]] std::size_t payload_size() const noexcept { return query_.size(5); }
  [[nodiscard]] std::int64_t checksum() const noexcept { return query_.integer(6); }
  [[nodiscard]] bool is_in_order() const noexcept { return query_.integer(7) != 0; }
  [[nodiscard]] ClaimedEvent read(QueueId queue, const AgeClock& ages) const {
    ClaimedEvent event;
    event.handle = EventHandle{query_.integer(0)};
    event.attempts = static_cast<std::uint32_t>(query_.integer(1)) + 1;
    if (event.attempts > 1) event.tried_for = ages.since(query_.integer(2));
    event.age = ages.since(query_.integer(8));
    event.in_order = is_in_order();
    event.record.queue = queue;
    event.record.dedup_key = query_.key(3);
    event.record.profile_key = query_.key(4);
    event.record.payload = query_.bytes(5);
    return event;
  }

 private:
  Leases& leases_;
  SteadyTime now_;
  Query query_;
};

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

// Copies the row to the dead letters. Returns whether there was one.
bool bury(Database& database, const Outcome& outcome, std::int64_t claimed_at, std::int64_t now) {
  return Query(
             database,
             "INSERT INTO outbox_dead(id, queue_id, attempts, created_at, died_at, http_status,"
             " reason, pointer, dedup_key, profile_key, payload, checksum, first_attempt_at, slot)"
             " SELECT id, queue_id, attempts + ?7, created_at, ?2, ?3, ?4, ?5, dedup_key,"
             " profile_key, payload, checksum, iif(attempts = 0, ?6, first_attempt_at), slot"
             " FROM outbox WHERE id = ?1 AND state = 0")
             .bind(static_cast<std::int64_t>(outcome.handle), now,
                   std::int64_t{outcome.http_status}, std::string_view(outcome.reason),
                   std::string_view(outcome.pointer), claimed_at,
                   std::int64_t{outcome.spend_attempt ? 1 : 0})
             .run() == 1;
}

// Removes the rows from `first` to `last`, all of which the caller has leased. Returns how many
// were still there.
std::size_t remove(Database& database, std::int64_t first, std::int64_t last) {
  POSTBOX_ASSERT(0 < first && first <= last && database.in_transaction());
  return Query(database, "DELETE FROM outbox NOT INDEXED WHERE id BETWEEN ?1 AND ?2 AND state = 0")
      .bind(first, last)
      .run();
}

// The same for rows in any order. A statement for a run of them costs a sixth less than one for
// each.
std::size_t remove(Database& database, std::vector<std::int64_t> rows) {
  std::ranges::sort(rows);
  std::size_t removed = 0;
  for (std::size_t begin = 0, end = 0; begin < rows.size(); begin = end) {
    while (++end < rows.size() && rows[end] == rows[end - 1] + 1) {
    }
    removed += remove(database, rows[begin], rows[end - 1]);
  }
  return removed;
}

// Applies an outcome other than kDelivered to a leased row. Returns whether it was still there: it
// may have been purged.
bool apply(Database& database, const Outcome& outcome, std::int64_t claimed_at, std::int64_t now) {
  POSTBOX_ASSERT(database.in_transaction() && outcome.kind != OutcomeKind::kDelivered);
  const auto id = static_cast<std::int64_t>(outcome.handle);
  switch (outcome.kind) {
    case OutcomeKind::kDelivered:
      break;  // settle() removes those together
    case OutcomeKind::kRetry: {
      const std::int64_t delay = sqlite::bounded(outcome.delay, sqlite::kDelayHorizon);
      if (delay == 0 && !outcome.spend_attempt) return true;  // as if it had never been claimed
      return Query(database,
                   "UPDATE outbox SET state = ?2, next_at = ?3, attempts = attempts + ?4,"
                   " first_attempt_at = iif(attempts = 0 OR ?6, ?5, first_attempt_at)"
                   " WHERE id = ?1 AND state = 0")
                 .bind(id, std::int64_t{delay > 0 ? 1 : 0}, now + delay,
                       std::int64_t{outcome.spend_attempt ? 1 : 0}, claimed_at,
                       std::int64_t{outcome.begin_again ? 1 : 0})
                 .run() == 1;
    }
    case OutcomeKind::kHold:  // nothing was sent, so no attempt is spent
      return Query(database, "UPDATE outbox SET state = 2 WHERE id = ?1 AND state = 0")
                 .bind(id)
                 .run() == 1;
    case OutcomeKind::kDead:
      return bury(database, outcome, claimed_at, now) && remove(database, id, id) == 1;
  }
  return false;
}

// Whether it takes the row out of the outbox.
bool leaves(const Outcome& outcome) {
  return outcome.kind == OutcomeKind::kDelivered || outcome.kind == OutcomeKind::kDead;
}

// The rows that a claim reads. Checksums are compared a few at a time, while the processor has the
// bytes.
class CheckedEvents {
 public:
  explicit CheckedEvents(std::vector<ClaimedEvent>& events) : events_(events) {}

  void add(ClaimedEvent event, std::int64_t checksum) {
    events_.push_back(std::move(event));
    checksums_.at(unchecked_++) = checksum;
    if (unchecked_ == checksums_.size()) check();
  }

  // Takes what is not what was written out of the last events.
  void check() {
    const std::size_t count = std::exchange(unchecked_, 0);
    POSTBOX_ASSERT(count <= events_.size() && count <= kAtOnce);
    const std::size_t first = events_.size() - count;
    std::array<const EventRecord*, kAtOnce> records{};
    std::array<std::int64_t, kAtOnce> sums{};
    for (std::size_t i = 0; i < count; ++i) records.at(i) = &events_[first + i].record;
    sqlite::checksums_of(std::span(records).first(count), sums);
    for (std::size_t i = count; i-- > 0;) {
      if (sums.at(i) == checksums_.at(i)) continue;
      const auto event = events_.begin() + static_cast<std::ptrdiff_t>(first + i);
      damaged_.push_back(static_cast<std::int64_t>(event->handle));
      events_.erase(event);
    }
  }

  // The rows of what check() took out.
  [[nodiscard]] const std::vector<std::int64_t>& damaged() const noexcept { return damaged_; }

 private:
  static constexpr std::size_t kAtOnce = 8;

  std::vector<ClaimedEvent>& events_;
  std::array<std::int64_t, kAtOnce> checksums_{};  // of the last events
  std::size_t unchecked_ = 0;
  std::vector<std::int64_t> damaged_;
};

std::vector<std::int64_t> ids_of(const std::vector<ClaimedEvent>& events) {
  std::vector<std::int64_t> ids;
  for (const ClaimedEvent& event : events) ids.push_back(static_cast<std::int64_t>(event.handle));
  return ids;
}

// Rows that are not what was written must not be sent, nor lost.
void bury_damaged(Database& database, const std::vector<std::int64_t>& rows, std::int64_t now) {
  if (rows.empty()) return;
  Transaction transaction(database, Transaction::Kind::kWrite);
  for (const std::int64_t row : rows) {
    (void)apply(database,
                {.handle = EventHandle{row},
                 .kind = OutcomeKind::kDead,
                 .spend_attempt = false,
                 .reason = "damaged on the disk: its checksum does not fit"},
                now, now);
  }
  transaction.commit();
}

}  // namespace

Result<Claim> SqliteOutbox::claim(QueueId queue, const ClaimLimits& limits,
                                  std::chrono::milliseconds lease) {
  return run<Claim>(Role::kFlow, "outbox claim", [&](Database& database, FlowState& flow) {
    Claim claim;
    if (!flow.sender_lock.take(database, leases_)) return claim;
    const auto number = static_cast<std::int64_t>(queue);
    const SteadyTime time = clock_->now();
    flow.token = flow.sender_lock.next_token();
    CheckedEvents checked(claim.events);
    std::vector<std::int64_t> in_order;
    std::uint64_t bytes = 0;
    for (ClaimableRows rows(database, leases_, number, time); rows.next();) {
      bytes += rows.payload_size();
      claim.limited = claim.events.size() >= limits.max_events ||
                      (!claim.events.empty() && bytes > limits.max_bytes.count);
      if (claim.limited) break;
      checked.add(rows.read(queue, ages_), rows.checksum());
      if (rows.is_in_order()) in_order.push_back(rows.id());
    }
    checked.check();
    bury_damaged(database, checked.damaged(), now());
    claim.damaged = checked.damaged().size();
    if (claim.damaged > 0) leases_.rescan();
    if (claim.events.empty()) return claim;
    POSTBOX_ASSERT(claim.events.size() <= std::max<std::size_t>(limits.max_events, 1));
    POSTBOX_ASSERT(std::ranges::is_sorted(claim.events, {}, &ClaimedEvent::handle));
    claim.token = ClaimToken{flow.token};
    const auto until = time + milliseconds(sqlite::bounded(lease, sqlite::kLeaseHorizon));
    leases_.add(ids_of(claim.events), in_order,
                {.token = flow.token, .queue = number, .claimed_at = ages_.now(), .until = until});
    return claim;
  });
}

// Settling does not sync the disk. A settlement that a power cut takes back means that a delivered
// event is sent again with the same bytes, which the vendor recognises. Appending does sync.
Result<Settled> SqliteOutbox::settle(ClaimToken token, std::span<const Outcome> outcomes) {
  const Decision decision{token, outcomes};
  return settle_all(std::span(&decision, 1));
}

Result<Settled> SqliteOutbox::settle_all(std::span<const Decision> decisions) {
  auto result =
      run<Settled>(Role::kFlow, "outbox settle", [&](Database& database, FlowState& flow) {
        const std::int64_t time = now();
        std::vector<std::int64_t> ours;
        std::vector<std::int64_t> delivered;
        std::size_t offered = 0;
        bool is_ready_at_once = false;
        Settled settled;
        Transaction transaction(database, Transaction::Kind::kWrite);
        const auto settle_one = [&](const Outcome& outcome, std::int64_t token) {
          const auto row = static_cast<std::int64_t>(outcome.handle);
          const auto lease = leases_.find(row, token);
          if (!lease) return;
          ours.push_back(row);
          settled.ready_again |=
              lease->in_order && leaves(outcome) && sqlite::is_followed(database, row);
          if (outcome.kind == OutcomeKind::kDelivered) {
            delivered.push_back(row);
          } else if (apply(database, outcome, lease->claimed_at, time)) {
            ++settled.applied;
            is_ready_at_once |= outcome.kind == OutcomeKind::kRetry && outcome.delay.count() <= 0;
          }
        };
        for (const Decision& decision : decisions) {
          const auto token = static_cast<std::int64_t>(decision.token);
          offered += decision.outcomes.size();
          if (!flow.sender_lock.is_ours(database, token)) continue;
          for (const Outcome& outcome : decision.outcomes) settle_one(outcome, token);
        }
        if (ours.empty()) {
          leases_.rescan();
          return Settled{.stale = offered};
        }
        const std::size_t removed = remove(database, std::move(delivered));
        if (removed > 0) sqlite::add_totals(database, {.delivered = removed});
        POSTBOX_ASSERT(removed <= ours.size());
        settled.applied += removed;
        POSTBOX_ASSERT(settled.applied <= offered);
        transaction.commit();
        leases_.end(ours);
        settled.stale = offered - settled.applied;
        if (is_ready_at_once || settled.ready_again || settled.stale > 0) leases_.rescan();
        return settled;
      });
  store_.move_log();
  return result;
}

Result<std::size_t> SqliteOutbox::extend(ClaimToken token, std::span<const EventHandle> events,
                                         std::chrono::milliseconds lease) {
  const NoFork no_fork;
  const SteadyTime until =
      clock_->now() + milliseconds(sqlite::bounded(lease, sqlite::kLeaseHorizon));
  std::size_t extended = 0;
  for (const EventHandle event : events) {
    extended +=
        leases_.extend(static_cast<std::int64_t>(event), static_cast<std::int64_t>(token), until);
  }
  POSTBOX_ASSERT(extended <= events.size());
  return extended;
}

Result<std::vector<QueueId>> SqliteOutbox::due_queues() {
  using Queues = std::vector<QueueId>;
  return run<Queues>(Role::kFlow, "outbox due", [&](Database& database, FlowState& flow) {
    Queues queues;
    if (!flow.sender_lock.take(database, leases_)) {
      throw Failure({ErrorCode::kOutboxTaken, "another process sends from this outbox"});
    }
    flow.token = flow.sender_lock.next_token();
    const SteadyTime time = clock_->now();
    const std::vector<std::int64_t> with_rows = queues_with_rows(database);
    POSTBOX_ASSERT(std::ranges::is_sorted(with_rows));
    for (const std::int64_t queue : with_rows) {
      if (!ClaimableRows(database, leases_, queue, time).next()) continue;
      queues.push_back(QueueId{static_cast<std::uint32_t>(queue)});
    }
    return queues;
  });
}

}  // namespace postbox
