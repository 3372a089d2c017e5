// The cost of an event in its outbox on PostgreSQL: append, claim and settle, one at a time and by
// 100, on a server of its own with a real disk. Beside it the least: the same bytes in a table that
// is claimed by FOR UPDATE SKIP LOCKED and knows no duplicates, no families, no order and no
// counts; and the same work on SQLite. Arguments: events for each measurement.
#include <libpq-fe.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include <postbox/clock.hpp>
#include <postbox/outbox.hpp>
#include <postbox/postgres_backend.hpp>

#include "figures.hpp"
#include "pace.hpp"
#include "postgres/connection.hpp"
#include "support/postgres_server.hpp"
#include "support/temporary_folder.hpp"

namespace postbox::bench {
namespace {

using postgres::Connection;
using postgres::Parameters;
using postgres::Rows;
using postgres::Statement;

constexpr std::size_t kPayload = 1'100;

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "postgres_bench: %s\n", what.c_str());
  std::exit(1);
}

std::vector<EventRecord> next_records(std::size_t count) {
  static std::mt19937_64 random{2026};
  std::vector<EventRecord> records(count);
  for (EventRecord& record : records) {
    record.queue = QueueId{0};
    for (auto& byte : record.dedup_key) byte = static_cast<std::byte>(random());
    record.profile_key = record.dedup_key;
    record.payload.assign(kPayload, 'x');
  }
  return records;
}

// Processor time of the server, in microseconds: of all its processes that live.
class ServerTime {
 public:
  explicit ServerTime(const tests::PostgresServer& server)
      : connection_("postgresql" + server.url().substr(server.url().find(':')),
                    std::chrono::seconds(10)) {
    std::ifstream(server.folder() / "data/postmaster.pid") >> postmaster_;
  }

  double us() {
    const Statement ask{"SELECT pid::bigint FROM pg_stat_activity"};
    const std::vector<Rows> rows = connection_.exchange(std::span(&ask, 1));
    double ticks = ticks_of(postmaster_);
    for (const std::int64_t pid : rows.at(0).integers(0)) ticks += ticks_of(pid);
    return ticks * 1e6 / static_cast<double>(sysconf(_SC_CLK_TCK));
  }

 private:
  static double ticks_of(std::int64_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    std::getline(file, text);
    std::istringstream fields(text.substr(text.rfind(')') + 2));
    std::string skipped;
    for (int i = 0; i < 11; ++i) fields >> skipped;
    double user = 0;
    double system = 0;
    fields >> user >> system;
    return user + system;
  }

  Connection connection_;
  std::int64_t postmaster_ = 0;
};

// An engine's way down, whichever it is.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual void append(const std::vector<EventRecord>& records) = 0;
  virtual void claim_and_settle(std::size_t count) = 0;
};

class OutboxEngine final : public Engine {
 public:
  explicit OutboxEngine(const std::string& url) {
    OutboxOptions options;
    options.url = url;
    options.backends.push_back(&postgres_backend());
    auto outbox = open_outbox(options, system_clock());
    if (!outbox) give_up(outbox.error().message);
    outbox_ = *std::move(outbox);
  }

  void append(const std::vector<EventRecord>& records) override {
    if (const auto done = outbox_->append(records); !done) give_up(done.error().message);
  }
  void claim_and_settle(std::size_t count) override {
    const auto claim = outbox_->claim(QueueId{0}, {.max_events = count, .max_bytes = mebibytes(4)},
                                      std::chrono::seconds(60));
    if (!claim || claim->events.size() != count) give_up("nothing to claim");
    std::vector<Outcome> outcomes;
    for (const ClaimedEvent& event : claim->events) {
      outcomes.push_back({.handle = event.handle, .kind = OutcomeKind::kDelivered});
    }
    if (!outbox_->settle(claim->token, outcomes)) give_up("not settled");
  }

 private:
  std::shared_ptr<Outbox> outbox_;
};

