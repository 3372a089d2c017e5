// Thousands of lives of the whole engine, each a function of its seed: crashes, power cuts, a full
// or failing disk, a bad network, a wrong key, flags, clock jumps, two processes on one outbox.
//
//   POSTBOX_SEED=17 simulation_tests       runs one life again
//   POSTBOX_SEEDS=100000 simulation_tests  runs more than the usual number
#include <gtest/gtest.h>

#include <cstdlib>

#include "support/program.hpp"
#include "world.hpp"

namespace postbox::simulation {
namespace {

constexpr int kSteps = 120;

std::optional<std::uint64_t> number_from(const char* variable) {
  const char* text = std::getenv(variable);
  return text == nullptr ? std::nullopt : std::optional(std::strtoull(text, nullptr, 10));
}

class Simulation : public ::testing::Test {
 protected:
  void SetUp() override { MemoryDisk::instance().install(); }

  std::vector<std::string> live(std::uint64_t seed, Sabotage sabotage = Sabotage::kNone) {
    World world(seed, folder.file(""), sabotage);
    try {
      world.live(kSteps);
    } catch (const std::exception& failure) {
      return {failure.what()};
    }
    promised += world.promised();
    return world.problems();
  }

  // Returns the first seed whose life goes wrong.
  std::optional<std::uint64_t> first_noticed(Sabotage sabotage, std::uint64_t seeds) {
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
      if (!live(seed, sabotage).empty()) return seed;
    }
    return std::nullopt;
  }

  tests::TemporaryFolder folder;
  std::size_t promised = 0;
};

// The lives in four parts, so that they share the processors.
class SimulatedLives : public Simulation, public ::testing::WithParamInterface<std::uint64_t> {
 protected:
  static constexpr std::uint64_t kParts = 4;
};

TEST_P(SimulatedLives, NothingIsLostAndNothingCountsTwice) {
  const auto only = number_from("POSTBOX_SEED");
  if (only && *only % kParts != GetParam()) GTEST_SKIP() << "the seed is another part's";
  const std::uint64_t lives = number_from("POSTBOX_SEEDS").value_or(POSTBOX_LIVES);
  const std::uint64_t last = only.value_or(lives);
  std::uint64_t lived = 0;
  for (std::uint64_t seed = only.value_or(GetParam()); seed <= last; seed += kParts, ++lived) {
    for (const std::string& problem : live(seed)) {
      ADD_FAILURE() << problem << "\n  again: POSTBOX_SEED=" << seed << " simulation_tests";
    }
    if (HasFailure()) return;
  }
  EXPECT_GT(promised, 0U);
  std::printf("%llu lives, %zu events promised, none lost, none double\n",
              static_cast<unsigned long long>(lived), promised);
}

INSTANTIATE_TEST_SUITE_P(Part, SimulatedLives, ::testing::Range<std::uint64_t>(0, 4));

// A check that cannot fail proves nothing: each of these must be noticed.
TEST_F(Simulation, ADiskThatIsNotSyncedIsNoticed) {
  EXPECT_TRUE(first_noticed(Sabotage::kNoSync, 1'000));
}

TEST_F(Simulation, ASettlementBeforeTheAnswerIsNoticed) {
  EXPECT_TRUE(first_noticed(Sabotage::kSettleBeforeAnswer, 1'000));
}

TEST_F(Simulation, ALeaseThatExcludesNobodyIsNoticed) {
  EXPECT_TRUE(first_noticed(Sabotage::kNoLease, 1'000));
}

TEST_F(Simulation, AnOrderThatEndsNoTimerIsNoticed) {
  EXPECT_TRUE(first_noticed(Sabotage::kNoEnds, 1'000));
}

TEST_F(Simulation, ATimerThatIsNotStartedIsNoticed) {
  EXPECT_TRUE(first_noticed(Sabotage::kNoTimers, 1'000));
}

TEST_F(Simulation, AnIdThatChangesIsNoticed) {
  EXPECT_TRUE(first_noticed(Sabotage::kNewIdPerRequest, 1'000));
}

}  // namespace
}  // namespace postbox::simulation
