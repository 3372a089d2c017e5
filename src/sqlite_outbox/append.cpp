#include "append.hpp"

#include <algorithm>
#include <array>

#include "format.hpp"
#include "rows.hpp"
#include "timers.hpp"

#include "base/assert.hpp"

namespace postbox::sqlite {
namespace {

// Rows go in by eights, and out in runs of ids that follow one another: a statement for each opens
// five cursors, which costs a row a fifth more. The insert says `OR FAIL`: a statement for several
// rows that may be undone alone makes SQLite copy every page it touches, and the gain is gone.
// (Nothing is undone alone here: an error rolls the transaction back.)
//
// Rows that one statement inserts.
constexpr std::size_t kRowsAtOnce = 8;
constexpr int kColumns = 8;
using Rows = std::span<const EventRecord, kRowsAtOnce>;

bool are_untimed(std::span<const EventRecord> records) {
  return std::ranges::all_of(records, [](const EventRecord& record) { return !record.timing; });
}

// Inserts those of the records that no row has yet, each by itself. Returns how many that were.
std::size_t insert_missing(Database& database, Rows records, std::int64_t first_id,
                           std::int64_t now) {
  std::size_t stored = 0;
  std::int64_t id = first_id;
  for (const EventRecord& record : records) {
    const bool is_stored = Query(database, "SELECT 1 FROM outbox WHERE id = ?1").bind(id).step();
    if (!is_stored && insert(database, record, id, now)) ++stored;
    ++id;
  }
  POSTBOX_ASSERT(stored <= records.size());
  return stored;
}

// Inserts records without a timing, as `first_id` and the ids that follow. Returns how many were
// stored; the key of each other one is waiting, and its id stays unused. One statement for them
// all: each opens a cursor for every index, which costs a row a fifth of its way to the disk.
std::size_t insert_at_once(Database& database, Rows records, std::int64_t first_id,
                           std::int64_t now) {
  POSTBOX_ASSERT(first_id > 0);
  WaitingKeys& keys = WaitingKeys::of(database);
  const bool may_wait = std::ranges::any_of(records, [&keys](const EventRecord& record) {
    return keys.may_wait(static_cast<std::int64_t>(record.queue), record.dedup_key);
  });
  if (may_wait) return insert_missing(database, records, first_id, now);
  std::array<const EventRecord*, kRowsAtOnce> pointers{};
  std::array<std::int64_t, kRowsAtOnce> checksums{};
  std::ranges::transform(records, pointers.begin(), [](const EventRecord& each) { return &each; });
  checksums_of(pointers, checksums);
  std::size_t stored = 0;
  {
    // OR FAIL: an error rolls the whole transaction back in any case. By default SQLite would copy
    // each page first, so as to undo this statement alone.
    Query query(database,
                "INSERT OR FAIL INTO outbox(id, queue_id, created_at, dedup, dedup_key,"
                " profile_key, checksum, payload) VALUES"
                " (?,?,?,?,?,?,?,?), (?,?,?,?,?,?,?,?), (?,?,?,?,?,?,?,?), (?,?,?,?,?,?,?,?),"
                " (?,?,?,?,?,?,?,?), (?,?,?,?,?,?,?,?), (?,?,?,?,?,?,?,?), (?,?,?,?,?,?,?,?)"
                " ON CONFLICT(dedup) DO NOTHING");
    int parameter = 1;
    for (std::size_t i = 0; i < kRowsAtOnce; ++i, parameter += kColumns) {
      const EventRecord& record = records[i];
      const auto queue = static_cast<std::int64_t>(record.queue);
      query.bind_from(parameter, first_id + static_cast<std::int64_t>(i), queue, now,
                      keys.take_number(queue, record.dedup_key, first_id, 0), record.dedup_key,
                      record.profile_key, checksums.at(i), record.payload);
    }
    stored = query.run();
  }
  if (stored == records.size()) return stored;
  POSTBOX_ASSERT(stored < records.size());
  return stored + insert_missing(database, records, first_id, now);
}

Stored insert_one(Database& database, const EventRecord& record, std::int64_t id, std::int64_t now,
                  const Leases* leases) {
  if (record.timing) return insert_timed(database, record, id, now, leases);
  return insert(database, record, id, now) ? Stored::kNew : Stored::kNot;
}

void add_up(const EventRecord& record, Stored stored, Appended& appended) {
  if (stored == Stored::kNew) {
    ++appended.inserted;
  } else if (has_event(record)) {
    ++appended.duplicates;
  }
}

}  // namespace

Appended append_batch(Database& database, std::span<const EventRecord> batch, std::int64_t number,
                      std::int64_t now, const Leases* leases) {
  POSTBOX_ASSERT(database.in_transaction());
  const std::size_t size = batch.size();
  const std::int64_t last_before = database.integer("SELECT last_id FROM totals");
  std::int64_t last_id = last_before;
  Appended appended;
  while (!batch.empty()) {
    const std::size_t count =
        batch.size() >= kRowsAtOnce && are_untimed(batch.first(kRowsAtOnce)) ? kRowsAtOnce : 1;
    if (count == kRowsAtOnce) {
      const std::size_t stored =
          insert_at_once(database, batch.first<kRowsAtOnce>(), last_id + 1, now);
      last_id += kRowsAtOnce;
      appended.inserted += stored;
      appended.duplicates += kRowsAtOnce - stored;
    } else {
      const Stored stored = insert_one(database, batch.front(), last_id + 1, now, leases);
      if (stored != Stored::kNot) ++last_id;
      add_up(batch.front(), stored, appended);
    }
    batch = batch.subspan(count);
  }
  POSTBOX_ASSERT(appended.inserted + appended.duplicates <= size);
  // An id is never given twice: handles, and the order of a queue, rest on it.
  POSTBOX_ASSERT(last_id >= last_before + static_cast<std::int64_t>(appended.inserted));
  Query(database,
        "UPDATE totals SET appended = appended + ?1, duplicates = duplicates + ?2, last_id = ?3,"
        " last_batch = ?4")
      .bind(static_cast<std::int64_t>(appended.inserted),
            static_cast<std::int64_t>(appended.duplicates), last_id, number)
      .run();
  return appended;
}

}  // namespace postbox::sqlite
