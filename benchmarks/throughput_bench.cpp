// What a delivered event costs in real time: the engine with a durable outbox against klaviyo-sim,
// beside the least that the same work can cost: a libcurl-multi loop that posts the same bodies,
// and SQLite storing, reading and deleting the same rows. Arguments: events.
#include <curl/curl.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <klaviyo/destination.hpp>
#include <klaviyo/encode.hpp>
#include <klaviyo/klaviyo.hpp>
#include <memory>
#include <postbox/clock.hpp>
#include <postbox/event.hpp>
#include <postbox/http_client.hpp>
#include <postbox/outbox.hpp>
#include <postbox/services.hpp>
#include <string>
#include <thread>
#include <vector>

#include "figures.hpp"
#include "support/program.hpp"

namespace postbox::bench {
namespace {

using namespace std::chrono_literals;
using tests::Program;
using tests::TemporaryFolder;

constexpr std::size_t kRounds = 5;
constexpr const char* kKey = "pk_benchmark";
constexpr const char* kRevision = "2026-10-15";

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "throughput_bench: %s\n", what.c_str());
  std::exit(1);
}

// Klaviyo with one endpoint and no limits.
class OneLane final : public Destination {
 public:
  OneLane(std::size_t lane, const std::string& url)
      : lane_(lane), klaviyo_({kKey, url, kRevision}) {
    lanes_[0].max_events = klaviyo_.lanes()[lane].max_events;
    lanes_[0].max_bytes = klaviyo_.lanes()[lane].max_bytes;
    lanes_[0].max_in_flight = klaviyo_.lanes()[lane].max_in_flight;
  }

  std::span<const Family> families() const noexcept override { return klaviyo_.families(); }
  bool ready() const noexcept override { return true; }
  std::span<const Lane> lanes() const noexcept override { return lanes_; }
  HttpRequest request(std::size_t, std::span<const EventRecord* const> events) const override {
    return klaviyo_.request(lane_, events);
  }
  Verdict verdict(const std::variant<HttpResponse, TransportFailure>& outcome,
                  std::span<const EventRecord* const> events, WallTime now) const override {
    Verdict verdict = klaviyo_.verdict(outcome, events, now);
    if (verdict.kind == VerdictKind::kDelivered) delivered_ += events.size();
    return verdict;
  }
  [[nodiscard]] std::size_t delivered() const noexcept { return delivered_; }
  std::string type_of(const EventRecord& event) const override { return klaviyo_.type_of(event); }
  void mark_backfill(EventRecord& event) const override { klaviyo_.mark_backfill(event); }
  LogLine log_line(const EventRecord& event, const Verdict& verdict) const override {
    return klaviyo_.log_line(event, verdict);
  }

 private:
  std::size_t lane_;
  klaviyo::Destination klaviyo_;
  std::array<Lane, 1> lanes_{};
  mutable std::atomic<std::size_t> delivered_{0};
};

// A record that exists already, so that the caller's part is no more than a copy.
struct Prepared {
  const EventRecord* record;

  const Family& family() const noexcept { return klaviyo::kPurchase; }
  Key profile_key() const { return record->profile_key; }
  std::size_t size() const noexcept { return 1; }
  void encode(EventBatch& batch) const { batch.add(*record); }
};

