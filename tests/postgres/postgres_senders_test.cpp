// Several senders and writers on one database, which only a shared store has.
#include <array>
#include <mutex>
#include <set>
#include <thread>

#include <postbox/postgres_backend.hpp>

#include "support/child_process.hpp"
#include "support/postgres_fixture.hpp"
#include "support/timed_records.hpp"

namespace postbox::testing {
namespace {

[[nodiscard]] std::string uuid(const Key& key) {
  std::string text;
  for (const std::byte each : key) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    text += kDigits[std::to_integer<unsigned>(each) / 16];
    text += kDigits[std::to_integer<unsigned>(each) % 16];
  }
  return "'" + text + "'";
}

[[nodiscard]] std::string ms_of(WallTime time) {
  return std::to_string(time.time_since_epoch().count());
}

class PostgresSenders : public Postgres {
 protected:
  // Runs `work(outbox)` in threads at once, each with an outbox of its own.
  template <class Work>
  void at_once(std::size_t threads, Work work) {
    std::vector<std::thread> all;
    for (std::size_t i = 0; i < threads; ++i) {
      all.emplace_back([work, i, own = another()] { work(*own, i); });
    }
    for (std::thread& each : all) each.join();
  }
};

TEST_F(PostgresSenders, EachEventIsClaimedByOneOfThem) {
  constexpr std::uint32_t kEvents = 3'000;
  append(events(0, kEvents));
  std::mutex mutex;
  std::multiset<std::string> claimed;
  at_once(4, [&](Outbox& own, std::size_t) {
    for (;;) {
      const Claim some = take(own.claim(kQueue, {.max_events = 70}, kLease));
      if (some.events.empty()) return;
      EXPECT_LE(some.events.size(), 70U);
      const Settled settled = take(own.settle(some.token, outcomes(some, OutcomeKind::kDelivered)));
      EXPECT_EQ(settled.applied, some.events.size());
      const std::lock_guard lock(mutex);
      for (const ClaimedEvent& each : some.events) claimed.insert(each.record.payload);
    }
  });
  EXPECT_EQ(claimed.size(), kEvents);
  EXPECT_EQ(std::set<std::string>(claimed.begin(), claimed.end()).size(), kEvents);
  EXPECT_EQ(take(outbox().stats()).totals.delivered, kEvents);
}

// A LIMIT below a join that runs once for each row is none.
TEST_F(PostgresSenders, AClaimTakesNoMoreThanItsLimitUnderAnyPlan) {
  append(events(0, 500));
  psql().run("ANALYZE postbox_outbox");
  for (const char* off : {"enable_hashjoin", "enable_mergejoin", "enable_nestloop"}) {
    OutboxOptions options = options_;
    options.url += "%20-c" + std::string(off) + "%3Doff%20-cenable_material%3Doff";
    const auto own = take(open_outbox(options, clock_));
    EXPECT_EQ(take(own->claim(kQueue, {.max_events = 10}, kLease)).events.size(), 10U) << off;
  }
  EXPECT_EQ(stats_of().leased, 30U);
}

TEST_F(PostgresSenders, TheSettlementOfALeaseThatAnotherTookIsStale) {
  append(events(1, 2));
  const Claim lost = claim();
  clock_->advance(kLease);
  const auto other = another();
  const Claim taken = take(other->claim(kQueue, {}, kLease));
  ASSERT_EQ(taken.events.size(), 2U);
  EXPECT_EQ(settle_all(lost, OutcomeKind::kDelivered).stale, 2U);
  EXPECT_EQ(take(other->settle(taken.token, outcomes(taken, OutcomeKind::kDelivered))).applied, 2U);
}

TEST_F(PostgresSenders, WhatAKilledSenderHadInHandComesBackWhenItsLeaseEnds) {
  if (!tests::kForkIsTestable) GTEST_SKIP() << "the sanitizers themselves do not survive a fork";
  append(events(1, 100));
  tests::Signal claimed;
  tests::Child sender([&] {
    const Claim some = claim(40);
    EXPECT_EQ(some.events.size(), 40U);
    claimed.give();
    for (;;) pause();
    return true;
  });
  claimed.stay_silent();
  ASSERT_TRUE(claimed.wait());
  sender.end(SIGKILL);
  EXPECT_EQ(claim(1'000).events.size(), 60U);
  clock_->advance(kLease);
  EXPECT_EQ(claim(1'000).events.size(), 100U);
}

TEST_F(PostgresSenders, TheLeaseIsTheDatabasesWhateverTheServersClocksSay) {
  OutboxOptions options = options_;
  options.backends = {&postgres_backend()};
  const auto late = std::make_shared<ManualClock>(WallTime(std::chrono::milliseconds(0)));
  const auto early = std::make_shared<ManualClock>(WallTime(std::chrono::hours(24 * 365 * 99)));
  const auto one = take(open_outbox(options, late));
  const auto other = take(open_outbox(options, early));
  (void)take(one->append(events(1, 4)));
  const Claim first = take(one->claim(kQueue, {.max_events = 2}, kLease));
  EXPECT_EQ(first.events.size(), 2U);
  const Claim second = take(other->claim(kQueue, {}, kLease));
  ASSERT_EQ(second.events.size(), 2U) << "the other two, and no more";
  EXPECT_LT(second.events[0].age, 1min);
  const std::vector<Outcome> later = outcomes(second, OutcomeKind::kRetry, 1h);
  EXPECT_EQ(take(other->settle(second.token, later)).applied, 2U);
  EXPECT_EQ(take(one->maintain(24h)).promoted, 0U);
  EXPECT_EQ(take(one->settle(first.token, outcomes(first, OutcomeKind::kDelivered))).applied, 2U);
}

TEST_F(PostgresSenders, OfAProfileOneUpdateIsUnderWayWhoeverSends) {
  append({in_order(1, "a", 7), in_order(2, "b", 8)});
  const Claim first = claim();
  ASSERT_EQ(first.events.size(), 1U);
  const auto other = another();
  EXPECT_TRUE(take(other->claim(kQueue, {}, kLease)).events.empty());
  EXPECT_TRUE(settle_all(first, OutcomeKind::kDelivered).ready_again);
  clock_->advance(2s);  // what another has settled is found within two seconds
  EXPECT_EQ(take(other->claim(kQueue, {}, kLease)).events.at(0).record.payload, "b");
}

TEST_F(PostgresSenders, UpdatesOfAProfileFromManyServersAtOnceAreOneEvent) {
  at_once(4, [&](Outbox& own, std::size_t thread) {
    for (std::uint32_t i = 0; i < 25; ++i) {
      const auto number = static_cast<std::uint32_t>(thread) * 100 + i;
      (void)take(own.append(std::vector{in_order(number, std::to_string(number), 7)}));
    }
  });
  const Claim claimed = claim();
  ASSERT_EQ(claimed.events.size(), 1U);
  EXPECT_EQ(std::stoi(claimed.events[0].record.payload) % 100, 24) << "the last of one of them";
  EXPECT_EQ(stats_of().ready, 0U);
}

// Neither sees what the other has not committed yet, so the second must wait.
TEST_F(PostgresSenders, ACartThatComesWhileItsOrderIsCommittedIsEnded) {
  append({event(1)});
  const std::string key = uuid(user_of(1));
  auto order_server = psql();
  order_server.run("BEGIN; SELECT postbox_lock(ARRAY[" + key + "]::uuid[])");
  order_server.run("SELECT postbox_store(" + ms_of(clock_->wall_now()) + ", 7, " + key + ", " +
                   key + ", 'order', NULL, NULL, " + ms_of(at(2s)) + ", 0, ARRAY[" + key +
                   "]::uuid[], false, false, NULL, '{}', NULL, NULL, NULL, NULL, NULL)");
  std::atomic<bool> has_returned = false;
  std::thread cart_server([&] {
    append({update(2, 7, 1s)});
    has_returned = true;
  });
  auto watcher = psql();
  const std::string waiting =
      std::string("SELECT count(*)") + kOwnSessions + " AND wait_event_type = 'Lock'";
  while (!has_returned && watcher.run(waiting) == "0") {
  }
  EXPECT_FALSE(has_returned);
  order_server.run("COMMIT");
  cart_server.join();
  EXPECT_EQ(take(outbox().stats()).timers_pending, 0U);
  order_server.run("UPDATE postbox_totals SET appended = appended + 1 WHERE part = 0");
}

TEST_F(PostgresSenders, ManyServersMayBeginWithAnEmptySchemaAtOnce) {
  options_.url = fresh_url();
  at_once(8, [](Outbox& own, std::size_t thread) {
    (void)take(own.append(events(static_cast<std::uint32_t>(thread) * 10, 10)));
  });
  use(another());
  EXPECT_EQ(claim().events.size(), 80U);
}

TEST_F(PostgresSenders, ManyTimersFireOnceWhoeverLooks) {
  std::vector<EventRecord> batch;
  for (std::uint32_t cart = 0; cart < 300; ++cart) batch.push_back(update(cart, cart, 1s));
  append(batch);
  clock_->advance(kDelay);
  std::atomic<std::size_t> fired = 0;
  at_once(4, [&](Outbox& own, std::size_t) { fired += take(own.maintain(24h)).fired; });
  EXPECT_EQ(fired, 300U);
}

class PostgresPut : public Postgres {
 protected:
  static std::string put(const EventRecord& record, const std::string& more = "") {
    return "SELECT postbox_put(" + std::to_string(static_cast<std::uint32_t>(record.queue)) + ", " +
           uuid(record.dedup_key) + ", " + uuid(record.profile_key) + ", '" + record.payload + "'" +
           more + ")";
  }
};

TEST_F(PostgresPut, AnEventExistsExactlyIfItsTransactionCommits) {
  (void)claim();  // makes the tables
  auto shop = psql();
  shop.run("BEGIN; " + put(event(1)) + "; ROLLBACK");
  EXPECT_TRUE(take(outbox().due_queues()).empty());
  shop.run("BEGIN");
  shop.run(put(event(2)));
  EXPECT_TRUE(take(outbox().due_queues()).empty());
  shop.run("COMMIT");
  shop.run(put(event(2)));
  EXPECT_EQ(take(outbox().due_queues()), std::vector{kQueue});
  const Claim claimed = claim();
  ASSERT_EQ(claimed.events.size(), 1U);
  expect_same(claimed.events[0].record, event(2));
  const OutboxTotals totals = take(outbox().stats()).totals;
  EXPECT_EQ(totals.appended, 1U);
  EXPECT_EQ(totals.duplicates, 1U);
}

TEST_F(PostgresPut, AnOrderEndsATimerBeforeItFires) {
  append({update(1, 7, 1s)});
  settle_all(claim(), OutcomeKind::kDelivered);
  psql().run(put(event(2, kOtherQueue), ", cancels => ARRAY[" + uuid(slot_of(7)) + "]::uuid[]"));
  clock_->advance(kDelay);
  EXPECT_EQ(take(outbox().maintain(24h)).fired, 0U);
  EXPECT_EQ(claim(9, kOtherQueue).events.size(), 1U);
}

TEST_F(PostgresPut, IsFoundFromAnotherSearchPath) {
  (void)claim();
  auto shop = psql();
  const std::string schema = shop.run("SELECT current_schema()");
  shop.run("SET search_path = pg_catalog");
  std::string statement = put(event(1));
  statement.replace(statement.find("postbox_put"), 11, schema + ".postbox_put");
  shop.run(statement);
  EXPECT_EQ(take(outbox().maintain(24h)).next_due, std::nullopt);
  EXPECT_EQ(claim().events.size(), 1U);
}

}  // namespace
}  // namespace postbox::testing
