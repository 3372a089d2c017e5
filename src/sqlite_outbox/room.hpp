// Whether the SQLite outbox has room for more, and what needs none.
//
// Place:     inside append().
// Threads:   free functions; one thread at a time per Database.
// Lifetime:  plain values.
// Failure:   throws sqlite::Failure.
#pragma once

#include <cstdint>
#include <postbox/bytes.hpp>
#include <postbox/error.hpp>
#include <postbox/event.hpp>
#include <span>

#include "sqlite/database.hpp"

namespace postbox::sqlite {

// The use of the disk: pages that hold something, and a log that cannot be emptied now.
struct Room {
  std::uint64_t live = 0;
  std::uint64_t stalled_log = 0;
  std::uint64_t allowed = 0;

  [[nodiscard]] bool is_full() const noexcept { return live + stalled_log >= allowed; }
  [[nodiscard]] std::uint32_t fullness() const noexcept;  // in thousandths
  [[nodiscard]] Bytes left() const noexcept {
    return Bytes{is_full() ? 0 : allowed - live - stalled_log};
  }
  [[nodiscard]] Error error() const;
};

[[nodiscard]] Room room_in(Database& database, Bytes max_disk);

// Empties the log when the outbox is full because of it. Outside a transaction.
void make_room(Database& database, Bytes max_disk);

// Whether no record of the batch is an event (Timing::effects_only): what it cancels takes more
// room than it adds.
[[nodiscard]] bool has_effects_only(std::span<const EventRecord> batch);

// Does what the records say that are no events, and stores none of the others. Returns whether
// there was one.
[[nodiscard]] bool apply_effects(Database& database, std::span<const EventRecord> batch,
                                 std::int64_t now);

}  // namespace postbox::sqlite