// One "Placed Order" of three lines, 1.1 KB as JSON.
std::vector<EventRecord> make_records(std::size_t count) {
  std::vector<EventRecord> records;
  records.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    klaviyo::Order order;
    order.order_id = "bench-" + std::to_string(i);
    order.currency = "EUR";
    order.customer.email = "customer-" + std::to_string(i % 1'000) + "@goldenacre.example";
    order.customer.first_name = "Anna";
    for (int line = 0; line < 3; ++line) {
      klaviyo::OrderItem item;
      item.product_id = "P" + std::to_string(line);
      item.sku = "SKU-" + std::to_string(line);
      item.name = "Thé vert de printemps, récolte " + std::to_string(2020 + line);
      item.quantity = 1 + line;
      item.unit_price = {1'250};
      item.url = "https://shop.goldenacre.example/products/" + item.product_id;
      item.categories = {"Tea"};
      item.brand = "Golden Acre";
      order.items.push_back(std::move(item));
    }
    EventBatch batch{WallTime(std::chrono::sys_days(std::chrono::year(2026) / 11 / 22))};
    klaviyo::order_placed(order).encode(batch);
    if (batch.records().empty()) give_up(batch.violations().front().path);
    records.push_back(std::move(batch.records().front()));
  }
  return records;
}

std::vector<HttpRequest> make_requests(const std::vector<EventRecord>& records, std::size_t lane,
                                       const std::string& url) {
  const OneLane destination(lane, url);
  const std::size_t most = destination.lanes()[0].max_events;
  std::vector<HttpRequest> requests;
  for (std::size_t i = 0; i < records.size(); i += most) {
    std::vector<const EventRecord*> events;
    for (std::size_t j = i; j < std::min(i + most, records.size()); ++j) {
      events.push_back(&records[j]);
    }
    requests.push_back(destination.request(0, events));
  }
  return requests;
}

std::size_t ignore_body(char*, std::size_t, std::size_t size, void*) { return size; }

// The least that libcurl can do: handles that are used again, bodies that exist already.
Took post_all(const std::vector<HttpRequest>& requests, std::size_t handles) {
  curl_slist* headers = nullptr;
  for (const std::string& header : requests.front().headers) {
    headers = curl_slist_append(headers, header.c_str());
  }
  CURLM* multi = curl_multi_init();
  std::size_t next = 0;
  std::size_t good = 0;
  const auto post = [&](CURL* easy) {
    const HttpRequest& request = requests[next++];
    curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, static_cast<long>(request.body.size()));
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore_body);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_multi_add_handle(multi, easy);
  };
  std::vector<CURL*> all(std::min(handles, requests.size()));
  for (CURL*& easy : all) easy = curl_easy_init();
  const Took took = measure([&] {
    for (CURL* easy : all) post(easy);
    for (int running = 1; running > 0;) {
      curl_multi_perform(multi, &running);
      int left = 0;
      while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
        CURL* easy = message->easy_handle;
        long status = 0;
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        good += status == 202 ? 1 : 0;
        curl_multi_remove_handle(multi, easy);
        if (next < requests.size()) {
          post(easy);
          running = 1;
        }
      }
      if (running > 0) curl_multi_poll(multi, nullptr, 0, 1'000, nullptr);
    }
  });
  for (CURL* easy : all) curl_easy_cleanup(easy);
  curl_multi_cleanup(multi);
  curl_slist_free_all(headers);
  if (good != requests.size()) give_up("the simulator refused requests of the floor");
  return took;
}

// The least that SQLite can do: a hundred rows per transaction, stored durably, read and deleted.
Took store_all(const std::vector<EventRecord>& records, const std::string& path) {
  sqlite3* database = nullptr;
  if (sqlite3_open(path.c_str(), &database) != SQLITE_OK) give_up("cannot open " + path);
  const auto run = [&](const char* sql) { sqlite3_exec(database, sql, nullptr, nullptr, nullptr); };
  run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
      "CREATE TABLE t(id INTEGER PRIMARY KEY, payload BLOB)");
  sqlite3_stmt* insert = nullptr;
  sqlite3_stmt* select = nullptr;
  sqlite3_stmt* remove = nullptr;
  sqlite3_prepare_v2(database, "INSERT INTO t(payload) VALUES (?1)", -1, &insert, nullptr);
  sqlite3_prepare_v2(database, "SELECT id, payload FROM t ORDER BY id LIMIT 100", -1, &select,
                     nullptr);
  sqlite3_prepare_v2(database, "DELETE FROM t WHERE id = ?1", -1, &remove, nullptr);
  std::size_t read = 0;
  const Took took = measure([&] {
    for (std::size_t i = 0; i < records.size(); i += 100) {
      run("BEGIN IMMEDIATE");
      for (std::size_t j = i; j < std::min(i + 100, records.size()); ++j) {
        const std::string& payload = records[j].payload;
        sqlite3_bind_blob64(insert, 1, payload.data(), payload.size(), SQLITE_STATIC);
        sqlite3_step(insert);
        sqlite3_reset(insert);
      }
      run("COMMIT");
    }
    run("PRAGMA synchronous=NORMAL");
    for (std::vector<sqlite3_int64> ids(1); !ids.empty();) {
      ids.clear();
      while (sqlite3_step(select) == SQLITE_ROW) {
        ids.push_back(sqlite3_column_int64(select, 0));
        read += sqlite3_column_bytes(select, 1) > 0 ? 1 : 0;
      }
      sqlite3_reset(select);
      run("BEGIN IMMEDIATE");
      for (const sqlite3_int64 id : ids) {
        sqlite3_bind_int64(remove, 1, id);
        sqlite3_step(remove);
        sqlite3_reset(remove);
      }
      run("COMMIT");
    }
  });
  for (sqlite3_stmt* statement : {insert, select, remove}) sqlite3_finalize(statement);
  sqlite3_close(database);
  if (read != records.size()) give_up("SQLite's floor lost rows");
  return took;
}

