// Processes that share an account, in one thread on virtual time: each is a whole engine with an
// outbox in memory. Other users of the account come and go.
#pragma once

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <postbox/clock.hpp>
#include <postbox/event.hpp>
#include <postbox/outbox.hpp>
#include <postbox/testing/manual_clock.hpp>
#include <postbox/tracker.hpp>

#include "account_model.hpp"
#include "fake_vendor.hpp"

namespace postbox::tests {

class VirtualShops {
 public:
  struct Options {
    std::size_t processes = 1;
    std::uint32_t share = 900;
    std::chrono::milliseconds phase{0};
    std::uint64_t seed = 1;
  };

  explicit VirtualShops(const Options& options)
      : account(std::make_shared<AccountModel>(klaviyo_lanes(), options.phase)) {
    for (std::size_t i = 0; i < options.processes; ++i) open(options, i);
  }

  // Puts events into a process's outbox as an earlier run would have left them.
  void add_backlog(std::size_t process, std::size_t events, const Family& family = kNotes) {
    std::vector<EventRecord> batch;
    for (std::size_t i = 0; i < events; ++i) {
      const std::string text = std::string(family.name) + " " + std::to_string(process) + "-" +
                               std::to_string(next_event_++);
      batch.push_back({family.queue, key_of(text), key_of("1"), text});
      if (batch.size() < 1'000 && i + 1 < events) continue;
      if (!shops_[process].outbox->append(batch)) std::abort();
      batch.clear();
    }
    shops_[process].wake = clock->now();
  }

  void track(std::size_t process, const std::string& text, const Family& family = kNotes) {
    shops_[process].tracker->track(Note{text, "1", 1, &family});
    shops_[process].wake = clock->now();
  }

  // `work(now)` is called at `first` and then whenever it asks for.
  void schedule(SteadyTime first, std::function<SteadyTime(SteadyTime)> work) {
    tasks_.push_back({first, std::move(work)});
  }

  // Runs until `done` says so.
  void run_until(const std::function<bool()>& done) {
    while (!done()) {
      step();
      SteadyTime next = SteadyTime::max();
      for (const Shop& shop : shops_) next = std::min({next, shop.wake, shop.http->next()});
      for (const Task& task : tasks_) next = std::min(next, task.next);
      if (next > clock->now()) clock->advance(next - clock->now());
    }
  }

  [[nodiscard]] Stats stats(std::size_t process) const { return shops_[process].tracker->stats(); }
  [[nodiscard]] std::size_t size() const { return shops_.size(); }

  std::shared_ptr<testing::ManualClock> clock = std::make_shared<testing::ManualClock>();
  std::shared_ptr<AccountModel> account;

 private:
  struct Shop {
    std::shared_ptr<Outbox> outbox;
    std::shared_ptr<ModelClient> http;
    std::shared_ptr<Tracker> tracker;
    SteadyTime wake{};
  };
  struct Task {
    SteadyTime next;
    std::function<SteadyTime(SteadyTime)> work;
  };

  void open(const Options& options, std::size_t index) {
    Shop shop;
    shop.outbox = open_outbox({.url = "memory:", .max_disk = mebibytes(4'096)}, clock).value();
    shop.http = std::make_shared<ModelClient>(account, clock, options.seed * 1'000 + index);
    auto vendor = std::make_shared<FakeVendor>(klaviyo_lanes());
    vendor->share = options.share;
    Config config;
    config.log_level = LogLevel::kOff;
    auto tracker = Tracker::start(
        config.validate().value(),
        {.destination = vendor, .flags = {{kNotes.queue, Flag::on()}, {kMemos.queue, Flag::on()}}},
        {.outbox = shop.outbox,
         .http = shop.http,
         .clock = clock,
         .random = seeded_random(options.seed * 1'000 + index),
         .threads = false});
    shop.tracker = std::make_shared<Tracker>(std::move(tracker).value());
    shops_.push_back(std::move(shop));
  }

  void step() {
    const SteadyTime now = clock->now();
    for (Task& task : tasks_) {
      if (task.next <= now) task.next = task.work(now);
    }
    for (Shop& shop : shops_) {
      const bool something_arrived = shop.http->next() <= now;
      shop.http->deliver();
      if (something_arrived || shop.wake <= now) shop.wake = shop.tracker->run_once();
    }
  }

  std::vector<Shop> shops_;
  std::vector<Task> tasks_;
  std::uint64_t next_event_ = 0;
};

}  // namespace postbox::tests
