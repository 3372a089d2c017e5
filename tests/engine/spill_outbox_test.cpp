// POSTBOX_SPILL: what becomes of events while the database is away, and after.
#include "spill_outbox.hpp"

#include <gmock/gmock.h>

#include <random>
#include <set>

#include "support/fault_vfs.hpp"
#include "support/raw_file.hpp"
#include "support/spill_parts.hpp"
#include "support/timed_records.hpp"

namespace postbox::testing {
namespace {

using Mood = tests::FarStore::Mood;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SpillOutboxTest : public ::testing::Test, protected OutboxFixture, protected SpillParts {
 protected:
  void SetUp() override { reopen(); }
  void TearDown() override {
    FaultVfs::fail_writes(SQLITE_OK);
    expect_conservation();
  }
  static void SetUpTestSuite() { FaultVfs::install(); }

  // As after the end of the process.
  void reopen(const std::string& file = "shop.db") {
    use(nullptr);
    store.reset();
    const Opened opened = open(clock_, file);
    store = opened.store;
    use(opened.outbox);
  }
  void be(Mood mood) { store->mood = mood; }

  // Back again, and given all the time that it takes.
  std::size_t come_back() {
    be(Mood::kThere);
    return maintain_to_the_end();
  }
  std::size_t maintain_to_the_end() {
    std::size_t calls = 0;
    for (bool is_more = true; is_more && calls < 1'000; ++calls) {
      is_more = take(outbox().maintain(24h)).next_due == 0ms;
    }
    return calls;
  }
  [[nodiscard]] std::uint64_t spilled() { return outbox().spilled().events; }
  [[nodiscard]] std::vector<std::string> claimed_payloads(QueueId queue = kQueue) {
    std::vector<std::string> payloads;
    const Claim claimed = take(outbox().claim(queue, {.max_events = 10'000}, kLease));
    for (const ClaimedEvent& each : claimed.events) payloads.push_back(each.record.payload);
    return payloads;
  }
  [[nodiscard]] static std::vector<std::string> payloads_of(std::uint32_t first,
                                                            std::uint32_t count) {
    std::vector<std::string> payloads;
    for (const EventRecord& each : events(first, count)) payloads.push_back(each.payload);
    return payloads;
  }

  std::shared_ptr<tests::FarStore> store;
};

TEST_F(SpillOutboxTest, WhatComesInAnOutageIsGivenOnInItsOrder) {
  append({event(1)});
  be(Mood::kAway);
  EXPECT_EQ(append(events(2, 3)), 3U);
  EXPECT_EQ(append(events(5, 1)), 1U);
  EXPECT_EQ(spilled(), 4U);
  EXPECT_EQ(outbox().spilled().away, "the database is away");
  expect_conservation();
  be(Mood::kThere);
  EXPECT_EQ(append(events(6, 1)), 1U) << "behind those that wait";
  EXPECT_EQ(spilled(), 5U);
  EXPECT_EQ(claimed_payloads(), payloads_of(1, 1));
  expect_conservation();
  maintain_to_the_end();
  EXPECT_EQ(spilled(), 0U);
  EXPECT_EQ(outbox().spilled().away, "");
  append(events(7, 1));
  EXPECT_EQ(spilled(), 0U) << "no detour any more";
  EXPECT_EQ(claimed_payloads(), payloads_of(2, 6));
  EXPECT_EQ(take(outbox().stats()).totals.appended, 7U);
  EXPECT_EQ(take(outbox().stats()).totals.duplicates, 0U);
}

TEST_F(SpillOutboxTest, ManyAreGivenOnSomeAtATime) {
  be(Mood::kAway);
  for (std::uint32_t first = 0; first < 3'000; first += 100) append(events(first, 100));
  EXPECT_EQ(spilled(), 3'000U);
  const std::size_t before = store->appends;
  EXPECT_GE(come_back(), 3U);
  EXPECT_EQ(spilled(), 0U);
  EXPECT_EQ(store->appends - before, 6U);
  EXPECT_EQ(claimed_payloads(), payloads_of(0, 3'000));
}

TEST_F(SpillOutboxTest, WhatIsSpilledIsThereAfterARestart) {
  be(Mood::kAway);
  append(events(1, 3));
  reopen();
  EXPECT_EQ(take(outbox().stats()).spilled, 3U);
  EXPECT_EQ(append({event(4)}), 1U);
  EXPECT_EQ(spilled(), 4U) << "also after a restart it goes behind what waits";
  maintain_to_the_end();
  EXPECT_EQ(claimed_payloads(), payloads_of(1, 4));
}

TEST_F(SpillOutboxTest, AStoreThatIsAwayIsNotAskedForEachEvent) {
  be(Mood::kAway);
  for (std::uint32_t i = 0; i < 100; ++i) append({event(i)});
  EXPECT_LE(store->appends, 1U);
  be(Mood::kThere);
  clock_->advance(1min);
  append({event(100)});
  EXPECT_LE(store->appends, 1U) << "what waits goes first";
}

// Nothing waits: an append finds out by itself, and each failure makes the next try later.
TEST_F(SpillOutboxTest, AnAppendTriesAfterAGrowingWait) {
  be(Mood::kAway);
  (void)outbox().stats();
  std::size_t calls = store->calls;
  std::vector<std::chrono::milliseconds> waits;
  std::chrono::milliseconds waited{0};
  for (; waits.size() < 8; waited += 500ms) {
    (void)outbox().append({});
    if (store->calls != calls) {
      waits.push_back(std::exchange(waited, 0ms));
      calls = store->calls;
    }
    clock_->advance(500ms);
  }
  EXPECT_TRUE(std::ranges::is_sorted(waits));
  EXPECT_LE(waits.front(), 1s);
  EXPECT_GE(waits.back(), 25s);
  EXPECT_LE(waits.back(), 31s);
}

TEST_F(SpillOutboxTest, AnAnswerThatIsLostDoublesNothing) {
  append({event(1)});
  be(Mood::kLosesAnswers);
  EXPECT_EQ(append(events(2, 3)), 3U);
  append(events(5, 2));
  expect_conservation();
  come_back();
  EXPECT_EQ(claimed_payloads(), payloads_of(1, 6));
}

// The store has it, and the process ends before the spill knows.
TEST_F(SpillOutboxTest, AnEndBetweenTheTwoStoresDoublesNothing) {
  be(Mood::kAway);
  append(events(1, 3));
  be(Mood::kLosesAnswers);
  (void)outbox().maintain(24h);
  reopen();
  EXPECT_EQ(take(outbox().stats()).spilled, 3U);
  maintain_to_the_end();
  EXPECT_EQ(spilled(), 0U);
  EXPECT_EQ(claimed_payloads(), payloads_of(1, 3));
}

TEST_F(SpillOutboxTest, AFullStoreLetsThemWaitAndLosesNone) {
  be(Mood::kAway);
  append(events(1, 3));
  be(Mood::kFull);
  maintain_to_the_end();
  EXPECT_EQ(spilled(), 3U);
  EXPECT_THAT(outbox().spilled().away, HasSubstr("the database is full"));
  EXPECT_EQ(append({event(4)}), 1U);
  come_back();
  EXPECT_EQ(claimed_payloads(), payloads_of(1, 4));
}

TEST_F(SpillOutboxTest, AFullStoreThatIsThereSpillsNothing) {
  append({event(1)});
  be(Mood::kFull);
  expect_error(outbox().append(events(2, 1)), ErrorCode::kOutboxFull);
  EXPECT_EQ(spilled(), 0U);
}

TEST_F(SpillOutboxTest, ALockIsWaitedForOnceAndThenSpilled) {
  be(Mood::kBusy);
  expect_error(outbox().append(events(1, 1)), ErrorCode::kOutboxBusy);
  EXPECT_EQ(append({event(1)}), 1U);
  EXPECT_EQ(spilled(), 1U);
  come_back();
  EXPECT_EQ(claimed_payloads(), payloads_of(1, 1));
}

TEST_F(SpillOutboxTest, AFullSpillRefusesAndGoesOn) {
  spill_disk = mebibytes(1);
  reopen();
  be(Mood::kAway);
  std::uint32_t taken = 0;
  std::optional<Error> refused;
  for (; !refused && taken < 10'000; ++taken) {
    EventRecord big = event(taken);
    big.payload.resize(10'000, 'x');
    const auto appended = outbox().append(std::vector{big});
    if (!appended) refused = appended.error();
  }
  --taken;
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, ErrorCode::kOutboxFull);
  EXPECT_THAT(refused->message, HasSubstr("the database is away; POSTBOX_SPILL: "));
  EXPECT_EQ(spilled(), taken);
  come_back();
  EXPECT_EQ(claimed_payloads().size(), std::min<std::size_t>(taken, 104)) << "a MiB of them";
  EXPECT_EQ(take(outbox().stats()).totals.appended, taken);
}

TEST_F(SpillOutboxTest, ASpillWhoseDiskIsBrokenIsAnErrorOfTheCallAndNoneOfTheNext) {
  append({event(1)});
  be(Mood::kAway);
  FaultVfs::fail_writes(SQLITE_IOERR);
  const auto failed = outbox().append(events(2, 1));
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("the database is away; POSTBOX_SPILL: "));
  EXPECT_NE(outbox().spilled().trouble, "");
  FaultVfs::fail_writes(SQLITE_OK);
  EXPECT_EQ(append({event(2)}), 1U);
  come_back();
  EXPECT_EQ(claimed_payloads(), payloads_of(1, 2));
}

TEST_F(SpillOutboxTest, ASpillThatCannotBeMadeKeepsNobodyFromTheStore) {
  const auto nowhere = take(open_outbox({.url = "sqlite:/proc/nowhere/spill.db"}, clock_));
  use(spilling(store, nowhere, clock_));
  EXPECT_EQ(append({event(1)}), 1U);
  EXPECT_EQ(claimed_payloads(), payloads_of(1, 1));
  (void)outbox().maintain(24h);
  EXPECT_THAT(outbox().spilled().trouble, HasSubstr("POSTBOX_SPILL: "));
}

// ---- what records do to others

TEST_F(SpillOutboxTest, AnOrderEndsItsCartOnItsWayThroughTheSpill) {
  append({update(1, 7, 1s)});
  be(Mood::kAway);
  append({update(2, 8, 1s)});
  append({order(3, slot_of(7), 2s)});
  append({alone(slot_of(8), 200s)});
  append({update(4, 9, 2s)});
  EXPECT_EQ(spilled(), 3U) << "the end of a cart is no event";
  expect_conservation();
  reopen();
  EXPECT_EQ(take(outbox().stats()).spilled, 3U);
  maintain_to_the_end();
  EXPECT_EQ(take(outbox().stats()).timers_pending, 1U);
  clock_->advance(kDelay);
  EXPECT_EQ(take(outbox().maintain(24h)).fired, 1U);
  EXPECT_EQ(claimed_payloads(), (std::vector{event(1).payload, event(2).payload, event(4).payload,
                                             event(kFired + 4).payload}));
}

// Behind the end of an older cart comes a newer one: in another order it would be ended, too.
TEST_F(SpillOutboxTest, EndsAndEventsKeepTheirOrderAmongThemselves) {
  be(Mood::kAway);
  std::vector<EventRecord> batch;
  for (std::uint32_t i = 0; i < 1'200; ++i) {
    batch.push_back(alone(slot_of(i), 10s));
    batch.push_back(event(i));
    if (i % 50 == 49) append(std::exchange(batch, {}));
  }
  append({update(5'000, 7, 11s)});
  append({alone(user_of(9), 12s)});
  come_back();
  const auto rows = claimed_payloads();
  EXPECT_EQ(rows.size(), 1'201U);
  EXPECT_TRUE(std::ranges::equal(std::span(rows).first(1'200), payloads_of(0, 1'200)));
  EXPECT_EQ(spilled(), 0U);
  EXPECT_EQ(take(outbox().stats()).spilled, 0U);
}

// Its order waits in the spill, behind more than one step gives on: the cart must not be due
// before.
TEST_F(SpillOutboxTest, ACartThatCameDueInTheOutageIsEndedByAnOrderOfIt) {
  append({update(1, 7, 1s)});
  be(Mood::kAway);
  for (std::uint32_t i = 0; i < 50; ++i) append(events(100 + 50 * i, 50));
  append({order(2, slot_of(7), 2s)});
  clock_->advance(kDelay + 1h);
  be(Mood::kThere);
  std::size_t fired = 0;
  for (bool is_more = true; is_more;) {
    const Maintained done = take(outbox().maintain(24h));
    fired += done.fired;
    is_more = done.next_due == 0ms;
  }
  EXPECT_EQ(fired, 0U);
  EXPECT_EQ(spilled(), 0U);
  EXPECT_EQ(take(outbox().stats()).timers_pending, 0U);
}

TEST_F(SpillOutboxTest, TheLastUpdateOfAProfileIsTheLastOneSent) {
  append({in_order(1, "first", 1)});
  be(Mood::kAway);
  append({in_order(2, "second", 2)});
  append({in_order(3, "third", 3)});
  be(Mood::kThere);
  append({in_order(4, "fourth", 4)});
  maintain_to_the_end();
  std::vector<std::string> sent;
  for (int i = 0; i < 4; ++i) {
    const Claim claimed = claim();
    ASSERT_EQ(claimed.events.size(), 1U);
    sent.push_back(claimed.events[0].record.payload);
    settle_all(claimed, OutcomeKind::kDelivered);
  }
  EXPECT_THAT(sent, ElementsAre("first", "second", "third", "fourth"));
}

TEST_F(SpillOutboxTest, TheSameEventTwiceIsStoredOnce) {
  append({event(1)});
  be(Mood::kAway);
  append({event(1), event(2)});
  append({event(2)});
  expect_conservation();
  come_back();
  EXPECT_EQ(claimed_payloads(), payloads_of(1, 2));
}

// ---- people

TEST_F(SpillOutboxTest, APersonWhoIsForgottenIsForgottenInTheSpill) {
  be(Mood::kAway);
  append(events(1, 12));  // 1 and 11 are of one profile
  append({with(EventRecord{}, {.slot = slot_of(1),
                               .as_of = at(1s),
                               .timer = Timer{kDelay, {}, event(21)},
                               .effects_only = true})});
  expect_error(outbox().purge_profile(key_of(1)), ErrorCode::kOutboxUnavailable);
  EXPECT_EQ(spilled(), 10U) << "here they are gone";
  be(Mood::kThere);
  EXPECT_EQ(take(outbox().purge_profile(key_of(1))), 0U);
  be(Mood::kAway);
  append({event(31)});
  be(Mood::kThere);
  EXPECT_EQ(take(outbox().purge_profile(key_of(1))), 1U);
  expect_conservation();
  come_back();
  std::vector<std::string> others = payloads_of(2, 9);
  others.push_back(event(12).payload);
  EXPECT_EQ(claimed_payloads(), others);
  EXPECT_EQ(take(outbox().stats()).timers_pending, 0U);
  for (const auto& file : std::filesystem::directory_iterator(spill_folder.path())) {
    EXPECT_EQ(tests::contents(file.path()).find("payload 31"), std::string::npos) << file.path();
    EXPECT_EQ(tests::contents(file.path()).find("payload 21"), std::string::npos) << file.path();
  }
}

TEST_F(SpillOutboxTest, AChangeOfEveryPayloadReachesTheSpill) {
  append({event(1)});
  be(Mood::kAway);
  append({event(2), update(3, 7, 1s), alone(slot_of(9), 1s)});
  be(Mood::kThere);
  const auto rewritten = take(outbox().rewrite_payloads(
      [](const Key& key, std::string_view payload) -> std::optional<std::string> {
        EXPECT_TRUE(key == key_of(1) || key == key_of(2) || key == key_of(3) ||
                    key == key_of(kFired + 3));
        return std::string(payload) + "!";
      }));
  EXPECT_EQ(rewritten, 3U);
  maintain_to_the_end();
  clock_->advance(kDelay);
  (void)outbox().maintain(24h);
  EXPECT_THAT(claimed_payloads(),
              ElementsAre(event(1).payload + "!", event(2).payload + "!", event(3).payload + "!",
                          event(kFired + 3).payload + "!"));
}

TEST_F(SpillOutboxTest, ASpillIsForOneDatabase) {
  append({event(1)});
  be(Mood::kAway);
  append({event(2)});
  reopen("another.db");
  EXPECT_EQ(append({event(3)}), 1U);
  (void)outbox().maintain(24h);
  EXPECT_EQ(claimed_payloads(), payloads_of(3, 1)) << "the other's stays where it is";
  EXPECT_THAT(outbox().spilled().trouble, HasSubstr("another database"));
  EXPECT_EQ(spilled(), 0U);
  expect_conservation();
  be(Mood::kAway);
  expect_error(outbox().append(events(4, 1)), ErrorCode::kOutboxUnavailable);
  reopen();
  maintain_to_the_end();
  EXPECT_EQ(claimed_payloads(), payloads_of(1, 2));
}

TEST_F(SpillOutboxTest, WhatIsDamagedInTheSpillIsToldAndTheOthersGoOn) {
  be(Mood::kAway);
  append(events(1, 3));
  use(nullptr);
  {
    tests::RawConnection raw(spill_folder.file("spill.db"));
    raw.execute("UPDATE outbox SET payload = X'00' WHERE id = 2");
  }
  reopen();
  EXPECT_EQ(take(outbox().check()).damaged_count, 1U);
  maintain_to_the_end();
  EXPECT_EQ(outbox().spilled().damaged, 1U);
  EXPECT_EQ(claimed_payloads(), (std::vector{event(1).payload, event(3).payload}));
  EXPECT_EQ(take(outbox().stats()).totals.expired, 1U);
}

// ---- several processes

TEST_F(SpillOutboxTest, TwoProcessesWithOneSpillLoseNothingAndDoubleNothing) {
  const Opened other = open(clock_);
  be(Mood::kAway);
  other.store->mood = Mood::kAway;
  for (std::uint32_t i = 0; i < 50; ++i) {
    append({event(2 * i)});
    EXPECT_EQ(take(other.outbox->append(events(2 * i + 1, 1))).inserted, 1U);
  }
  EXPECT_EQ(take(other.outbox->stats()).spilled, 100U);
  come_back();
  EXPECT_EQ(take(outbox().stats()).spilled, 0U);
  other.store->mood = Mood::kThere;
  (void)other.outbox->maintain(24h);
  EXPECT_EQ(other.outbox->spilled().events, 0U) << "it has seen that another drained it";
  EXPECT_EQ(claimed_payloads(), payloads_of(0, 100));
}

TEST_F(SpillOutboxTest, WhatAnotherProcessSpilledIsDrainedByTheOneThatMay) {
  const Opened other = open(clock_);
  be(Mood::kAway);
  append({event(1)});
  come_back();  // it is the one that drains from now on
  other.store->mood = Mood::kAway;
  EXPECT_EQ(take(other.outbox->append(events(2, 1))).inserted, 1U);
  clock_->advance(6s);
  maintain_to_the_end();
  EXPECT_EQ(claimed_payloads(), payloads_of(1, 2));
}

// Two processes, which end and start again, a database that comes and goes in every way, and a disk
// that fails: what was acknowledged is there once, each process's in its order.
TEST_F(SpillOutboxTest, WhateverHappensNothingIsLostAndNothingIsDoubled) {
  constexpr std::array kMoods{Mood::kThere, Mood::kAway, Mood::kLosesAnswers, Mood::kBusy,
                              Mood::kFull};
  for (unsigned seed = 1; seed <= 4 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    std::minstd_rand random(seed);
    const std::string file = "shop-" + std::to_string(seed) + ".db";
    spill_file = "spill-" + std::to_string(seed) + ".db";
    std::array<Opened, 2> processes{open(clock_, file), open(clock_, file)};
    std::vector<std::string> acknowledged;
    std::array<std::vector<EventRecord>, 2> pending;
    std::uint32_t number = 0;
    for (int step = 0; step < 100; ++step) {
      const std::size_t which = random() % 2;
      Opened& process = processes.at(which);
      FaultVfs::fail_writes(random() % 12 == 0 ? SQLITE_IOERR : SQLITE_OK);
      if (random() % 4 == 0) process.store->mood = kMoods.at(random() % kMoods.size());
      // The writer repeats a batch until it has gone, unless its process ends.
      std::vector<EventRecord>& batch = pending.at(which);
      if (batch.empty()) {
        batch = events(number, static_cast<std::uint32_t>(1 + random() % 5));
        number += static_cast<std::uint32_t>(batch.size());
      }
      if (process.outbox->append(batch)) {
        for (const EventRecord& each : batch) acknowledged.push_back(each.payload);
        batch.clear();
      }
      if (random() % 3 == 0) (void)process.outbox->maintain(24h);
      clock_->advance(std::chrono::milliseconds(random() % 3'000));
      if (random() % 15 == 0) {
        process = {};
        process = open(clock_, file);
        batch.clear();
      }
    }
    FaultVfs::fail_writes(SQLITE_OK);
    for (Opened& process : processes) process.store->mood = Mood::kThere;
    for (int round = 0; round < 50; ++round) {
      for (Opened& process : processes) (void)process.outbox->maintain(24h);
      clock_->advance(6s);
    }
    use(processes[0].outbox);
    EXPECT_EQ(take(outbox().stats()).spilled, 0U);
    const std::vector<std::string> stored = claimed_payloads();
    const std::set<std::string> once(stored.begin(), stored.end());
    EXPECT_EQ(once.size(), stored.size());
    for (const std::string& each : acknowledged) EXPECT_TRUE(once.contains(each)) << each;
    expect_conservation();
  }
}

}  // namespace
}  // namespace postbox::testing
