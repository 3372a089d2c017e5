// The SQL of each version of the tables, made of the files version_N….sql when this is built.
//
// Place:     inside the PostgreSQL outbox; migrate() runs it.
// Threads:   a constant.
// Lifetime:  the process's.
// Failure:   none.
#pragma once

#include <array>
#include <cstdint>

namespace postbox::postgres {

// How many of the steps below a database has seen, as postbox_meta says under 'version'.
inline constexpr std::int64_t kSchemaVersion = 1;

// Step n brings a database from version n to n + 1. A published step is never edited. While older
// libraries may still be at work it only adds; one that does not raises 'oldest_library'.
extern const std::array<const char*, kSchemaVersion> kSteps;

}  // namespace postbox::postgres
