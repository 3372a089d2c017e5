// A record as it lies in a spill: all of it, in bytes, which are another store's payload.
//
// Place:     made by SpillOutbox, and read by it again.
// Threads:   pure functions.
// Lifetime:  on disk: the first byte is a version, and what one has written is read by all later
//            ones.
// Failure:   bytes of a newer version are kOutboxTooNew, all else that is no record is
//            kOutboxCorrupt.
#pragma once

#include <string>
#include <string_view>

#include <postbox/event.hpp>
#include <postbox/result.hpp>

namespace postbox {

[[nodiscard]] std::string spill_bytes(const EventRecord& record);

[[nodiscard]] Result<EventRecord> spilled_record(std::string_view bytes);

}  // namespace postbox
