// FactRows are the statements on a fact store's tables that webhooks wait for, each a transaction
// of its own and one round trip.
//
// Place:     inside the integration: below postgres_fact_store(), which has the connections.
// Threads:   free functions; one thread at a time per Session.
// Lifetime:  keep nothing.
// Failure:   throw postbox::postgres::Failure; what has not committed changes nothing.
#pragma once

#include <cstddef>
#include <optional>
#include <postbox/clock.hpp>
#include <string>
#include <string_view>
#include <stripe/fact_store.hpp>
#include <vector>

namespace postbox::postgres {
struct Session;
}

namespace stripe::fact_rows {

using postbox::WallTime;
using postbox::postgres::Session;

// As the members of FactStore.
void put_facts(Session& session, std::vector<Fact> facts, WallTime now, WallTime expires);
[[nodiscard]] std::optional<std::string> find_fact(Session& session, std::string_view key,
                                                   WallTime at, WallTime now);
[[nodiscard]] bool put_decisions(Session& session, std::vector<Decision> decisions, WallTime now,
                                 WallTime expires);
[[nodiscard]] std::optional<std::string> find_decision(Session& session, std::string_view key,
                                                       WallTime now);
// False when `limit` others are waiting.
[[nodiscard]] bool put_body(Session& session, const WaitingBody& body, std::size_t limit);
[[nodiscard]] std::vector<WaitingBody> ready_bodies(Session& session,
                                                    const std::vector<Fact>& facts, WallTime now);
[[nodiscard]] std::vector<std::string> awaited_keys(Session& session);
[[nodiscard]] std::optional<WallTime> next_due(Session& session);
[[nodiscard]] bool put_off_body(Session& session, const WaitingBody& body, WallTime until);
[[nodiscard]] bool remove_body(Session& session, std::string_view event_id);

}  // namespace stripe::fact_rows
