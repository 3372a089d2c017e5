// FleetServer is one process of one or several shops: an engine with a pipeline for each account,
// on a clock of its own.
//
// Place:     below Fleet.
// Threads:   one.
// Lifetime:  from its start to its end: killed, or stopped in order.
// Failure:   none of its own.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <postbox/event_draft.hpp>
#include <postbox/services.hpp>
#include <postbox/tracker.hpp>

#include "fleet_books.hpp"
#include "model_backend.hpp"

namespace postbox::fleet {

// A clock that is ahead of the store's, or behind; how its steady time began says nothing.
class ServerClock final : public Clock {
 public:
  ServerClock(std::shared_ptr<Clock> inner, milliseconds wall, milliseconds steady)
      : inner_(std::move(inner)), wall_(wall), steady_(steady) {}
  SteadyTime now() const noexcept override { return inner_->now() + steady_; }
  WallTime wall_now() const noexcept override { return inner_->wall_now() + wall_; }
  [[nodiscard]] SteadyTime fleet_time(SteadyTime own) const {
    return own == SteadyTime::max() ? own : own - steady_;
  }

 private:
  std::shared_ptr<Clock> inner_;
  milliseconds wall_;
  milliseconds steady_;
};

struct FleetAccount {
  std::size_t number = 0;
  std::mt19937_64 random;
  std::shared_ptr<ModelStore> store;
  std::shared_ptr<StoreWeather> weather = std::make_shared<StoreWeather>();
  std::unique_ptr<FleetVendor> vendor;
  FleetBooks books;
  SteadyTime away_since{};
  bool was_store_away = false;   // ever: then servers keep to their parts by guess
  bool was_vendor_bad = false;   // ever
  bool was_answer_lost = false;  // of the store, ever
  std::size_t next_event = 0;
};

struct ServerParts {
  std::vector<FleetAccount*> accounts;
  std::shared_ptr<testing::ManualClock> clock;
  std::vector<Lane> lanes;
  std::uint32_t share = 1000;
  Sabotage sabotage = Sabotage::kNone;
};

class FleetServer {
 public:
  FleetServer(std::size_t id, const ServerParts& parts, std::mt19937_64& random)
      : id_(id),
        parts_(parts),
        clock_(std::make_shared<ServerClock>(
            parts.clock, milliseconds(random() % (2 * kMostAhead.count())) - kMostAhead,
            milliseconds(random() % 3'600'000))) {
    FleetVendorList vendors;
    for (FleetAccount* account : parts.accounts) vendors.push_back(account->vendor.get());
    const bool is_narrow = parts.sabotage == Sabotage::kNarrowWay;
    way_ = std::make_shared<Way>(std::move(vendors), parts.clock, is_narrow);
    const auto own_random = seeded_random(random());
    std::vector<Account> accounts;
    for (std::size_t i = 0; i < parts.accounts.size(); ++i) {
      accounts.push_back(account(i, random(), own_random));
    }
    NewRateGate gates;
    if (parts.sabotage == Sabotage::kOwnGates) gates = single_server_rate_gate(own_random);
    trackers_ = Tracker::start_all(std::move(accounts), {.http = way_,
                                                         .clock = clock_,
                                                         .random = own_random,
                                                         .rate_gate = std::move(gates),
                                                         .threads = false})
                    .value();
  }
  FleetServer(const FleetServer&) = delete;
  FleetServer& operator=(const FleetServer&) = delete;
  ~FleetServer() {
    for (const auto& outbox : outboxes_) outbox->die();
  }

  [[nodiscard]] std::size_t id() const noexcept { return id_; }
  [[nodiscard]] WallTime wall_now() const { return clock_->wall_now(); }
  [[nodiscard]] const std::vector<std::shared_ptr<ModelOutbox>>& outboxes() const noexcept {
    return outboxes_;
  }
  [[nodiscard]] std::vector<Tracker>& trackers() noexcept { return trackers_; }

  // Does what is due; returns when to come back.
  SteadyTime step(SteadyTime now) {
    way_->deliver();
    if (now >= wake_ || way_->next_answer() <= now) {
      wake_ = SteadyTime::max();
      for (Tracker& tracker : trackers_) {
        wake_ = std::min(wake_, clock_->fleet_time(tracker.run_once()));
      }
    }
    return std::min(wake_, way_->next());
  }

  // As the writer, which gathers for a moment what nobody waits for.
  SteadyTime told(SteadyTime now, bool at_once) {
    wake_ = std::min(wake_, at_once ? now : now + milliseconds(50));
    return std::min(wake_, way_->next());
  }

  // In order: what is in memory is stored first. Returns whether all of it was.
  bool stop() {
    bool stored = true;
    for (Tracker& tracker : trackers_) stored &= tracker.stop(seconds(2)).in_memory == 0;
    return stored;
  }

  [[nodiscard]] Calls calls() const {
    Calls all;
    for (const auto& outbox : outboxes_) all.add(outbox->calls());
    return all;
  }

 private:
  using FleetVendorList = std::vector<FleetVendor*>;
  // A cart's order ends it across two minutes: no two servers are further apart.
  static constexpr milliseconds kMostAhead{59'000};

  Account account(std::size_t place, std::uint64_t part, const std::shared_ptr<Random>& random) {
    FleetAccount& of = *parts_.accounts[place];
    auto outbox = std::make_shared<ModelOutbox>(of.store, clock_, part, random);
    outbox->set_weather(of.weather);
    outboxes_.push_back(outbox);
    std::shared_ptr<Outbox> used = outbox;
    if (is_of_store(parts_.sabotage)) {
      used = std::make_shared<SpoiledOutbox>(std::move(used), parts_.sabotage);
    }
    const std::string name = std::to_string(id_) + "." + std::to_string(place);
    put_outboxes()[name] = std::move(used);
    Config config;
    config.log_level = LogLevel::kOff;
    config.settle_interval = milliseconds(1'000);  // as with threads
    config.outbox.url = "model:" + name;
    config.outbox.backends.push_back(&model_backend());
    return {config.validate().value(),
            {.destination = std::make_shared<FleetDestination>(place, parts_.lanes, parts_.share,
                                                               parts_.sabotage),
             .flags = {{kOrders.queue, Flag::on()},
                       {kCarts.queue, Flag::on()},
                       {kProfiles.queue, Flag::on()}}}};
  }

  const std::size_t id_;
  const ServerParts parts_;
  const std::shared_ptr<ServerClock> clock_;
  std::shared_ptr<Way> way_;
  std::vector<std::shared_ptr<ModelOutbox>> outboxes_;
  std::vector<Tracker> trackers_;
  SteadyTime wake_{};
};

}  // namespace postbox::fleet
