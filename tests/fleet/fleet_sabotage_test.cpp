// A check that cannot fail proves nothing: each of these faults, put back on purpose, must be
// noticed within some seeds, by the check that is there for it.
#include <gtest/gtest.h>

#include <cstdio>

#include "fleet.hpp"

namespace postbox::fleet {
namespace {

// Whether some run finds that. What never comes to rest costs much: few accounts show it.
bool is_noticed(Sabotage sabotage, std::string_view problem, std::size_t accounts = 4) {
  constexpr std::uint64_t kMost = 20;
  for (std::uint64_t seed = 1; seed <= kMost; ++seed) {
    Fleet fleet({.seed = seed,
                 .accounts = accounts,
                 .servers_each = 2 + accounts,
                 .length = minutes(2 * accounts),
                 .sabotage = sabotage});
    fleet.open();
    fleet.live();
    for (const std::string& found : fleet.problems()) {
      if (found.find(problem) == std::string::npos) continue;
      std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), found.c_str());
      return true;
    }
  }
  return false;
}

TEST(SpoiledFleet, AnIdThatChangesIsNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kNewIdPerRequest, "doubled under another id"));
}

TEST(SpoiledFleet, AFailureThatCountsAsDeliveredIsNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kFailureIsSuccess, "lost: "));
}

TEST(SpoiledFleet, AFailureThatBuriesIsNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kFailureBuries, "dead letters"));
}

TEST(SpoiledFleet, ServersThatShareNoQuotaAreNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kOwnGates, "requests were refused"));
}

TEST(SpoiledFleet, ALeaseThatExcludesNobodyIsNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kNoLease, "sent while it was being sent", 1));
}

TEST(SpoiledFleet, ALeaseThatOutlivesItsServerIsNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kLongLease, "something still waits"));
}

TEST(SpoiledFleet, AnOrderThatEndsNoTimerIsNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kNoEnds, "was sent after its order"));
}

TEST(SpoiledFleet, ATimerThatIsNotStartedIsNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kNoTimers, "lost: abandoned"));
}

TEST(SpoiledFleet, ATimerThatFiresEarlyIsNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kEarlyTimers, "came before it was due"));
}

TEST(SpoiledFleet, UpdatesOfAProfileWithoutOrderAreNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kNoOrder, "not as its last update"));
}

TEST(SpoiledFleet, AnAppendThatIsForgottenIsNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kLosesAppends, "lost: "));
}

TEST(SpoiledFleet, ASettlementThatIsForgottenIsNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kNeverSettles, "requests although nothing happens", 1));
}

TEST(SpoiledFleet, AServerThatIsNeverAtRestIsNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kNeverAtRest, "asks its store every second"));
}

TEST(SpoiledFleet, AServerThatMiscountsIsNoticed) {
  EXPECT_TRUE(is_noticed(Sabotage::kMiscounts, "is not conserved"));
}

TEST(SpoiledFleet, AStoreThatMiscountsIsNoticed) {
  Fleet fleet({.accounts = 1, .servers_each = 1, .length = minutes(1)});
  fleet.open();
  fleet.live();
  EXPECT_TRUE(fleet.problems().empty());
  ++fleet.servers().accounts().front()->store->tables().totals.delivered;
  EXPECT_EQ(fleet.problems().front(), "account 0: the totals do not add up to the rows");
}

}  // namespace
}  // namespace postbox::fleet
