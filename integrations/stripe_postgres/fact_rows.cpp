#include <algorithm>
#include <stripe_postgres/fact_rows.hpp>

#include "postgres/transaction.hpp"

namespace stripe::fact_rows {
namespace {

using postbox::postgres::Parameters;
using postbox::postgres::Rows;
using postbox::postgres::Transaction;
using Kind = Transaction::Kind;

// Stripe delivers for up to three days: so long a replaced value is of use.
constexpr std::chrono::hours kLate{24 * 4};

std::int64_t stamp(WallTime time) { return time.time_since_epoch().count(); }

WallTime time_in(const Rows& rows, int row, int column) {
  return WallTime(std::chrono::milliseconds(rows.integer(row, column)));
}

Rows ask(Session& session, Kind kind, const char* sql, Parameters parameters = {}) {
  return Transaction(session, kind).finish(sql, std::move(parameters));
}

std::optional<std::string> first_of(const Rows& rows) {
  if (rows.size() == 0) return std::nullopt;
  return std::string(rows.bytes(0, 0));
}

std::vector<std::string_view> keys_of(const auto& records) {
  std::vector<std::string_view> keys;
  for (const auto& record : records) keys.push_back(record.key);
  return keys;
}

std::vector<std::string_view> values_of(const auto& records) {
  std::vector<std::string_view> values;
  for (const auto& record : records) values.push_back(record.value);
  return values;
}

}  // namespace

void put_facts(Session& session, std::vector<Fact> facts, WallTime now, WallTime expires) {
  std::ranges::stable_sort(facts, {}, &Fact::key);
  std::vector<std::int64_t> times;
  for (const Fact& fact : facts) times.push_back(stamp(fact.as_of));
  (void)ask(
      session, Kind::kDurable, "SELECT postbox_stripe_tell($1, $2, $3, $4, $5)",
      Parameters(keys_of(facts), times, values_of(facts), stamp(expires), stamp(now + kLate)));
}

std::optional<std::string> find_fact(Session& session, std::string_view key, WallTime at,
                                     WallTime now) {
  return first_of(ask(session, Kind::kRead,
                      "(SELECT value, 1 AS place FROM postbox_stripe_known"
                      " WHERE key = $1 AND as_of <= $2 AND expires > $3"
                      " ORDER BY as_of DESC LIMIT 1)"
                      " UNION ALL"
                      " (SELECT value, 2 FROM postbox_stripe_known"
                      " WHERE key = $1 AND as_of > $2 AND expires > $3 AND value <> ''"
                      " ORDER BY as_of LIMIT 1)"
                      " ORDER BY place LIMIT 1",
                      Parameters(key, stamp(at), stamp(now))));
}

bool put_decisions(Session& session, std::vector<Decision> decisions, WallTime now,
                   WallTime expires) {
  std::ranges::stable_sort(decisions, {}, &Decision::key);
  return ask(session, Kind::kDurable, "SELECT postbox_stripe_decide($1, $2, $3, $4)",
             Parameters(keys_of(decisions), values_of(decisions), stamp(now), stamp(expires)))
      .boolean(0, 0);
}

std::optional<std::string> find_decision(Session& session, std::string_view key, WallTime now) {
  return first_of(ask(session, Kind::kRead,
                      "SELECT value FROM postbox_stripe_decided WHERE key = $1 AND expires > $2",
                      Parameters(key, stamp(now))));
}

// The count excludes the body itself: one that waits already may go on waiting under another key
// when the table is full.
bool put_body(Session& session, const WaitingBody& body, std::size_t limit) {
  return ask(session, Kind::kDurable,
             "INSERT INTO postbox_stripe_waiting(event_id, body, key, until)"
             " SELECT $1, $2, $3, $4"
             " WHERE (SELECT count(*) FROM postbox_stripe_waiting WHERE event_id <> $1) < $5"
             " ON CONFLICT (event_id) DO UPDATE SET key = excluded.key RETURNING true",
             Parameters(body.event_id, body.body, body.key, stamp(body.until),
                        static_cast<std::int64_t>(limit)))
             .size() > 0;
}

std::vector<WaitingBody> ready_bodies(Session& session, const std::vector<Fact>& facts,
                                      WallTime now) {
  const Rows rows = ask(session, Kind::kRead,
                        "SELECT event_id, body, key, until FROM postbox_stripe_waiting"
                        " WHERE until <= $1 OR key = ANY($2) ORDER BY until",
                        Parameters(stamp(now), keys_of(facts)));
  std::vector<WaitingBody> bodies;
  for (int row = 0; row < rows.size(); ++row) {
    bodies.push_back({std::string(rows.bytes(row, 0)), std::string(rows.bytes(row, 1)),
                      std::string(rows.bytes(row, 2)), time_in(rows, row, 3)});
  }
  return bodies;
}

std::vector<std::string> awaited_keys(Session& session) {
  const Rows rows =
      ask(session, Kind::kRead, "SELECT key FROM postbox_stripe_waiting ORDER BY until");
  std::vector<std::string> keys;
  for (int row = 0; row < rows.size(); ++row) keys.emplace_back(rows.bytes(row, 0));
  return keys;
}

std::optional<WallTime> next_due(Session& session) {
  const Rows rows =
      ask(session, Kind::kRead, "SELECT until FROM postbox_stripe_waiting ORDER BY until LIMIT 1");
  if (rows.size() == 0) return std::nullopt;
  return time_in(rows, 0, 0);
}

bool put_off_body(Session& session, const WaitingBody& body, WallTime until) {
  return ask(session, Kind::kRelaxed,
             "UPDATE postbox_stripe_waiting SET until = $3 WHERE event_id = $1 AND until = $2"
             " RETURNING true",
             Parameters(body.event_id, stamp(body.until), stamp(until)))
             .size() > 0;
}

// One that a crash of the server brings back is handled again: to the same events.
bool remove_body(Session& session, std::string_view event_id) {
  return ask(session, Kind::kRelaxed,
             "DELETE FROM postbox_stripe_waiting WHERE event_id = $1 RETURNING true",
             Parameters(event_id))
             .size() > 0;
}

}  // namespace stripe::fact_rows
