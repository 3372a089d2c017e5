// What an event costs its outbox, on a real disk, while many others wait: append, claim and settle,
// a hundred at a time, behind backlogs of growing length. Beside it the least: the same bytes in a
// table of SQLite's that has no other index than the order. Arguments: the longest backlog.
#include <sqlite3.h>

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include <postbox/clock.hpp>
#include <postbox/event.hpp>
#include <postbox/outbox.hpp>
#include <postbox/services.hpp>

#include "figures.hpp"
#include "pace.hpp"
#include "support/temporary_folder.hpp"

namespace postbox::bench {
namespace {

constexpr std::size_t kBatch = 100;
constexpr std::size_t kBatches = 300;
constexpr std::size_t kPayload = 1'100;

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "backlog_bench: %s\n", what.c_str());
  std::exit(1);
}

// Records with the keys of hashes: in no order.
class Records {
 public:
  std::vector<EventRecord> next(std::size_t count) {
    std::vector<EventRecord> records(count);
    for (EventRecord& record : records) {
      record.queue = QueueId{0};
      for (auto& byte : record.dedup_key) byte = static_cast<std::byte>(random_());
      record.profile_key = record.dedup_key;
      record.payload.assign(kPayload, 'x');
    }
    return records;
  }

 private:
  std::mt19937_64 random_{2026};
};

struct Cost {
  double cpu_us = 0;   // of an event
  double written = 0;  // bytes
};

template <class Work>
Cost cost_of(Work work) {
  const Usage before = Usage::now();
  for (std::size_t batch = 0; batch < kBatches; ++batch) work();
  const Usage after = Usage::now();
  constexpr double kEvents = kBatch * kBatches;
  return {(after.cpu_us - before.cpu_us) / kEvents, (after.written - before.written) / kEvents};
}

Cost outbox_cost(std::size_t waiting) {
  const tests::TemporaryFolder folder;
  OutboxOptions options;
  options.url = "sqlite:" + folder.file("outbox.db");
  options.max_disk = mebibytes(64 * 1'024);
  const auto outbox = open_outbox(options, system_clock()).value();
  Records records;
  const auto append = [&](std::size_t count) {
    if (const auto done = outbox->append(records.next(count)); !done) give_up(done.error().message);
  };
  for (std::size_t left = waiting; left > 0; left -= std::min<std::size_t>(left, 1'000)) {
    append(std::min<std::size_t>(left, 1'000));
  }
  return cost_of([&] {
    append(kBatch);
    const auto claim = outbox->claim(QueueId{0}, {.max_events = kBatch, .max_bytes = mebibytes(4)},
                                     std::chrono::seconds(60));
    if (!claim || claim->events.size() != kBatch) give_up("nothing to claim");
    std::vector<Outcome> outcomes;
    for (const ClaimedEvent& event : claim->events) {
      outcomes.push_back({.handle = event.handle, .kind = OutcomeKind::kDelivered});
    }
    if (!outbox->settle(claim->token, outcomes)) give_up("not settled");
  });
}

// A table that knows its rows by their order alone.
class BareTable {
 public:
  explicit BareTable(const std::string& path) {
    if (sqlite3_open(path.c_str(), &database_) != SQLITE_OK) give_up("cannot open " + path);
    run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "CREATE TABLE t(id INTEGER PRIMARY KEY, key BLOB, payload BLOB)");
    insert_ = prepare("INSERT INTO t(key, payload) VALUES (?1, ?2)");
    select_ = prepare("SELECT id, payload FROM t ORDER BY id LIMIT ?1");
    remove_ = prepare("DELETE FROM t WHERE id = ?1");
  }
  BareTable(const BareTable&) = delete;
  BareTable& operator=(const BareTable&) = delete;
  ~BareTable() {
    for (sqlite3_stmt* statement : {insert_, select_, remove_}) sqlite3_finalize(statement);
    sqlite3_close(database_);
  }

  void append(const std::vector<EventRecord>& records) {
    run("BEGIN IMMEDIATE");
    for (const EventRecord& record : records) {
      sqlite3_bind_blob(insert_, 1, record.dedup_key.data(),
                        static_cast<int>(record.dedup_key.size()), SQLITE_STATIC);
      sqlite3_bind_blob(insert_, 2, record.payload.data(), static_cast<int>(record.payload.size()),
                        SQLITE_STATIC);
      sqlite3_step(insert_);
      sqlite3_reset(insert_);
    }
    run("COMMIT");
  }

  void send_oldest(std::size_t count) {
    std::vector<sqlite3_int64> ids;
    sqlite3_bind_int64(select_, 1, static_cast<sqlite3_int64>(count));
    while (sqlite3_step(select_) == SQLITE_ROW) {
      if (sqlite3_column_bytes(select_, 1) != kPayload) give_up("the floor lost bytes");
      ids.push_back(sqlite3_column_int64(select_, 0));
    }
    sqlite3_reset(select_);
    run("PRAGMA synchronous=NORMAL; BEGIN IMMEDIATE");
    for (const sqlite3_int64 id : ids) {
      sqlite3_bind_int64(remove_, 1, id);
      sqlite3_step(remove_);
      sqlite3_reset(remove_);
    }
    run("COMMIT; PRAGMA synchronous=FULL");
    if (ids.size() != count) give_up("the floor lost rows");
  }

 private:
  void run(const char* sql) { sqlite3_exec(database_, sql, nullptr, nullptr, nullptr); }
  sqlite3_stmt* prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    sqlite3_prepare_v2(database_, sql, -1, &statement, nullptr);
    return statement;
  }

  sqlite3* database_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  sqlite3_stmt* select_ = nullptr;
  sqlite3_stmt* remove_ = nullptr;
};

Cost floor_cost(std::size_t waiting) {
  const tests::TemporaryFolder folder;
  BareTable table(folder.file("floor.db"));
  Records records;
  for (std::size_t left = waiting; left > 0; left -= std::min<std::size_t>(left, 1'000)) {
    table.append(records.next(std::min<std::size_t>(left, 1'000)));
  }
  return cost_of([&] {
    table.append(records.next(kBatch));
    table.send_oldest(kBatch);
  });
}

}  // namespace
}  // namespace postbox::bench

int main(int argc, char** argv) {
  using namespace postbox::bench;
  const std::size_t most = argc > 1 ? std::stoul(argv[1]) : 1'000'000;
  std::optional<Cost> shortest;
  for (std::size_t waiting = 1'000; waiting <= most; waiting *= 10) {
    const Cost floor = floor_cost(waiting);
    const Cost cost = outbox_cost(waiting);
    const std::string name = "the outbox with " + std::to_string(waiting) + " waiting: ";
    figure(name + "CPU of an event", cost.cpu_us, "us", floor.cpu_us, std::nullopt);
    figure(name + "written for an event", cost.written / 1e3, "KB", floor.written / 1e3,
           std::nullopt);
    if (!shortest) shortest = cost;
    const double goal = waiting > 1'000'000 ? 1.5 : 1.2;
    figure(name + "CPU over that with 1000", cost.cpu_us / shortest->cpu_us, "ratio", std::nullopt,
           goal);
  }
}
