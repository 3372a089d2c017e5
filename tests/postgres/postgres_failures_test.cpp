// What becomes of events when the database or the way to it fails.
#include <atomic>
#include <thread>

#include <postbox/postgres_backend.hpp>
#include <stripe_postgres/fact_store.hpp>

#include "support/child_process.hpp"
#include "support/postgres_fixture.hpp"
#include "support/timed_records.hpp"

namespace postbox::testing {
namespace {

class PostgresFailures : public Postgres {
 protected:
  // The server's user may not look into the tree.
  [[nodiscard]] std::string readable_copy(const std::string& name) const {
    const auto copy = folder_.path() / "copy.sql";
    std::filesystem::copy_file(std::filesystem::path(POSTBOX_SOURCE_DIR) / name, copy,
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::permissions(folder_.path(), std::filesystem::perms(0755));
    std::filesystem::permissions(copy, std::filesystem::perms(0644));
    return copy.string();
  }

  [[nodiscard]] bool grant(const std::string& role, const std::string& schema) const {
    const auto bin = PostgresServer::folder_of_programs().value();
    return PostgresServer::run({bin / "psql", "-q", "-h", postgres_server().folder(), "-U",
                                "postgres", "--set=role=" + role, "--set=schema=" + schema,
                                "--file=" + readable_copy("packaging/postgres/role.sql")});
  }

  // The owner makes the tables of Stripe's webhooks later than those of the outbox.
  void expect_webhooks_tell(const std::string& url, const std::string& role,
                            const std::string& schema) const {
    const auto use = [](const std::string& of) {
      const auto store = take(stripe::postgres_fact_store(of));
      const WallTime now{1'780'000'000s};
      return store->put_decisions({{"a", "1"}}, now, now + 1h);
    };
    expect_error(use(url), ErrorCode::kOutboxUnavailable, "may not change them");
    EXPECT_TRUE(use(options_.url));
    ASSERT_TRUE(grant(role, schema));
    EXPECT_TRUE(take(use(url)));
    const auto store = take(stripe::postgres_fact_store(url));
    const WallTime now{1'780'000'000s};
    EXPECT_TRUE(store->put_facts({{"customer:1", "a@b.example", now}}, now, now + 1h));
    EXPECT_TRUE(store->put_body({"evt_1", "{}", "k", now}));
    EXPECT_EQ(take(store->forget("a@b.example")), 1U);
    EXPECT_EQ(take(store->expire(now + 1h)), 1U);
    EXPECT_TRUE(take(store->remove_body("evt_1")));
  }

  // The same role in a schema that has no tables yet.
  [[nodiscard]] Result<Appended> open_elsewhere(OutboxOptions options) const {
    const std::string url = fresh_url();
    const auto schema = [](const std::string& of) { return of.substr(of.find("&options=")); };
    options.url.replace(options.url.find("&options="), std::string::npos, schema(url));
    const std::string user = options.url.substr(options.url.find("user=") + 5);
    Psql(url).run("GRANT USAGE ON SCHEMA " + schema(url).substr(schema(url).find("%3D") + 3) +
                  " TO " + user.substr(0, user.find('&')));
    return take(open_outbox(options, clock_))->append(events(1, 1));
  }
};

// Repeats an append until it succeeds, as the writer does.
Appended append_at_last(Outbox& outbox, const std::vector<EventRecord>& batch) {
  for (;;) {
    const auto appended = outbox.append(batch);
    if (appended) return *appended;
    EXPECT_EQ(appended.error().code, ErrorCode::kOutboxUnavailable) << appended.error().message;
  }
}

// Kills the server again and again in the midst of appends: what was acknowledged is there, and
// what was repeated is neither stored nor counted twice.
TEST_F(PostgresFailures, WhatWasAcknowledgedSurvivesAKilledServerAndIsCountedOnce) {
  constexpr std::uint32_t kBatches = 400;
  constexpr std::uint32_t kEach = 5;
  PostgresServer server(PostgresServer::Disk::kDurable);
  ASSERT_FALSE(server.url().empty());
  const auto own = take(open_outbox(options_for(fresh_url(server)), clock_));
  std::atomic<std::uint32_t> done = 0;
  Appended all;
  std::thread writer([&] {
    for (std::uint32_t batch = 0; batch < kBatches; ++batch) {
      // Every other one with what an order does besides.
      std::vector<EventRecord> records = events(batch * kEach, kEach);
      if (batch % 2 == 1) records[2] = update(batch * kEach + 2, batch, 1s);
      const Appended appended = append_at_last(*own, records);
      all.inserted += appended.inserted;
      all.duplicates += appended.duplicates;
      done = batch + 1;
    }
  });
  for (std::uint32_t round = 1; round <= 5; ++round) {
    while (done < round * kBatches / 6) std::this_thread::yield();
    server.kill_hard();
    ASSERT_TRUE(server.start());
  }
  writer.join();
  EXPECT_EQ(all.inserted, kBatches * kEach);
  EXPECT_EQ(all.duplicates, 0U);
  const Claim claimed = take(own->claim(
      kQueue, {.max_events = 2 * kBatches * kEach, .max_bytes = mebibytes(100)}, kLease));
  EXPECT_EQ(claimed.events.size(), kBatches * kEach);
  EXPECT_EQ(take(own->stats()).totals.appended, kBatches * kEach);
  EXPECT_EQ(take(own->stats()).timers_pending, kBatches / 2);
  EXPECT_TRUE(take(own->check()).problems.empty());
}

// PostgreSQL reports such a commit as done, with a warning: the loss of the server would lose it.
TEST_F(PostgresFailures, ACommitThatReachedNoStandbyIsNotDurable) {
  PostgresServer server;
  const std::string url = fresh_url(server);
  const auto own = take(open_outbox(options_for(url), clock_));
  EXPECT_TRUE(own->append(events(1, 1)));
  Psql operator_of(server.url());
  operator_of.run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
  operator_of.run("ALTER SYSTEM SET synchronous_commit = 'on'");
  operator_of.run("SELECT pg_reload_conf()");
  // The server takes its time to hear of it.
  std::uint32_t number = 1;
  std::thread writer([&] {
    for (bool is_durable = true; is_durable;) {
      const auto appended = own->append(events(++number, 1));
      is_durable = appended.has_value();
      if (!is_durable) expect_error(appended, ErrorCode::kOutboxUnavailable, "standby");
    }
  });
  const std::string waiting = " FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
  while (operator_of.run("SELECT count(*)" + waiting) == "0") std::this_thread::yield();
  operator_of.run("SELECT pg_cancel_backend(pid)" + waiting);
  writer.join();
  operator_of.run("ALTER SYSTEM RESET synchronous_standby_names");
  operator_of.run("SELECT pg_reload_conf()");
  EXPECT_EQ(take(own->append(events(number, 1))).inserted, 1U) << "the same batch, stored once";
  EXPECT_EQ(take(own->stats()).totals.appended, number);
}

TEST_F(PostgresFailures, AConnectionThatWasCutIsOpenedAgainByTheSameCall) {
  append({event(1)});
  const Claim claimed = claim();
  psql().run(std::string("SELECT pg_terminate_backend(pid)") + kOwnSessions);
  EXPECT_EQ(append({event(2)}), 1U);
  EXPECT_EQ(settle_all(claimed, OutcomeKind::kDelivered).applied, 1U);
  EXPECT_EQ(stats_of().ready, 1U);
}

// Nothing of what the child does reaches the parent's session.
TEST_F(PostgresFailures, AChildOfAForkOpensItsOwnConnections) {
  if (!tests::kForkIsTestable) GTEST_SKIP() << "the sanitizers themselves do not survive a fork";
  append({event(1)});
  auto watcher = psql();
  const std::string sessions =
      std::string("SELECT string_agg(pid::text, ' ' ORDER BY pid)") + kOwnSessions;
  const std::string before = watcher.run(sessions);
  tests::Child child([this] {
    return outbox().append(events(2, 1)).has_value() && outbox().append(events(3, 1)).has_value();
  });
  EXPECT_TRUE(child.went_well());
  EXPECT_EQ(append({event(4)}), 1U);
  const std::string after = watcher.run(sessions);
  EXPECT_TRUE(after.starts_with(before)) << before << "; " << after;
  EXPECT_EQ(claim().events.size(), 4U);
}

TEST_F(PostgresFailures, AServerThatIsAwayIsAnErrorOfTheCallAndNoneOfTheNext) {
  PostgresServer server;
  const auto own = take(open_outbox(options_for(fresh_url(server)), clock_));
  EXPECT_TRUE(own->append(events(1, 1)));
  server.stop();
  expect_error(own->append(events(2, 1)), ErrorCode::kOutboxUnavailable);
  expect_error(own->claim(kQueue, {}, kLease), ErrorCode::kOutboxUnavailable);
  ASSERT_TRUE(server.start());
  EXPECT_TRUE(own->append(events(2, 1)));
  EXPECT_EQ(take(own->claim(kQueue, {}, kLease)).events.size(), 2U);
}

TEST_F(PostgresFailures, AServerThatOnlyReadsIsSaidToBeAStandby) {
  append({event(1)});
  OutboxOptions options = options_;
  options.url += "%20-cdefault_transaction_read_only%3Don";
  const auto standby = take(open_outbox(options, clock_));
  expect_error(standby->append(events(2, 1)), ErrorCode::kOutboxUnavailable,
               "target_session_attrs=read-write");
  expect_error(standby->claim(kQueue, {}, kLease), ErrorCode::kOutboxUnavailable);
  EXPECT_EQ(take(standby->stats()).queues.at(0).ready, 1U) << "it may still be looked at";
}

TEST_F(PostgresFailures, ALockThatSomebodyHoldsIsWaitedForSoLongAndNoLonger) {
  append({event(1)});
  options_.busy_timeout = 50ms;
  const auto hasty = another();
  auto somebody = psql();
  somebody.run("BEGIN; LOCK TABLE postbox_outbox");
  expect_error(hasty->append(events(2, 1)), ErrorCode::kOutboxBusy);
  expect_error(hasty->claim(kQueue, {}, kLease), ErrorCode::kOutboxBusy);
  somebody.run("ROLLBACK");
  EXPECT_TRUE(hasty->append(events(2, 1)));
}

TEST_F(PostgresFailures, TablesOfANewerLibraryAreUsedWhileTheyOnlyAdd) {
  append({event(1)});
  psql().run("UPDATE postbox_meta SET value = 2 WHERE name = 'version'");
  EXPECT_EQ(take(another()->append(events(2, 1))).inserted, 1U);
  psql().run("UPDATE postbox_meta SET value = 2 WHERE name = 'oldest_library'");
  expect_error(another()->append(events(3, 1)), ErrorCode::kOutboxTooNew, "run the newer one");
  psql().run("UPDATE postbox_meta SET value = 1 WHERE name = 'oldest_library'");
}

TEST_F(PostgresFailures, ADamagedRowIsADeadLetter) {
  append(events(1, 3));
  psql().run("UPDATE postbox_outbox SET payload = 'payload X' WHERE payload = 'payload 2'");
  EXPECT_EQ(take(outbox().check()).damaged_count, 1U);
  const Claim claimed = claim();
  EXPECT_EQ(claimed.damaged, 1U);
  ASSERT_EQ(claimed.events.size(), 2U);
  ASSERT_EQ(dead().size(), 1U);
  EXPECT_NE(dead()[0].reason.find("checksum"), std::string::npos);
  EXPECT_EQ(dead()[0].attempts, 0U);
  EXPECT_EQ(take(outbox().replay({}, 9, {})), 0U) << "it is not sent, whoever asks";
}

TEST_F(PostgresFailures, AFullOutboxTakesEndsAndNoEventsUntilSomeAreDelivered) {
  append({update(1, 7, 1s)});
  options_.max_disk = Bytes{take(outbox().stats()).used.count + 100};
  use(another());
  EXPECT_EQ(append({event(2)}), 1U) << "the one that fills it";
  expect_error(outbox().append(events(3, 1)), ErrorCode::kOutboxFull, "POSTBOX_MAX_DISK");
  expect_error(outbox().append({}), ErrorCode::kOutboxFull);
  expect_error(outbox().append(std::vector{alone(user_of(1), 2s), event(3)}),
               ErrorCode::kOutboxFull);
  EXPECT_EQ(take(outbox().stats()).timers_pending, 0U);
  settle_all(claim(), OutcomeKind::kDelivered);
  EXPECT_EQ(append({event(3)}), 1U);
}

TEST_F(PostgresFailures, DeadLettersHaveAQuarterOfTheDisk) {
  options_.max_disk = Bytes{40'000};
  use(another());
  bury(events(1, 60));
  EXPECT_GT(take(outbox().maintain(24h)).crowded_out, 10U);
  EXPECT_LT(dead().size(), 50U);
  EXPECT_EQ(dead().back().record.dedup_key, key_of(60)) << "the oldest go";
}

TEST_F(PostgresFailures, ARoleThatOwnsNothingDoesAllThatAServerDoes) {
  append({event(1)});
  const std::string schema = psql().run("SELECT current_schema()");
  const std::string role = "postbox_" + schema;
  OutboxOptions options = options_;
  options.url.replace(options.url.find("user=postgres"), 13, "user=" + role);
  psql().run("CREATE ROLE " + role + " LOGIN");
  expect_error(take(open_outbox(options, clock_))->append(events(2, 1)),
               ErrorCode::kOutboxUnavailable, "docs/postgres.md");
  ASSERT_TRUE(grant(role, schema));
  use(take(open_outbox(options, clock_)));
  append({update(2, 7, 1s), in_order(3, "x", 7), quiet_update(4, 8, 1s)});
  Claim claimed = claim();
  EXPECT_EQ(claimed.events.size(), 3U);
  settle(claimed, {outcome(claimed.events[0], OutcomeKind::kDelivered),
                   outcome(claimed.events[1], OutcomeKind::kDead),
                   outcome(claimed.events[2], OutcomeKind::kHold)});
  EXPECT_EQ(take(outbox().keep("secret", "kept")), "kept");
  EXPECT_EQ(release_all(), 1U);
  clock_->advance(kDelay);
  EXPECT_EQ(take(outbox().maintain(24h)).fired, 1U);
  append({order(5, slot_of(7), 2s)});
  EXPECT_EQ(take(outbox().replay({}, 9, {})), 1U);
  EXPECT_EQ(take(outbox().purge_profile(key_of(1))), 1U);
  EXPECT_TRUE(take(outbox().check()).problems.empty());
  expect_error(open_elsewhere(options), ErrorCode::kOutboxUnavailable, "may not change them");
  expect_webhooks_tell(options.url, role, schema);
}

TEST_F(PostgresFailures, NoMessageHasAPassword) {
  for (const char* url :
       {"postgres://shop:geheim@/nowhere?host=/nowhere", "postgres://shop:geheim@127.0.0.1:1/shop",
        "postgres://shop:geheim@x.invalid/shop"}) {
    OutboxOptions options;
    options.url = url;
    options.backends = {&postgres_backend()};
    const auto failed = take(open_outbox(options, clock_))->append(events(1, 1));
    expect_error(failed, ErrorCode::kOutboxUnavailable);
    EXPECT_EQ(failed.error().message.find("geheim"), std::string::npos) << failed.error().message;
  }
  for (const char* url :
       {"postgres://shop:ge@heim@db/shop", "postgres:shop:heim", "postgres://shop@db/shop?heim=1",
        "postgres://shop:heim%/shop", "postgres://shop:heim@db:port/shop?sslmode"}) {
    OutboxOptions options;
    options.url = url;
    options.backends = {&postgres_backend()};
    const auto failed = open_outbox(options, clock_);
    expect_error(failed, ErrorCode::kInvalidConfig, "POSTBOX_OUTBOX: ");
    EXPECT_EQ(failed.error().message.find("heim"), std::string::npos) << failed.error().message;
  }
}

}  // namespace
}  // namespace postbox::testing
