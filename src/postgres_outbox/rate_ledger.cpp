#include "rate_ledger.hpp"

namespace postbox::postgres {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAway{5'000};

std::int64_t until(SteadyTime time, SteadyTime now) {
  return std::chrono::floor<milliseconds>(time - now).count();
}

// A word needs some time to the database, and comes to be about a later time.
constexpr std::int64_t kWay = 100;

void add_answers(Parameters& parameters, const RateQuestion& question, SteadyTime now) {
  const auto& seen = question.seen;
  using Optional = std::optional<std::int64_t>;
  parameters.add(seen ? Optional(seen->limit) : std::nullopt)
      .add(seen ? Optional(seen->remaining) : std::nullopt)
      .add(seen ? Optional(until(seen->end_from, now) - kWay) : std::nullopt)
      .add(seen ? Optional(until(seen->end_to, now)) : std::nullopt)
      .add(question.refused_for ? Optional(question.refused_for->count()) : std::nullopt);
}

}  // namespace

std::optional<RateGrant> DatabaseLedger::ask(const Lane& lane, const RateQuestion& question) {
  DatabaseTime& time = store_->time();
  const SteadyTime asked = time.steady_now();
  if (!is_there(asked)) return std::nullopt;
  const std::string name = account_ + '/' + std::string(lane.name);
  const auto requests = [](const RateWindow& window) {
    return static_cast<std::int64_t>(window.requests);
  };
  auto grant = store_->run<
      RateGrant>(Store::Role::kSender, "cannot ask for quota", [&](Session& session) {
    Parameters parameters(time.injected(), std::string_view(name), server_,
                          std::int64_t{kLease.count()}, requests(lane.burst),
                          std::int64_t{lane.burst.length.count()}, requests(lane.steady),
                          std::int64_t{lane.steady.length.count()}, question.per_mille,
                          question.wanted, std::int64_t{question.span.count()}, question.evenly,
                          question.recent, question.window, question.unused);
    add_answers(parameters, question, time.steady_now());
    Transaction transaction(session, Transaction::Kind::kRelaxed);
    const Rows rows = transaction.finish(
        "SELECT requests, share, starts_in, gap, again, room, most, ends_in, servers, win, shut,"
        " spread"
        " FROM postbox_rate_take($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,"
        " $15, $16, $17, $18, $19, $20)",
        std::move(parameters));
    return grant_of(rows, asked);
  });
  if (grant) return *grant;
  away_until_ = time.steady_now() + kAway;
  return std::nullopt;
}

// What limits us counts from when we asked, what the vendor does from when the database answered.
RateGrant DatabaseLedger::grant_of(const Rows& rows, SteadyTime asked) {
  const SteadyTime now = store_->time().steady_now();
  const auto span = [&](int column) { return milliseconds(rows.integer(0, column)); };
  servers_ = rows.integer(0, 8);
  RateGrant grant{.requests = rows.integer(0, 0),
                  .share = rows.integer(0, 1),
                  .first = now + span(2),
                  .last = asked + kLease,
                  .gap = span(3),
                  .again = now + span(4),
                  .window = rows.integer(0, 9),
                  .room = rows.integer(0, 5),
                  .limit = rows.integer(0, 6),
                  .shut = rows.boolean(0, 10),
                  .spread = rows.boolean(0, 11)};
  if (const auto ends_in = rows.optional(0, 7)) grant.window_end = now + milliseconds(*ends_in);
  return grant;
}

}  // namespace postbox::postgres
