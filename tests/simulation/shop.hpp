// Shop is one process of the simulated shop: an engine with its outbox and its way to the vendor.
//
// Place:     World has one or two of them, on one file.
// Threads:   one.
// Lifetime:  from open() to die(), again and again; files stay.
// Failure:   none of its own.
#pragma once

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <postbox/clock.hpp>
#include <postbox/event.hpp>
#include <postbox/outbox.hpp>
#include <postbox/services.hpp>
#include <postbox/testing/manual_clock.hpp>
#include <postbox/tracker.hpp>

#include "base/encryption_keys.hpp"
#include "climate.hpp"
#include "destination.hpp"
#include "encrypted_outbox.hpp"
#include "network.hpp"
#include "outbox_decorator.hpp"
#include "sabotage.hpp"
#include "spill_outbox.hpp"
#include "support/far_store.hpp"

namespace postbox::simulation {

// What all processes of one life share.
struct Surroundings {
  std::string path;
  Sabotage sabotage = Sabotage::kNone;
  Climate climate{};
  Sky sky{};
  std::mt19937_64& random;
  std::shared_ptr<testing::ManualClock> clock = std::make_shared<testing::ManualClock>();
};

// An event of text: its first word is its nature, its number decides its family and its profile.
struct ShopEvent {
  std::string text;
  std::size_t padding = 0;

  [[nodiscard]] std::size_t number() const { return std::stoul(text.substr(text.find(' '))); }
  [[nodiscard]] int profile() const { return static_cast<int>(number() % 97); }

  [[nodiscard]] const Family& family() const noexcept {
    return number() % 3 == 0 ? kMemos : kNotes;
  }
  [[nodiscard]] Key profile_key() const { return tests::key_of(std::to_string(profile())); }
  [[nodiscard]] std::size_t size() const noexcept { return 1; }
  void encode(EventBatch& batch) const {
    std::string payload = text;
    if (padding > 0) payload += "|" + std::string(padding, '.');
    batch.add({family().queue, tests::key_of(text), profile_key(), std::move(payload)});
  }
};

struct Shop {
  std::shared_ptr<WatchedOutbox> outbox;
  std::shared_ptr<tests::FarStore> far;  // the store, where it is on the network
  std::shared_ptr<Network> network;
  std::optional<Tracker> tracker;
  std::uint64_t accepted = 0;   // by this process
  std::uint64_t full_seen = 0;  // of what its outbox has refused as full

  void open(Surroundings& around, Vendor& vendor) {
    std::shared_ptr<Outbox> real = open_store(around);
    if (is_of_outbox(around.sabotage)) {
      real = std::make_shared<BrokenOutbox>(real, around.clock, around.sabotage);
    }
    outbox = std::make_shared<WatchedOutbox>(real);
    network =
        std::make_shared<Network>(vendor, around.sky, around.clock, around.random, around.sabotage);
    accepted = full_seen = 0;
    Config config;
    config.log_level = LogLevel::kOff;
    config.give_up_after = around.climate.give_up_after;
    config.retention = around.climate.retention;
    config.settle_interval = around.climate.settle_interval;
    config.max_queued_events = around.climate.max_queued_events;
    const auto flags = [&sky = around.sky]() -> std::vector<std::pair<QueueId, Flag>> {
      return {{kNotes.queue, sky.notes}, {kMemos.queue, sky.memos}, {kProfiles.queue, Flag::on()}};
    };
    auto started =
        Tracker::start(config.validate().value(),
                       {.destination = std::make_shared<ShopDestination>(around.sabotage),
                        .flags = flags(),
                        .reload =
                            [flags] {
                              return Reloaded{flags(), LogLevel::kOff, {}};
                            }},
                       {.outbox = outbox,
                        .http = network,
                        .clock = around.clock,
                        .random = seeded_random(around.random()),
                        .threads = false});
    tracker.emplace(std::move(started).value());
  }

  [[nodiscard]] std::shared_ptr<Outbox> open_store(const Surroundings& around) {
    const auto open_file = [&](const std::string& path) {
      const OutboxOptions options{.max_disk = around.climate.max_disk,
                                  .busy_timeout = milliseconds(0)};
      return sqlite_backend().open(path, options, around.clock).value();
    };
    std::shared_ptr<Outbox> store = open_file(around.path);
    if (around.climate.has(Trouble::kFarStore)) {
      far = std::make_shared<tests::FarStore>(std::move(store));
      far->mood =
          around.sky.store_is_there ? tests::FarStore::Mood::kThere : tests::FarStore::Mood::kAway;
      std::shared_ptr<Outbox> spill = open_file(around.path + "-spill");
      if (around.sabotage == Sabotage::kSpillComesBack) {
        spill = std::make_shared<ForgetfulSpill>(std::move(spill));
      }
      store = spilling(far, std::move(spill), around.clock);
    }
    return encrypted(std::move(store), cipher_of(around.climate.encryption_keys));
  }

  void close() {
    tracker.reset();
    network.reset();
    outbox.reset();
    far.reset();
  }

  // Events that it has taken and not yet written.
  [[nodiscard]] std::uint64_t in_memory() const {
    return accepted > outbox->stored ? accepted - outbox->stored : 0;
  }
};

}  // namespace postbox::simulation
