// RateFleet is servers that send on one lane of one account as fast as their gates let them, on
// virtual time, and the vendor's windows, which are klaviyo-sim's.
//
// Place:     tests of gates.
// Threads:   one.
// Lifetime:  a test's.
// Failure:   none: what the vendor refused is counted.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include <postbox/clock.hpp>
#include <postbox/destination.hpp>
#include <postbox/rate_gate.hpp>
#include <postbox/testing/manual_clock.hpp>

#include "rate_windows.hpp"

namespace postbox::tests {

class RateFleet {
 public:
  using Milliseconds = std::chrono::milliseconds;

  struct Server {
    std::unique_ptr<RateGate> gate;
    Milliseconds ahead{0};     // of its steady clock
    std::int64_t backlog = 0;  // requests to make
    bool is_alive = true;
    RateGate::Pace pace = RateGate::Pace::kFast;
    std::int64_t done = 0;
    std::size_t under_way = 0;
    std::deque<SteadyTime> offered{};
  };

  RateFleet(std::shared_ptr<testing::ManualClock> clock, const Lane& lane, std::uint64_t seed)
      : clock_(std::move(clock)), lane_(lane), random_(seeded_random(seed)) {
    start_ = clock_->now();
    // The vendor's minute begins anywhere in ours.
    phase_ = Milliseconds(static_cast<std::int64_t>(random_->next() % 60'000));
  }

  std::vector<Server>& servers() { return servers_; }
  void add(std::unique_ptr<RateGate> gate, std::int64_t backlog, Milliseconds ahead = {}) {
    servers_.push_back({.gate = std::move(gate), .ahead = ahead, .backlog = backlog});
  }
  // Kill one: what is under way reaches the vendor, and nobody hears of it.
  void kill(std::size_t place) { servers_[place].is_alive = false; }

  // At that time from the start.
  void at(Milliseconds time, std::function<void()> action) {
    actions_.emplace(start_ + time, std::move(action));
  }

  // One request more, at that time from the start.
  void offer(std::size_t place, Milliseconds time) {
    at(time, [this, place] {
      ++servers_[place].backlog;
      servers_[place].offered.push_back(clock_->now());
    });
  }

  // Others who use the account make a request at that time from the start.
  void foreign(Milliseconds time) {
    at(time, [this] { (take().retry_after ? foreign_refused_ : foreign_done_)++; });
  }

  // Until nothing is left to do, and no longer than `limit` from the start.
  void run(Milliseconds limit) {
    const SteadyTime until = start_ + limit;
    for (;;) {
      const SteadyTime now = clock_->now();
      act(now);
      SteadyTime next = until;
      for (Server& server : servers_) next = std::min(next, step(server, now));
      if (!events_.empty()) next = std::min(next, events_.begin()->first);
      if (!actions_.empty()) next = std::min(next, actions_.begin()->first);
      if (is_done() || now >= until) return;
      clock_->advance(std::max<SteadyTime::duration>(next - now, Milliseconds(1)));
    }
  }

  [[nodiscard]] std::int64_t done() const {
    std::int64_t sum = 0;
    for (const Server& server : servers_) sum += server.done;
    return sum;
  }
  [[nodiscard]] std::int64_t refused() const noexcept { return refused_; }
  [[nodiscard]] std::int64_t foreign_refused() const noexcept { return foreign_refused_; }
  [[nodiscard]] std::int64_t foreign_done() const noexcept { return foreign_done_; }
  // Of a request that was offered, until its start.
  [[nodiscard]] Milliseconds longest_wait() const {
    return std::chrono::floor<Milliseconds>(longest_wait_);
  }
  // From the start to the last answer.
  [[nodiscard]] Milliseconds took() const {
    return std::chrono::floor<Milliseconds>(last_ - start_);
  }
  [[nodiscard]] Milliseconds time() const {
    return std::chrono::floor<Milliseconds>(clock_->now() - start_);
  }

 private:
  static constexpr std::size_t kMostUnderWay = 64;

  [[nodiscard]] bool is_done() const {
    return events_.empty() && actions_.empty() &&
           std::ranges::all_of(servers_, [](const Server& server) {
             return !server.is_alive || server.backlog == 0;
           });
  }

  sim::RateAnswer take() {
    const auto now = std::chrono::system_clock::time_point(clock_->now() - start_ + phase_ +
                                                           std::chrono::hours(24));
    return windows_.take("lane", {lane_.burst.requests, lane_.steady.requests}, now);
  }

  void act(SteadyTime now) {
    while (!actions_.empty() && actions_.begin()->first <= now) {
      const auto action = std::move(actions_.begin()->second);
      actions_.erase(actions_.begin());
      action();
    }
    while (!events_.empty() && events_.begin()->first <= now) {
      const auto event = std::move(events_.begin()->second);
      events_.erase(events_.begin());
      event();
    }
  }

  // Starts what may start; returns when more may.
  SteadyTime step(Server& server, SteadyTime now) {
    while (server.is_alive && server.backlog > 0 && server.under_way < kMostUnderWay) {
      const SteadyTime own = now + server.ahead;
      const SteadyTime next = server.gate->next(own, server.pace);
      if (next > own) return next - server.ahead;
      server.gate->started(own);
      --server.backlog;
      if (!server.offered.empty()) {
        longest_wait_ = std::max(longest_wait_, now - server.offered.front());
        server.offered.pop_front();
      }
      ++server.under_way;
      const auto place = static_cast<std::size_t>(&server - servers_.data());
      events_.emplace(now + way(), [this, place, own] { arrive(place, own); });
    }
    return SteadyTime::max();
  }

  void arrive(std::size_t place, SteadyTime start) {
    const sim::RateAnswer answer = take();
    if (answer.retry_after) ++refused_;
    events_.emplace(clock_->now() + way(), [this, place, start, answer] {
      Server& server = servers_[place];
      --server.under_way;
      if (!server.is_alive) return;
      const SteadyTime own = clock_->now() + server.ahead;
      if (answer.retry_after) {
        ++server.backlog;
        server.gate->refused(own, *answer.retry_after);
        return;
      }
      ++server.done;
      last_ = clock_->now();
      server.gate->ended(start, own,
                         RateHint{.limit = static_cast<std::uint32_t>(answer.limit),
                                  .remaining = static_cast<std::uint32_t>(answer.remaining),
                                  .reset = answer.reset});
    });
  }

  // 20 ms and up to one more: what was apart may come together.
  Milliseconds way() { return Milliseconds(20 + static_cast<std::int64_t>(random_->next() % 2)); }

  std::shared_ptr<testing::ManualClock> clock_;
  Lane lane_;
  std::shared_ptr<Random> random_;
  SteadyTime start_;
  SteadyTime last_{};
  Milliseconds phase_{0};
  sim::RateWindows windows_;
  std::vector<Server> servers_;
  std::multimap<SteadyTime, std::function<void()>> events_;
  std::multimap<SteadyTime, std::function<void()>> actions_;
  std::int64_t refused_ = 0;
  std::int64_t foreign_refused_ = 0;
  std::int64_t foreign_done_ = 0;
  SteadyTime::duration longest_wait_{};
};

}  // namespace postbox::tests
