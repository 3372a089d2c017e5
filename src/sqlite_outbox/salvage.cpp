#include "salvage.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <limits>
#include <optional>
#include <string_view>

#include "base/name_lock.hpp"
#include "format.hpp"
#include "kept.hpp"
#include "open.hpp"
#include "rows.hpp"
#include "sqlite/store_file.hpp"

namespace postbox::sqlite {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kBusyTimeout{1'000};

// Reads past damage: how often a query may fail before the rest is given up.
constexpr int kMostFailures = 5'000;

// Runs a query over ranges of ids, and where one fails, over the halves of the rest.
class RangeReader {
 public:
  template <class Take>
  void read(std::int64_t after, std::int64_t last, const Take& take) {
    while (after < last) {
      std::int64_t reached = after;
      try {
        take(after, last, reached);
        return;
      } catch (const Failure&) {
        if (++failures_ > kMostFailures) return;
      }
      if (last - reached == 1) return;  // this row cannot be read
      const std::int64_t middle = reached + (last - reached) / 2;
      read(reached, middle, take);
      after = middle;
    }
  }

 private:
  int failures_ = 0;
};

std::int64_t integer_or(Database& database, const char* sql, std::int64_t otherwise) {
  try {
    return database.integer(sql);
  } catch (const Failure&) {
    return otherwise;
  }
}

constexpr std::int64_t kHighestId = std::numeric_limits<std::int64_t>::max();

// Returns the newest id, or the highest where that cannot be read: rows before it can.
std::int64_t last_in(Database& database, const char* sql) {
  return integer_or(database, sql, kHighestId);
}

std::size_t copy_waiting(Database& from, Database& to) {
  const std::int64_t last_id = last_in(from, "SELECT max(id) FROM outbox");
  std::size_t copied = 0;
  RangeReader().read(0, last_id, [&](std::int64_t after, std::int64_t last, std::int64_t& reached) {
    Query rows(from,
               "SELECT id, queue_id, state, attempts, next_at, created_at, first_attempt_at,"
               " dedup_key, profile_key, payload, checksum, slot FROM outbox NOT INDEXED"
               " WHERE id > ?1 AND id <= ?2 ORDER BY id");
    Query insert(to,
                 "INSERT INTO outbox(id, queue_id, state, attempts, next_at, created_at,"
                 " first_attempt_at, dedup_key, profile_key, payload, checksum, dedup, slot)"
                 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
                 " ON CONFLICT(dedup) DO NOTHING");
    rows.bind(after, last);
    while (rows.step()) {
      const std::int64_t id = rows.integer(0);
      const EventRecord record{.queue = QueueId{static_cast<std::uint32_t>(rows.integer(1))},
                               .dedup_key = rows.key(7),
                               .profile_key = rows.key(8),
                               .payload = rows.bytes(9)};
      reached = id;
      if (Query(to, "SELECT 1 FROM outbox WHERE id = ?1").bind(id).step()) continue;
      const bool is_new = with_number(to, record, id, [&](std::int64_t number) {
        return insert
                   .bind(id, rows.integer(1), rows.integer(2), rows.integer(3), rows.integer(4),
                         rows.integer(5), rows.integer(6), record.dedup_key, record.profile_key,
                         record.payload, rows.integer(10), number, rows.key_or_null(11))
                   .run() == 1;
      });
      copied += is_new ? 1 : 0;
    }
  });
  return copied;
}

std::size_t copy_dead(Database& from, Database& to) {
  const std::int64_t last_id = last_in(from, "SELECT max(id) FROM outbox_dead");
  std::size_t copied = 0;
  RangeReader().read(0, last_id, [&](std::int64_t after, std::int64_t last, std::int64_t& reached) {
    Query rows(from,
               "SELECT id, queue_id, attempts, created_at, died_at, http_status, first_attempt_at,"
               " reason, pointer, dedup_key, profile_key, payload, checksum, slot"
               " FROM outbox_dead NOT INDEXED"
               " WHERE id > ?1 AND id <= ?2 ORDER BY id");
    Query insert(to,
                 "INSERT INTO outbox_dead(id, queue_id, attempts, created_at, died_at, http_status,"
                 " first_attempt_at, reason, pointer, dedup_key, profile_key, payload, checksum,"
                 " slot)"
                 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
                 " ON CONFLICT DO NOTHING");
    rows.bind(after, last);
    while (rows.step()) {
      const std::string reason = rows.bytes(7);
      const std::string pointer = rows.bytes(8);
      const Key dedup_key = rows.key(9);
      const Key profile_key = rows.key(10);
      const std::string payload = rows.bytes(11);
      insert.bind(rows.integer(0), rows.integer(1), rows.integer(2), rows.integer(3),
                  rows.integer(4), rows.integer(5), rows.integer(6), std::string_view(reason),
                  std::string_view(pointer), dedup_key, profile_key, payload, rows.integer(12),
                  rows.key_or_null(13));
      copied += insert.run();
      reached = rows.integer(0);
    }
  });
  return copied;
}

// The keys that end a timer are read from the timer; ends that came before are forgotten.
void copy_timers(Database& from, Database& to) {
  const std::int64_t last_id = last_in(from, "SELECT max(id) FROM timer");
  RangeReader().read(0, last_id, [&](std::int64_t after, std::int64_t last, std::int64_t& reached) {
    Query rows(from,
               "SELECT id, due_at, delay, as_of, event_id, queue_id, slot, ended_by, dedup_key,"
               " profile_key, payload, checksum FROM timer NOT INDEXED WHERE id > ?1 AND id <= ?2"
               " ORDER BY id");
    Query insert(to,
                 "INSERT INTO timer(id, due_at, delay, as_of, event_id, queue_id, slot, ended_by,"
                 " dedup_key, profile_key, payload, checksum)"
                 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
                 " ON CONFLICT DO NOTHING");
    Query insert_key(to,
                     "INSERT INTO timer_key(key, timer_id) VALUES (?1, ?2)"
                     " ON CONFLICT DO NOTHING");
    rows.bind(after, last);
    while (rows.step()) {
      const std::int64_t id = rows.integer(0);
      const Key slot = rows.key(6);
      const std::string ended_by = rows.bytes(7);
      const Key dedup_key = rows.key(8);
      const Key profile_key = rows.key(9);
      const std::string payload = rows.bytes(10);
      insert.bind(id, rows.integer(1), rows.integer(2), rows.integer(3), rows.integer(4),
                  rows.integer(5), slot, ended_by, dedup_key, profile_key, payload,
                  rows.integer(11));
      (void)insert.run();
      for (std::size_t at = 0; at + slot.size() <= ended_by.size(); at += slot.size()) {
        const std::string key = ended_by.substr(at, slot.size());
        (void)insert_key.bind(key, id).run();
      }
      reached = id;
    }
  });
}

// An id is never used again: not those of rows that could not be read either.
std::int64_t last_id_of(Database& from, Database& to) {
  constexpr std::int64_t kMissing = 1'000'000;
  const std::int64_t found = std::max(to.integer("SELECT max(id) FROM outbox"),
                                      to.integer("SELECT max(id) FROM outbox_dead"));
  return std::max(found, integer_or(from, "SELECT last_id FROM totals", found + kMissing));
}

// So that the new file's own count adds up; what could not be read is missing from it.
void copy_totals(Database& from, Database& to, const Salvaged& rows) {
  const std::int64_t delivered = integer_or(from, "SELECT delivered FROM totals", 0);
  const std::int64_t purged = integer_or(from, "SELECT purged FROM totals", 0);
  const std::int64_t expired = integer_or(from, "SELECT expired FROM totals", 0);
  const std::int64_t duplicates = integer_or(from, "SELECT duplicates FROM totals", 0);
  const std::int64_t fired = integer_or(from, "SELECT fired FROM totals", 0);
  const auto here = static_cast<std::int64_t>(rows.waiting + rows.dead);
  Query(to,
        "UPDATE totals SET appended = ?1, duplicates = ?2, delivered = ?3, purged = ?4,"
        " expired = ?5, last_id = ?6, fired = ?7")
      .bind(delivered + purged + expired + here - fired, duplicates, delivered, purged, expired,
            last_id_of(from, to), fired)
      .run();
}

// Returns with everything of the new file in the one file that bears its name.
Salvaged write_new_file(Database& from, const std::string& path) {
  const std::string name = replacement_of(path);
  for (const char* suffix : {"", "-wal", "-shm"}) remove_file(name + suffix);
  SharedFile shared;
  Salvaged rows;
  {
    Database to = open_new_store(name, shared, kBusyTimeout);
    rows = copy_readable_rows(from, to);
  }
  if (fs::exists(name + "-wal")) {
    throw Failure(Error{ErrorCode::kOutboxUnavailable, "cannot complete '" + name + "'"});
  }
  return rows;
}

std::string count_of(const Salvaged& rows) {
  return std::to_string(rows.waiting) + " waiting events and " + std::to_string(rows.dead) +
         " dead letters";
}

}  // namespace

Salvaged copy_readable_rows(Database& from, Database& to) {
  Transaction transaction(to, Transaction::Kind::kDurable);
  Salvaged rows;
  rows.waiting = copy_waiting(from, to);
  rows.dead = copy_dead(from, to);
  copy_timers(from, to);
  copy_kept(from, to);
  copy_totals(from, to, rows);
  transaction.commit();
  return rows;
}

// From SQLite's file format, section 1.3: the magic at 0, the application id at 68, big-endian.
bool is_an_outbox(Database& database) {
  std::array<unsigned char, 100> header{};
  if (!database.read_header(header)) return false;
  static constexpr std::array kMagic = std::to_array("SQLite format 3");  // with its final zero
  std::uint32_t application = 0;
  for (std::size_t i = 68; i < 72; ++i) application = application << 8U | header.at(i);
  return std::equal(kMagic.begin(), kMagic.end(), header.begin()) && application == kApplicationId;
}

Error replace_damaged_file(const std::string& path) {
  const NameLock name(path, kBusyTimeout);
  if (name.trouble()) throw Failure(*name.trouble());
  const std::string aside = name_aside(path, "damaged");
  SharedFile shared;
  Database from = Database::open_file(path, shared, kBusyTimeout);
  if (!is_an_outbox(from)) {
    return {ErrorCode::kOutboxCorrupt,
            "the file is damaged, and not known to be an outbox: move it aside together with its "
            "-wal and -shm files, or set POSTBOX_OUTBOX to another path"};
  }
  std::optional<Transaction> others_wait;
  try {
    others_wait.emplace(from, Transaction::Kind::kWrite);
  } catch (const Failure&) {
    others_wait.reset();  // too damaged to be locked: then nobody else can write either
  }
  const Salvaged rows = write_new_file(from, path);
  set_aside(path, aside);
  finish_replacement(path);
  return {ErrorCode::kOutboxUnavailable,
          "the file was damaged; " + count_of(rows) +
              " were salvaged and go on. The damaged file "
              "is kept as '" +
              aside +
              "': check the disk, and keep the file until you have looked for "
              "what may be missing"};
}

Error restore_removed_file(Database& from, const std::string& path) {
  const NameLock lock(path, kBusyTimeout);
  if (lock.trouble()) throw Failure(*lock.trouble());
  const Salvaged rows = write_new_file(from, path);
  const bool replaced = fs::exists(path);
  if (from.owns_log()) remove_log_of(path);
  const std::string name = replaced ? name_aside(path, "removed") : path;
  rename_durably(replacement_of(path), name);
  std::string what = replaced ? "another file was put in the outbox's place while it was in use; "
                              : "the file was removed while it was in use; ";
  what += count_of(rows) + " of it were written to '" + name + "'";
  if (replaced) what += ": stop the program and put that file back, or its events are not sent";
  return {ErrorCode::kOutboxUnavailable, what};
}

}  // namespace postbox::sqlite
