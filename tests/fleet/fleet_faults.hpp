// FleetFaults is what goes wrong in a fleet, each in a third of the groups or accounts: servers are
// killed, shops are deployed and grow, stores and vendors fail.
//
// Place:     below Fleet.
// Threads:   one.
// Lifetime:  a run's.
// Failure:   on purpose.
#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fleet_servers.hpp"

namespace postbox::fleet {

class FleetFaults {
 public:
  explicit FleetFaults(FleetServers& all) : all_(all) {}

  void plan(Group& group, SteadyTime end) {
    const auto has = [](std::mt19937_64& random) { return random() % 3 == 0; };
    if (has(group.random))
      all_.every(group.random, seconds(40), end, [this, &group] { kill_one(group); });
    if (has(group.random))
      all_.every(group.random, minutes(3), end, [this, &group] { deploy(group); });
    if (has(group.random))
      all_.every(group.random, minutes(2), end, [this, &group] { scale(group); });
    for (FleetAccount* account : group.accounts) {
      std::mt19937_64& random = account->random;
      if (has(random))
        all_.every(random, minutes(4), end, [this, account] { send_store_away(*account); });
      if (has(random)) {
        account->weather->lost_one_in = 20 + static_cast<unsigned>(random() % 200);
        account->was_answer_lost = true;
      }
      const auto spoil = [&](auto member, auto value) {
        if (!has(random)) return;
        account->was_vendor_bad = true;
        all_.every(random, minutes(4), end, [this, account, member, value] {
          account->vendor->weather.*member = value;
          all_.time().after(milliseconds(10'000 + account->random() % 100'000),
                            [account, member] { account->vendor->weather.*member = {}; });
        });
      };
      spoil(&VendorWeather::is_down, true);
      spoil(&VendorWeather::is_silent, true);
      spoil(&VendorWeather::lost_one_in, 5U);
      spoil(&VendorWeather::refuses_one_in, 5U);
    }
  }

  // The vendor of that account takes requests and does not answer, from a third of the time on for
  // another.
  void silence(FleetAccount& account, milliseconds length) {
    all_.time().after(length / 3, [&account] { account.vendor->weather.is_silent = true; });
    all_.time().after(length * 2 / 3, [&account] { account.vendor->weather.is_silent = false; });
    account.was_vendor_bad = true;
  }

  // Everything works again; takes some minutes.
  void mend() {
    for (const auto& account : all_.accounts()) {
      bring_store_back(*account);
      account->weather->lost_one_in = 0;
    }
    // Whatever was to end then has ended, and who was to come has come.
    all_.time().pass(minutes(3));
    for (const auto& account : all_.accounts()) {
      bring_store_back(*account);
      account->vendor->weather = {};
    }
    for (Group& group : all_.groups()) {
      for (Slot* slot : group.slots) {
        if (slot->server == nullptr) all_.open_in(group, *slot);
      }
    }
  }

 private:
  // At any moment, also in the midst of a call.
  void kill_one(Group& group) {
    Slot* const slot = FleetServers::any_slot(group, group.random);
    if (slot == nullptr) return;
    if (group.random() % 2 == 0) {
      for (const auto& outbox : slot->server->outboxes()) outbox->dies_in(1 + group.random() % 6);
    }
    const std::size_t id = slot->server->id();
    all_.time().after(milliseconds(group.random() % 2'000), [this, &group, slot, id] {
      if (slot->server != nullptr && slot->server->id() == id) all_.lose(group, *slot);
    });
    all_.time().after(milliseconds(2'000 + group.random() % 20'000), [this, &group, slot] {
      if (slot->server == nullptr) all_.open_in(group, *slot);
    });
  }

  void deploy(Group& group) {
    milliseconds wait{0};
    for (Slot* const slot : group.slots) {
      all_.time().after(wait += milliseconds(group.random() % 4'000), [this, &group, slot] {
        if (slot->server == nullptr) return;
        all_.stop(group, *slot);
        all_.open_in(group, *slot);
      });
    }
  }

  void scale(Group& group) {
    const std::size_t wanted = 2 + group.random() % 29;
    milliseconds wait{0};
    for (std::size_t i = group.slots.size(); i < wanted; ++i) {
      all_.time().after(wait += seconds(1), [this, &group] { all_.open_new(group); });
    }
    for (std::size_t i = wanted; i < group.slots.size(); ++i) {
      all_.time().after(wait += seconds(1), [this, &group, slot = group.slots[i]] {
        all_.stop(group, *slot);
        if (std::erase(group.slots, slot) == 0) return;
      });
    }
  }

  void send_store_away(FleetAccount& account) {
    if (account.weather->is_away) return;
    account.weather->is_away = account.was_store_away = true;
    account.away_since = all_.now();
    all_.time().after(milliseconds(1'000 + account.random() % 90'000),
                      [this, &account] { bring_store_back(account); });
  }
  void bring_store_back(FleetAccount& account) {
    if (!account.weather->is_away) return;
    account.weather->is_away = false;
    account.books.was_away(account.away_since, all_.now());
  }

  FleetServers& all_;
};

}  // namespace postbox::fleet
