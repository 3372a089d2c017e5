// The model on which the fleet is simulated, beside the database that it stands for: both are asked
// the same at random, and must answer the same.
#include <random>

#include "fleet/model_outbox.hpp"
#include "postgres_outbox/schema_text.hpp"
#include "support/postgres_fixture.hpp"
#include "support/rate_fleet.hpp"
#include "support/timed_records.hpp"

namespace postbox::testing {
namespace {

// Asks the database, and the model what it says to the same question.
class ComparedLedger final : public postgres::RateLedger {
 public:
  ComparedLedger(std::shared_ptr<postgres::Store> store, std::shared_ptr<fleet::ModelRates> rates,
                 std::shared_ptr<Clock> clock, std::int64_t server)
      : database_(std::move(store), "", server),
        rates_(std::move(rates)),
        clock_(std::move(clock)),
        server_(server) {}

  std::optional<postgres::RateGrant> ask(const Lane& lane,
                                         const postgres::RateQuestion& question) override {
    const SteadyTime now = clock_->now();
    const auto grant = database_.ask(lane, question);
    const auto model =
        rates_->take(std::string(lane.name), fleet::take_of(lane, question, server_, now),
                     clock_->wall_now().time_since_epoch().count(), 0);
    if (grant) expect_same_grant(*grant, fleet::grant_of(model, now));
    EXPECT_EQ(database_.servers(), model.servers);
    return grant;
  }
  bool is_there(SteadyTime now) const noexcept override { return database_.is_there(now); }
  std::int64_t servers() const noexcept override { return database_.servers(); }

 private:
  static void expect_same_grant(const postgres::RateGrant& a, const postgres::RateGrant& b) {
    EXPECT_EQ(a.requests, b.requests);
    EXPECT_EQ(a.share, b.share);
    EXPECT_EQ(a.first, b.first);
    EXPECT_EQ(a.last, b.last);
    EXPECT_EQ(a.gap, b.gap);
    EXPECT_EQ(a.again, b.again);
    EXPECT_EQ(a.window, b.window);
    EXPECT_EQ(a.room, b.room);
    EXPECT_EQ(a.limit, b.limit);
    EXPECT_EQ(a.window_end, b.window_end);
    EXPECT_EQ(a.shut, b.shut);
    EXPECT_EQ(a.spread, b.spread);
  }

  postgres::DatabaseLedger database_;
  std::shared_ptr<fleet::ModelRates> rates_;
  std::shared_ptr<Clock> clock_;
  std::int64_t server_;
};

class PostgresModel : public Postgres {
 protected:
  void SetUp() override {
    Postgres::SetUp();
    if (!has_postgres()) return;
    store_ = std::make_shared<fleet::ModelStore>(clock_, options_.max_disk, 1);
    model_ = std::make_shared<fleet::ModelOutbox>(store_, clock_, 0);
  }

