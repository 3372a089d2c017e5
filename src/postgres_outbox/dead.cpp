// The operators' part of the PostgreSQL outbox: dead letters, and the removal of a profile.
#include <array>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/record_checksum.hpp"
#include "outbox.hpp"
#include "rows.hpp"

namespace postbox {
namespace {

using postgres::kChunk;
using postgres::Parameters;
using postgres::Rows;
using postgres::Session;
using postgres::Transaction;

constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kHighest = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

// $1 to $6 of the statements that select dead letters; $7 is the time. Which died by then: zero is
// no bound, as what died before the clock was set back lies ahead.
#define POSTBOX_DEAD_FILTER                              \
  " id > $1 AND id <= $2 AND queue_id BETWEEN $3 AND $4" \
  " AND ($5 <= 0 OR died_at <= postbox_now($7) - $5) AND position($6 IN reason) > 0"

Parameters filter_of(Session& session, const EventFilter& filter, std::int64_t after) {
  std::int64_t above = after;
  const std::int64_t up_to = filter.handle ? static_cast<std::int64_t>(*filter.handle) : kHighest;
  if (filter.handle) above = std::max(above, up_to - 1);
  const std::int64_t lowest = filter.queue ? postgres::number_of(*filter.queue) : 0;
  const std::int64_t highest = filter.queue ? lowest : kHighest;
  const std::int64_t dead_for = filter.dead_for ? filter.dead_for->count() : 0;
  return Parameters(above, up_to, lowest, highest, dead_for, std::string_view(filter.reason),
                    session.time.injected());
}

DeadLetter read_dead(const Rows& rows, int row, std::int64_t now) {
  DeadLetter letter;
  letter.handle = EventHandle{rows.integer(row, 0)};
  letter.record.queue = QueueId{static_cast<std::uint32_t>(rows.integer(row, 1))};
  letter.attempts = static_cast<std::uint32_t>(rows.integer(row, 2));
  letter.age = postgres::elapsed(rows.integer(row, 3), now);
  letter.first_attempt = postgres::elapsed(rows.integer(row, 4), now);
  letter.dead_since = postgres::elapsed(rows.integer(row, 5), now);
  letter.http_status = static_cast<int>(rows.integer(row, 6));
  letter.reason = rows.bytes(row, 7);
  letter.pointer = rows.bytes(row, 8);
  letter.record.dedup_key = rows.key(row, 9);
  letter.record.profile_key = rows.key(row, 10);
  letter.record.payload = rows.bytes(row, 11);
  return letter;
}

// A part of work that could touch everything, in a transaction of its own.
struct Page {
  std::size_t done = 0;
  bool is_last = true;
  std::int64_t last = 0;  // id of all that it looked at
};

// Moves one dead letter back under its old handle, so that what an operator noted stays true. A
// replay may change its queue and bytes, never its keys. One that has come in again meanwhile,
// perhaps as another dead letter that was revived, stays.
bool revive(Transaction& transaction, const Rows& rows, int row, const Rewrite& rewrite,
            postgres::Delta& delta) {
  EventRecord record;
  record.queue = QueueId{static_cast<std::uint32_t>(rows.integer(row, 1))};
  record.dedup_key = rows.key(row, 2);
  record.profile_key = rows.key(row, 3);
  record.payload = rows.bytes(row, 4);
  const Key key = record.dedup_key;
  const auto checksum = rows.optional(row, 5);
  if (checksum && checksum_of(key, record.payload) != *checksum) return false;
  const std::int64_t old_queue = postgres::number_of(record.queue);
  if (rewrite) rewrite(record);
  const Rows revived = transaction.run(
      "WITH back AS (INSERT INTO postbox_outbox(id, queue_id, created_at, dedup_key, profile_key,"
      "   slot, checksum, payload)"
      "  SELECT id, $2, created_at, dedup_key, profile_key, slot, $3, $4 FROM postbox_dead"
      "  WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM postbox_outbox AS o"
      "   WHERE o.queue_id = $5 AND o.dedup_key = postbox_dead.dedup_key)"
      "  ON CONFLICT (queue_id, dedup_key) DO NOTHING RETURNING id, postbox_size(payload) AS size),"
      " gone AS (DELETE FROM postbox_dead AS d USING back WHERE d.id = back.id"
      "  RETURNING back.size, postbox_dead_size(d.payload, d.reason, d.pointer) AS dead_size)"
      " SELECT size, dead_size FROM gone",
      Parameters(rows.integer(row, 0), postgres::number_of(record.queue),
                 checksum_of(key, record.payload), std::string_view(record.payload), old_queue));
  if (revived.size() == 0) return false;
  delta.bytes += revived.integer(0, 0);
  delta.dead_bytes -= revived.integer(0, 1);
  return true;
}

Page replay_page(Session& session, const EventFilter& filter, std::int64_t after, std::size_t max,
                 const Rewrite& rewrite) {
  Transaction transaction(session, Transaction::Kind::kDurable);
  Parameters parameters = filter_of(session, filter, after);
  parameters.add(std::min(kChunk, postgres::as_limit(max)));
  const Rows rows = transaction.run(
      "SELECT id, queue_id, dedup_key, profile_key, payload, checksum FROM postbox_dead"
      " WHERE" POSTBOX_DEAD_FILTER " ORDER BY id LIMIT $8 FOR UPDATE",
      std::move(parameters));
  if (rows.size() == 0) return {};
  Page page{.is_last = false, .last = rows.integer(rows.size() - 1, 0)};
  postgres::Delta delta;
  for (int row = 0; row < rows.size(); ++row) {
    page.done += revive(transaction, rows, row, rewrite, delta) ? 1 : 0;
  }
  postgres::finish(session, transaction, delta);
  page.is_last = page.done >= max;
  return page;
}

Page purge_page(Session& session, const EventFilter& filter, std::int64_t after) {
  Transaction transaction(session, Transaction::Kind::kDurable);
  Parameters parameters = filter_of(session, filter, after);
  parameters.add(kChunk);
  const Rows rows = transaction.run(
      "WITH chosen AS MATERIALIZED (SELECT id FROM postbox_dead WHERE" POSTBOX_DEAD_FILTER
      "  ORDER BY id LIMIT $8 FOR UPDATE),"
      " gone AS (DELETE FROM postbox_dead AS d USING chosen WHERE d.id = chosen.id"
      "  RETURNING d.id, postbox_dead_size(payload, reason, pointer) AS size)"
      " SELECT count(*), coalesce(sum(size), 0)::bigint, coalesce(max(id), 0) FROM gone",
      std::move(parameters));
  const std::int64_t purged = rows.integer(0, 0);
  if (purged == 0) return {};
  postgres::finish(session, transaction, {.purged = purged, .dead_bytes = -rows.integer(0, 1)});
  return {static_cast<std::size_t>(purged), false, rows.integer(0, 2)};
}

// Calls `next(after, left)`, which returns a Result<Page>, until `max` is done in all or a page is
// the last.
template <class Next>
Result<std::size_t> all_pages(std::size_t max, Next next) {
  std::size_t done = 0;
  std::int64_t after = kLowest;
  while (done < max) {
    const Result<Page> page = next(after, max - done);
    if (!page) return page.error();
    done += page->done;
    if (page->is_last) break;
    after = page->last;
  }
  return done;
}

// Where rows of a profile are, in the order in which they go from one to the next, so that none
// slips through between two pages. The profile stands in no index, which would cost every append:
// each statement looks at the next rows behind $1, those that $3 counts, and returns how many it
// removed, which of them were events, their bytes and their dead letters' bytes, and the last id
// that it has seen.
constexpr std::array kPlaces = {
    "WITH page AS MATERIALIZED (SELECT id, profile_key, timer_profile_key, effects_only"
    "  FROM postbox_inbox WHERE id > $1 ORDER BY id LIMIT $3),"
    " gone AS (DELETE FROM postbox_inbox AS i USING page WHERE i.id = page.id"
    "  AND (page.profile_key = $2 AND NOT page.effects_only OR page.timer_profile_key = $2)"
    "  RETURNING 1)"
    " SELECT (SELECT count(*) FROM gone), 0::bigint, 0::bigint, 0::bigint, max(id) FROM page",
    "WITH page AS MATERIALIZED (SELECT id, profile_key, event_id FROM postbox_timer WHERE id > $1"
    "  ORDER BY id LIMIT $3),"
    " gone AS MATERIALIZED (SELECT (postbox_remove_timer(id, 0, 0)).bytes FROM page"
    "  WHERE profile_key = $2 AND event_id = 0)"
    " SELECT (SELECT count(*) FROM gone), 0::bigint,"
    "  (SELECT coalesce(-sum(bytes), 0)::bigint FROM gone), 0::bigint, max(id) FROM page",
    "WITH page AS MATERIALIZED (SELECT id, profile_key FROM postbox_outbox WHERE id > $1"
    "  ORDER BY id LIMIT $3),"
    " gone AS (DELETE FROM postbox_outbox AS o USING page WHERE o.id = page.id"
    "  AND page.profile_key = $2 RETURNING postbox_size(payload) AS size)"
    " SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM gone),"
    "  (SELECT coalesce(sum(size), 0)::bigint FROM gone), 0::bigint, max(id) FROM page",
    "WITH page AS MATERIALIZED (SELECT id, profile_key FROM postbox_dead WHERE id > $1"
    "  ORDER BY id LIMIT $3),"
    " gone AS (DELETE FROM postbox_dead AS d USING page WHERE d.id = page.id"
    "  AND page.profile_key = $2"
    "  RETURNING postbox_dead_size(payload, reason, pointer) AS size)"
    " SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM gone), 0::bigint,"
    "  (SELECT coalesce(sum(size), 0)::bigint FROM gone), max(id) FROM page"};

Page purge_profile_page(Session& session, const char* sql, const Key& profile, std::int64_t after) {
  constexpr std::int64_t kLookedAt = 4'000;
  Transaction transaction(session, Transaction::Kind::kDurable);
  const Rows rows = transaction.run(sql, Parameters(after, profile, kLookedAt));
  const auto last = rows.optional(0, 4);
  if (!last) return {};
  const std::int64_t removed = rows.integer(0, 0);
  if (removed > 0) {
    postgres::finish(session, transaction,
                     {.purged = rows.integer(0, 1),
                      .bytes = -rows.integer(0, 2),
                      .dead_bytes = -rows.integer(0, 3)});
  }
  return {static_cast<std::size_t>(removed), false, *last};
}

}  // namespace

Result<std::vector<DeadLetter>> PostgresOutbox::dead(const EventFilter& filter, EventHandle after,
                                                     std::size_t max) {
  using Letters = std::vector<DeadLetter>;
  return run<Letters>(Role::kOperator, "outbox dead", [&](Session& session) {
    Transaction transaction(session, Transaction::Kind::kRead);
    Parameters parameters = filter_of(session, filter, static_cast<std::int64_t>(after));
    parameters.add(postgres::as_limit(max));
    const Rows rows = transaction.finish(
        "SELECT id, queue_id, attempts, created_at, greatest(created_at, first_attempt_at),"
        " died_at, http_status, reason, pointer, dedup_key, profile_key, payload"
        " FROM postbox_dead WHERE" POSTBOX_DEAD_FILTER " ORDER BY id LIMIT $8",
        std::move(parameters));
    Letters letters;
    for (int row = 0; row < rows.size(); ++row) {
      letters.push_back(read_dead(rows, row, transaction.now()));
    }
    return letters;
  });
}

Result<std::size_t> PostgresOutbox::replay(const EventFilter& filter, std::size_t max,
                                           const Rewrite& rewrite) {
  auto result = all_pages(max, [&](std::int64_t after, std::size_t left) {
    return run<Page>(Role::kOperator, "outbox replay", [&](Session& session) {
      return replay_page(session, filter, after, left, rewrite);
    });
  });
  fronts_.rescan();
  return result;
}

Result<std::size_t> PostgresOutbox::purge(const EventFilter& filter) {
  return all_pages(kAll, [&](std::int64_t after, std::size_t) {
    return run<Page>(Role::kOperator, "outbox purge",
                     [&](Session& session) { return purge_page(session, filter, after); });
  });
}

Result<std::size_t> PostgresOutbox::purge_profile(const Key& profile) {
  std::size_t purged = 0;
  for (const char* place : kPlaces) {
    const auto result = all_pages(kAll, [&](std::int64_t after, std::size_t) {
      return run<Page>(Role::kOperator, "outbox purge", [&](Session& session) {
        return purge_profile_page(session, place, profile, after);
      });
    });
    if (!result) return result;
    purged += *result;
  }
  fronts_.rescan();  // what stood behind others in order
  return purged;
}

}  // namespace postbox
