#include "room.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "rows.hpp"
#include "timers.hpp"

namespace postbox::sqlite {

std::uint32_t Room::fullness() const noexcept {
  constexpr std::uint64_t kAll = 1'000;
  return static_cast<std::uint32_t>(std::min(kAll, (live + stalled_log) * kAll / allowed));
}

Error Room::error() const {
  std::string what = "the outbox holds " + std::to_string(live + stalled_log) +
                     " bytes, and POSTBOX_MAX_DISK allows " + std::to_string(allowed);
  if (live < allowed) {
    what += "; " + std::to_string(stalled_log) +
            " of them are in its log because another program reads the file: it goes on when that "
            "program has ended";
  } else {
    what += ": it goes on when events have been delivered, or raise the limit";
  }
  return {ErrorCode::kOutboxFull, std::move(what)};
}

Room room_in(Database& database, Bytes max_disk) {
  return {.live = live_bytes(database),
          .stalled_log = stalled_log_bytes(database),
          .allowed = max_disk.count};
}

void make_room(Database& database, Bytes max_disk) {
  if (stalled_log_bytes(database) == 0) return;  // without a look into the file
  if (room_in(database, max_disk).is_full()) (void)database.empty_log();
}

bool has_effects_only(std::span<const EventRecord> batch) {
  return std::ranges::none_of(batch, has_event);
}

bool apply_effects(Database& database, std::span<const EventRecord> batch, std::int64_t now) {
  bool any = false;
  for (const EventRecord& record : batch) {
    if (has_event(record)) continue;
    (void)insert_timed(database, record, 0, now, nullptr);
    any = true;
  }
  return any;
}

}  // namespace postbox::sqlite
