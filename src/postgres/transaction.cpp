#include "transaction.hpp"

#include <iterator>
#include <optional>

#include "failure.hpp"

namespace postbox::postgres {

Transaction::~Transaction() {
  if (!session_.connection.in_transaction()) return;
  try {
    const Statement rollback{"ROLLBACK"};
    (void)session_.connection.exchange(std::span(&rollback, 1));
  } catch (...) {
    // The connection has ended, and the transaction with it.
  }
}

Rows Transaction::run(const char* sql, Parameters parameters) {
  std::vector<Statement> one;
  one.push_back({sql, std::move(parameters)});
  return std::move(send(std::move(one), false).front());
}

std::vector<Rows> Transaction::run_all(std::vector<Statement> statements) {
  return send(std::move(statements), false);
}

Rows Transaction::finish(const char* sql, Parameters parameters) {
  std::vector<Statement> one;
  one.push_back({sql, std::move(parameters)});
  return std::move(send(std::move(one), true).front());
}

void Transaction::commit() {
  if (has_begun_ && !has_ended_) (void)send({}, true);
}

// What one round trip carries is a transaction by itself: only one that goes on needs its own words
// for begin and end.
std::vector<Rows> Transaction::send(std::vector<Statement> statements, bool last) {
  const bool is_first = !std::exchange(has_begun_, true);
  const std::string settings = is_first ? this->settings() : std::string();
  std::vector<Statement> all;
  if (is_first && !last) {
    all.push_back({kind_ == Kind::kRead ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
                                        : "BEGIN ISOLATION LEVEL READ COMMITTED"});
  }
  if (is_first) all.push_back({settings.c_str(), Parameters(session_.time.injected())});
  const auto before = static_cast<std::ptrdiff_t>(all.size());
  const auto count = static_cast<std::ptrdiff_t>(statements.size());
  std::ranges::move(statements, std::back_inserter(all));
  if (!is_first && last) all.push_back({"COMMIT"});
  std::vector<Rows> results = session_.connection.exchange(all);
  if (is_first) {
    now_ = results.at(static_cast<std::size_t>(before) - 1).integer(0, 0);
    session_.time.heard(now_);
  }
  has_ended_ = last;
  results.erase(results.begin(), results.begin() + before);
  results.resize(static_cast<std::size_t>(count));
  return results;
}

// For this transaction alone. Rows are always found by an index: the statistics of a table that is
// empty at times would let the server walk through all of it. What it forbids looks so expensive to
// the server that it would compile the statement, for a tenth of a second, were that not forbidden
// as well.
std::string Transaction::settings() const {
  const std::string limit = std::to_string(session_.connection.limit().count());
  std::string sql =
      "SELECT coalesce($1, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint),"
      " set_config('statement_timeout', '" +
      limit + "', true), set_config('lock_timeout', '" + limit +
      "', true), set_config('idle_in_transaction_session_timeout', '60000', true)"
      ", set_config('jit', 'off', true)";
  if (kind_ == Kind::kRead) return sql;
  sql += ", set_config('enable_seqscan', 'off', true)";
  if (kind_ == Kind::kRelaxed) return sql + ", set_config('synchronous_commit', 'off', true)";
  return sql +
         ", set_config('synchronous_commit', CASE current_setting('synchronous_commit')"
         " WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, true)";
}

}  // namespace postbox::postgres
