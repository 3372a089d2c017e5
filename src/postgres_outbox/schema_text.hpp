// The tables of the PostgreSQL outbox: their SQL is made of the files version_N….sql when this is
// built.
//
// Place:     inside the PostgreSQL outbox; its Stores bring a database to it.
// Threads:   a constant.
// Lifetime:  the process's.
// Failure:   none.
#pragma once

#include "postgres/migrate.hpp"

namespace postbox::postgres {

extern const Schema kOutboxSchema;

}  // namespace postbox::postgres
