// Timers in a file: over restarts, and with several processes at once.
#include <gmock/gmock.h>

#include <thread>

#include "support/raw_file.hpp"
#include "support/timed_records.hpp"

namespace postbox::testing {
namespace {

using tests::RawConnection;

class SqliteTimers : public ::testing::Test, protected OutboxFixture {
 protected:
  void TearDown() override { expect_conservation(); }

  [[nodiscard]] std::shared_ptr<Outbox> another() {
    return take(open_outbox({.url = "sqlite:" + path().string()}, clock_));
  }
  [[nodiscard]] std::filesystem::path path() const { return folder_.path() / "outbox.db"; }
  void reopen() {
    use(nullptr);
    use(another());
  }
};

TEST_F(SqliteTimers, TimersAndEndsSurviveARestart) {
  reopen();
  append({update(1, 7, 1s), update(2, 8, 1s), order(3, slot_of(9), 2s), quiet_update(4, 5, 1s)});
  reopen();
  append({order(6, slot_of(7), 2s), update(7, 9, 1s), quiet_update(8, 5, 2s)});
  EXPECT_EQ(take(outbox().stats()).timers_pending, 1U);
  clock_->advance(kDelay);
  reopen();
  EXPECT_EQ(take(outbox().maintain(24h)).fired, 1U);
  std::vector<std::string> payloads;
  for (const auto& each : claim().events) payloads.push_back(each.record.payload);
  EXPECT_THAT(payloads, ::testing::UnorderedElementsAre("payload 1", "payload 2", "payload 7",
                                                        "payload 8", "payload 1002"));
}

TEST_F(SqliteTimers, ATimerFiresOnceAlsoWithTwoProcessesOnTheFile) {
  reopen();
  const auto other = another();
  append({update(1, 7, 1s), update(2, 8, 1s)});
  const std::vector<EventRecord> bought = {order(3, slot_of(8), 2s)};
  EXPECT_TRUE(other->append(bought));
  clock_->advance(kDelay);
  EXPECT_EQ(take(other->maintain(24h)).fired, 1U);
  EXPECT_EQ(take(outbox().maintain(24h)).fired, 0U);
  const std::vector<EventRecord> late = {order(4, slot_of(7), 2s)};
  EXPECT_TRUE(other->append(late));
  EXPECT_EQ(stats_of().ready, 2U) << "what had fired is taken back";
}

TEST_F(SqliteTimers, AnImportOfOldOrdersLeavesNothingBehind) {
  reopen();
  std::vector<EventRecord> history;
  for (std::uint32_t number = 1; number <= 2'000; ++number) {
    history.push_back(order(number, user_of(number), -24h * 730 + number * 1s));
  }
  append(history);
  EXPECT_EQ(RawConnection(path()).integer("SELECT count(*) FROM timer_end"), 0);
}

TEST_F(SqliteTimers, OfTheEndsOfADayTheOldestAreForgottenFirst) {
  use(take(open_outbox({.url = "sqlite:" + path().string(), .max_disk = mebibytes(2)}, clock_)));
  std::vector<EventRecord> orders;
  for (std::uint32_t number = 1; number <= 1'400; ++number) {
    orders.push_back(alone(user_of(number), number * 100ms));
  }
  append(orders);
  RawConnection raw(path());
  EXPECT_EQ(raw.integer("SELECT ends FROM totals"), 1'400);
  (void)take(outbox().maintain(24h));
  EXPECT_EQ(raw.integer("SELECT count(*) FROM timer_end"), 2 * 1'048'576 / 16 / 100);
  EXPECT_EQ(raw.integer("SELECT ends FROM totals"), 2 * 1'048'576 / 16 / 100);
  append({update(1, 7, 0s)});
  EXPECT_EQ(take(outbox().stats()).timers_pending, 1U) << "the first end is forgotten";
}

// Each order meets its cart's timer before, while or after it fires, and ends it all the same.
TEST_F(SqliteTimers, AnOrderEndsATimerThatAnotherProcessIsFiring) {
  constexpr std::uint32_t kCartRounds = 20;
  constexpr std::uint32_t kCarts = 50;
  reopen();
  const auto shop = another();
  std::uint32_t number = 0;
  for (std::uint32_t round = 0; round < kCartRounds; ++round) {
    std::vector<EventRecord> updates;
    for (std::uint32_t cart = 0; cart < kCarts; ++cart) {
      const std::uint32_t id = ++number;
      updates.push_back(with(
          event(id),
          {.slot = slot_of(id), .as_of = at(1s), .timer = Timer{kDelay, {}, event(100'000 + id)}}));
    }
    append(updates);
    settle_all(claim(kCarts), OutcomeKind::kDelivered);
    clock_->advance(kDelay);
    std::thread orders([&] {
      for (std::uint32_t cart = 0; cart < kCarts; ++cart) {
        const std::uint32_t id = number - cart;
        const std::vector<EventRecord> bought = {order(200'000 + id, slot_of(id), 2s)};
        EXPECT_TRUE(shop->append(bought));
      }
    });
    (void)take(outbox().maintain(24h));
    orders.join();
    EXPECT_EQ(take(outbox().stats()).timers_pending, 0U);
    EXPECT_EQ(stats_of().ready, 0U) << "an abandoned cart that was ordered is waiting";
  }
  EXPECT_EQ(stats_of(kOtherQueue).ready, kCartRounds * kCarts);
}

}  // namespace
}  // namespace postbox::testing
