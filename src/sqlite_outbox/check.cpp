// What an operator asks of the SQLite outbox about itself: whether it is sound, and a copy.
#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>
#include <string>
#include <system_error>

#include "format.hpp"
#include "outbox.hpp"
#include "rows.hpp"

namespace postbox {
namespace {

using sqlite::Database;
using sqlite::Failure;
using sqlite::Query;
using sqlite::Transaction;

constexpr std::size_t kMostNamed = 100;

// Each returns (id, dedup_key, payload, checksum) of some rows behind ?1, in order.
constexpr std::array kRows = {
    "SELECT id, dedup_key, payload, checksum FROM outbox NOT INDEXED WHERE id > ?1"
    " ORDER BY id LIMIT 4000",
    "SELECT id, dedup_key, payload, checksum FROM outbox_dead NOT INDEXED WHERE id > ?1"
    " ORDER BY id LIMIT 4000",
    "SELECT id, dedup_key, payload, checksum FROM timer NOT INDEXED WHERE id > ?1"
    " ORDER BY id LIMIT 4000"};

// In parts, so that none keeps the log from being moved for long.
void check_rows(Database& database, const char* sql, Checked& checked) {
  std::int64_t after = std::numeric_limits<std::int64_t>::min();
  for (bool more = true; more;) {
    more = false;
    Query query(database, sql);
    query.bind(after);
    while (query.step()) {
      more = true;
      after = query.integer(0);
      ++checked.events;
      if (sqlite::checksum_of(query.key(1), query.bytes(2)) == query.integer(3)) continue;
      ++checked.damaged_count;
      if (checked.damaged.size() < kMostNamed) checked.damaged.push_back(EventHandle{after});
    }
  }
}

void check_file(Database& database, Checked& checked) {
  Query query(database, "PRAGMA integrity_check(20)");
  while (query.step()) {
    std::string line = query.bytes(0);
    if (line == "ok") continue;
    checked.problems.push_back("the file is damaged: " + std::move(line));
  }
}

void check_counts(Database& database, Checked& checked) {
  const Transaction snapshot(database, Transaction::Kind::kRead);
  const auto expect = [&](std::string_view what, const char* counted, const char* there) {
    const std::int64_t a = database.integer(counted);
    const std::int64_t b = database.integer(there);
    if (a == b) return;
    checked.problems.push_back(std::string(what) + ": " + std::to_string(a) + " are counted, and " +
                               std::to_string(b) + " are there");
  };
  expect("events that came and were not delivered, purged or expired",
         "SELECT appended + fired - delivered - purged - expired FROM totals",
         "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM outbox_dead)");
  expect("bytes of dead letters", "SELECT dead_bytes FROM totals",
         "SELECT ifnull(sum(200 + length(payload) + length(reason) + length(pointer)), 0)"
         " FROM outbox_dead");
  expect("ends of timers", "SELECT ends FROM totals", "SELECT count(*) FROM timer_end");
}

}  // namespace

Result<Checked> SqliteOutbox::check() {
  return run<Checked>(Role::kOperator, "outbox check", [&](Database& database) {
    Checked checked;
    check_file(database, checked);
    try {
      for (const char* rows : kRows) check_rows(database, rows, checked);
      check_counts(database, checked);
    } catch (const Failure& failure) {
      // What the first check has found says more.
      if (checked.problems.empty()) checked.problems.push_back(failure.error().message);
    }
    return checked;
  });
}

Result<void> SqliteOutbox::back_up(const std::string& file) {
  const auto copied = run<bool>(Role::kOperator, "outbox back-up", [&](Database& database) {
    if (!sqlite::create_private_file(file)) {
      throw Failure(Error{ErrorCode::kInvalidArgument,
                          "'" + file + "' is there already; expected the name of a new file"});
    }
    try {
      database.copy_to(file);
      sqlite::sync_folder_of(file);
    } catch (...) {
      std::error_code ignored;
      std::filesystem::remove(file, ignored);
      throw;
    }
    return true;
  });
  if (!copied) return copied.error();
  return {};
}

}  // namespace postbox
