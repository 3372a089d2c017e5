// The tables of the PostgreSQL fact store: their SQL is made of version_1.sql when this is built.
//
// Place:     inside the integration; its Stores bring a database to it.
// Threads:   a constant.
// Lifetime:  the process's.
// Failure:   none.
#pragma once

namespace postbox::postgres {
struct Schema;
}

namespace stripe {

extern const postbox::postgres::Schema kFactSchema;

}  // namespace stripe
