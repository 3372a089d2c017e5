#include "maintain.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include "format.hpp"

#include "base/assert.hpp"

namespace postbox::sqlite {
namespace {

bool is_any_delayed(Database& database, std::int64_t after, std::int64_t until) {
  Query query(database,
              "SELECT 1 FROM outbox INDEXED BY outbox_delayed"
              " WHERE state = 1 AND next_at > ?1 AND next_at <= ?2 LIMIT 1");
  return query.bind(after, until).step();
}

// Makes delayed rows ready whose time lies in (after, until]. Returns how many.
std::size_t promote(Database& database, std::int64_t after, std::int64_t until, Chunks& chunks) {
  std::size_t promoted = 0;
  while (chunks.take()) {
    Transaction transaction(database, Transaction::Kind::kWrite);
    const std::size_t chunk =
        Query(database,
              "UPDATE outbox SET state = 0 WHERE id IN (SELECT id FROM outbox"
              " WHERE state = 1 AND next_at > ?1 AND next_at <= ?2 ORDER BY next_at LIMIT ?3)")
            .bind(after, until, kChunk)
            .run();
    if (chunk == 0 && is_any_delayed(database, after, until)) {  // else this would never end
      throw Failure(
          Error{ErrorCode::kOutboxCorrupt, "an index names a delayed event that is missing"});
    }
    transaction.commit();
    POSTBOX_ASSERT(chunk <= static_cast<std::size_t>(kChunk));
    promoted += chunk;
    if (chunk < static_cast<std::size_t>(kChunk)) break;
  }
  return promoted;
}

// Not into a log that cannot be moved: there is no hurry to remove what nobody waits for.
bool can_write_much(const Database& database) { return database.log_pages() < kStalledLog; }

// The oldest dead letters that hold `bytes` together, a chunk of them at most.
std::vector<std::int64_t> oldest_dead(Database& database, std::int64_t bytes) {
  Query query(database,
              "SELECT id, 200 + length(payload) + length(reason) + length(pointer)"
              " FROM outbox_dead ORDER BY died_at, id LIMIT ?1");
  query.bind(kChunk);
  std::vector<std::int64_t> ids;
  for (; bytes > 0 && query.step(); bytes -= query.integer(1)) ids.push_back(query.integer(0));
  return ids;
}

}  // namespace

std::size_t promote_due(Database& database, std::int64_t now, Chunks& chunks) {
  constexpr auto kLowest = std::numeric_limits<std::int64_t>::min();
  constexpr auto kHighest = std::numeric_limits<std::int64_t>::max();
  const std::int64_t horizon = now + kDelayHorizon.count();
  std::size_t promoted = 0;
  // Two looks into the index first: nothing is written, and no lock taken, when nothing is due.
  const std::int64_t earliest =
      database.integer("SELECT ifnull(min(next_at), 9e18) FROM outbox WHERE state = 1");
  if (earliest <= now) promoted += promote(database, kLowest, now, chunks);
  const std::int64_t latest = database.integer("SELECT max(next_at) FROM outbox WHERE state = 1");
  // Further ahead than any delay: the clock was set back, and the row would wait for it for ever.
  if (latest > horizon) promoted += promote(database, horizon, kHighest, chunks);
  return promoted;
}

std::size_t expire_dead(Database& database, std::int64_t cutoff, Chunks& chunks) {
  const auto any_is_due = [&] {
    return database.integer("SELECT ifnull(min(died_at), 9e18) FROM outbox_dead") <= cutoff;
  };
  std::size_t expired = 0;
  while (any_is_due() && can_write_much(database) && chunks.take()) {
    Transaction transaction(database, Transaction::Kind::kWrite);
    if (!any_is_due()) break;  // another process was quicker
    const std::size_t chunk =
        Query(database,
              "DELETE FROM outbox_dead WHERE id IN (SELECT id FROM outbox_dead"
              " WHERE died_at <= ?1 ORDER BY died_at LIMIT ?2)")
            .bind(cutoff, kChunk)
            .run();
    if (chunk == 0) {  // else this would never end
      throw Failure(
          Error{ErrorCode::kOutboxCorrupt, "an index names a dead letter that is missing"});
    }
    add_totals(database, {.expired = chunk});
    transaction.commit();
    expired += chunk;
  }
  return expired;
}

// Dead letters have a quarter of the disk: enough for weeks of an operator's absence, and what is
// alive always has the other three. Returns how many had to give way: some more than needed, so
// that it is not done again for each.
std::size_t crowd_out(Database& database, Bytes max_disk, Chunks& chunks) {
  constexpr const char* kDeadBytes = "SELECT dead_bytes FROM totals";
  const auto share = static_cast<std::int64_t>(max_disk.count / 4);
  if (database.integer(kDeadBytes) <= share) return 0;
  const std::int64_t goal = share - share / 16;
  std::size_t removed = 0;
  while (database.integer(kDeadBytes) > goal && can_write_much(database) && chunks.take()) {
    Transaction transaction(database, Transaction::Kind::kWrite);
    const auto ids = oldest_dead(database, database.integer(kDeadBytes) - goal);
    if (ids.empty()) break;
    Query remove(database, "DELETE FROM outbox_dead WHERE id = ?1");
    std::size_t chunk = 0;
    for (const std::int64_t id : ids) chunk += remove.bind(id).run();
    POSTBOX_ASSERT(chunk <= ids.size());
    add_totals(database, {.expired = chunk});
    transaction.commit();
    removed += chunk;
  }
  return removed;
}

// The oldest first, while there are too many; and what the clock, set back since, would
// keep for longer than a day.
void forget_ends(Database& database, std::int64_t now, Bytes max_disk, Chunks& chunks) {
  // A sixteenth: of 2 GiB, what four orders a second leave in a day.
  constexpr std::uint64_t kBytesOfAnEnd = 100;  // with its index
  const auto most = static_cast<std::int64_t>(max_disk.count / 16 / kBytesOfAnEnd);
  const std::int64_t ahead = now + kEndMemory.count();
  const auto is_any_over = [&] {
    return database.integer("SELECT ifnull(min(expires_at), 9e18) FROM timer_end") <= now ||
           database.integer("SELECT max(expires_at) FROM timer_end") > ahead;
  };
  while (is_any_over() && chunks.take()) {
    Transaction transaction(database, Transaction::Kind::kWrite);
    Query(database,
          "DELETE FROM timer_end WHERE key IN"
          " (SELECT key FROM timer_end WHERE expires_at <= ?1 OR expires_at > ?2 LIMIT ?3)")
        .bind(now, ahead, kChunk)
        .run();
    transaction.commit();
  }
  std::int64_t too_many = database.integer("SELECT ends FROM totals") - most;
  for (; too_many > 0 && chunks.take(); too_many -= kChunk) {
    Transaction transaction(database, Transaction::Kind::kWrite);
    Query(database,
          "DELETE FROM timer_end WHERE key IN"
          " (SELECT key FROM timer_end ORDER BY expires_at LIMIT ?1)")
        .bind(std::min(too_many, kChunk))
        .run();
    transaction.commit();
  }
}

}  // namespace postbox::sqlite
