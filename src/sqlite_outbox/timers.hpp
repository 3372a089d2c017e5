// Timers of the SQLite outbox, by a record's Timing: events that wait for a newer one to take
// their place, timers that become events, and what ends them.
//
// Place:     inside the SQLite outbox: append() stores with insert_timed(), maintain() fires.
// Threads:   free functions; one thread at a time per Database.
// Lifetime:  everything is in the file: timers survive restarts, and take no memory.
// Failure:   throws sqlite::Failure.
//
// Times: `as_of` is the caller's clock and says which of two reports is newer; what lies ahead of
// the store's is taken for now. `due_at` is the store's wall clock. Set forward, timers are due
// sooner; set back, none waits longer than its delay from then on.
#pragma once

#include <cstdint>
#include <optional>
#include <postbox/event.hpp>
#include <vector>

#include "leases.hpp"
#include "rows.hpp"
#include "sqlite/database.hpp"

namespace postbox::sqlite {

// The effects of an event on others ride on it (`EventRecord::timing`) and happen in the
// transaction that stores it: an order that is on disk has ended its cart's timer. Ordinary records
// have a null pointer, and their appends run no statement more.
//
// Stores a record that has a timing, as `id`, and does what the timing says, inside the caller's
// transaction. `leases` are null while this process is not the sender.
Stored insert_timed(Database& database, const EventRecord& record, std::int64_t id,
                    std::int64_t now, const Leases* leases);

// Makes events of the timers that are due, and forgets what is of no use any more. Returns how many
// events there are now. As much as `chunks` allow.
std::size_t fire_timers(Database& database, std::int64_t now, Chunks& chunks);

// When the next timer is due.
[[nodiscard]] std::optional<std::int64_t> next_timer(Database& database);

// How many timers run.
[[nodiscard]] std::uint64_t count_timers(Database& database);

// Removes those of `timers` that still run for the profile, inside the caller's transaction.
// Returns how many.
std::size_t remove_timers(Database& database, const std::vector<std::int64_t>& timers,
                          const Key& profile);

}  // namespace postbox::sqlite
