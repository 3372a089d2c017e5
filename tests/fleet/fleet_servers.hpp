// FleetServers is the accounts of a fleet and their servers, which come and go.
//
// Place:     below what happens to them: FleetFaults and FleetCustomers.
// Threads:   one.
// Lifetime:  a run's.
// Failure:   none.
#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fleet_timeline.hpp"

namespace postbox::fleet {

struct FleetOptions {
  std::uint64_t seed = 1;
  std::size_t accounts = 10;
  std::size_t first_account = 0;  // each is the same in every fleet of its seed
  std::size_t servers_each = 10;
  std::size_t accounts_per_server = 1;
  minutes length{12};
  unsigned events_a_minute = 40;  // of an account
  bool has_faults = true;
  std::optional<std::size_t> silent_vendor{};  // of this account, for a third of the time
  std::size_t most_in_bulk = 1'000;
  std::uint32_t share = 1000;
  Sabotage sabotage = Sabotage::kNone;
};

// Accounts that the same servers serve, and those.
struct Group {
  std::mt19937_64 random;
  std::vector<FleetAccount*> accounts;
  std::vector<Slot*> slots;
};
class FleetServers {
 public:
  explicit FleetServers(const FleetOptions& options) : options_(options) {
    const std::size_t each = options_.accounts_per_server;
    for (std::size_t i = 0; i < options_.accounts; ++i) {
      accounts_.push_back(new_account(options_.first_account + i));
      if (i % each == 0) groups_.emplace_back().random.seed(accounts_.back()->random());
      groups_.back().accounts.push_back(accounts_.back().get());
    }
  }
  FleetServers(const FleetServers&) = delete;
  FleetServers& operator=(const FleetServers&) = delete;

  [[nodiscard]] const FleetOptions& options() const noexcept { return options_; }
  [[nodiscard]] FleetTimeline& time() noexcept { return time_; }
  [[nodiscard]] const FleetTimeline& time() const noexcept { return time_; }
  [[nodiscard]] SteadyTime now() const { return time_.now(); }
  [[nodiscard]] std::deque<Group>& groups() noexcept { return groups_; }
  [[nodiscard]] const std::vector<std::unique_ptr<FleetAccount>>& accounts() const noexcept {
    return accounts_;
  }
  [[nodiscard]] std::size_t servers_ever() const noexcept { return next_server_; }
  [[nodiscard]] Calls calls() const {
    Calls calls = calls_of_dead_;
    for (const Slot& slot : time_.slots()) {
      if (slot.server != nullptr) calls.add(slot.server->calls());
    }
    return calls;
  }

  void open_in(Group& group, Slot& slot) {
    slot.server =
        std::make_unique<FleetServer>(++next_server_,
                                      ServerParts{.accounts = group.accounts,
                                                  .clock = time_.clock,
                                                  .lanes = fleet_lanes(options_.most_in_bulk),
                                                  .share = options_.share,
                                                  .sabotage = options_.sabotage},
                                      group.random);
    time_.wake(slot, now());
  }
  void open_new(Group& group) {
    group.slots.push_back(&time_.add_slot());
    open_in(group, *group.slots.back());
  }
  void lose(Group& group, Slot& slot) {
    if (slot.server == nullptr) return;
    for (FleetAccount* account : group.accounts) account->books.died(slot.server->id());
    take_away(slot);
  }
  void stop(Group& group, Slot& slot) {
    if (slot.server == nullptr) return;
    if (!slot.server->stop()) return lose(group, slot);
    take_away(slot);
  }
  [[nodiscard]] static Slot* any_slot(Group& group, std::mt19937_64& random) {
    Slot* const slot = group.slots[random() % group.slots.size()];
    if (slot->server != nullptr) return slot;
    const auto found =
        std::ranges::find_if(group.slots, [](const Slot* one) { return one->server != nullptr; });
    return found == group.slots.end() ? nullptr : *found;
  }

  // Calls `work` again and again until `end`, `mean` apart on average.
  template <class Work>
  void every(std::mt19937_64& random, milliseconds mean, SteadyTime end, Work work) {
    const milliseconds wait(1 + random() % (2 * static_cast<std::uint64_t>(mean.count())));
    time_.after(wait, [this, &random, mean, end, work] {
      if (now() >= end) return;
      work();
      every(random, mean, end, work);
    });
  }

 private:
  std::unique_ptr<FleetAccount> new_account(std::size_t number) {
    auto account = std::make_unique<FleetAccount>();
    account->number = number;
    const auto seeds = seeded_random(options_.seed * 1'000'003 + number);
    account->random.seed(seeds->next());
    account->store = std::make_shared<ModelStore>(time_.clock, mebibytes(1'024), seeds->next());
    account->vendor =
        std::make_unique<FleetVendor>(fleet_lanes(options_.most_in_bulk), seeds->next());
    return account;
  }

  void take_away(Slot& slot) {
    calls_of_dead_.add(slot.server->calls());
    slot.server.reset();
  }

  const FleetOptions options_;
  std::vector<std::unique_ptr<FleetAccount>> accounts_;
  FleetTimeline time_;  // ends first: what is under way reaches the vendors
  std::deque<Group> groups_;
  std::size_t next_server_ = 0;
  Calls calls_of_dead_;
};

}  // namespace postbox::fleet