  // One call of each, with the same arguments.
  void append_some() {
    std::vector<EventRecord> batch;
    for (std::uint32_t i = 0, count = 1 + roll(4); i < count; ++i) batch.push_back(any_record());
    const Appended appended = take(outbox().append(batch));
    const Appended same = take(model_->append(batch));
    EXPECT_EQ(appended.inserted, same.inserted);
    EXPECT_EQ(appended.duplicates, same.duplicates);
    EXPECT_EQ(appended.room.count, same.room.count);
  }
  void claim_some() {
    const ClaimLimits limits{.max_events = 1 + roll(5)};
    const QueueId queue = roll(3) == 0 ? kOtherQueue : kQueue;
    const Claim claimed = take(outbox().claim(queue, limits, kLease));
    const Claim same = take(model_->claim(queue, limits, kLease));
    EXPECT_EQ(claimed.limited, same.limited);
    ASSERT_EQ(claimed.events.size(), same.events.size());
    for (std::size_t i = 0; i < claimed.events.size(); ++i) {
      expect_same(claimed.events[i].record, same.events[i].record);
      EXPECT_EQ(claimed.events[i].attempts, same.events[i].attempts);
      EXPECT_EQ(claimed.events[i].tried_for, same.events[i].tried_for);
      EXPECT_EQ(claimed.events[i].age, same.events[i].age);
      EXPECT_EQ(claimed.events[i].in_order, same.events[i].in_order);
    }
    if (!claimed.events.empty()) claims_.emplace_back(claimed, same);
  }
  // One by one: what a statement decides about several at once stands in the conformance suite.
  void settle_some() {
    if (claims_.empty()) return;
    const std::size_t place = roll(static_cast<std::uint32_t>(claims_.size()));
    const auto& [claimed, same] = claims_[place];
    for (std::size_t i = 0; i < claimed.events.size(); ++i) {
      Outcome decided = outcome(claimed.events[i], static_cast<OutcomeKind>(roll(4)));
      if (roll(2) == 0) decided.delay = std::chrono::milliseconds(roll(60'000));
      decided.spend_attempt = roll(3) > 0;
      decided.begin_again = roll(4) == 0;
      const Settled settled = take(outbox().settle(claimed.token, std::vector{decided}));
      decided.handle = same.events[i].handle;
      const Settled settled_too = take(model_->settle(same.token, std::vector{decided}));
      EXPECT_EQ(settled.applied, settled_too.applied);
      EXPECT_EQ(settled.stale, settled_too.stale);
      EXPECT_EQ(settled.ready_again, settled_too.ready_again);
    }
    if (roll(3) > 0) claims_.erase(claims_.begin() + static_cast<std::ptrdiff_t>(place));
  }
  void maintain_both() {
    const Maintained maintained = take(outbox().maintain(24h));
    const Maintained same = take(model_->maintain(24h));
    EXPECT_EQ(maintained.promoted, same.promoted);
    EXPECT_EQ(maintained.fired, same.fired);
    EXPECT_EQ(maintained.expired, same.expired);
    EXPECT_EQ(maintained.next_due, same.next_due);
  }
  void operate() {
    const std::uint32_t what = roll(4);
    const Key profile = key_of(roll(10));
    const auto on_both = [&](const auto& operation) {
      EXPECT_EQ(take(operation(outbox())), take(operation(*model_)));
    };
    if (what == 0) on_both([](Outbox& one) { return one.replay({}, 5, {}); });
    if (what == 1) on_both([&](Outbox& one) { return one.purge_profile(profile); });
    if (what == 2) on_both([](Outbox& one) { return one.purge({}); });
    if (what < 3) return;
    EXPECT_EQ(take(outbox().free_held({}, EventHandle{0}, 5)).size(),
              take(model_->free_held({}, EventHandle{0}, 5)).size());
  }
  void compare() {
    const OutboxStats stats = take(outbox().stats());
    const OutboxStats same = take(model_->stats());
    EXPECT_EQ(stats.used.count, same.used.count);
    EXPECT_EQ(stats.timers_pending, same.timers_pending);
    EXPECT_EQ(stats.totals.appended, same.totals.appended);
    EXPECT_EQ(stats.totals.duplicates, same.totals.duplicates);
    EXPECT_EQ(stats.totals.delivered, same.totals.delivered);
    EXPECT_EQ(stats.totals.purged, same.totals.purged);
    EXPECT_EQ(stats.totals.fired, same.totals.fired);
    ASSERT_EQ(stats.queues.size(), same.queues.size());
    for (std::size_t i = 0; i < stats.queues.size(); ++i) {
      EXPECT_EQ(stats.queues[i].ready, same.queues[i].ready);
      EXPECT_EQ(stats.queues[i].leased, same.queues[i].leased);
      EXPECT_EQ(stats.queues[i].delayed, same.queues[i].delayed);
      EXPECT_EQ(stats.queues[i].held, same.queues[i].held);
      EXPECT_EQ(stats.queues[i].dead, same.queues[i].dead);
      EXPECT_EQ(stats.queues[i].oldest, same.queues[i].oldest);
    }
    EXPECT_EQ(take(outbox().due_queues()), take(model_->due_queues()));
  }

  std::uint32_t roll(std::uint32_t sides) { return static_cast<std::uint32_t>(random_() % sides); }

  std::mt19937_64 random_;
  std::shared_ptr<fleet::ModelStore> store_;
  std::shared_ptr<fleet::ModelOutbox> model_;

 private:
  EventRecord any_record() {
    const auto as_of = std::chrono::duration_cast<std::chrono::milliseconds>(
        clock_->wall_now() - at(0s) - std::chrono::milliseconds(roll(200'000)) + 20s);
    const std::uint32_t number = next_++ - (roll(5) == 0 ? roll(10) : 0);
    switch (roll(6)) {
      case 0:
        return update(number, roll(4), as_of);
      case 1:
        return quiet_update(number, roll(4), as_of);
      case 2:
        return order(number, roll(2) == 0 ? slot_of(roll(4)) : user_of(1), as_of);
      case 3:
        return in_order(number, "value " + std::to_string(number), 7 + roll(2), roll(3));
      case 4:
        return alone(slot_of(roll(4)), as_of);
      default:
        return event(number, roll(3) == 0 ? kOtherQueue : kQueue);
    }
  }

  std::vector<std::pair<Claim, Claim>> claims_;
  std::uint32_t next_ = 100;
};

TEST_F(PostgresModel, DoesWhatTheDatabaseDoesWhateverIsAsked) {
  for (std::uint64_t seed = 1; seed <= 4 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    random_.seed(seed);
    for (int step = 0; step < 200 && !HasFailure(); ++step) {
      SCOPED_TRACE(step);
      switch (roll(8)) {
        case 0:
        case 1:
          append_some();
          break;
        case 2:
        case 3:
          claim_some();
          break;
        case 4:
          settle_some();
          break;
        case 5:
          clock_->advance(std::chrono::milliseconds(roll(roll(10) == 0 ? 4'000'000 : 20'000)));
          break;
        case 6:
          maintain_both();
          break;
        default:
          if (roll(4) == 0) operate();
      }
      if (step % 5 == 0) compare();
    }
  }
}

TEST_F(PostgresModel, GrantsOfTheQuotaWhatTheDatabaseGrants) {
  constexpr Lane kLane{.name = "events", .burst = {350, 1s}, .steady = {3'500, 1min}};
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    options_ = postgres_options();
    const auto rates = std::make_shared<fleet::ModelRates>();
    tests::RateFleet all(clock_, kLane, seed);
    for (std::int64_t server = 1; server <= 5; ++server) {
      const auto random = seeded_random(static_cast<std::uint64_t>(server));
      const auto store = std::make_shared<postgres::Store>(
          postgres::kOutboxSchema, "postgresql" + options_.url.substr(options_.url.find(':')), 1s,
          clock_, postgres::TimeSource::kClock);
      const auto ledger = std::make_shared<ComparedLedger>(store, rates, clock_, server);
      all.add(postgres::shared_rate_gates(ledger, random)(0, kLane),
              server == 5 ? 0 : static_cast<std::int64_t>(1'500 * seed));
    }
    all.servers()[3].pace = RateGate::Pace::kEven;
    all.at(5s, [&all] { all.kill(0); });
    for (int i = 0; i < 300; ++i) all.offer(4, 20s + i * 117ms);
    for (int i = 0; i < 1'000; ++i) all.foreign(70s + i * 50ms);  // others come, and go again
    all.run(10min);
    EXPECT_GE(all.done(), 300);
    ASSERT_FALSE(HasFailure()) << seed;
  }
}

}  // namespace
}  // namespace postbox::testing
