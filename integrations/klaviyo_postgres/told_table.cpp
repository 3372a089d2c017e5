#include <klaviyo_postgres/schema_text.hpp>
#include <klaviyo_postgres/told_table.hpp>
#include <postbox/postgres_put.hpp>
#include <utility>

#include "postgres/store.hpp"

namespace klaviyo {
namespace {

using postbox::postgres::Failure;
using postbox::postgres::Parameters;
using postbox::postgres::Rows;
using postbox::postgres::Session;
using postbox::postgres::Statement;
using postbox::postgres::Store;
using postbox::postgres::Transaction;

constexpr std::chrono::seconds kLimit{5};
// As each puts its events behind a savepoint of its own: the server keeps 64 of a transaction at
// hand, and more of them slow down everybody's reading.
constexpr int kRows = 50;
constexpr std::int64_t kBytes = 4'000'000;  // of bodies, unless one alone has more

// The one question of an idle server: is there anything to do?
constexpr const char* kAnything =
    "SELECT EXISTS (SELECT FROM postbox_told WHERE problem IS NULL OR NOT noted)"
    " OR EXISTS (SELECT FROM postbox_told WHERE problem IS NOT NULL AND told_at < $1)";

constexpr const char* kMyTurn =
    "SELECT pg_try_advisory_xact_lock('postbox_told'::regclass::oid::int, 0)";

constexpr const char* kOldest =
    "SELECT id, told_at, event, body FROM ("
    " SELECT *, sum(octet_length(body)) OVER (ORDER BY id) - octet_length(body) AS before FROM ("
    "  SELECT id, told_at, event, body FROM postbox_told WHERE problem IS NULL ORDER BY id LIMIT $1"
    " ) AS first) AS few WHERE before < $2 ORDER BY id";

// The name of an unknown event is not shown: people wrote it, and it may hold anything.
constexpr const char* kRefused =
    "SELECT told.id, coalesce((SELECT known.event FROM postbox_told_events() AS known"
    "  WHERE known.event = told.event), ''), told.problem"
    " FROM postbox_told AS told WHERE NOT noted AND problem IS NOT NULL ORDER BY id LIMIT $1";

struct Row {
  std::int64_t id;
  ToldEvent told;
};

Row row_of(const Rows& rows, int row) {
  return {rows.integer(row, 0),
          {.event = rows.bytes(row, 2),
           .body = rows.bytes(row, 3),
           .told_at = postbox::WallTime(std::chrono::milliseconds(rows.integer(row, 1)))}};
}

// Puts the events of a row into the inbox. Returns why the database takes none of them, without the
// server's message, which may have values.
std::string put(Transaction& transaction, const postbox::EventDraft& draft) {
  const std::string put = postbox::postgres_statement(draft).in_full;
  if (put.empty()) return {};
  std::vector<Statement> statements;
  for (const char* sql : {"SAVEPOINT told", put.c_str(), "RELEASE SAVEPOINT told"}) {
    statements.push_back({sql});
  }
  try {
    transaction.run_all(std::move(statements));
    return {};
  } catch (const Failure& failure) {
    if (!failure.refuses_values()) throw;
    transaction.run("ROLLBACK TO SAVEPOINT told");
    return "its events are refused by a type, a constraint or a trigger of postbox_inbox: the "
           "server's log has the reason";
  }
}

// Makes events of the rows, and refuses those that are none. A tracker that is closed ends it.
void take_in_rows(Transaction& transaction, const Rows& rows, const ToldTable::Draft& draft,
                  ToldTable::Look& look) {
  std::vector<std::int64_t> done;
  look.has_more = rows.size() > 0;
  for (int i = 0; i < rows.size(); ++i) {
    const Row row = row_of(rows, i);
    ToldDraft made = draft(row.told);
    if (made.draft.result.status() == postbox::TrackStatus::kClosed) {
      look.has_more = false;
      break;
    }
    if (made.problem.empty()) made.problem = put(transaction, made.draft);
    if (made.problem.empty()) {
      done.push_back(row.id);
    } else {
      transaction.run(
          "UPDATE postbox_told SET problem = convert_from($2, 'UTF8'), noted = false WHERE id = $1",
          Parameters(row.id, std::string_view(made.problem)));
    }
  }
  transaction.run("DELETE FROM postbox_told WHERE id = ANY($1)", Parameters(done));
  look.taken_in = done.size();
}

std::vector<ToldTable::Refusal> refused(Transaction& transaction) {
  std::vector<ToldTable::Refusal> all;
  const Rows rows = transaction.run(kRefused, Parameters(std::int64_t{kRows}));
  for (int i = 0; i < rows.size(); ++i) {
    all.push_back(
        {rows.integer(i, 0), std::string(rows.bytes(i, 1)), std::string(rows.bytes(i, 2))});
  }
  return all;
}

ToldTable::Look take_in_some(Session& session, const ToldTable::Draft& draft,
                             postbox::WallTime now) {
  ToldTable::Look look;
  const std::int64_t expired =
      std::chrono::floor<std::chrono::milliseconds>(now - ToldTable::kRetention)
          .time_since_epoch()
          .count();
  {
    Transaction transaction(session, Transaction::Kind::kRead);
    if (!transaction.finish(kAnything, Parameters(expired)).boolean(0, 0)) return look;
  }
  Transaction transaction(session, Transaction::Kind::kDurable);
  if (!transaction.run(kMyTurn).boolean(0, 0)) return look;
  const Rows rows = transaction.run(kOldest, Parameters(std::int64_t{kRows}, kBytes));
  take_in_rows(transaction, rows, draft, look);
  look.refused = refused(transaction);
  look.has_more |= look.refused.size() == kRows;
  look.expired = static_cast<std::size_t>(
      transaction
          .run("WITH gone AS (DELETE FROM postbox_told WHERE problem IS NOT NULL AND noted"
               " AND told_at < $1 RETURNING 1) SELECT count(*) FROM gone",
               Parameters(expired))
          .integer(0, 0));
  transaction.commit();
  return look;
}

}  // namespace

struct ToldTable::Impl {
  std::shared_ptr<postbox::Clock> clock;
  Store store;
};

ToldTable::ToldTable(const std::string& uri, std::shared_ptr<postbox::Clock> clock)
    : impl_(new Impl{
          .clock = clock,
          .store = {kToldSchema, uri, kLimit, clock, postbox::postgres::TimeSource::kServer}}) {}
ToldTable::ToldTable(ToldTable&&) noexcept = default;
ToldTable& ToldTable::operator=(ToldTable&&) noexcept = default;
ToldTable::~ToldTable() = default;

postbox::Result<ToldTable::Look> ToldTable::take_in(const Draft& draft) {
  return impl_->store.run<Look>(Store::Role::kWriter, "told events", [&](Session& session) {
    return take_in_some(session, draft, impl_->clock->wall_now());
  });
}

postbox::Result<void> ToldTable::note(const std::vector<Refusal>& refused) {
  std::vector<std::int64_t> ids;
  for (const Refusal& each : refused) ids.push_back(each.id);
  return impl_->store.run<void>(Store::Role::kWriter, "told events", [&](Session& session) {
    Transaction transaction(session, Transaction::Kind::kRelaxed);
    transaction.finish("UPDATE postbox_told SET noted = true WHERE id = ANY($1)", Parameters(ids));
    return postbox::Result<void>();
  });
}

}  // namespace klaviyo
