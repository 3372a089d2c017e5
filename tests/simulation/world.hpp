// World is everything around the engine, drawn from one seed: a vendor, the network to it, a disk,
// a clock, an operator, and callers who offer events. It breaks things, mends them, and then asks
// whether anything was lost or counted twice.
//
// Place:     the simulation's tests.
// Threads:   one; a whole run is a function of its seed.
// Lifetime:  one run.
// Failure:   problems() lists what was found, empty when all is well.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <postbox/testing/manual_clock.hpp>
#include <postbox/tracker.hpp>

#include "carts.hpp"
#include "memory_disk.hpp"
#include "surroundings.hpp"

namespace postbox::simulation {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using tests::kMemos;
using tests::kNotes;
using tests::Note;

class World {
 public:
  World(std::uint64_t seed, const std::string& folder, Sabotage sabotage = Sabotage::kNone)
      : random_(seed), path_(folder + "/outbox.db"), sabotage_(sabotage) {
    disk().format(seed);
    disk().ignore_syncs = sabotage == Sabotage::kNoSync;
    shops_.resize(1 + random_() % 2);
    for (Shop& shop : shops_) open(shop);
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World() { die(); }

  // One life: `steps` things happen, then the world is mended and has time to come to rest.
  void live(int steps) {
    for (int i = 0; i < steps; ++i) happen();
    mend();
    for (int i = 0; i < 36 && !is_at_rest(); ++i) pass(minutes(5));
    if (roll(8) == 0) order_behind_a_backlog();
  }

  [[nodiscard]] std::vector<std::string> problems() {
    std::vector<std::string> found = carts_.problems(vendor_);
    for (const std::string& event : promised_) {
      const bool poison = event.starts_with("poison");
      if (!poison && !vendor_.recorded.contains(event)) found.push_back("lost: " + event);
    }
    for (const std::string& event : vendor_.in_flight_twice) {
      found.push_back("sent while it was being sent: " + event);
    }
    if (!overtakes_) found.push_back("what matters most waited for the whole backlog");
    for (const std::string& event : vendor_.recorded) {
      if (!offered_.contains(event)) found.push_back("never offered: " + event);
    }
    for (Shop& shop : shops_) {
      const Stats stats = shop.tracker->stats();
      if (!stats.complete) found.push_back("the outbox cannot be read");
      if (!stats.conserved() && shops_.size() == 1) found.push_back("not conserved");
      if (stats.waiting + stats.in_flight + stats.held > 0)
        found.push_back("something still waits");
    }
    const auto stored = shops_.front().outbox->stats();
    const auto letters = shops_.front().outbox->dead({}, EventHandle{0}, 10'000);
    if (!stored || !letters) {
      found.push_back("the outbox cannot be read");
      return found;
    }
    std::uint64_t dead = 0;
    for (const QueueStats& queue : stored->queues) dead += queue.dead;
    if (stored->armed > 0) found.push_back("a timer still runs");
    const OutboxTotals& totals = stored->totals;
    if (totals.appended + totals.fired !=
        totals.delivered + totals.purged + totals.expired + dead) {
      found.push_back("the outbox's own count does not add up");
    }
    for (const DeadLetter& letter : *letters) {
      if (!letter.record.payload.starts_with("poison")) {
        found.push_back("dead: " + letter.record.payload + ": " + letter.reason);
      }
    }
    return found;
  }

  [[nodiscard]] std::size_t promised() const noexcept { return promised_.size(); }

 private:
  struct Shop {
    std::shared_ptr<Outbox> outbox;
    std::shared_ptr<Network> network;
    std::optional<Tracker> tracker;
  };

  static MemoryDisk& disk() { return MemoryDisk::instance(); }

  std::uint64_t roll(std::uint64_t sides) { return random_() % sides; }

  void open(Shop& shop) {
    shop.outbox =
        open_outbox({.url = "sqlite:" + path_, .busy_timeout = milliseconds(0)}, clock_).value();
    if (is_of_outbox(sabotage_)) {
      shop.outbox = std::make_shared<BrokenOutbox>(shop.outbox, sabotage_);
    }
    shop.network = std::make_shared<Network>(vendor_, clock_, random_, bad_weather_, sabotage_);
    std::shared_ptr<Destination> destination = std::make_shared<FakeVendor>(tests::klaviyo_lanes());
    if (sabotage_ == Sabotage::kNewIdPerRequest) destination = std::make_shared<Forgetful>();
    Config config;
    config.log_level = LogLevel::kOff;
    auto tracker = Tracker::start(config.validate().value(),
                                  {.destination = destination,
                                   .outbox = shop.outbox,
                                   .http = shop.network,
                                   .clock = clock_,
                                   .random = seeded_random(random_()),
                                   .flags = flags(),
                                   .reload =
                                       [this] {
                                         return Reloaded{flags(), LogLevel::kOff, {}};
                                       },
                                   .threads = false});
    shop.tracker.emplace(std::move(tracker).value());
  }

  [[nodiscard]] std::vector<std::pair<QueueId, Flag>> flags() const {
    return {{kNotes.queue, notes_on_ ? Flag::on() : Flag::off()}, {kMemos.queue, Flag::on()}};
  }

  // All processes end as kill -9 ends them.
  void die() {
    disk().gone = true;
    for (Shop& shop : shops_) {
      shop.tracker.reset();
      shop.network.reset();
      shop.outbox.reset();
    }
    disk().gone = false;
    disk().dies_in = 0;
  }

  // At any moment, also in the middle of a transaction or a checkpoint.
  void restart(bool power_cut) {
    disk().dies_in = roll(2) == 0 ? 0 : 1 + roll(60);
    if (disk().dies_in > 0) {
      offer();
      pass(milliseconds(roll(100)));
    }
    die();
    if (power_cut) disk().cut_power();
    for (Shop& shop : shops_) open(shop);
  }

  void happen() {
    const std::uint64_t what = roll(100);
    if (what < 30) return offer();
    if (what < 40) return shop_around();
    if (what < 76) {
      const bool is_long = roll(is_disk_bad() ? 50 : 10) == 0;
      return pass(milliseconds(roll(is_long ? 200'000 : 2'000)));
    }
    if (what < 79) return restart(false);
    if (what < 82) return restart(true);
    if (what < 87) bad_weather_ = !bad_weather_;
    if (what >= 87 && what < 91) spoil_disk();
    if (what >= 91 && what < 93) vendor_.key_works = !vendor_.key_works;
    if (what >= 93 && what < 95) notes_on_ = !notes_on_;
    if (what >= 95 && what < 97) {
      const milliseconds jump = milliseconds(roll(7'200'000)) - hours(1);
      clock_->jump_wall(jump);
      if (jump.count() < 0) carts_.clock_was_set_back(clock_->now());
    }
    if (what >= 91) reload();
  }

  void offer() {
    Shop& shop = shops_[roll(shops_.size())];
    const std::size_t count = roll(25) == 0 ? 300 : 1 + roll(3);
    for (std::size_t i = 0; i < count; ++i) {
      std::string text = (roll(40) == 0 ? "poison " : "event ") + std::to_string(next_event_++);
      if (roll(10) == 0 && !promised_.empty()) text = *promised_.begin();
      const Note note{text, "1", 1, &family_of(text)};
      offered_.insert(text);
      if (roll(2) == 0) {
        shop.tracker->track(note);
      } else if (shop.tracker->track_durably(note, milliseconds(0)).status() ==
                 TrackStatus::kAccepted) {
        promised_.insert(text);
      }
    }
  }

  void shop_around() {
    Shop& shop = shops_[roll(shops_.size())];
    for (std::size_t i = 0; i < 1 + roll(3); ++i) {
      const CartStep step = carts_.next(next_event_++, random_, clock_->wall_now());
      offered_.insert(step.text());
      if (!step.is_order) offered_.insert(step.abandoned());
      const bool promised = roll(2) == 0
                                ? shop.tracker->track_durably(step, milliseconds(0)).status() ==
                                      TrackStatus::kAccepted
                                : (shop.tracker->track(step), false);
      carts_.happened(step, promised, clock_->now());
    }
  }

  // The same event is of the same family when it is offered again.
  static const Family& family_of(const std::string& text) {
    return std::stoul(text.substr(text.find(' '))) % 3 == 0 ? kMemos : kNotes;
  }

  // In a world that is well, what matters most passes what waits of the rest.
  void order_behind_a_backlog() {
    constexpr std::size_t kBacklog = 200;
    vendor_.key_works = false;
    for (std::size_t i = 0; i < kBacklog; ++i) offer_one(kMemos);
    pass(seconds(1));
    const std::string order = offer_one(kNotes);
    vendor_.key_works = true;
    reload();
    const std::size_t before = vendor_.requests;
    for (int i = 0; i < 1'200 && !vendor_.recorded.contains(order); ++i) pass(milliseconds(100));
    overtakes_ = vendor_.departed[order].request - before < kBacklog / 2;
    pass(minutes(10));
  }

  std::string offer_one(const Family& family) {
    const Note note{"event " + std::to_string(next_event_++), "1", 1, &family};
    offered_.insert(note.text);
    promised_.insert(note.text);
    (void)shops_.front().tracker->track(note);
    return note.text;
  }

  // A bad disk is asked again every second, which costs much and shows little that is new.
  static bool is_disk_bad() { return disk().write_error != SQLITE_OK; }

  void spoil_disk() {
    static constexpr int kErrors[] = {SQLITE_OK, SQLITE_FULL, SQLITE_IOERR_WRITE,
                                      SQLITE_IOERR_FSYNC};
    disk().write_error = kErrors[roll(std::size(kErrors))];
    disk().error_in = 1 + roll(20);
  }

  [[nodiscard]] bool is_at_rest() {
    return std::ranges::all_of(shops_, [](Shop& shop) {
      const Stats stats = shop.tracker->stats();
      return stats.complete && stats.waiting + stats.in_flight + stats.held + stats.armed == 0;
    });
  }

  void reload() {
    for (Shop& shop : shops_) (void)shop.tracker->reload().has_value();
  }

  void mend() {
    bad_weather_ = false;
    vendor_.key_works = true;
    notes_on_ = true;
    disk().write_error = SQLITE_OK;
    reload();
  }

  // Time passes, from one moment at which something is due to the next.
  void pass(std::chrono::nanoseconds time) {
    const SteadyTime end = clock_->now() + time;
    for (int steps = 0; clock_->now() < end; ++steps) {
      SteadyTime next = end;
      for (Shop& shop : shops_) {
        next = std::min({next, shop.tracker->run_once(), shop.network->next()});
      }
      if (next > clock_->now()) clock_->advance(next - clock_->now());
      if (steps > 200'000) throw std::runtime_error("the engine spins");
    }
  }

  std::mt19937_64 random_;
  std::string path_;
  Sabotage sabotage_;
  std::shared_ptr<testing::ManualClock> clock_ = std::make_shared<testing::ManualClock>();
  Vendor vendor_;
  bool bad_weather_ = false;
  bool notes_on_ = true;
  std::vector<Shop> shops_;
  Carts carts_;
  std::set<std::string> offered_;
  std::set<std::string> promised_;
  std::size_t next_event_ = 0;
  bool overtakes_ = true;
};

}  // namespace postbox::simulation
