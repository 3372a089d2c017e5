// Whole programs over the outbox on PostgreSQL: from the environment to the vendor, at rest, and
// through a pooler.
#include <fstream>
#include <thread>

#include <klaviyo/klaviyo.hpp>
#include <postbox/postgres_backend.hpp>
#include <postbox/testing/scripted_http_client.hpp>

#include "support/engine_harness.hpp"
#include "support/postgres_fixture.hpp"

namespace postbox::testing {
namespace {

class PostgresProgram : public Postgres {
 protected:
  [[nodiscard]] klaviyo::Config from_env() const {
    std::ofstream(folder_.file(".env")) << "KLAVIYO_API_KEY=pk_key\n"
                                           "KLAVIYO_PURCHASE_EVENTS_ENABLED=true\n"
                                           "POSTBOX_OUTBOX="
                                        << options_.url << '\n';
    return take(klaviyo::Config::from_env(folder_.file(".env")));
  }
  static klaviyo::Order order() {
    klaviyo::Order order;
    order.order_id = "1001";
    order.currency = "EUR";
    order.customer.email = "ines@goldenacre.example";
    auto& item = order.items.emplace_back();
    item.product_id = "P1";
    item.name = "Thé vert";
    item.quantity = 2;
    item.unit_price = {1250};
    return order;
  }
};

TEST_F(PostgresProgram, AnOrderGoesFromTheEnvironmentsDatabaseToTheVendor) {
  klaviyo::Config config = from_env();
  std::string log;
  config.engine.log = [&log](LogLevel, std::string_view line) { log += std::string(line) + '\n'; };
  const auto without = klaviyo::start(config);
  expect_error(without, ErrorCode::kInvalidConfig, "postbox::postgres_backend()");
  config.engine.outbox.backends.push_back(&postgres_backend());
  const auto http = std::make_shared<ScriptedHttpClient>();
  auto tracker = klaviyo::start(config, {.http = http});
  ASSERT_TRUE(tracker) << tracker.error().message;
  EXPECT_TRUE(tracker->track_durably(klaviyo::order_placed(order()), 5s));
  EXPECT_TRUE(tracker->reload());
  EXPECT_TRUE(tracker->flush(10s));
  EXPECT_GE(take(outbox().stats()).totals.delivered, 1U);
  EXPECT_EQ(log.find("search_path"), std::string::npos) << "a URL may hold a password: " << log;
}

// Two servers of one shop: each delivers what it claims, and nobody twice.
TEST_F(PostgresProgram, ServersThatShareADatabaseDeliverEachEventOnce) {
  constexpr int kEach = 50;
  klaviyo::Config config = from_env();
  config.engine.outbox.backends.push_back(&postgres_backend());
  config.engine.log = [](LogLevel, std::string_view) {};
  std::vector<std::thread> servers;
  for (int server = 0; server < 2; ++server) {
    servers.emplace_back([&config, server] {
      const auto http = std::make_shared<ScriptedHttpClient>();
      auto tracker = klaviyo::start(config, {.http = http});
      ASSERT_TRUE(tracker) << tracker.error().message;
      for (int number = 0; number < kEach; ++number) {
        klaviyo::Order own = order();
        own.order_id = std::to_string(server * kEach + number);
        EXPECT_TRUE(tracker->track(klaviyo::order_placed(own)));
      }
      EXPECT_TRUE(tracker->flush(30s));
    });
  }
  for (std::thread& server : servers) server.join();
  const OutboxTotals totals = take(outbox().stats()).totals;
  EXPECT_EQ(totals.delivered, totals.appended);
  EXPECT_GE(totals.appended, std::uint64_t{2 * kEach});
  EXPECT_EQ(totals.duplicates, 0U);
  EXPECT_EQ(psql().run("SELECT count(*) FROM postbox_rate WHERE rate = '/events' AND granted > 0"),
            "1")
      << "they share the account's limits";
}

class PostgresAtRest : public tests::EngineHarness {
 protected:
  void SetUp() override {
    if (!has_postgres()) GTEST_SKIP() << "no PostgreSQL server is installed";
  }

