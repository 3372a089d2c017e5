#include "order.hpp"

#include <optional>

#include "format.hpp"

#include "base/assert.hpp"

namespace postbox::sqlite {
namespace {

// The newest row of the slot that may not be under way.
std::optional<std::int64_t> free_row(Database& database, const EventRecord& record,
                                     const Leases& leases) {
  Query query(database,
              "SELECT id FROM outbox INDEXED BY outbox_in_order"
              " WHERE profile_key = ?1 AND slot = ?2 ORDER BY id DESC");
  query.bind(record.profile_key, record.timing->slot);
  while (query.step()) {
    if (!leases.knows(query.integer(0))) return query.integer(0);
  }
  return std::nullopt;
}

// Makes the row what it would be if the record had just come in: ready, with nothing spent. Returns
// false when the record's own key waits elsewhere.
bool take_over(Database& database, const EventRecord& record, std::int64_t row, std::int64_t id,
               std::int64_t now) {
  Query update(database,
               "UPDATE OR IGNORE outbox SET id = ?2, queue_id = ?3, state = 0, attempts = 0,"
               " next_at = 0, created_at = ?4, first_attempt_at = 0, dedup = ?5, dedup_key = ?6,"
               " checksum = ?7, payload = ?8 WHERE id = ?1");
  const auto queue = static_cast<std::int64_t>(record.queue);
  const std::int64_t checksum = checksum_of(record.dedup_key, record.payload);
  return with_number(
      database, record, id,
      [&](std::int64_t number) {
        return update.bind(row, id, queue, now, number, record.dedup_key, checksum, record.payload)
                   .run() == 1;
      },
      row);
}

}  // namespace

Stored insert_in_order(Database& database, const EventRecord& record, std::int64_t id,
                       std::int64_t now, const Leases* leases) {
  POSTBOX_ASSERT(record.timing->in_order && record.timing->debounce.count() == 0);
  if (leases != nullptr) {
    if (const auto row = free_row(database, record, *leases)) {
      return take_over(database, record, *row, id, now) ? Stored::kInPlace : Stored::kNot;
    }
  }
  if (!insert(database, record, id, now)) return Stored::kNot;
  Query(database, "UPDATE outbox SET slot = ?2 WHERE id = ?1").bind(id, record.timing->slot).run();
  return Stored::kNew;
}

bool is_followed(Database& database, std::int64_t row) {
  Query query(database,
              "SELECT 1 FROM outbox AS this JOIN outbox AS other INDEXED BY outbox_in_order"
              " ON other.profile_key = this.profile_key AND other.id > this.id"
              " WHERE this.id = ?1 AND other.slot IS NOT NULL LIMIT 1");
  return query.bind(row).step();
}

}  // namespace postbox::sqlite
