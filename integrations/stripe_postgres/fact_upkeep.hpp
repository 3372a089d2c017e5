// FactUpkeep is what is done to a fact store's tables as a whole: what has expired goes, and what
// is too much; an address is forgotten, records are encrypted anew.
//
// Place:     inside the integration: below postgres_fact_store(), on a connection that no webhook
//            waits for.
// Threads:   free functions; one thread at a time per Session.
// Lifetime:  keep nothing.
// Failure:   throw postbox::postgres::Failure; transactions before the one that failed stand.
//
// Each takes a part of the rows in a transaction, and passes over those that others hold: no
// webhook waits for it for long.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <postbox/clock.hpp>
#include <string>
#include <string_view>
#include <stripe/fact_store.hpp>

namespace postbox::postgres {
struct Session;
}

namespace stripe::fact_upkeep {

using postbox::WallTime;
using postbox::postgres::Session;

// Remove some of the facts and decisions that have expired. Returns how many; zero: all are gone.
[[nodiscard]] std::size_t remove_expired(Session& session, WallTime now);

// Remove those that expire first of what is beyond the limits.
void keep_limits(Session& session, const FactStoreLimits& limits);

// As FactStore::forget().
[[nodiscard]] std::size_t forget(Session& session, std::string_view email);

// The part of FactStore::rewrite() that is done.
struct Rewritten {
  std::size_t table = 0;
  std::string key{};  // of that table's last row that was looked at
  std::int64_t as_of = 0;
  std::size_t changed = 0;
  bool is_done = false;
};

// Goes on with some rows, in a transaction of their own. Rows that others change meanwhile are left
// to them.
[[nodiscard]] Rewritten rewrite_some(Session& session, Rewritten done,
                                     const FactStore::Rewrite& change);

}  // namespace stripe::fact_upkeep