  PostgresServer server;
};

TEST_F(PostgresAtRest, AnIdleServerAsksLessThanOnceASecond) {
  outbox = take(open_outbox(options_for(fresh_url(server)), clock));
  start();
  (void)track("a note");
  run_for(10s);
  ASSERT_EQ(take(outbox->stats()).totals.delivered, 1U);
  Psql(server.url()).run("ALTER SYSTEM SET log_min_duration_statement = 0");
  Psql(server.url()).run("SELECT pg_reload_conf()");
  while (Psql(server.url()).run("SHOW log_min_duration_statement") != "0") {
  }
  // Each connection hears of it with its next statement.
  run_for(6s);
  const std::size_t before = server.count_in_log("execute <unnamed>");
  run_for(100s);
  const std::size_t asked = server.count_in_log("execute <unnamed>") - before;
  EXPECT_GT(asked, 0U);
  EXPECT_LT(asked, 100U);
}

// A pooler that gives each transaction another session of the server.
TEST_F(PostgresProgram, ServersWithAFileEachMayShareTheLimits) {
  const std::string url = options_.url;
  klaviyo::Config config = from_env();
  config.engine.outbox.url = "memory:";
  config.engine.log = [](LogLevel, std::string_view) {};
  Services services{.http = std::make_shared<ScriptedHttpClient>()};
  const auto gate = postbox::postgres_rate_gate(url, "us", postbox::system_clock());
  services.rate_gate = *gate;
  auto tracker = klaviyo::start(config, services);
  ASSERT_TRUE(tracker) << tracker.error().message;
  EXPECT_TRUE(tracker->track_durably(klaviyo::order_placed(order()), 5s));
  EXPECT_TRUE(tracker->flush(10s));
  EXPECT_EQ(psql().run("SELECT count(*) FROM postbox_rate WHERE rate = 'us/events'"), "1");
}

TEST_F(PostgresProgram, APoolerInTransactionModeMayStandBetween) {
  const std::filesystem::path pgbouncer = "/usr/sbin/pgbouncer";
  if (!std::filesystem::exists(pgbouncer)) GTEST_SKIP() << "pgbouncer is not installed";
  append({event(1)});
  const std::string schema = psql().run("SELECT current_schema()");
  const std::string folder = postgres_server().folder().string();
  // It takes no options: the schema is the role's.
  psql().run("CREATE ROLE r" + schema + " LOGIN SUPERUSER; ALTER ROLE r" + schema +
             " SET search_path = " + schema);
  const std::string settings = folder_.file("pgbouncer.ini");
  const std::string port = std::to_string(20'000 + getpid() % 40'000);
  std::ofstream(settings) << "[databases]\n* = host=" << folder << " user=r" << schema
                          << "\n[pgbouncer]\n"
                          << "pool_mode = transaction\ndefault_pool_size = 2\n"
                          << "auth_type = any\nlisten_addr =\nlisten_port = " << port
                          << "\nunix_socket_dir = " << folder << "\nlogfile = " << folder
                          << "/pgbouncer.log\npidfile = " << folder << "/pgbouncer-" << port
                          << ".pid\nadmin_users = postgres\n";
  std::filesystem::permissions(folder_.path(), std::filesystem::perms(0755));
  std::filesystem::permissions(settings, std::filesystem::perms(0644));
  ASSERT_TRUE(PostgresServer::run({pgbouncer.string(), "-q", "-d", settings}));
  const std::string socket = folder + "/.s.PGSQL." + port;
  const auto until = std::chrono::steady_clock::now() + 30s;
  while (!std::filesystem::exists(socket) && std::chrono::steady_clock::now() < until) {
    std::this_thread::yield();
  }
  const std::string url =
      "postgres:///postgres?host=" + folder + "&port=" + port + "&user=r" + schema;
  std::vector<std::thread> servers;
  for (std::uint32_t server = 0; server < 4; ++server) {
    servers.emplace_back([&, server] {
      const auto own = take(open_outbox(options_for(url), clock_));
      for (std::uint32_t i = 0; i < 20; ++i) {
        (void)take(own->append(events(1'000 * (server + 1) + 10 * i, 10)));
        const Claim some = take(own->claim(kQueue, {.max_events = 10}, kLease));
        (void)take(own->settle(some.token, outcomes(some, OutcomeKind::kDelivered)));
        (void)take(own->maintain(24h));
      }
    });
  }
  for (std::thread& server : servers) server.join();
  const OutboxStats stats = take(outbox().stats());
  EXPECT_EQ(stats.totals.appended, 801U);
  EXPECT_EQ(stats.totals.delivered + stats_of().ready, 801U);
  std::ifstream file(folder + "/pgbouncer-" + port + ".pid");
  pid_t pid = 0;
  if (file >> pid) ::kill(pid, SIGTERM);
}

}  // namespace
}  // namespace postbox::testing
