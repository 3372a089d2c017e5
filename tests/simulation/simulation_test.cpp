// Thousands of lives of the whole engine, each a function of its seed: crashes, power cuts, a full
// or failing disk, a bad network, lanes that fail one by one, a wrong key, flags, clock jumps, two
// processes on one outbox, and whatever else a Climate brings.
//
//   POSTBOX_SEED=17 simulation_tests       runs one life again
//   POSTBOX_SEEDS=100000 simulation_tests  runs more than the usual number
//   POSTBOX_SECONDS=600 simulation_tests   runs as many in each part as that time allows
#include <chrono>
#include <cstdio>
#include <limits>

#include "simulation_fixture.hpp"

namespace postbox::simulation {
namespace {

// Of good events, in any life: what a lost answer costs, again and again, in the worst of weathers.
constexpr std::size_t kMostTakes = 12;

// The lives in four parts, so that they share the processors.
class SimulatedLives : public Simulation, public ::testing::WithParamInterface<std::uint64_t> {
 protected:
  static constexpr std::uint64_t kParts = 4;
};

TEST_P(SimulatedLives, NothingIsLostAndNothingCountsTwice) {
  using Machine = std::chrono::steady_clock;
  const auto only = number_from("POSTBOX_SEED");
  if (only && *only % kParts != GetParam()) GTEST_SKIP() << "the seed is another part's";
  const auto budget = number_from("POSTBOX_SECONDS");
  const std::uint64_t lives = budget ? std::numeric_limits<std::uint64_t>::max() - kParts
                                     : number_from("POSTBOX_SEEDS").value_or(POSTBOX_LIVES);
  const auto end = Machine::now() + seconds(budget.value_or(0));
  const std::uint64_t last = only.value_or(lives);
  std::uint64_t lived = 0;
  for (std::uint64_t seed = only.value_or(GetParam()); seed <= last; seed += kParts, ++lived) {
    if (budget && Machine::now() >= end) break;
    for (const std::string& problem : live(seed)) {
      ADD_FAILURE() << problem << "\n  again: POSTBOX_SEED=" << seed << " simulation_tests";
    }
    if (HasFailure()) return;
  }
  EXPECT_TRUE(only || promised() > 0);
  EXPECT_LE(most_takes(), kMostTakes);
  std::printf(
      "%llu lives, %zu events promised, none lost, none double; what nothing hindered "
      "waited %lld s at most, and no event was taken more than %zu times\n",
      static_cast<unsigned long long>(lived), promised(),
      static_cast<long long>(std::chrono::duration_cast<seconds>(longest_wait()).count()),
      most_takes());
}

INSTANTIATE_TEST_SUITE_P(Part, SimulatedLives, ::testing::Range<std::uint64_t>(0, 4));

}  // namespace
}  // namespace postbox::simulation
