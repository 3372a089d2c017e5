// The tables of told events: their SQL is made of version_1.sql when this is built.
//
// Place:     inside the integration; ToldTable brings a database to it.
// Threads:   a constant.
// Lifetime:  the process's.
// Failure:   none.
#pragma once

namespace postbox::postgres {
struct Schema;
}

namespace klaviyo {

extern const postbox::postgres::Schema kToldSchema;

}  // namespace klaviyo
