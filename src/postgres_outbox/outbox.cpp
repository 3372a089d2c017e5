#include "outbox.hpp"

#include <memory>
#include <string>

#include "schema_text.hpp"
#include "shared_rate_gate.hpp"

namespace postbox {
namespace {

// Far above any vendor's limit for one event, far below PostgreSQL's for one row.
constexpr Bytes kMaxPayload = mebibytes(16);

}  // namespace

PostgresOutbox::PostgresOutbox(std::string_view place, const OutboxOptions& options,
                               std::shared_ptr<Clock> clock, postgres::TimeSource source)
    : max_disk_(options.max_disk),
      store_(postgres::kOutboxSchema, "postgresql:" + std::string(place), options.busy_timeout,
             std::move(clock), source) {}

OutboxCaps PostgresOutbox::caps() const noexcept {
  return {.append = Durability::kMachine, .max_payload = kMaxPayload, .shared = true};
}

Result<Settled> PostgresOutbox::settle(ClaimToken token, std::span<const Outcome> outcomes) {
  const Decision decision{token, outcomes};
  return settle_all(std::span(&decision, 1));
}

// Its account is the one whose events are in these tables.
NewRateGate PostgresOutbox::rate_gate() {
  const std::shared_ptr<postgres::Store> store(std::shared_ptr<void>(), &store_);  // not owned
  return postgres::shared_rate_gates({.store = store, .account = "", .random = system_random()});
}

Result<void> PostgresOutbox::back_up(const std::string& /*file*/) {
  return Error{ErrorCode::kInvalidArgument,
               "this outbox is tables of a database: copy them with pg_dump, see docs/postgres.md"};
}

}  // namespace postbox
