// Servers that share one account's limits through the database, on virtual time: the vendor's
// windows are klaviyo-sim's, the database is a real one.
#include <iostream>

#include <postbox/postgres_backend.hpp>

#include "postgres_outbox/schema_text.hpp"
#include "postgres_outbox/shared_rate_gate.hpp"
#include "send/pacer.hpp"
#include "support/postgres_fixture.hpp"
#include "support/rate_fleet.hpp"

namespace postbox::testing {
namespace {

using tests::RateFleet;

constexpr Lane kEventLane{.name = "events", .burst = {350, 1s}, .steady = {3'500, 1min}};
constexpr Lane kBulkLane{.name = "bulk", .burst = {10, 1s}, .steady = {150, 1min}};

// A clock whose steady time is another than the test's; the wall time, the database's, is the same.
class SkewedClock final : public Clock {
 public:
  SkewedClock(std::shared_ptr<Clock> inner, std::chrono::milliseconds ahead)
      : inner_(std::move(inner)), ahead_(ahead) {}
  [[nodiscard]] SteadyTime now() const noexcept override { return inner_->now() + ahead_; }
  [[nodiscard]] WallTime wall_now() const noexcept override { return inner_->wall_now(); }

 private:
  std::shared_ptr<Clock> inner_;
  std::chrono::milliseconds ahead_;
};

class PostgresRate : public Postgres {
 protected:
  [[nodiscard]] std::unique_ptr<RateGate> gate(const Lane& lane, std::string url,
                                               std::chrono::milliseconds ahead = {}) {
    auto store = std::make_shared<postgres::Store>(
        postgres::kOutboxSchema, "postgresql" + url.substr(url.find(':')), 1s,
        std::make_shared<SkewedClock>(clock_, ahead), postgres::TimeSource::kClock);
    return postgres::shared_rate_gates(
        {.store = std::move(store), .account = "", .random = seeded_random(++seed_)})(0, lane);
  }
  [[nodiscard]] std::unique_ptr<RateGate> gate(const Lane& lane) {
    return gate(lane, options_.url);
  }

  // What one server alone needs.
  [[nodiscard]] std::chrono::milliseconds alone(const Lane& lane, std::int64_t requests) {
    RateFleet fleet(clock_, lane, 7);
    fleet.add(std::make_unique<Pacer>(lane, seeded_random(3)), requests);
    fleet.run(2h);
    EXPECT_EQ(fleet.refused(), 0);
    EXPECT_EQ(fleet.done(), requests);
    return fleet.took();
  }

  void expect_drain(const Lane& lane, std::int64_t requests, std::size_t servers) {
    const auto single = alone(lane, requests);
    options_ = postgres_options();
    RateFleet fleet(clock_, lane, 7);
    for (std::size_t i = 0; i < servers; ++i) {
      const auto n = static_cast<std::int64_t>(servers);
      fleet.add(gate(lane), requests / n + (static_cast<std::int64_t>(i) < requests % n ? 1 : 0));
    }
    fleet.run(2h);
    EXPECT_EQ(fleet.refused(), 0);
    EXPECT_EQ(fleet.done(), requests);
    const auto took = fleet.took();
    std::cout << lane.name << ", " << requests << " requests: " << servers << " servers "
              << took.count() << " ms, a single process " << single.count() << " ms, "
              << 100.0 * static_cast<double>((took - single).count()) /
                     static_cast<double>(single.count())
              << " % more\n";
    EXPECT_LE(took, single * 102 / 100);
  }

  std::uint64_t seed_ = 0;
};

TEST_F(PostgresRate, OneServerDrainsAsFastAsASingleProcess) {
  expect_drain(kEventLane, 20'000, 1);
  expect_drain(kBulkLane, 1'000, 1);
}

TEST_F(PostgresRate, ThreeServersDrainAsFastAsASingleProcess) {
  expect_drain(kEventLane, 20'000, 3);
  expect_drain(kBulkLane, 1'000, 3);
}

TEST_F(PostgresRate, TenServersDrainAsFastAsASingleProcess) {
  expect_drain(kEventLane, 20'000, 10);
  expect_drain(kBulkLane, 1'000, 10);
}

// Wherever the vendor's minute and second begin.
TEST_F(PostgresRate, NoneIsRefusedWhateverTheVendorsWindows) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    options_ = postgres_options();
    RateFleet fleet(clock_, kEventLane, seed);
    for (std::size_t i = 0; i < 1 + seed % 7; ++i) fleet.add(gate(kEventLane), 1'500);
    fleet.run(1h);
    EXPECT_EQ(fleet.refused(), 0) << seed;
  }
}

TEST_F(PostgresRate, ServersComeAndAreKilledInTheMidstOfIt) {
  constexpr std::int64_t kRequests = 20'000;
  const auto single = alone(kEventLane, kRequests);
  RateFleet fleet(clock_, kEventLane, 7);
  for (int i = 0; i < 8; ++i) fleet.add(gate(kEventLane), kRequests / 4);
  std::int64_t left = kRequests;
  // Half of them begin; every 10 seconds one more takes over what a killed one had left.
  for (std::size_t i = 4; i < 8; ++i) fleet.servers()[i].backlog = 0;
  for (std::size_t i = 4; i < 8; ++i) {
    fleet.at(std::chrono::milliseconds(10'370 * (i - 3)), [&fleet, i] {
      RateFleet::Server& killed = fleet.servers()[i - 4];
      const auto lost = static_cast<std::int64_t>(killed.under_way);
      fleet.servers()[i].backlog = killed.backlog + lost;  // its leases end
      fleet.kill(i - 4);
    });
  }
  fleet.run(1h);
  left -= fleet.done();
  EXPECT_EQ(left, 0);
  EXPECT_EQ(fleet.refused(), 0);
  std::cout << "4 of 8 killed: " << fleet.took().count() << " ms, a single process "
            << single.count() << " ms\n";
  EXPECT_LE(fleet.took(), single * 102 / 100);
}

TEST_F(PostgresRate, WhatADeadServerReservedReturnsWithTheWindow) {
  RateFleet fleet(clock_, kEventLane, 7);
  fleet.add(gate(kEventLane), 2'000);
  fleet.add(gate(kEventLane), 0);
  fleet.at(3s, [&] {
    fleet.kill(0);
    fleet.servers()[1].backlog = 10'000;
  });
  fleet.run(1h);
  EXPECT_EQ(fleet.refused(), 0);
  EXPECT_EQ(fleet.servers()[1].done, 10'000);
  EXPECT_EQ(psql().run("SELECT granted <= 3500 FROM postbox_rate"), "t");
}

TEST_F(PostgresRate, ServersWhoseClocksDifferShareAllTheSame) {
  const auto single = alone(kEventLane, 10'000);
  RateFleet fleet(clock_, kEventLane, 7);
  for (const auto ahead : {0ms, 250ms, 3'600'000ms, 77ms}) {
    fleet.add(gate(kEventLane, options_.url, ahead), 2'500, ahead);
  }
  fleet.run(1h);
  EXPECT_EQ(fleet.refused(), 0);
  EXPECT_EQ(fleet.done(), 10'000);
  EXPECT_LE(fleet.took(), single * 102 / 100);
}

// Counts the questions.
TEST_F(PostgresRate, ABusyServerAsksSomeTimesASecondAndAnIdleOneNever) {
  RateFleet fleet(clock_, kEventLane, 7);
  for (int i = 0; i < 3; ++i) fleet.add(gate(kEventLane), 0);
  (void)fleet.servers()[0].gate->next(clock_->now(), RateGate::Pace::kFast);
  psql().run(
      "CREATE SEQUENCE asked; CREATE FUNCTION count_asked() RETURNS trigger LANGUAGE plpgsql AS"
      " $$ BEGIN PERFORM nextval('asked'); RETURN NULL; END $$;"
      "CREATE TRIGGER asked AFTER INSERT OR UPDATE ON postbox_rate_server FOR EACH ROW EXECUTE"
      " FUNCTION count_asked()");
  const auto asked = [&] {
    return std::stoll("0" +
                      psql().run("SELECT CASE WHEN is_called THEN last_value END FROM asked"));
  };
  fleet.run(60s);
  for (RateFleet::Server& server : fleet.servers()) {
    (void)server.gate->capacity(clock_->now(), 3s);
    (void)server.gate->use(clock_->now());
  }
  EXPECT_EQ(asked(), 0) << "idle";

  // Live traffic: each server has a request now and then, 30 a second together.
  for (int i = 0; i < 1'800; ++i) {
    fleet.offer(static_cast<std::size_t>(i * 7 % 3), 60s + i * 33ms + (i * 37 % 29) * 1ms);
  }
  fleet.run(3min);
  const auto trickle = asked();
  EXPECT_EQ(fleet.done(), 1'800);
  EXPECT_EQ(fleet.refused(), 0);
  EXPECT_LE(trickle, 60 * 3 * 4);
  EXPECT_LE(fleet.longest_wait(), 150ms);

  for (RateFleet::Server& server : fleet.servers()) server.backlog = 5'000;
  const auto began = fleet.time();
  fleet.run(2h);
  const auto busy_seconds = (fleet.time() - began) / 1s;
  const auto busy = asked() - trickle;
  EXPECT_EQ(fleet.refused(), 0);
  EXPECT_LE(busy, busy_seconds * 3 * 4);
  std::cout << "questions: " << trickle
            << " for 1800 requests in 60 s of live traffic (longest wait "
            << fleet.longest_wait().count() << " ms), " << busy << " for a backlog of 15000 in "
            << busy_seconds << " s\n";
}

TEST_F(PostgresRate, ARefusalStopsEverybody) {
  const auto one = gate(kEventLane);
  const auto other = gate(kEventLane);
  const auto now = [&] { return clock_->now(); };
  for (const auto& each : {one.get(), other.get()}) {
    ASSERT_LE(each->next(now(), RateGate::Pace::kFast), now());
    each->started(now());
  }
  one->refused(now(), 30s);
  clock_->advance(1s);  // as long as a grant holds
  EXPECT_GT(other->next(now(), RateGate::Pace::kFast), now() + 28s);
  EXPECT_GT(one->next(now(), RateGate::Pace::kFast), now() + 28s);
  EXPECT_EQ(other->capacity(now(), 3s), 0U);
  clock_->advance(46s);
  EXPECT_LE(other->next(now(), RateGate::Pace::kFast), now() + 1min);
}

TEST_F(PostgresRate, ItKeepsToTheShareThatIsSet) {
  RateFleet fleet(clock_, kEventLane, 7);
  for (int i = 0; i < 3; ++i) fleet.add(gate(kEventLane), 3'000);
  for (RateFleet::Server& server : fleet.servers()) server.gate->set_share(500);
  EXPECT_EQ(fleet.servers()[0].gate->use(clock_->now()).limit, 1'750U);
  fleet.run(59s);
  EXPECT_LE(fleet.done(), 2 * 1'750);
  fleet.run(1h);
  EXPECT_EQ(fleet.done(), 9'000);
  EXPECT_GE(fleet.took(), 4min);
  EXPECT_EQ(fleet.refused(), 0);
}

TEST_F(PostgresRate, MoreServersThanTheBurstHasRequestsTakeTurns) {
  RateFleet fleet(clock_, kBulkLane, 7);
  for (int i = 0; i < 25; ++i) fleet.add(gate(kBulkLane), 1'000);
  fleet.run(5min);
  EXPECT_EQ(fleet.refused(), 0);
  EXPECT_GE(fleet.done(), 5 * 150 * 98 / 100);
  for (const RateFleet::Server& server : fleet.servers()) EXPECT_GE(server.done, 5);
}

TEST_F(PostgresRate, WhatHasTimeIsSpreadOverTheWindow) {
  RateFleet fleet(clock_, kBulkLane, 7);
  for (int i = 0; i < 3; ++i) {
    fleet.add(gate(kBulkLane), 1'000);
    fleet.servers().back().pace = RateGate::Pace::kEven;
  }
  fleet.run(2min);
  for (auto time = 140s; time <= 300s; time += 20s) {
    const auto before = fleet.done();
    fleet.run(time);
    EXPECT_NEAR(static_cast<double>(fleet.done() - before), 50, 10) << time.count();
  }
  EXPECT_EQ(fleet.refused(), 0);
}

// Others get what they use, and we what they leave, as beside servers that know nothing of each
// other. (Whoever comes anew may find the first second's burst used up.)
TEST_F(PostgresRate, OthersWhoUseTheAccountAreLeftTheirPart) {
  const auto run = [&](bool shared, int per_second) {
    options_ = postgres_options();
    auto fleet = std::make_unique<RateFleet>(clock_, kEventLane, 7);
    for (std::uint64_t i = 0; i < 3; ++i) {
      fleet->add(shared ? gate(kEventLane) : std::make_unique<Pacer>(kEventLane, seeded_random(i)),
                 100'000);
    }
    for (int i = 0; i < 600 * per_second; ++i) fleet->foreign(i * 1'000ms / per_second);
    fleet->run(1min);
    const auto at_first = fleet->refused() + fleet->foreign_refused();
    fleet->run(10min);
    EXPECT_EQ(fleet->refused() + fleet->foreign_refused(), at_first) << "learned in a minute";
    EXPECT_LE(at_first, 64) << "what was under way when the first was refused";
    std::cout << per_second << " a second of others, " << (shared ? "shared" : "3 Pacers")
              << ": ours " << fleet->done() << ", refused " << fleet->refused() << "; theirs "
              << fleet->foreign_done() << ", refused " << fleet->foreign_refused() << "\n";
    return fleet;
  };
  for (const int per_second : {2, 20}) {
    const auto apart = run(false, per_second);
    const auto together = run(true, per_second);
    EXPECT_GE(together->done(), apart->done() * 95 / 100);
  }
}

TEST_F(PostgresRate, WithoutItsDatabaseEachServerKeepsToItsPart) {
  PostgresServer server;
  const std::string url = fresh_url(server);
  RateFleet fleet(clock_, kEventLane, 7);
  for (int i = 0; i < 3; ++i) fleet.add(gate(kEventLane, url), 7'000);
  fleet.at(20s, [&] { server.stop(); });
  fleet.at(150s, [&] { ASSERT_TRUE(server.start()); });
  fleet.run(150s);
  const auto then = fleet.done();
  const auto refused = fleet.refused();
  EXPECT_GE(then, 3'500 + 2 * 3'500 / 2) << "they go on";
  fleet.run(1h);
  EXPECT_EQ(fleet.done(), 21'000);
  EXPECT_LE(fleet.refused(), 10);
  std::cout << "database away from 20 s to 150 s: " << then << " requests by then, " << refused
            << " refused, " << fleet.refused() - refused << " later; all in "
            << fleet.took().count() << " ms\n"
            << std::flush;  // before the next fork
}

TEST_F(PostgresRate, EveryOutboxHereBringsItAndAServerOfItsOwnFileMayName) {
  const NewRateGate of_outbox = outbox().rate_gate();
  ASSERT_TRUE(of_outbox);
  const auto own = of_outbox(0, kEventLane);
  EXPECT_LE(own->next(clock_->now(), RateGate::Pace::kFast), clock_->now());
  EXPECT_EQ(psql().run("SELECT rate FROM postbox_rate"), "/events");
  const auto named = take(postgres_rate_gate(options_.url, "us", system_clock()))(0, kEventLane);
  const SteadyTime now = system_clock()->now();
  EXPECT_LE(named->next(now, RateGate::Pace::kFast), now + 1s);
  EXPECT_EQ(psql().run("SELECT count(*) FROM postbox_rate WHERE rate = 'us/events'"), "1");
  expect_error(postgres_rate_gate("sqlite:file", "us", clock_), ErrorCode::kInvalidConfig);
  expect_error(postgres_rate_gate("postgres:file", "us", clock_), ErrorCode::kInvalidConfig);
  OutboxOptions memory;
  memory.url = "memory:";
  EXPECT_FALSE(take(open_outbox(memory, clock_))->rate_gate());
}

}  // namespace
}  // namespace postbox::testing
