// A check that cannot fail proves nothing: each of these faults, put back on purpose, must be
// noticed within a thousand lives.
#include <cstdio>

#include "simulation_fixture.hpp"

namespace postbox::simulation {
namespace {

class Simulation : public simulation::Simulation {
 protected:
  // Whether some life goes wrong, of those with a trouble that is needed for it. Its seed is
  // printed.
  bool is_noticed(Sabotage sabotage, Trouble needed = Trouble::kCount) {
    constexpr std::uint64_t kMost = 1'000;
    for (std::uint64_t seed = 1; seed <= kMost; ++seed) {
      std::mt19937_64 random(seed);
      if (needed != Trouble::kCount && !Climate::from(random).has(needed)) continue;
      const auto found = live(seed, sabotage);
      if (found.empty()) continue;
      std::printf("life %llu: %s\n", static_cast<unsigned long long>(seed), found.front().c_str());
      return true;
    }
    return false;
  }
};

TEST_F(Simulation, ADiskThatIsNotSyncedIsNoticed) { EXPECT_TRUE(is_noticed(Sabotage::kNoSync)); }

TEST_F(Simulation, ASettlementBeforeTheAnswerIsNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kSettleBeforeAnswer));
}

TEST_F(Simulation, ALeaseThatExcludesNobodyIsNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kNoLease));
}

TEST_F(Simulation, AnOrderThatEndsNoTimerIsNoticed) { EXPECT_TRUE(is_noticed(Sabotage::kNoEnds)); }

TEST_F(Simulation, ATimerThatIsNotStartedIsNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kNoTimers));
}

TEST_F(Simulation, AnIdThatChangesIsNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kNewIdPerRequest));
}

TEST_F(Simulation, AStoreThatIsFullForeverIsNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kFullForever));
}

TEST_F(Simulation, AnEngineThatIsNeverAtRestIsNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kNeverAtRest));
}

TEST_F(Simulation, APoisonThatSpreadsIsNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kPoisonSpreads));
}

TEST_F(Simulation, OneLaneForEverythingIsNoticed) { EXPECT_TRUE(is_noticed(Sabotage::kOneLane)); }

TEST_F(Simulation, UpdatesOfAProfileWithoutOrderAreNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kNoOrder));
}

TEST_F(Simulation, ACartWhoseClockIsAheadIsNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kCartsAhead));
}

TEST_F(Simulation, ARefusedOrderThatEndsNothingIsNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kRefusedOrders));
}

TEST_F(Simulation, DeadLettersThatCrowdOutAreNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kDeadCrowdOut));
}

TEST_F(Simulation, HistoryThatEndsWhatIsNowIsNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kHistoryEnds));
}

TEST_F(Simulation, ASpillThatComesBackIsNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kSpillComesBack, Trouble::kFarStore));
}

TEST_F(Simulation, AForeignAnswerThatBuriesIsNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kForeignBuries));
}

}  // namespace
}  // namespace postbox::simulation
