// Maintenance of the SQLite outbox's rows as time passes: delayed ones become ready, dead letters
// and ends go.
//
// Place:     below maintain(), which the sender calls; timers are in timers.hpp.
// Threads:   free functions; one thread at a time per Database.
// Lifetime:  keep nothing.
// Failure:   throw sqlite::Failure. What was committed before stays.
//
// Each does its work in chunks, as many as `chunks` allow, and writes nothing when nothing is due.
#pragma once

#include <cstddef>
#include <cstdint>
#include <postbox/bytes.hpp>

#include "rows.hpp"
#include "sqlite/database.hpp"

namespace postbox::sqlite {

// Makes delayed rows ready whose time has come. Returns how many.
std::size_t promote_due(Database& database, std::int64_t now, Chunks& chunks);

// Removes dead letters that died by `cutoff`. Returns how many.
std::size_t expire_dead(Database& database, std::int64_t cutoff, Chunks& chunks);

// Removes the oldest dead letters while all hold more than their share of `max_disk`. Returns how
// many.
std::size_t crowd_out(Database& database, Bytes max_disk, Chunks& chunks);

// Forgets ends that are over, and the oldest while they hold more than their share of `max_disk`.
void forget_ends(Database& database, std::int64_t now, Bytes max_disk, Chunks& chunks);

}  // namespace postbox::sqlite
