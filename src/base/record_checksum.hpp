// The checksum that the stores keep beside an event's bytes.
//
// Place:     made when an outbox stores a record, compared when it is claimed.
// Threads:   pure functions.
// Lifetime:  on disk, in files and databases: the sums never change.
// Failure:   none.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <postbox/event.hpp>

namespace postbox {

// Tells bits that turned on the disk, which SQLite does not look for, from what was written. No
// protection against somebody who can write the file.
[[nodiscard]] std::int64_t checksum_of(const Key& dedup_key, std::string_view payload) noexcept;

// Checksums are made four rows at a time: each step of a sum waits for the multiplication before
// it, and one after the other they were 0.8 of 12 µs of CPU an event in bulk. (A faster sum would
// be another format, and an older program that sends beside this one would take the new rows for
// damaged.)
//
// The same for many records, in a third of the time. `sums` has as many places.
void checksums_of(std::span<const EventRecord* const> records,
                  std::span<std::int64_t> sums) noexcept;

}  // namespace postbox
