// How a record in order gets into the outbox: the update of a profile, of which the last one must
// be the last one sent.
//
// Place:     inside append()'s transaction; claim() has the other half, which leaves a row in order
//            alone while its profile has an older one.
// Threads:   free functions; one thread at a time per Database.
// Lifetime:  keeps nothing.
// Failure:   throws sqlite::Failure; the caller's transaction is rolled back then.
#pragma once

#include <cstdint>
#include <postbox/event.hpp>

#include "leases.hpp"
#include "rows.hpp"
#include "sqlite/database.hpp"

namespace postbox::sqlite {

// Updates of a profile wait for each other in the claim, by an index on profiles that only their
// rows are in; an ordinary row costs that a look for NULL. The slot of an update is the set of
// fields it names: a newer one of the same set leaves nothing of the older, which gives way; one of
// another set would take fields away with it. The row takes a new id: it stands behind what came
// between.
//
// Stores a record whose timing says `in_order` as `id`: in the row of the newest one of its slot
// that is in no one's hands, which takes the new id with it to the end, or in a row of its own.
// Only the sender knows what is in its hands: for all others `leases` are null, and nothing gives
// way.
Stored insert_in_order(Database& database, const EventRecord& record, std::int64_t id,
                       std::int64_t now, const Leases* leases);

// Whether others in order of the row's profile wait behind the row.
[[nodiscard]] bool is_followed(Database& database, std::int64_t row);

}  // namespace postbox::sqlite
