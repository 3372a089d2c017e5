// FleetCustomers fill carts, order and change their profiles, each step at any server of their
// shop.
//
// Place:     below Fleet.
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

#include "fleet_servers.hpp"

namespace postbox::fleet {

class FleetCustomers {
 public:
  explicit FleetCustomers(FleetServers& all) : all_(all) {}

  // One of them comes.
  void serve(Group& group, FleetAccount& account) {
    switch (account.random() % 8) {
      case 0:
      case 1:
        return visit(
            group, account,
            {.cart = std::to_string(account.number) + "." + std::to_string(account.next_event++),
             .patience = milliseconds(150'000 + account.random() % 200'000)});
      case 2:
      case 3:
        return update(group, account);
      default:
        return note(group, account);
    }
  }

  // A sale: thousands of events within a second.
  void rush(Group& group, FleetAccount& account) {
    constexpr std::size_t kEvents = 2'000;
    constexpr std::size_t kAtOnce = 100;
    for (std::size_t i = 0; i < kEvents; i += kAtOnce) {
      all_.time().after(milliseconds(i / 2), [this, &group, &account] {
        for (std::size_t one = 0; one < kAtOnce; ++one) note(group, account);
      });
    }
  }

  // Events that wait in the store before any server is there.
  static void put_backlog(FleetAccount& account, std::size_t events) {
    BatchNumber batches;
    for (std::size_t i = 0; i < events; ++i) {
      const FleetNote note{"note " + std::to_string(account.number) + "-" + std::to_string(i)};
      const std::vector<EventRecord> one{
          {kCarts.queue, key_of(note.text), note.profile_key(), note.text, {}}};
      (void)account.store->append(one, 0, batches).value();
      account.books.noted(note.text, {.promised = true});
    }
  }

 private:
  [[nodiscard]] static std::size_t place_of(const Group& group, const FleetAccount& account) {
    return account.number - group.accounts.front()->number;
  }

  // Tells any server. `tell(server, tracker)` returns whether it promised.
  template <class Tell>
  std::optional<FleetBooks::Told> tell(Group& group, FleetAccount& account, Tell tell_it) {
    Slot* const slot = FleetServers::any_slot(group, account.random);
    if (slot == nullptr) return std::nullopt;
    FleetServer& server = *slot->server;
    const bool promised = tell_it(server, server.trackers().at(place_of(group, account)));
    all_.time().wake(*slot, server.told(all_.now(), promised));
    return FleetBooks::Told{server.id(), promised, all_.now()};
  }
  template <class Event>
  static bool durably(Tracker& tracker, const Event& event) {
    return tracker.track_durably(event, milliseconds(0)).status() == TrackStatus::kAccepted;
  }

  void note(Group& group, FleetAccount& account) {
    const FleetNote event{"note " + std::to_string(account.number) + "-" +
                          std::to_string(account.next_event++)};
    const bool waits = account.random() % 2 == 0;
    const auto told = tell(group, account, [&](FleetServer&, Tracker& tracker) {
      if (waits) return durably(tracker, event);
      (void)tracker.track(event);
      return false;
    });
    if (told) account.books.noted(event.text, *told);
  }

  void update(Group& group, FleetAccount& account) {
    const auto event = simulation::Profiles::next(account.random, all_.time().clock->wall_now());
    const auto told = tell(group, account,
                           [&](FleetServer&, Tracker& tracker) { return durably(tracker, event); });
    if (told) account.books.updated(event, *told);
  }

  // A step of a cart, each at another server; the last is an order, or nothing.
  void visit(Group& group, FleetAccount& account, FleetCart cart) {
    const bool waits = account.random() % 5 > 0;
    const bool in_transaction = cart.is_order && account.random() % 3 == 0;
    WallTime as_of{};
    const auto told = tell(group, account, [&](FleetServer& server, Tracker& tracker) {
      as_of = server.wall_now();
      if (in_transaction && !account.weather->is_away) {
        account.store->put(tracker.draft(cart).records);
        return true;
      }
      if (waits || cart.is_order) return durably(tracker, cart);
      (void)tracker.track(cart);
      return false;
    });
    if (told) account.books.carted(cart, *told, as_of);
    if (cart.is_order) return;
    ++cart.number;
    const std::uint64_t fate = account.random() % 6;
    if (fate == 0) return;  // the customer is gone
    cart.is_order = fate < 3;
    all_.time().after(milliseconds(1 + account.random() % 40'000),
                      [this, &group, &account, cart] { visit(group, account, cart); });
  }

  FleetServers& all_;
};

}  // namespace postbox::fleet
