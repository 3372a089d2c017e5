// How a batch of records gets into the SQLite outbox's tables.
//
// Place:     inside append()'s transaction.
// Threads:   a free function; one thread at a time per Database.
// Lifetime:  keeps nothing.
// Failure:   throws sqlite::Failure; the caller's transaction is rolled back then.
#pragma once

#include <cstdint>
#include <postbox/outbox.hpp>
#include <span>

#include "leases.hpp"
#include "sqlite/database.hpp"

namespace postbox::sqlite {

// Stores every record that is not waiting already, does what timings say, and counts it all in the
// totals, as batch `number`. `leases` are null while this process is not the sender.
Appended append_batch(Database& database, std::span<const EventRecord> batch, std::int64_t number,
                      std::int64_t now, const Leases* leases);

}  // namespace postbox::sqlite
