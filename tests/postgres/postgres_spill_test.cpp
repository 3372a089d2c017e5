// POSTBOX_SPILL over a real database that is killed.
#include <atomic>
#include <thread>

#include "support/postgres_fixture.hpp"
#include "support/raw_file.hpp"
#include "support/timed_records.hpp"

namespace postbox::testing {
namespace {

class PostgresSpill : public ::testing::Test, protected OutboxFixture {
 protected:
  void SetUp() override {
    if (!has_postgres()) GTEST_SKIP() << "no PostgreSQL server is installed";
    url_ = fresh_url(server());
    open();
  }
  void TearDown() override {
    if (has_postgres()) expect_conservation();
  }

  // A server of its own, which is killed.
  static PostgresServer& server() {
    static PostgresServer server(PostgresServer::Disk::kDurable);
    return server;
  }
  [[nodiscard]] OutboxOptions spill_options() const {
    OutboxOptions options = options_for(url_);
    options.spill = "sqlite:" + folder_.file("spill.db");
    return options;
  }
  void open() {
    use(nullptr);
    use(take(open_outbox(spill_options(), clock_)));
  }
  void drain_all() {
    for (;;) {
      const Maintained done = take(outbox().maintain(24h));
      if (done.next_due != 0ms && outbox().spilled().events == 0) return;
      if (HasFailure()) return;
    }
  }

  std::string url_;
};

TEST_F(PostgresSpill, WhatComesWhileTheServerIsAwayIsThereOnceAndInItsOrder) {
  append({update(1, 7, 1s), event(2)});
  server().stop();
  EXPECT_EQ(append({update(3, 8, 1s), event(4)}), 2U);
  EXPECT_EQ(append({order(5, slot_of(7), 2s)}), 1U);
  EXPECT_EQ(append({alone(slot_of(8), 3s), event(6)}), 1U);
  EXPECT_EQ(outbox().spilled().events, 4U);
  EXPECT_FALSE(take(outbox().stats()).away.empty());
  open();  // also after a restart
  EXPECT_EQ(append({event(7)}), 1U);
  EXPECT_EQ(take(outbox().stats()).spilled, 5U);
  ASSERT_TRUE(server().start());
  clock_->advance(1min);
  drain_all();
  std::vector<std::string> payloads;
  for (const ClaimedEvent& each : claim().events) payloads.push_back(each.record.payload);
  EXPECT_EQ(payloads, (std::vector{event(1).payload, event(2).payload, event(3).payload,
                                   event(4).payload, event(6).payload, event(7).payload}));
  EXPECT_EQ(stats_of(kOtherQueue).ready, 1U);
  EXPECT_EQ(take(outbox().stats()).timers_pending, 0U);
  EXPECT_TRUE(take(outbox().check()).problems.empty());
}

// The server is killed again and again in the midst of appends, whose answers are lost: none of
// them is stored or counted twice, whether it had been done or not.
TEST_F(PostgresSpill, WhatMayHaveBeenDoneIsStoredAndCountedOnce) {
  constexpr std::uint32_t kBatches = 300;
  constexpr std::uint32_t kEach = 5;
  std::atomic<std::uint32_t> done = 0;
  std::atomic<bool> is_over = false;
  std::atomic<std::uint64_t> inserted = 0;
  std::thread writer([&] {
    for (std::uint32_t batch = 0; batch < kBatches; ++batch) {
      std::vector<EventRecord> records = events(batch * kEach, kEach);
      if (batch % 2 == 1) records[2] = update(batch * kEach + 2, batch, 1s);
      const auto appended = outbox().append(records);
      EXPECT_TRUE(appended) << appended.error().message;
      if (appended) inserted += appended->inserted;
      done = batch + 1;
    }
  });
  // As the sender does.
  std::thread sender([&] {
    while (!is_over) (void)outbox().maintain(24h);
  });
  for (std::uint32_t round = 1; round <= 5; ++round) {
    while (done < round * kBatches / 6) std::this_thread::yield();
    server().kill_hard();
    ASSERT_TRUE(server().start());
  }
  writer.join();
  is_over = true;
  sender.join();
  clock_->advance(1min);
  drain_all();
  EXPECT_EQ(inserted, kBatches * kEach);
  const OutboxStats stats = take(outbox().stats());
  EXPECT_EQ(stats.totals.appended, kBatches * kEach);
  EXPECT_EQ(stats.totals.duplicates, 0U);
  EXPECT_EQ(stats.totals.purged, 0U);
  EXPECT_EQ(stats.timers_pending, kBatches / 2);
  EXPECT_EQ(stats_of().ready, kBatches * kEach);
}

TEST_F(PostgresSpill, LiesInTheSpillEncryptedAndGetsTheNewKey) {
  OutboxOptions options = spill_options();
  options.encryption_keys = {std::string(64, 'a')};
  use(take(open_outbox(options, clock_)));
  server().stop();
  append({event(1), update(2, 7, 1s)});
  use(nullptr);
  for (const auto& file : std::filesystem::directory_iterator(folder_.path())) {
    EXPECT_EQ(tests::contents(file.path()).find("payload 1"), std::string::npos) << file.path();
  }
  ASSERT_TRUE(server().start());
  options.encryption_keys = {std::string(64, 'b'), std::string(64, 'a')};
  use(take(open_outbox(options, clock_)));
  EXPECT_EQ(take(outbox().reseal()).events, 2U) << "rows of the spill";
  options.encryption_keys = {std::string(64, 'b')};
  use(take(open_outbox(options, clock_)));
  drain_all();
  const Claim claimed = claim();
  ASSERT_EQ(claimed.events.size(), 2U);
  expect_same(claimed.events[0].record, event(1));
  clock_->advance(kDelay);
  EXPECT_EQ(take(outbox().maintain(24h)).fired, 1U);
  const Claim later = claim();
  ASSERT_EQ(later.events.size(), 3U);
  expect_same(later.events[2].record, event(kFired + 2));
}

}  // namespace
}  // namespace postbox::testing
