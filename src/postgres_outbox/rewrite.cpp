// A change of every payload of the PostgreSQL outbox: what waits, dead letters and timers.
#include <array>
#include <optional>
#include <string>
#include <utility>
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

// The statements of one table. A row is replaced where it is what it was.
struct Table {
  const char* next;     // id, dedup_key, payload, checksum of rows behind $1, $2 of them at most
  const char* replace;  // $1 ids, $2 payloads, $3 checksums, $4 payloads as they were
  std::int64_t weight;  // of a byte of payload in the counts
  bool is_dead;
};

// A timer that has fired has no payload any more.
constexpr std::array kTables = {
    Table{"SELECT id, dedup_key, payload, checksum FROM postbox_timer"
          " WHERE id > $1 AND event_id = 0 ORDER BY id LIMIT $2",
          "WITH replaced AS (UPDATE postbox_timer AS t SET payload = n.payload,"
          " checksum = n.checksum FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::bytea[])"
          " AS n(id, payload, checksum, before) WHERE t.id = n.id AND t.payload = n.before"
          " AND event_id = 0 RETURNING octet_length(n.payload) - octet_length(n.before) AS growth)"
          " SELECT count(*), coalesce(sum(growth), 0)::bigint FROM replaced",
          2, false},
    Table{"SELECT id, dedup_key, payload, checksum FROM postbox_outbox WHERE id > $1"
          " ORDER BY id LIMIT $2",
          "WITH replaced AS (UPDATE postbox_outbox AS t SET payload = n.payload,"
          " checksum = n.checksum FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::bytea[])"
          " AS n(id, payload, checksum, before) WHERE t.id = n.id AND t.payload = n.before"
          " RETURNING octet_length(n.payload) - octet_length(n.before) AS growth)"
          " SELECT count(*), coalesce(sum(growth), 0)::bigint FROM replaced",
          2, false},
    Table{"SELECT id, dedup_key, payload, checksum FROM postbox_dead WHERE id > $1"
          " ORDER BY id LIMIT $2",
          "WITH replaced AS (UPDATE postbox_dead AS t SET payload = n.payload,"
          " checksum = n.checksum FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::bytea[])"
          " AS n(id, payload, checksum, before) WHERE t.id = n.id AND t.payload = n.before"
          " RETURNING octet_length(n.payload) - octet_length(n.before) AS growth)"
          " SELECT count(*), coalesce(sum(growth), 0)::bigint FROM replaced",
          1, true}};

struct Page {
  std::size_t written = 0;
  std::optional<std::int64_t> last;  // of all that were read; nothing at the end
};

// A damaged row is left to the claim, which finds it out.
Page rewrite_page(Session& session, const Table& table, std::int64_t after,
                  const PayloadRewrite& rewrite) {
  constexpr std::int64_t kRowsAtOnce = 200;
  Transaction transaction(session, Transaction::Kind::kDurable);
  const Rows rows = transaction.run(table.next, Parameters(after, kRowsAtOnce));
  if (rows.size() == 0) return {};
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> checksums;
  std::vector<std::string> payloads;
  std::vector<std::string_view> before;
  for (int row = 0; row < rows.size(); ++row) {
    const Key key = rows.key(row, 1);
    const std::string_view payload = rows.bytes(row, 2);
    const auto checksum = rows.optional(row, 3);
    if (checksum && checksum_of(key, payload) != *checksum) continue;
    auto changed = rewrite(key, payload);
    if (!changed) continue;
    ids.push_back(rows.integer(row, 0));
    checksums.push_back(checksum_of(key, *changed));
    payloads.push_back(*std::move(changed));
    before.push_back(payload);
  }
  Page page{.last = rows.integer(rows.size() - 1, 0)};
  if (ids.empty()) return page;
  const std::vector<std::string_view> views(payloads.begin(), payloads.end());
  const Rows replaced = transaction.run(table.replace, Parameters(ids, views, checksums, before));
  page.written = static_cast<std::size_t>(replaced.integer(0, 0));
  const std::int64_t growth = replaced.integer(0, 1) * table.weight;
  postgres::finish(session, transaction,
                   {.bytes = table.is_dead ? 0 : growth, .dead_bytes = table.is_dead ? growth : 0});
  return page;
}

}  // namespace

Result<std::size_t> PostgresOutbox::rewrite_payloads(const PayloadRewrite& rewrite) {
  std::size_t written = 0;
  for (const Table& table : kTables) {
    std::optional<std::int64_t> after = 0;
    while (after) {
      const auto page = run<Page>(Role::kOperator, "outbox rewrite", [&](Session& session) {
        return rewrite_page(session, table, *after, rewrite);
      });
      if (!page) return page.error();
      written += page->written;
      after = page->last;
    }
  }
  return written;
}

}  // namespace postbox
