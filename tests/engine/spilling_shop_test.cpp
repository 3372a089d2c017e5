// POSTBOX_SPILL with the engine around it.
#include <gmock/gmock.h>

#include "support/engine_harness.hpp"
#include "support/spill_parts.hpp"

namespace postbox::testing {
namespace {

using ::testing::ElementsAre;
using tests::FarStore;

class SpillingShop : public tests::EngineHarness, protected SpillParts {
 protected:
  void SetUp() override { reopen(); }

  void reopen() {
    tracker.reset();
    outbox.reset();
    store.reset();
    const Opened opened = open(clock);
    store = opened.store;
    outbox = opened.outbox;
  }
  // The process ends, and another begins.
  void start_again(FarStore::Mood mood) {
    reopen();
    store->mood = mood;
    restart();
  }
  [[nodiscard]] TrackStatus track_durably(std::string text) {
    return tracker->track_durably(tests::Note{std::move(text)}, 0ms).status();
  }
  [[nodiscard]] std::uint64_t bodies_count() const {
    std::uint64_t events = 0;
    for (const std::string& body : bodies()) {
      events += static_cast<std::uint64_t>(std::ranges::count(body, '\n'));
    }
    return events;
  }
  void expect_delivered(std::uint64_t events) {
    EXPECT_EQ(tracker->stats().delivered, events) << tests::describe(tracker->stats());
    EXPECT_EQ(tracker->stats().spilled, 0U);
  }

  std::shared_ptr<tests::FarStore> store;
};

TEST_F(SpillingShop, SaysYesWhileTheDatabaseIsAwayAndDeliversOnce) {
  start();
  track("a");
  run_for(std::chrono::seconds(1));
  store->mood = FarStore::Mood::kAway;
  EXPECT_EQ(track("b"), TrackStatus::kAccepted);
  EXPECT_EQ(track_durably("c"), TrackStatus::kAccepted);
  run_for(std::chrono::seconds(60));
  EXPECT_FALSE(tracker->stats().complete);
  EXPECT_EQ(tracker->stats().spilled, 2U);
  EXPECT_EQ(tracker->stats().waiting, 2U);
  EXPECT_EQ(lines.count("events wait in POSTBOX_SPILL"), 1U);
  store->mood = FarStore::Mood::kThere;
  run_for(std::chrono::seconds(10));
  expect_delivered(3);
  EXPECT_THAT(bodies(), ElementsAre("a\n", "b\n", "c\n"));
  EXPECT_EQ(lines.count("POSTBOX_SPILL is drained"), 1U);
  EXPECT_EQ(tracker->stats().accepted, 3U);
  EXPECT_EQ(tracker->stats().recovered, 0U);
  EXPECT_EQ(tracker->stats().purged, 0U);
}

TEST_F(SpillingShop, StartsWhileTheDatabaseIsAwayAndCountsEachOnce) {
  start();
  track("a");
  run_for(std::chrono::seconds(1));
  store->mood = FarStore::Mood::kAway;
  EXPECT_EQ(track_durably("b"), TrackStatus::kAccepted);
  start_again(FarStore::Mood::kAway);
  EXPECT_EQ(track_durably("c"), TrackStatus::kAccepted);
  run_for(std::chrono::seconds(30));
  EXPECT_EQ(tracker->stats().spilled, 2U);
  start_again(FarStore::Mood::kAway);
  EXPECT_EQ(track_durably("d"), TrackStatus::kAccepted);
  EXPECT_EQ(track_durably("d"), TrackStatus::kAccepted);
  store->mood = FarStore::Mood::kThere;
  run_for(std::chrono::seconds(40));
  expect_delivered(3);
  const Stats stats = tracker->stats();
  EXPECT_TRUE(stats.conserved()) << tests::describe(stats);
  EXPECT_EQ(stats.recovered, 2U) << "b and c; what an earlier day delivered is none of this run's";
  EXPECT_EQ(stats.accepted, 4U);
  EXPECT_EQ(stats.purged, 1U) << "d was told twice";
}

TEST_F(SpillingShop, IsConservedWhateverComesAndGoes) {
  start(3);
  std::uint64_t told = 0;
  for (int round = 0; round < 12; ++round) {
    constexpr std::array kMoods{FarStore::Mood::kAway,  FarStore::Mood::kLosesAnswers,
                                FarStore::Mood::kThere, FarStore::Mood::kFull,
                                FarStore::Mood::kThere, FarStore::Mood::kBusy};
    store->mood = kMoods.at(static_cast<std::size_t>(round) % kMoods.size());
    for (int i = 0; i < 7; ++i) {
      const std::string text = "n" + std::to_string(told);
      told += track(text, std::to_string(i)) == TrackStatus::kAccepted ? 1U : 0U;
      run_for(std::chrono::milliseconds(300));
    }
    run_for(std::chrono::seconds(round));
    if (round % 5 == 4) {
      store->mood = FarStore::Mood::kThere;
      run_for(std::chrono::seconds(30));
      const Stats stats = tracker->stats();
      EXPECT_TRUE(stats.complete && stats.conserved()) << tests::describe(stats);
    }
  }
  store->mood = FarStore::Mood::kThere;
  run_for(std::chrono::seconds(60));
  expect_delivered(told);
  EXPECT_EQ(bodies_count(), told) << "none was sent twice";
  EXPECT_EQ(tracker->stats().recovered + tracker->stats().purged, 0U);
}

TEST_F(SpillingShop, LiesInTheSpillEncrypted) {
  config.outbox.encryption_keys = {std::string(64, 'a')};
  start();
  store->mood = FarStore::Mood::kAway;
  EXPECT_EQ(track_durably("what nobody reads"), TrackStatus::kAccepted);
  for (const auto& file : std::filesystem::directory_iterator(spill_folder.path())) {
    EXPECT_EQ(tests::contents(file.path()).find("nobody"), std::string::npos) << file.path();
  }
  store->mood = FarStore::Mood::kThere;
  run_for(std::chrono::seconds(10));
  EXPECT_THAT(bodies(), ElementsAre("what nobody reads\n"));
}

TEST_F(SpillingShop, StopsWithWhatIsSpilledForTheNextStart) {
  start();
  run_for(std::chrono::seconds(1));
  store->mood = FarStore::Mood::kAway;
  track("a");
  const StopReport report = tracker->stop(std::chrono::seconds(1));
  EXPECT_EQ(report.in_memory, 0U);
  EXPECT_EQ(report.in_outbox, 1U);
  start_again(FarStore::Mood::kThere);
  run_for(std::chrono::seconds(10));
  expect_delivered(1);
}

}  // namespace
}  // namespace postbox::testing