struct Engine {
  Engine(std::size_t lane, const std::string& url, const std::string& path)
      : destination(std::make_shared<OneLane>(lane, url)) {
    config.outbox.max_disk = mebibytes(4'096);
    config.outbox.url = "sqlite:" + path;
    config.log = [](LogLevel, std::string_view) {};
    auto opened = open_outbox(config.outbox, system_clock());
    if (!opened) give_up(opened.error().message);
    outbox = *std::move(opened);
  }

  Tracker start() {
    Integration vendor{.destination = destination};
    for (const Family& family : destination->families()) {
      vendor.flags.emplace_back(family.queue, Flag::on());
    }
    auto tracker = Tracker::start(config.validate().value(), std::move(vendor), {.outbox = outbox});
    if (!tracker) give_up(tracker.error().message);
    return std::move(tracker).value();
  }

  void finish(Tracker& tracker, std::size_t events) {
    if (!tracker.flush(10min)) give_up("not everything was delivered");
    if (outbox->stats().value().totals.delivered != events) give_up("events are missing");
  }

  Config config;
  std::shared_ptr<OneLane> destination;
  std::shared_ptr<Outbox> outbox;
};

// The whole way, as in a shop: events come while others are delivered, a few thousand behind.
Took deliver_flow(const std::vector<EventRecord>& records, Engine engine) {
  constexpr std::size_t kMostWaiting = 5'000;
  return measure([&] {
    Tracker tracker = engine.start();
    for (std::size_t i = 0; i < records.size(); ++i) {
      while (i >= engine.destination->delivered() + kMostWaiting ||
             tracker.track(Prepared{&records[i]}).status() == TrackStatus::kFull) {
        std::this_thread::sleep_for(1ms);
      }
    }
    engine.finish(tracker, records.size());
  });
}

// The whole way, after an outage: everything waits on disk before the first is sent.
Took deliver_backlog(const std::vector<EventRecord>& records, Engine engine) {
  return measure([&] {
    for (std::size_t i = 0; i < records.size(); i += 100) {
      const auto last = std::min(i + 100, records.size());
      const std::span batch(records.data() + i, last - i);
      if (const auto appended = engine.outbox->append(batch); !appended) {
        give_up(appended.error().message);
      }
    }
    Tracker tracker = engine.start();
    engine.finish(tracker, records.size());
  });
}

// One that has seen none of the events: it answers what it knows already sooner.
template <class Send>
Took to_new_klaviyo(Send send) {
  const Program sim("klaviyo-sim", {"--port", "0", "--no-limits"}, {});
  return send(sim.url());
}

struct Round {
  Took stored, posted, flow, backlog;

  [[nodiscard]] double floor() const { return stored.cpu_seconds + posted.cpu_seconds; }
};

Round run_round(const std::vector<EventRecord>& records, std::size_t lane, std::size_t handles) {
  const TemporaryFolder folder;
  const auto engine = [&](const std::string& url, const char* file) {
    return Engine(lane, url, folder.file(file));
  };
  Round round;
  round.stored = store_all(records, folder.file("floor.db"));
  round.posted = to_new_klaviyo(
      [&](const std::string& url) { return post_all(make_requests(records, lane, url), handles); });
  round.flow = to_new_klaviyo(
      [&](const std::string& url) { return deliver_flow(records, engine(url, "flow.db")); });
  round.backlog = to_new_klaviyo(
      [&](const std::string& url) { return deliver_backlog(records, engine(url, "backlog.db")); });
  return round;
}

// One round after another, since a machine that is shared changes its speed; of their results the
// one in the middle.
void compare(const std::string& name, const std::vector<EventRecord>& records, std::size_t lane,
             std::size_t handles) {
  std::array<Round, kRounds> rounds;
  for (Round& round : rounds) round = run_round(records, lane, handles);
  const double us = 1e6 / static_cast<double>(records.size());
  const auto middle = [&](auto value) {
    std::ranges::nth_element(rounds, rounds.begin() + kRounds / 2, {}, value);
    return rounds[kRounds / 2];
  };
  const auto report = [&](const std::string& what, Took Round::*took, std::optional<double> goal) {
    const Round round =
        middle([took](const Round& r) { return (r.*took).cpu_seconds / r.floor(); });
    figure("delivered event, " + name + ", durable" + what + ": processor time",
           (round.*took).cpu_seconds * us, "us", round.floor() * us, goal);
  };
  report("", &Round::flow, 1.5);
  report(", from a backlog", &Round::backlog, std::nullopt);
  const auto part = [&](const std::string& what, Took Round::*took) {
    const Round round = middle([took](const Round& r) { return (r.*took).cpu_seconds; });
    figure("delivered event, " + name + ": of the floor, " + what, (round.*took).cpu_seconds * us,
           "us", std::nullopt, std::nullopt);
  };
  part("libcurl", &Round::posted);
  part("SQLite", &Round::stored);
  const Round round = middle([](const Round& r) { return r.flow.wall_seconds; });
  figure("delivered events, " + name + ": seconds for a million", round.flow.wall_seconds * us, "s",
         round.posted.wall_seconds * us, std::nullopt);
}

}  // namespace
}  // namespace postbox::bench

int main(int argc, char** argv) {
  using namespace postbox::bench;
  const std::size_t events = argc > 1 ? std::stoul(argv[1]) : 200'000;
  curl_global_init(CURL_GLOBAL_DEFAULT);
  const auto records = make_records(std::max<std::size_t>(1, events / kRounds));
  compare("single", records, 0, 16);
  compare("bulk", records, 1, 4);
}
