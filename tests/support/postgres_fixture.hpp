// What the tests of the outbox on PostgreSQL share: a server, a fresh schema for each test, and a
// backend whose time is the test's clock.
#pragma once

#include <libpq-fe.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>

#include "outbox_fixture.hpp"
#include "postgres_outbox/outbox.hpp"
#include "postgres_server.hpp"

namespace postbox::testing {

using tests::PostgresServer;

// The server of this run.
[[nodiscard]] inline PostgresServer& postgres_server() {
  static const std::unique_ptr<PostgresServer> server = [] {
    const char* const file = std::getenv("POSTBOX_TEST_POSTGRES");  // NOLINT(concurrency-mt-unsafe)
    std::string folder;
    if (file != nullptr) std::getline(std::ifstream(file), folder);
    if (!folder.empty() && !PostgresServer(std::filesystem::path(folder)).url().empty()) {
      return std::make_unique<PostgresServer>(std::filesystem::path(folder));
    }
    return std::make_unique<PostgresServer>();
  }();
  return *server;
}

[[nodiscard]] inline bool has_postgres() {
  return PostgresServer::folder_of_programs().has_value();
}

// Psql runs statements beside the outbox, as somebody else on the database would.
class Psql {
 public:
  explicit Psql(const std::string& url)
      : connection_(PQconnectdb(("postgresql" + url.substr(url.find(':'))).c_str()), &PQfinish) {
    EXPECT_EQ(PQstatus(connection_.get()), CONNECTION_OK) << PQerrorMessage(connection_.get());
    PQsetNoticeProcessor(
        connection_.get(), [](void*, const char*) {}, nullptr);
  }

  // Returns the first value of the result, empty where there is none.
  std::string run(const std::string& sql) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(
        PQexec(connection_.get(), sql.c_str()), &PQclear);
    const ExecStatusType status = PQresultStatus(result.get());
    EXPECT_TRUE(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        << sql << ": " << PQerrorMessage(connection_.get());
    if (status != PGRES_TUPLES_OK || PQntuples(result.get()) == 0) return {};
    return PQgetvalue(result.get(), 0, 0);
  }

 private:
  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
};

// A URL with a schema of its own, which is made, and with a name of its own for its sessions, since
// other tests have theirs on the same server.
[[nodiscard]] inline std::string fresh_url(const PostgresServer& server = postgres_server()) {
  static int count = 0;
  const std::string schema = "t" + std::to_string(getpid()) + "_" + std::to_string(++count);
  Psql(server.url()).run("DROP SCHEMA IF EXISTS " + schema + " CASCADE; CREATE SCHEMA " + schema);
  return server.url() + "&application_name=" + schema + "&options=-csearch_path%3D" + schema;
}

// The sessions of the test that asks, but for the one that does.
inline constexpr const char* kOwnSessions =
    " FROM pg_stat_activity WHERE application_name = current_setting('application_name')"
    " AND pid <> pg_backend_pid()";

// As postgres_backend(), with the time of the clock that it is opened with.
[[nodiscard]] inline const postbox::OutboxBackend& postgres_on_a_clock() {
  static const postbox::OutboxBackend backend{
      "postgres",
      "postgres://",
      [](std::string_view) -> Result<void> { return {}; },
      [](std::string_view place) -> Result<std::string> { return std::string(place); },
      [](std::string_view) -> Result<void> { return {}; },
      [](std::string_view place, const OutboxOptions& options,
         std::shared_ptr<Clock> clock) -> Result<std::shared_ptr<Outbox>> {
        return {std::make_shared<PostgresOutbox>(place, options, std::move(clock),
                                                 postgres::TimeSource::kClock)};
      }};
  return backend;
}

[[nodiscard]] inline OutboxOptions options_for(std::string url) {
  OutboxOptions options;
  options.url = std::move(url);
  options.backends.push_back(&postgres_on_a_clock());
  return options;
}

[[nodiscard]] inline OutboxOptions postgres_options(const std::filesystem::path& /*folder*/ = {}) {
  return options_for(fresh_url());
}

class Postgres : public ::testing::Test, protected OutboxFixture {
 protected:
  void SetUp() override {
    if (!has_postgres()) GTEST_SKIP() << "no PostgreSQL server is installed";
    options_ = postgres_options();
    use(another());
  }
  void TearDown() override {
    if (has_postgres()) expect_conservation();
  }

  [[nodiscard]] std::shared_ptr<Outbox> another() { return take(open_outbox(options_, clock_)); }
  [[nodiscard]] Psql psql() const { return Psql(options_.url); }

  OutboxOptions options_;
};

}  // namespace postbox::testing
