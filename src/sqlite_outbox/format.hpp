// The SQLite outbox's file format: tables, numbers and versions.
//
// Place:     used when a connection is opened (open.cpp), and by whoever reads the file with other
//            tools.
// Threads:   free functions; one thread at a time per Database.
// Lifetime:  the format outlives every version of this code. A number or name below is never
//            changed or reused; a new version of the format adds a step to the list in the source.
// Failure:   throws sqlite::Failure. Nothing is ever deleted or created anew to repair a file.
#pragma once

#include <chrono>
#include <cstdint>
#include <postbox/event.hpp>
#include <string>
#include <string_view>

#include "base/record_checksum.hpp"
#include "sqlite/database.hpp"

namespace postbox::sqlite {

// PRAGMA application_id: "PBox" in ASCII. Do not change.
inline constexpr std::int64_t kApplicationId = 0x50426f78;

// PRAGMA user_version: how many of the migration steps the file has seen.
inline constexpr std::int64_t kSchemaVersion = 5;

// Column outbox.state. Do not change; the SQL text spells these numbers, as partial indexes need
// literals:
//   0  ready, or leased by the sender, which alone knows (Leases)
//   1  delayed: becomes ready at next_at
//   2  held: becomes ready when its queue is released
//
// Column first_attempt_at: when the first attempt that was spent was claimed, by the AgeClock; 0
// before it, and when format 1 did not note it.
// Column dedup: a number that no other row has (WaitingKeys). Its low 34 bits are those of
// dedup_of(queue_id, dedup_key), or of the next number that was free when another key had that one;
// the 28 above are those of part_of() an id that was new when the row got its keys.
// Column checksum, also of outbox_dead and timer: checksum_of(dedup_key, payload).
// Column slot, also of outbox_dead: NULL, or the Timing::slot of a row in order (Timing::in_order):
// it is not claimed while the outbox has one with a lower id of the same profile.
// Table totals, columns last_id: the highest id that was ever given; last_batch: a number of the
// latest append's own (BatchNumber); dead_bytes: about as much as outbox_dead holds; ends: the rows
// of timer_end.
// Table timer: one per slot. event_id: the row in outbox that it became, or 0 while it runs; due_at
// is then when to look whether that still waits. ended_by: keys of 16 bytes, one after the other;
// the same in timer_key, for ends to find.
// Table timer_end: the newest end of a key. Table collapsing: the row of a slot that a newer record
// may take the place of until due_at.
// Table meta, key 'sender_epoch': counts the processes (or instances) that became the sender;
// 'kept/…': texts in parts, see kept.hpp.

// The longest lease. Whoever claims believes in what it asked for, so nothing shorter is cut.
inline constexpr std::chrono::milliseconds kLeaseHorizon = std::chrono::hours(24);

// The longest delay, enforced when written and when read, in case somebody set the wall clock back
// in between: what lies further ahead is over. A clock set back by less makes a row wait that much
// longer.
inline constexpr std::chrono::milliseconds kDelayHorizon = std::chrono::hours(2);

// The longest time that a timer runs.
inline constexpr std::chrono::milliseconds kTimerHorizon = std::chrono::days(366);

// Ends are remembered, by the caller's clock. A cart update that comes after an order and is older
// must not start a timer; a day is long enough for what is late, and bounds the table. Emptying a
// cart is an end of its own slot, so that an older update that is late does not bring the cart
// back.
//
// How long after an end it is remembered: it also holds for a report that comes after it and is
// older.
inline constexpr std::chrono::milliseconds kEndMemory = std::chrono::hours(24);

// How often somebody looks whether what a timer fired still waits.
inline constexpr std::chrono::milliseconds kFiredLook = std::chrono::hours(1);

// The parts of column dedup. A part has the rows of 512 ids, which fill two pages of the index. Of
// two keys in one part that have the same 34 bits the second takes the next number.
inline constexpr int kNumberKeyBits = 34;
inline constexpr std::int64_t kNumberKeyMask = (std::int64_t{1} << kNumberKeyBits) - 1;
[[nodiscard]] constexpr std::int64_t part_of(std::int64_t id) noexcept {
  return (id >> 9) & ((std::int64_t{1} << 28) - 1);
}

// The dedup key is the outbox's, too. The same event offered twice while the first still waits is
// stored once and counted as a duplicate; offered again after delivery, it is sent again with the
// same `unique_id`, and Klaviyo keeps the first.
//
// The dedup index holds 64-bit numbers made of the keys; the row has the key itself, and a number
// that is taken by another key is counted up. It is the index that is read and written in random
// places, and what an event costs most: a third smaller, and compared as integers, it brought the
// outbox's part from 1.6 times the least possible (one table, no index) to 1.45.
[[nodiscard]] std::int64_t dedup_of(std::int64_t queue, const Key& key);

using postbox::checksum_of;
using postbox::checksums_of;

// Brings a file's tables up to date, and makes checksum_of() and dedup_of() known to the steps'
// SQL.
void migrate(Database& database);

}  // namespace postbox::sqlite
