// What a server's refusal means, in an Error's code and words.
//
// Place:     inside the PostgreSQL library, under Connection.
// Threads:   pure functions.
// Lifetime:  plain values.
// Failure:   none but for want of memory.
//
// Of a server's message its first line is said, and nothing of its details, which hold keys. A URI
// is never said: it may hold a password.
#pragma once

#include <libpq-fe.h>

#include "failure.hpp"

namespace postbox::postgres {

[[nodiscard]] Failure statement_failure(const PGconn* connection, const PGresult* result);

// Of a connection that could not be made.
[[nodiscard]] Failure connection_failure(const PGconn* connection);

}  // namespace postbox::postgres
