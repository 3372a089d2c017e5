// Hundreds of servers over tens of accounts on virtual time, each run a function of its seed:
// servers are killed and replaced at any moment, their clocks are apart, stores and vendors fail
// for a while, shops are deployed and grow.
//
//   POSTBOX_SEED=17 fleet_tests        runs one seed again
//   POSTBOX_SEEDS=100 fleet_tests      runs more than the usual number
//   POSTBOX_ACCOUNTS=100 fleet_tests   with so many accounts of ten servers each
//   POSTBOX_ACCOUNT=34 fleet_tests     with that one of them alone, which is the same there
#include <gtest/gtest.h>

#include <unistd.h>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "fleet.hpp"

namespace postbox::fleet {
namespace {

std::optional<std::uint64_t> number_from(const char* variable) {
  const char* text = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe)
  return text == nullptr ? std::nullopt : std::optional(std::strtoull(text, nullptr, 10));
}

double resident_mebibytes() {
  std::size_t all = 0;
  std::size_t resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return static_cast<double>(resident) * static_cast<double>(getpagesize()) / 1048576.0;
}

void report(const Fleet::Measures& m, std::uint64_t seed) {
  const auto per_event = [&](Ask ask) {
    return static_cast<double>(m.calls.of(ask)) / static_cast<double>(m.events);
  };
  std::printf(
      "seed %llu: %zu servers, %llu events in %llu requests, none lost, none doubled; taken %zu "
      "times at most, %llu refused while a store was away\n"
      "  calls of the store for an event: append %.2f, claim %.2f, settle %.2f, due %.2f, maintain "
      "%.2f, quota %.2f; of an idle server in a second %.2f, %.2f at most\n",
      static_cast<unsigned long long>(seed), m.servers, static_cast<unsigned long long>(m.events),
      static_cast<unsigned long long>(m.requests), m.most_takes,
      static_cast<unsigned long long>(m.refused), per_event(Ask::kAppend), per_event(Ask::kClaim),
      per_event(Ask::kSettle), per_event(Ask::kDue), per_event(Ask::kMaintain),
      per_event(Ask::kRate), m.idle_calls, m.most_idle_calls);
}

TEST(Fleet, NothingIsLostAndNothingCountsTwiceHoweverManyServers) {
  using Machine = std::chrono::steady_clock;
  const auto only = number_from("POSTBOX_SEED");
  const std::uint64_t last = only.value_or(number_from("POSTBOX_SEEDS").value_or(POSTBOX_FLEETS));
  for (std::uint64_t seed = only.value_or(1); seed <= last; ++seed) {
    const auto began = Machine::now();
    const double before = resident_mebibytes();
    const auto account = number_from("POSTBOX_ACCOUNT");
    Fleet fleet({.seed = seed,
                 .accounts = account ? 1 : number_from("POSTBOX_ACCOUNTS").value_or(10),
                 .first_account = account.value_or(0)});
    fleet.open();
    fleet.servers().time().pass(seconds(1));
    const double grown = resident_mebibytes() - before;
    const auto servers = static_cast<double>(fleet.servers().time().slots().size());
    fleet.live();
    for (const std::string& problem : fleet.problems()) {
      ADD_FAILURE() << problem << "\n  again: POSTBOX_SEED=" << seed << " fleet_tests";
    }
    if (HasFailure()) return;
    report(fleet.measures(), seed);
    std::printf("  %.1f s\n", std::chrono::duration<double>(Machine::now() - began).count());
    // Later runs use again what earlier ones have left.
    if (grown > 1) std::printf("  %.0f KiB a server\n", grown * 1024 / servers);
  }
}

// What one server needs that shares nothing.
milliseconds alone(std::size_t events) {
  Fleet fleet(
      {.accounts = 1, .servers_each = 1, .most_in_bulk = 50, .sabotage = Sabotage::kOwnGates});
  return fleet.drain(events);
}

TEST(Fleet, ManyServersDrainAnAccountAsFastAsOne) {
  constexpr std::size_t kEvents = 28'000;
  const milliseconds single = alone(kEvents);
  for (const std::size_t servers : {1U, 3U, 10U, 30U}) {
    Fleet fleet({.accounts = 1, .servers_each = servers, .most_in_bulk = 50});
    const milliseconds took = fleet.drain(kEvents);
    for (const std::string& problem : fleet.problems()) ADD_FAILURE() << problem;
    // More servers than a bulk lane has requests in a second take turns.
    EXPECT_LE(took, single * (servers <= 10 ? 102 : 104) / 100) << servers;
    std::printf("%zu events: %zu servers %lld ms, one alone %lld ms\n", kEvents, servers,
                static_cast<long long>(took.count()), static_cast<long long>(single.count()));
  }
}

TEST(Fleet, ADrainThatIsATenthSlowerIsNoticed) {
  constexpr std::size_t kEvents = 28'000;
  Fleet fleet({.accounts = 1, .servers_each = 10, .most_in_bulk = 50, .share = 900});
  EXPECT_GT(fleet.drain(kEvents), alone(kEvents) * 102 / 100);
}

// Carts wait in the store until they are due: one server is enough to see that.
TEST(Fleet, ServersDoNotAllComeForEveryRowThatIsDue) {
  constexpr minutes kLength{3};
  Fleet fleet({.accounts = 1, .servers_each = 30, .events_a_minute = 600});
  fleet.open();
  fleet.trade(minutes(1));
  const Calls before = fleet.servers().calls();
  fleet.trade(kLength);
  const Calls after = fleet.servers().calls();
  const auto a_second = [&](Ask ask) {
    const auto asked = static_cast<double>(after.of(ask) - before.of(ask));
    return asked / 30 / std::chrono::duration<double>(kLength).count();
  };
  std::printf(
      "30 servers, 10 events a second: each server maintains %.2f times, asks what is due "
      "%.2f times in a second\n",
      a_second(Ask::kMaintain), a_second(Ask::kDue));
  EXPECT_LE(a_second(Ask::kMaintain), 1.5);
  EXPECT_LE(a_second(Ask::kDue), 1.5);
}

// Two accounts on each server. The vendor of the first takes requests for some minutes and does not
// answer.
std::vector<FleetBooks::Delays> delays(std::optional<std::size_t> silent, Sabotage sabotage) {
  Fleet fleet({.seed = 7,
               .accounts = 4,
               .servers_each = 5,
               .accounts_per_server = 2,
               .events_a_minute = 300,
               .has_faults = false,
               .silent_vendor = silent,
               .sabotage = sabotage});
  fleet.open();
  fleet.live();
  if (sabotage == Sabotage::kNone) {
    for (const std::string& problem : fleet.problems()) ADD_FAILURE() << problem;
  }
  std::vector<FleetBooks::Delays> all;
  for (const auto& account : fleet.servers().accounts()) {
    all.push_back(account->books.delays(*account->vendor));
    std::printf("account %zu: %lld ms on average, %lld at most\n", account->number,
                static_cast<long long>(all.back().mean.count()),
                static_cast<long long>(all.back().most.count()));
  }
  return all;
}

TEST(Fleet, ADeadVendorOfOneAccountSlowsNoOther) {
  const auto fine = delays({}, Sabotage::kNone);
  const auto silent = delays(0, Sabotage::kNone);
  EXPECT_GT(silent[0].most, minutes(2)) << "its own events wait";
  EXPECT_LE(silent[1].mean, fine[1].mean * 105 / 100) << "its servers' other account";
  EXPECT_LE(silent[1].most, fine[1].most * 105 / 100);
  for (const std::size_t elsewhere : {2U, 3U}) {
    EXPECT_EQ(silent[elsewhere].mean, fine[elsewhere].mean);
    EXPECT_EQ(silent[elsewhere].most, fine[elsewhere].most);
  }
  const auto narrow = delays(0, Sabotage::kNarrowWay);
  EXPECT_GT(narrow[1].mean, fine[1].mean * 105 / 100) << "it would be noticed";
}

}  // namespace
}  // namespace postbox::fleet
