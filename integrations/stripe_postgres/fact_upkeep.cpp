#include <algorithm>
#include <array>
#include <stripe_postgres/fact_upkeep.hpp>
#include <utility>
#include <vector>

#include "postgres/transaction.hpp"

namespace stripe::fact_upkeep {
namespace {

using postbox::postgres::Parameters;
using postbox::postgres::Rows;
using postbox::postgres::Statement;
using postbox::postgres::Transaction;
using Kind = Transaction::Kind;

std::int64_t as_integer(std::size_t number) { return static_cast<std::int64_t>(number); }

// ';' comes after ':'.
Statement bound_facts(std::string_view kind, std::size_t limit) {
  return {
      "DELETE FROM postbox_stripe_known WHERE (key, as_of) IN (SELECT key, as_of"
      " FROM postbox_stripe_known WHERE key >= $1 AND key < $2 ORDER BY expires"
      " LIMIT greatest(0, (SELECT count(*) FROM postbox_stripe_known"
      " WHERE key >= $1 AND key < $2) - $3) FOR UPDATE SKIP LOCKED)",
      Parameters(std::string(kind) + ':', std::string(kind) + ';', as_integer(limit))};
}

// In ASCII; `email` is in lower case.
bool contains(std::string_view body, std::string_view email) {
  const auto same = [](char c, char lower) {
    return c == lower || (c >= 'A' && c <= 'Z' && c - 'A' + 'a' == lower);
  };
  return std::search(body.begin(), body.end(), email.begin(), email.end(), same) != body.end();
}

// A body has up to a megabyte.
constexpr std::int64_t kBodiesAtOnce = 20;

std::size_t forget_bodies(Session& session, std::string_view email) {
  std::size_t removed = 0;
  std::string last;
  for (;;) {
    Transaction transaction(session, Kind::kDurable);
    const Rows rows = transaction.run(
        "SELECT event_id, body FROM postbox_stripe_waiting WHERE event_id > $1"
        " ORDER BY event_id LIMIT $2",
        Parameters(last, kBodiesAtOnce));
    std::vector<std::string_view> found;
    for (int row = 0; row < rows.size(); ++row) {
      if (contains(rows.bytes(row, 1), email)) found.push_back(rows.bytes(row, 0));
    }
    removed += static_cast<std::size_t>(
        transaction
            .finish("DELETE FROM postbox_stripe_waiting WHERE event_id = ANY($1) RETURNING true",
                    Parameters(found))
            .size());
    if (rows.size() < kBodiesAtOnce) return removed;
    last = rows.bytes(rows.size() - 1, 0);
  }
}

// A row of any of the tables: its text, and the time behind its key where that has one.
struct Table {
  const char* select;   // key, as_of, text of $3 rows behind $1 and $2
  const char* replace;  // $1 key, $2 as_of, $3 the text as it was; $4 the key and $5 the text now
  std::int64_t rows_at_once;
};

constexpr std::array kTables = {
    Table{"SELECT event_id, $2, body FROM postbox_stripe_waiting WHERE event_id > $1"
          " ORDER BY event_id LIMIT $3",
          "UPDATE postbox_stripe_waiting SET body = $5 WHERE event_id = $1 AND body = $3"
          " RETURNING true",
          kBodiesAtOnce},
    Table{"SELECT key, $2, value FROM postbox_stripe_decided WHERE key > $1 ORDER BY key LIMIT $3",
          "UPDATE postbox_stripe_decided SET value = $5 WHERE key = $1 AND value = $3"
          " RETURNING true",
          250},
    // One whose key becomes another may meet the same fact there.
    Table{"SELECT key, as_of, value FROM postbox_stripe_known WHERE (key, as_of) > ($1, $2)"
          " ORDER BY key, as_of LIMIT $3",
          "WITH gone AS (DELETE FROM postbox_stripe_known"
          " WHERE key = $1 AND as_of = $2 AND value = $3 RETURNING expires)"
          " INSERT INTO postbox_stripe_known AS k (key, as_of, value, expires)"
          " SELECT $4, $2, $5, expires FROM gone"
          " ON CONFLICT (key, as_of) DO UPDATE SET value = greatest(k.value, excluded.value),"
          " expires = greatest(k.expires, excluded.expires) RETURNING true",
          250}};

// Nothing when the row stays as it is.
std::optional<Parameters> changed_row(bool is_fact, const Rows& rows, int row,
                                      const FactStore::Rewrite& change) {
  const std::string_view key = rows.bytes(row, 0);
  const std::string_view text = rows.bytes(row, 2);
  const auto [kind, address] = is_fact ? split_address(key) : SplitKey{key, {}};
  const auto address_now = address.empty() ? std::nullopt : change(address);
  const auto text_now = change(text);
  if (!address_now && !text_now) return std::nullopt;
  const std::string key_now =
      address_now ? std::string(kind).append(*address_now) : std::string(key);
  return Parameters(key, rows.integer(row, 1), text, key_now,
                    text_now ? std::string_view(*text_now) : text);
}

}  // namespace

std::size_t remove_expired(Session& session, WallTime now) {
  constexpr std::int64_t kRowsAtOnce = 1'000;
  const std::int64_t time = now.time_since_epoch().count();
  Transaction transaction(session, Kind::kRelaxed);
  const auto facts = transaction.run(
      "DELETE FROM postbox_stripe_known WHERE (key, as_of) IN (SELECT key, as_of"
      " FROM postbox_stripe_known WHERE expires <= $1 ORDER BY expires LIMIT $2"
      " FOR UPDATE SKIP LOCKED) RETURNING true",
      Parameters(time, kRowsAtOnce));
  const auto decisions = transaction.finish(
      "DELETE FROM postbox_stripe_decided WHERE key IN (SELECT key FROM postbox_stripe_decided"
      " WHERE expires <= $1 ORDER BY expires LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING true",
      Parameters(time, kRowsAtOnce));
  return static_cast<std::size_t>(facts.size() + decisions.size());
}

void keep_limits(Session& session, const FactStoreLimits& limits) {
  std::vector<Statement> statements;
  for (const std::string_view kind : {"customer", "bought"}) {
    statements.push_back(bound_facts(kind, limits.addresses));
  }
  for (const std::string_view kind :
       {"order", "payment", "refunded", "dispute", "fresh", "trial"}) {
    statements.push_back(bound_facts(kind, limits.links));
  }
  statements.push_back(
      {"DELETE FROM postbox_stripe_decided WHERE key IN (SELECT key FROM postbox_stripe_decided"
       " ORDER BY expires LIMIT greatest(0, (SELECT count(*) FROM postbox_stripe_decided) - $1)"
       " FOR UPDATE SKIP LOCKED)",
       Parameters(as_integer(limits.decisions))});
  Transaction transaction(session, Kind::kRelaxed);
  (void)transaction.run_all(std::move(statements));
  transaction.commit();
}

std::size_t forget(Session& session, std::string_view email) {
  Transaction transaction(session, Kind::kDurable);
  const Rows removed = transaction.finish(
      "WITH facts AS (DELETE FROM postbox_stripe_known WHERE value = $1"
      " OR (key >= 'bought:' AND key < 'bought;' AND octet_length(key) > octet_length($1)"
      " AND substr(key, octet_length(key) - octet_length($1) + 1) = $1) RETURNING 1),"
      " decisions AS (DELETE FROM postbox_stripe_decided WHERE value = $1 RETURNING 1)"
      " SELECT (SELECT count(*) FROM facts) + (SELECT count(*) FROM decisions)",
      Parameters(email));
  return static_cast<std::size_t>(removed.integer(0, 0)) + forget_bodies(session, email);
}

Rewritten rewrite_some(Session& session, Rewritten done, const FactStore::Rewrite& change) {
  const Table& table = kTables.at(done.table);
  const bool is_fact = done.table + 1 == kTables.size();
  Transaction transaction(session, Kind::kDurable);
  const Rows rows =
      transaction.run(table.select, Parameters(done.key, done.as_of, table.rows_at_once));
  std::vector<Statement> statements;
  for (int row = 0; row < rows.size(); ++row) {
    auto changed = changed_row(is_fact, rows, row, change);
    if (changed) statements.push_back({table.replace, *std::move(changed)});
  }
  if (!statements.empty()) {
    for (const Rows& replaced : transaction.run_all(std::move(statements))) {
      done.changed += static_cast<std::size_t>(replaced.size());
    }
  }
  transaction.commit();
  if (rows.size() == table.rows_at_once) {
    done.key = rows.bytes(rows.size() - 1, 0);
    done.as_of = rows.integer(rows.size() - 1, 1);
    return done;
  }
  return {.table = done.table + 1,
          .changed = done.changed,
          .is_done = done.table + 1 == kTables.size()};
}

}  // namespace stripe::fact_upkeep
