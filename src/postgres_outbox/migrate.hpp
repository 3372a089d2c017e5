// Brings a database's tables up to date, or says why it cannot.
//
// Place:     done once on every new connection of the PostgreSQL outbox.
// Threads:   a free function; one thread at a time per Session. Several servers that begin at once
//            take turns.
// Lifetime:  keeps nothing.
// Failure:   throws Failure: kOutboxTooNew when a newer library has changed the tables so that this
//            one must not use them, kOutboxUnavailable when they are missing or older and this role
//            may not change them.
#pragma once

#include "transaction.hpp"

namespace postbox::postgres {

void migrate(Session& session);

}  // namespace postbox::postgres
