#include <klaviyo_postgres/schema_text.hpp>
#include <klaviyo_postgres/told_table.hpp>
#include <postbox/postgres_put.hpp>
#include <utility>

#include "postgres/store.hpp"

namespace klaviyo {
namespace {

using postbox::postgres::Parameters;
using postbox::postgres::Rows;
using postbox::postgres::Session;
using postbox::postgres::Store;
using postbox::postgres::Transaction;

constexpr std::chrono::seconds kLimit{5};
constexpr int kRows = 100;
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
constexpr const char* kNote =
    "WITH few AS ("
    " SELECT id FROM postbox_told WHERE NOT noted AND problem IS NOT NULL ORDER BY id LIMIT $1)"
    " UPDATE postbox_told AS told SET noted = true FROM few WHERE told.id = few.id"
    " RETURNING told.id, coalesce((SELECT known.event FROM postbox_told_events() AS known"
    "  WHERE known.event = told.event), ''), told.problem";

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

// Makes events of the rows, and refuses those that are none. A tracker that is closed ends it.
void take_in_rows(Transaction& transaction, const Rows& rows, const ToldTable::Draft& draft,
                  ToldTable::Look& look) {
  std::vector<std::int64_t> done;
  look.has_more = rows.size() > 0;
  for (int i = 0; i < rows.size(); ++i) {
    const Row row = row_of(rows, i);
    const ToldDraft made = draft(row.told);
    if (made.draft.result.status() == postbox::TrackStatus::kClosed) {
      look.has_more = false;
      break;
    }
    if (!made.problem.empty()) {
      transaction.run(
          "UPDATE postbox_told SET problem = convert_from($2, 'UTF8'), noted = false WHERE id = $1",
          Parameters(row.id, std::string_view(made.problem)));
      continue;
    }
    const std::string put = postbox::postgres_statement(made.draft).in_full;
    if (!put.empty()) transaction.run(put.c_str());
    done.push_back(row.id);
  }
  transaction.run("DELETE FROM postbox_told WHERE id = ANY($1)", Parameters(done));
  look.taken_in = done.size();
}

void note_refused(Transaction& transaction, ToldTable::Look& look) {
  const Rows rows = transaction.run(kNote, Parameters(std::int64_t{kRows}));
  for (int i = 0; i < rows.size(); ++i) {
    look.refused.push_back(
        {rows.integer(i, 0), std::string(rows.bytes(i, 1)), std::string(rows.bytes(i, 2))});
  }
  look.has_more |= rows.size() == kRows;
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
  note_refused(transaction, look);
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

}  // namespace klaviyo
