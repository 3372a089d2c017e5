// What an operator asks of the PostgreSQL outbox about events wherever they are, and about itself.
#include <array>
#include <limits>
#include <string>
#include <vector>

#include "base/record_checksum.hpp"
#include "outbox.hpp"
#include "rows.hpp"

namespace postbox {
namespace {

using postgres::Parameters;
using postgres::Rows;
using postgres::Session;
using postgres::Transaction;

// As the statement below numbers them: the states of a row, and two more.
constexpr std::array kStates = {EventState::kReady, EventState::kDelayed, EventState::kHeld,
                                EventState::kDead, EventState::kLeased};

ListedEvent read_listed(const Rows& rows, int row, std::int64_t now) {
  ListedEvent event;
  event.handle = EventHandle{rows.integer(row, 0)};
  event.record.queue = QueueId{static_cast<std::uint32_t>(rows.integer(row, 1))};
  event.state = kStates.at(static_cast<std::size_t>(rows.integer(row, 2)));
  event.attempts = static_cast<std::uint32_t>(rows.integer(row, 3));
  event.age = postgres::elapsed(rows.integer(row, 4), now);
  if (event.state == EventState::kDelayed) {
    event.due = postgres::elapsed(now, rows.integer(row, 5));
  }
  event.http_status = static_cast<int>(rows.integer(row, 6));
  event.reason = rows.bytes(row, 7);
  event.record.dedup_key = rows.key(row, 8);
  event.record.profile_key = rows.key(row, 9);
  event.record.payload = rows.bytes(row, 10);
  return event;
}

constexpr std::size_t kMostNamed = 100;
constexpr std::int64_t kRowsAtOnce = 1'000;

// Each returns (id, dedup_key, payload, checksum) of some rows behind $1, in order. A timer that
// has fired has no payload any more.
constexpr std::array kTables = {
    "SELECT id, dedup_key, payload, checksum FROM postbox_outbox WHERE id > $1"
    " ORDER BY id LIMIT $2",
    "SELECT id, dedup_key, payload, checksum FROM postbox_dead WHERE id > $1 ORDER BY id LIMIT $2",
    "SELECT id, dedup_key, payload, checksum FROM postbox_timer WHERE id > $1 AND event_id = 0"
    " ORDER BY id LIMIT $2"};

// In parts, so that no transaction is long.
void check_rows(Session& session, const char* sql, Checked& checked) {
  std::int64_t after = std::numeric_limits<std::int64_t>::min();
  for (;;) {
    Transaction transaction(session, Transaction::Kind::kRelaxed);
    const Rows rows = transaction.finish(sql, Parameters(after, kRowsAtOnce));
    if (rows.size() == 0) return;
    for (int row = 0; row < rows.size(); ++row) {
      after = rows.integer(row, 0);
      ++checked.events;
      const auto checksum = rows.optional(row, 3);
      if (!checksum || checksum_of(rows.key(row, 1), rows.bytes(row, 2)) == *checksum) continue;
      ++checked.damaged_count;
      if (checked.damaged.size() < kMostNamed) checked.damaged.push_back(EventHandle{after});
    }
  }
}

void check_counts(Session& session, Checked& checked) {
  Transaction transaction(session, Transaction::Kind::kRead);
  const auto expect = [&](std::string_view what, const char* sql) {
    const Rows rows = transaction.run(sql);
    const std::int64_t counted = rows.integer(0, 0);
    const std::int64_t there = rows.integer(0, 1);
    if (counted == there) return;
    checked.problems.push_back(std::string(what) + ": " + std::to_string(counted) +
                               " are counted, and " + std::to_string(there) + " are there");
  };
  expect("events that came and were not delivered, purged or expired",
         "SELECT sum(appended + fired - delivered - purged - expired)::bigint,"
         " (SELECT count(*) FROM postbox_outbox) + (SELECT count(*) FROM postbox_dead)"
         " FROM postbox_totals");
  expect("bytes of events and timers",
         "SELECT sum(bytes)::bigint,"
         " (SELECT coalesce(sum(postbox_size(payload)), 0)::bigint FROM postbox_outbox)"
         " + (SELECT coalesce(sum(postbox_size(payload)), 0)::bigint FROM postbox_timer"
         "  WHERE event_id = 0) FROM postbox_totals");
  expect("bytes of dead letters",
         "SELECT sum(dead_bytes)::bigint, (SELECT coalesce("
         "  sum(postbox_dead_size(payload, reason, pointer)), 0)::bigint FROM postbox_dead)"
         " FROM postbox_totals");
  expect("ends of timers",
         "SELECT sum(ends)::bigint, (SELECT count(*) FROM postbox_end) FROM postbox_totals");
}

}  // namespace

Result<std::vector<ListedEvent>> PostgresOutbox::list(EventHandle after, std::size_t max) {
  using Events = std::vector<ListedEvent>;
  return run<Events>(Role::kOperator, "outbox list", [&](Session& session) {
    Transaction transaction(session, Transaction::Kind::kRead);
    const Rows rows = transaction.finish(
        "(SELECT id, queue_id, CASE WHEN state = 0 AND lease_until > postbox_now($3)"
        "   AND lease_until <= postbox_now($3) + 86400000 THEN 4 ELSE state END, attempts,"
        "  created_at, next_at, 0, ''::bytea, dedup_key, profile_key, payload"
        "  FROM postbox_outbox WHERE id > $1 ORDER BY id LIMIT $2)"
        " UNION ALL (SELECT id, queue_id, 3, attempts, created_at, 0, http_status, reason,"
        "  dedup_key, profile_key, payload FROM postbox_dead WHERE id > $1 ORDER BY id LIMIT $2)"
        " ORDER BY 1 LIMIT $2",
        Parameters(static_cast<std::int64_t>(after), postgres::as_limit(max),
                   session.time.injected()));
    Events events;
    for (int row = 0; row < rows.size(); ++row) {
      events.push_back(read_listed(rows, row, transaction.now()));
    }
    return events;
  });
}

Result<Checked> PostgresOutbox::check() {
  return run<Checked>(Role::kOperator, "outbox check", [&](Session& session) {
    Checked checked;
    for (const char* sql : kTables) check_rows(session, sql, checked);
    check_counts(session, checked);
    return checked;
  });
}

}  // namespace postbox
