// FleetTimeline lets time pass for many servers in one thread, from one moment at which something
// is due to the next.
//
// Place:     below Fleet.
// Threads:   one; a run is a function of its seed.
// Lifetime:  a run's.
// Failure:   throws where time would stand still.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <stdexcept>
#include <utility>
#include <vector>

#include "fleet_server.hpp"

namespace postbox::fleet {

// The place of a server, which is empty between one and the next.
struct Slot {
  std::size_t number = 0;
  std::unique_ptr<FleetServer> server{};
  std::uint64_t stamp = 0;  // of the one entry of the queue that counts
};

class FleetTimeline {
 public:
  [[nodiscard]] SteadyTime now() const { return clock->now(); }

  // A slot for good; a reference to it stays valid.
  Slot& add_slot() { return slots_.emplace_back(Slot{.number = slots_.size()}); }
  [[nodiscard]] std::deque<Slot>& slots() noexcept { return slots_; }
  [[nodiscard]] const std::deque<Slot>& slots() const noexcept { return slots_; }

  void wake(Slot& slot, SteadyTime at) {
    if (at < SteadyTime::max()) queue_.push({at, &slot, ++slot.stamp});
  }

  void at(SteadyTime time, std::function<void()> action) {
    actions_.emplace(time, std::move(action));
  }
  void after(milliseconds time, std::function<void()> action) {
    at(now() + time, std::move(action));
  }

  void pass(std::chrono::nanoseconds time) {
    constexpr std::uint64_t kMostAtOnce = 1'000'000;
    const SteadyTime end = now() + time;
    for (std::uint64_t at_once = 0; at_once < kMostAtOnce; ++at_once) {
      const SteadyTime next = std::min({end, next_action(), next_wake()});
      if (next > now()) {
        clock->advance(next - now());
        at_once = 0;
      }
      if (next_action() <= now()) {
        const auto action = std::move(actions_.begin()->second);
        actions_.erase(actions_.begin());
        action();
      } else if (next_wake() <= now()) {
        step();
      } else if (now() >= end) {
        return;
      }
    }
    throw std::runtime_error("a server spins");
  }

  std::shared_ptr<testing::ManualClock> clock = std::make_shared<testing::ManualClock>();
  std::uint64_t steps = 0;

 private:
  struct Entry {
    SteadyTime at;
    Slot* slot;
    std::uint64_t stamp;
    // Of one moment, in an order that no other account changes.
    friend bool operator>(const Entry& a, const Entry& b) {
      return a.at != b.at ? a.at > b.at : a.slot->number > b.slot->number;
    }
  };

  [[nodiscard]] SteadyTime next_action() const {
    return actions_.empty() ? SteadyTime::max() : actions_.begin()->first;
  }
  [[nodiscard]] SteadyTime next_wake() const {
    return queue_.empty() ? SteadyTime::max() : queue_.top().at;
  }

  void step() {
    const Entry entry = queue_.top();
    queue_.pop();
    if (entry.stamp != entry.slot->stamp || entry.slot->server == nullptr) return;
    ++steps;
    wake(*entry.slot, entry.slot->server->step(now()));
  }

  std::deque<Slot> slots_;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue_;
  std::multimap<SteadyTime, std::function<void()>> actions_;
};

}  // namespace postbox::fleet
