// Brings a database's tables up to date, or says why it cannot.
//
// Place:     done once on every new connection of a Store.
// Threads:   a free function; one thread at a time per Session. Several servers that begin at once
//            take turns.
// Lifetime:  keeps nothing.
// Failure:   throws Failure: kOutboxTooNew when a newer library has changed the tables so that this
//            one must not use them, kOutboxUnavailable when they are missing or older and this role
//            may not change them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "transaction.hpp"

namespace postbox::postgres {

// The SQL of each version of some tables. Step n brings a database from version n to n + 1; a
// published step is never edited. While older libraries may still be at work it only adds; one that
// does not raises 'oldest_library'.
// Without steps nothing is looked at.
struct Schema {
  std::string_view meta;  // the table that says under 'version' how many steps were made
  std::span<const char* const> steps;

  [[nodiscard]] std::int64_t version() const noexcept {
    return static_cast<std::int64_t>(steps.size());
  }
};

void migrate(Session& session, const Schema& schema);

}  // namespace postbox::postgres
