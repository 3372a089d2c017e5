// Fleet is many servers of many accounts, drawn from one seed: customers whom a load balancer sends
// to any server, and everything that goes wrong between them, their stores and their vendors.
//
// Place:     the fleet's tests.
// Threads:   one; a run is a function of its options.
// Lifetime:  a run's.
// Failure:   problems() lists what was found, empty when all is well.
#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fleet_customers.hpp"
#include "fleet_faults.hpp"

namespace postbox::fleet {

class Fleet {
 public:
  explicit Fleet(const FleetOptions& options) : all_(options) {}
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  void open() {
    for (Group& group : all_.groups()) {
      for (std::size_t i = 0; i < all_.options().servers_each; ++i) all_.open_new(group);
    }
  }

  // Customers come for that long, and nothing goes wrong.
  void trade(minutes length) {
    const SteadyTime end = all_.now() + length;
    for (Group& group : all_.groups()) {
      for (FleetAccount* account : group.accounts) receive(group, *account, end);
    }
    all_.time().pass(length);
  }

  // Customers come and things go wrong for that long, then all is mended and comes to rest.
  void live() {
    const FleetOptions& options = all_.options();
    const SteadyTime end = all_.now() + options.length;
    for (Group& group : all_.groups()) {
      if (options.has_faults) faults_.plan(group, end);
      for (FleetAccount* account : group.accounts) {
        receive(group, *account, end);
        if (account->random() % 3 > 0) continue;
        all_.every(account->random, milliseconds(options.length) / 2, end,
                   [this, &group, account] { customers_.rush(group, *account); });
      }
    }
    if (options.silent_vendor) {
      faults_.silence(*all_.accounts().at(*options.silent_vendor), options.length);
    }
    all_.time().pass(options.length);
    faults_.mend();
    come_to_rest();
    look_for_rest();
  }

  // Events that wait in every account's store, and how long it takes until they are delivered.
  milliseconds drain(std::size_t events) {
    for (const auto& account : all_.accounts()) customers_.put_backlog(*account, events);
    const SteadyTime start = all_.now();
    open();
    come_to_rest();
    SteadyTime last = start;
    for (const auto& account : all_.accounts()) {
      for (const auto& [text, record] : account->vendor->recorded) {
        last = std::max(last, record.at);
      }
    }
    return std::chrono::floor<milliseconds>(last - start);
  }

  [[nodiscard]] std::vector<std::string> problems() {
    std::vector<std::string> found = problems_;
    for (const auto& account : all_.accounts()) {
      const std::string where = "account " + std::to_string(account->number) + ": ";
      for (const std::string& problem : account->books.problems(*account->vendor)) {
        found.push_back(where + problem);
      }
      for (const std::string& problem : problems_of(*account)) found.push_back(where + problem);
    }
    for (Slot& slot : all_.time().slots()) {
      if (slot.server == nullptr) continue;
      for (Tracker& tracker : slot.server->trackers()) {
        const Stats stats = tracker.stats();
        if (stats.complete && stats.conserved()) continue;
        found.push_back("server " + std::to_string(slot.server->id()) + " is not conserved");
      }
    }
    return found;
  }

  // What a run has cost and carried.
  struct Measures {
    Calls calls;  // of all servers that there were
    std::uint64_t events = 0;
    std::uint64_t requests = 0;
    std::uint64_t steps = 0;
    std::size_t servers = 0;     // that there were
    double idle_calls = 0;       // of a server in a second, the mean
    double most_idle_calls = 0;  // of any
    std::uint64_t refused = 0;   // 429 of windows that were used up
    std::size_t most_takes = 0;  // of one event
  };
  [[nodiscard]] Measures measures() const {
    Measures measures = measures_;
    measures.calls = all_.calls();
    measures.steps = all_.time().steps;
    measures.servers = all_.servers_ever();
    for (const auto& account : all_.accounts()) {
      measures.events += account->vendor->recorded.size();
      measures.requests += account->vendor->requests;
      measures.refused += account->vendor->refused();
      for (const auto& [text, record] : account->vendor->recorded) {
        if (text.starts_with("profile ")) continue;  // each value again and again
        measures.most_takes = std::max(measures.most_takes, record.takes);
      }
    }
    return measures;
  }
  [[nodiscard]] FleetServers& servers() noexcept { return all_; }

 private:
  void receive(Group& group, FleetAccount& account, SteadyTime end) {
    all_.every(account.random, milliseconds(60'000 / all_.options().events_a_minute), end,
               [this, &group, &account] { customers_.serve(group, account); });
  }

  [[nodiscard]] bool is_at_rest() const {
    return std::ranges::all_of(all_.accounts(), [](const auto& account) {
      return account->store->tables().rows().empty() && !account->store->has_inbox() &&
             account->store->timing().timers_pending() == 0;
    });
  }
  void come_to_rest() {
    for (int i = 0; i < 90; ++i) {
      all_.time().pass(minutes(1));
      if (is_at_rest()) return;
    }
    problems_.emplace_back("something still waits");
  }

  // Nothing happens: then nothing is sent, and nobody asks the store once a second.
  void look_for_rest() {
    constexpr seconds kWindow{120};
    all_.time().pass(minutes(2));
    std::vector<std::pair<Slot*, std::uint64_t>> before;
    for (Slot& slot : all_.time().slots()) {
      if (slot.server != nullptr) before.emplace_back(&slot, slot.server->calls().all());
    }
    const std::uint64_t requests = measures().requests;
    all_.time().pass(kWindow);
    if (measures().requests != requests) {
      problems_.emplace_back("requests although nothing happens");
    }
    for (const auto& [slot, calls] : before) {
      const auto asked = static_cast<double>(slot->server->calls().all() - calls);
      const double a_second =
          asked / kWindow.count() / static_cast<double>(all_.options().accounts_per_server);
      measures_.idle_calls += a_second / static_cast<double>(before.size());
      measures_.most_idle_calls = std::max(measures_.most_idle_calls, a_second);
    }
    if (measures_.most_idle_calls >= 1) {
      problems_.emplace_back("an idle server asks its store every second");
    }
  }

  [[nodiscard]] std::vector<std::string> problems_of(FleetAccount& account) const {
    constexpr std::size_t kMostTakes = 12;
    std::vector<std::string> found = ModelOperators(*account.store).check().problems;
    if (!account.store->tables().dead().empty()) found.emplace_back("dead letters");
    // A server that cannot ask keeps to its part by guess, beside the others.
    const bool could_ask = !account.was_store_away && !account.was_answer_lost;
    if (account.vendor->refused() > 0 && could_ask) {
      found.push_back(std::to_string(account.vendor->refused()) + " requests were refused");
    }
    const bool is_fine = !all_.options().has_faults && !account.was_vendor_bad;
    for (const auto& [text, record] : account.vendor->recorded) {
      const bool is_update = text.starts_with("profile ");  // each value again and again
      if (is_update || record.takes <= (is_fine ? 1 : kMostTakes)) continue;
      found.push_back(text + " was taken " + std::to_string(record.takes) + " times");
    }
    return found;
  }

  FleetServers all_;
  FleetFaults faults_{all_};
  FleetCustomers customers_{all_};
  Measures measures_{};
  std::vector<std::string> problems_;
};

}  // namespace postbox::fleet
