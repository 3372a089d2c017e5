// A change of every payload of the SQLite outbox: what waits, dead letters and timers.
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "format.hpp"
#include "outbox.hpp"
#include "rows.hpp"

namespace postbox {
namespace {

using sqlite::Database;
using sqlite::Query;
using sqlite::Transaction;

// The statements of one table.
struct Table {
  const char* next;     // id, dedup_key, payload, checksum of rows behind ?1, ?2 of them at most
  const char* replace;  // payload and checksum, where the row is what it was
  bool is_dead;
};

// A timer that has fired has no payload any more.
constexpr std::array kTables = {
    Table{"SELECT id, dedup_key, payload, checksum FROM timer WHERE id > ?1 AND event_id = 0"
          " ORDER BY id LIMIT ?2",
          "UPDATE timer SET payload = ?2, checksum = ?3 WHERE id = ?1 AND checksum = ?4"
          " AND event_id = 0",
          false},
    Table{"SELECT id, dedup_key, payload, checksum FROM outbox NOT INDEXED WHERE id > ?1"
          " ORDER BY id LIMIT ?2",
          "UPDATE outbox SET payload = ?2, checksum = ?3 WHERE id = ?1 AND checksum = ?4", false},
    Table{"SELECT id, dedup_key, payload, checksum FROM outbox_dead NOT INDEXED WHERE id > ?1"
          " ORDER BY id LIMIT ?2",
          "UPDATE outbox_dead SET payload = ?2, checksum = ?3 WHERE id = ?1 AND checksum = ?4",
          true}};

struct Row {
  std::int64_t id = 0;
  std::int64_t checksum = 0;  // as it was
  std::int64_t new_checksum = 0;
  std::string payload;      // the new one
  std::int64_t growth = 0;  // in bytes
};

struct Chunk {
  std::vector<Row> changed;
  std::optional<std::int64_t> last;  // of all that were read; nothing at the end
};

// Reads a chunk and makes its new payloads, without a lock on the file. A damaged row is left to
// the claim, which finds it out.
Chunk read_chunk(Database& database, const Table& table, std::int64_t after,
                 const PayloadRewrite& rewrite) {
  Query query(database, table.next);
  query.bind(after, sqlite::kChunk);
  Chunk chunk;
  while (query.step()) {
    chunk.last = query.integer(0);
    const Key key = query.key(1);
    const std::string payload = query.bytes(2);
    if (sqlite::checksum_of(key, payload) != query.integer(3)) continue;
    auto changed = rewrite(key, payload);
    if (!changed) continue;
    Row row;
    row.id = query.integer(0);
    row.checksum = query.integer(3);
    row.new_checksum = sqlite::checksum_of(key, *changed);
    row.growth =
        static_cast<std::int64_t>(changed->size()) - static_cast<std::int64_t>(payload.size());
    row.payload = *std::move(changed);
    chunk.changed.push_back(std::move(row));
  }
  return chunk;
}

// Returns how many were still what they had been.
std::size_t write_chunk(Database& database, const Table& table, const std::vector<Row>& rows) {
  if (rows.empty()) return 0;
  Transaction transaction(database, Transaction::Kind::kDurable);
  std::size_t written = 0;
  std::int64_t growth = 0;
  Query replace(database, table.replace);
  for (const Row& row : rows) {
    if (replace.bind(row.id, row.payload, row.new_checksum, row.checksum).run() == 0) continue;
    ++written;
    growth += row.growth;
  }
  // The triggers count what comes and goes, not what changes.
  if (table.is_dead && written > 0) {
    Query(database, "UPDATE totals SET dead_bytes = dead_bytes + ?1").bind(growth).run();
  }
  transaction.commit();
  return written;
}

}  // namespace

Result<std::size_t> SqliteOutbox::rewrite_payloads(const PayloadRewrite& rewrite) {
  std::size_t written = 0;
  for (const Table& table : kTables) {
    std::optional<std::int64_t> after = 0;
    while (after) {
      const auto page = run<std::size_t>(
          Role::kOperator, "outbox rewrite", [&](Database& database) -> std::size_t {
            database.keep_log_short();
            const Chunk chunk = read_chunk(database, table, *after, rewrite);
            const std::size_t done = write_chunk(database, table, chunk.changed);
            after = chunk.last;
            return done;
          });
      if (!page) return page.error();
      written += *page;
    }
  }
  return erased(written);
}

}  // namespace postbox