class BareTable final : public Engine {
 public:
  explicit BareTable(const tests::PostgresServer& server)
      : connection_("postgresql" + server.url().substr(server.url().find(':')),
                    std::chrono::seconds(10)) {
    connection_.run_script(
        "CREATE TABLE bare(id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        " lease_until bigint NOT NULL DEFAULT 0, payload bytea NOT NULL) WITH (fillfactor = 50);"
        "ALTER TABLE bare ALTER payload SET STORAGE EXTERNAL");
  }

  void append(const std::vector<EventRecord>& records) override {
    std::vector<std::string_view> payloads;
    for (const EventRecord& record : records) payloads.emplace_back(record.payload);
    (void)run("INSERT INTO bare(payload) SELECT * FROM unnest($1)", Parameters(payloads));
  }
  void claim_and_settle(std::size_t count) override {
    const Rows rows =
        run("UPDATE bare SET lease_until = 1 WHERE id IN"
            " (SELECT id FROM bare WHERE lease_until = 0 ORDER BY id LIMIT $1"
            "  FOR UPDATE SKIP LOCKED) RETURNING id, payload",
            Parameters(static_cast<std::int64_t>(count)));
    (void)run("DELETE FROM bare WHERE id = ANY($1)", Parameters(rows.integers(0)));
  }

 private:
  Rows run(const char* sql, Parameters parameters) {
    const Statement statement{sql, std::move(parameters)};
    return std::move(connection_.exchange(std::span(&statement, 1)).front());
  }

  Connection connection_;
};

struct Cost {
  double wall_us = 0;  // of an event
  double cpu_us = 0;   // of an event, client and server
  Measured appends;
};

Cost cost_of(Engine& engine, ServerTime* server, std::size_t batch, std::size_t events) {
  Cost cost;
  const double before = server == nullptr ? 0 : server->us();
  const Took took = measure([&] {
    for (std::size_t done = 0; done < events; done += batch) {
      const std::vector<EventRecord> records = next_records(batch);
      const auto start = std::chrono::steady_clock::now();
      engine.append(records);
      cost.appends.each.push_back(
          static_cast<double>((std::chrono::steady_clock::now() - start).count()));
      engine.claim_and_settle(batch);
    }
  });
  const double after = server == nullptr ? 0 : server->us();
  const auto n = static_cast<double>(events);
  cost.wall_us = took.wall_seconds * 1e6 / n;
  cost.cpu_us = (took.cpu_seconds * 1e6 + after - before) / n;
  return cost;
}

void report(std::size_t batch, std::size_t events) {
  tests::PostgresServer server(tests::PostgresServer::Disk::kDurable);
  if (server.url().empty()) give_up("no PostgreSQL server is installed");
  const tests::TemporaryFolder folder;
  ServerTime time(server);
  BareTable bare(server);
  OutboxEngine postgres(server.url());
  OutboxEngine sqlite("sqlite:" + folder.file("outbox.db"));
  postgres.append(next_records(1));  // makes the tables
  postgres.claim_and_settle(1);
  Cost floor = cost_of(bare, &time, batch, events);
  Cost own = cost_of(postgres, &time, batch, events);
  Cost beside = cost_of(sqlite, nullptr, batch, events);
  const std::string name = "the outbox on PostgreSQL, by " + std::to_string(batch) + ": ";
  figure(name + "time of an event", own.wall_us, "us", floor.wall_us, std::nullopt);
  figure(name + "CPU of an event, with the server's", own.cpu_us, "us", floor.cpu_us, std::nullopt);
  figure(name + "p50 of an append", own.appends.quantile(0.5) / 1e3, "us",
         floor.appends.quantile(0.5) / 1e3, std::nullopt);
  figure(name + "p99 of an append", own.appends.quantile(0.99) / 1e3, "us",
         floor.appends.quantile(0.99) / 1e3, std::nullopt);
  figure(name + "time of an event on SQLite", beside.wall_us, "us", std::nullopt, std::nullopt);
  figure(name + "CPU of an event on SQLite", beside.cpu_us, "us", std::nullopt, std::nullopt);
}

}  // namespace
}  // namespace postbox::bench

int main(int argc, char** argv) {
  using namespace postbox::bench;
  const std::size_t events = argc > 1 ? std::stoul(argv[1]) : 20'000;
  report(1, events / 10);
  report(100, events);
}
