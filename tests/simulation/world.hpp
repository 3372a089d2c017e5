// World is everything around the engine, drawn from one seed: a vendor, the network to it, a disk,
// a clock, an operator, and callers who offer events. It breaks things, mends them, and then asks
// whether anything was lost, counted twice, buried, refused or kept waiting without need.
//
// Place:     the simulation's tests.
// Threads:   one; a whole run is a function of its seed.
// Lifetime:  one run.
// Failure:   problems() lists what was found, empty when all is well.
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <postbox/operator.hpp>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "books.hpp"
#include "carts.hpp"
#include "long_read.hpp"
#include "memory_disk.hpp"
#include "profiles.hpp"
#include "shop.hpp"

namespace postbox::simulation {

class World {
 public:
  World(std::uint64_t seed, const std::string& folder, Sabotage sabotage = Sabotage::kNone)
      : random_(seed),
        around_{.path = folder + "/outbox.db", .sabotage = sabotage, .random = random_} {
    around_.climate = Climate::from(random_);
    disk().format(seed);
    disk().ignore_syncs = sabotage == Sabotage::kNoSync;
    for (const Happening& one : kHappenings) {
      if (one.needs == Trouble::kCount || has(one.needs)) weights_ += one.weight;
    }
    // One that sees the database first would send what another one's spill ends.
    shops_.resize(has(Trouble::kFarStore) ? 1 : 1 + random_() % 2);
    for (Shop& shop : shops_) shop.open(around_, vendor_);
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World() { die(); }

  // One life: `steps` things happen, then the world is mended and has time to come to rest.
  void live(int steps) {
    for (int i = 0; i < steps; ++i) happen();
    mend();
    come_to_rest();
    if (!sky().notes.is_on()) look_for_rest();
    switch_on();
    come_to_rest();
    if (roll(8) == 0) order_behind_a_backlog();
    if (has(Trouble::kLongReads) && roll(8) == 0) read_for_long();
    look_for_rest();
    review_books();
  }

  [[nodiscard]] std::vector<std::string> problems() {
    std::vector<std::string> found = problems_;
    const auto add = [&found](std::vector<std::string> more) {
      found.insert(found.end(), more.begin(), more.end());
    };
    add(carts_.problems(vendor_));
    add(books_.problems(vendor_));
    add(profiles_.problems(vendor_));
    add(problems_at_vendor());
    add(problems_of_shops());
    return found;
  }

  [[nodiscard]] std::size_t promised() const { return books_.promised(); }
  [[nodiscard]] SteadyTime::duration longest_wait() const { return books_.longest_wait(); }
  [[nodiscard]] std::size_t most_takes() const {
    std::size_t most = 0;
    for (const auto& [event, takes] : vendor_.takes) {
      if (nature_of(event) == Nature::kGood && books_.knows(event)) most = std::max(most, takes);
    }
    return most;
  }

 private:
  static MemoryDisk& disk() { return MemoryDisk::instance(); }

  std::uint64_t roll(std::uint64_t sides) { return random_() % sides; }
  [[nodiscard]] bool has(Trouble trouble) const { return around_.climate.has(trouble); }
  [[nodiscard]] Sky& sky() { return around_.sky; }
  [[nodiscard]] testing::ManualClock& clock() { return *around_.clock; }
  [[nodiscard]] Shop& any_shop() { return shops_[roll(shops_.size())]; }

  // What may happen, how often, and in which climate.
  struct Happening {
    Trouble needs;
    unsigned weight;
    void (World::*act)();
  };
  static const std::array<Happening, 24> kHappenings;

  void happen() {
    std::uint64_t left = roll(weights_);
    for (const Happening& one : kHappenings) {
      if (one.needs != Trouble::kCount && !has(one.needs)) continue;
      if (left < one.weight) return (this->*one.act)();
      left -= one.weight;
    }
  }

  // Whatever changes under the sky, the books are brought up to date before.
  void review_books() {
    sky().has_room = has_room();
    books_.review(vendor_, sky(), clock().now());
  }

  void wait_a_while() {
    const bool is_long = roll(is_disk_bad() ? 50 : 10) == 0;
    pass(milliseconds(roll(is_long ? 200'000 : 2'000)));
  }
  void wait_for_long() { pass(minutes(roll(is_disk_bad() ? 2 : 40))); }

  void crash() { restart(false); }
  void lose_power() { restart(true); }

  void change_weather() {
    review_books();
    sky().bad_weather = !sky().bad_weather;
  }

  // A bad disk is asked again every second, which costs much and shows little that is new.
  static bool is_disk_bad() { return disk().write_error != SQLITE_OK; }

  void spoil_disk() {
    static constexpr int kErrors[] = {SQLITE_OK, SQLITE_FULL, SQLITE_IOERR_WRITE,
                                      SQLITE_IOERR_FSYNC};
    review_books();
    disk().write_error = kErrors[roll(std::size(kErrors))];
    disk().error_in = 1 + roll(20);
    record_disk_state();
  }

  // Also what was full or could not be moved is asked again for a while after it works again.
  void record_disk_state() {
    sky().disk_works = !is_disk_bad();
    tight_until_ = clock().now() + minutes(2);
  }

  // It goes in the midst of an append, or between two.
  void change_store() {
    using Mood = tests::FarStore::Mood;
    review_books();
    bool& is_there = sky().store_is_there;
    is_there = !is_there;
    const Mood mood = is_there ? Mood::kThere : roll(2) == 0 ? Mood::kAway : Mood::kLosesAnswers;
    for (Shop& shop : shops_) shop.far->mood = mood;
    tight_until_ = clock().now() + minutes(2);
  }

  void change_key() {
    review_books();
    sky().key_works = !sky().key_works;
    reload();
  }

  void change_flags() {
    review_books();
    Flag& flag = roll(3) == 0 ? sky().memos : sky().notes;
    flag = flag.is_on() ? Flag::off() : Flag::on();
    reload();
  }

  // Some profiles first: what waits of the others is held.
  void roll_out() {
    review_books();
    if (roll(6) == 0 && !is_disk_bad() && !floods_++) {
      sky().notes = Flag::on();
      const bool key = std::exchange(sky().key_works, false);
      reload();
      for (int i = 0; i < 3'900; ++i) offer_one(shops_.front(), "event", false);
      pass(seconds(1));
      review_books();
      sky().key_works = key;
    }
    sky().notes = Flag::parse(std::to_string(roll(60)) + "%").value();
    reload();
  }

  void set_clock() {
    review_books();
    const milliseconds jump = milliseconds(roll(7'200'000)) - hours(1);
    clock().jump_wall(jump);
    if (jump.count() < 0) carts_.clock_was_set_back(clock().now());
    books_.clock_was_set(clock().now(), jump);
  }

  void change_lane() {
    review_books();
    LaneFault& lane = sky().lanes.at(roll(kLanes));
    if (lane != LaneFault::kNone) {
      lane = LaneFault::kNone;
      return;
    }
    // What is tried for hours on the one lane that is left to it is given up, and rightly.
    if (has(Trouble::kImpatience) && &lane != &sky().lanes.at(kBulkLane)) return;
    lane = static_cast<LaneFault>(1 + roll(5));
  }

  void change_edge() {
    static constexpr int kStatuses[] = {200, 400, 402, 403, 405, 407, 409,
                                        413, 421, 425, 431, 451, 502};
    review_books();
    if (sky().edge) {
      sky().edge.reset();
      return;
    }
    const int status = kStatuses[roll(std::size(kStatuses))];
    if (has(Trouble::kImpatience) && (status == 403 || status == 502)) return;
    sky().edge = status;
  }

  void change_uplink() {
    review_books();
    sky().uplink = sky().uplink > 0 ? 0 : 20'000 + roll(100'000);
  }
  void send_much() {
    if (sky().uplink == 0) return;
    Shop& shop = any_shop();
    for (int i = 0; i < 300; ++i) offer_one(shop, "event", false, kLongEvent);
  }

  void change_long_read() {
    if (!long_read_.is_open()) return long_read_.begin(around_.path);
    long_read_.end();
    tight_until_ = clock().now() + minutes(2);
  }

  void import_history() {
    Shop& shop = any_shop();
    for (int i = 0; i < 40; ++i) {
      CartStep order;
      order.number = next_event_++;
      order.cart = 1'000 + order.number;
      order.is_order = true;
      order.as_of = clock().wall_now() - hours(24 * 730);
      take(shop, order, order.text(), 0, false);
    }
  }

  void offer_bad_ones() {
    Shop& shop = any_shop();
    for (std::uint64_t i = 0, count = 20 + roll(100); i < count; ++i) {
      offer_one(shop, "poison", false);
    }
  }

  void offer() {
    Shop& shop = any_shop();
    const std::size_t count = roll(25) == 0 ? 300 : 1 + roll(3);
    for (std::size_t i = 0; i < count; ++i) {
      std::string_view nature = roll(40) == 0 ? "poison" : "event";
      if (has(Trouble::kPoison) && roll(30) == 0) nature = kNatures.at(1 + roll(6));
      offer_one(shop, nature, roll(2) == 0);
    }
  }

  void offer_again() {
    if (next_event_ == 0) return;
    const ShopEvent event{"event " + std::to_string(roll(next_event_))};
    if (books_.knows(event.text)) take(any_shop(), event, event.text, event.profile(), true);
  }

  std::string offer_one(Shop& shop, std::string_view nature, bool durably,
                        std::size_t padding = 0) {
    const ShopEvent event{std::string(nature) + " " + std::to_string(next_event_++), padding};
    take(shop, event, event.text, event.profile(), durably, padding);
    return event.text;
  }

  // Offers the event and notes the answer. Returns whether it is on disk.
  template <class Event>
  bool take(Shop& shop, const Event& event, const std::string& text, int profile, bool durably,
            std::size_t padding = 0) {
    const TrackStatus status = durably ? shop.tracker->track_durably(event, at_once()).status()
                                       : shop.tracker->track(event).status();
    const bool is_kept = status == TrackStatus::kAccepted || status == TrackStatus::kNotDurable;
    const bool promised = durably && status == TrackStatus::kAccepted;
    if (status == TrackStatus::kFull) judge_refusal(shop, text);
    if (is_kept) {
      ++shop.accepted;
      record(shop, event, text, profile, promised, padding);
    }
    if (promised) carts_.stored_until_now(number_of(shop), clock().now());
    return promised;
  }

  // A deadline that has passed by every clock, also by the machine's.
  [[nodiscard]] milliseconds at_once() {
    return -std::chrono::floor<milliseconds>(clock().now().time_since_epoch());
  }

  template <class Event>
  void record(const Shop& shop, const Event& event, const std::string& text, int profile,
              bool promised, std::size_t padding) {
    known_.insert(text);
    if constexpr (std::is_same_v<Event, ShopEvent>) {
      books_.offered(text, {.family = &event.family(),
                            .profile = profile,
                            .shop = number_of(shop),
                            .bytes = text.size() + padding,
                            .promised = promised,
                            .clear_since = clock().now()});
    }
  }

  [[nodiscard]] std::size_t number_of(const Shop& shop) const {
    return static_cast<std::size_t>(&shop - shops_.data());
  }

  // Full is an answer only where a cap is reached.
  void judge_refusal(Shop& shop, const std::string& text) {
    const bool is_memory_full = shop.in_memory() * 10 >= around_.climate.max_queued_events * 8;
    if (is_memory_full || !has_room()) return;
    if (problems_.size() < 5) problems_.push_back("refused while there was room: " + text);
  }

  // Whether the store has room by the rows that it has and those that wait in memory to be some.
  // What the vendor has taken stays there, too, until its answer has come.
  [[nodiscard]] bool has_room() {
    if (is_disk_bad() || long_read_.is_open() || clock().now() < tight_until_) return false;
    if (!sky().store_is_there) return false;
    const auto stored = shops_.front().outbox->stats();
    if (!stored) return false;
    std::uint64_t rows = stored->timers_pending;
    for (const Shop& shop : shops_) rows += shop.in_memory();
    for (const QueueStats& queue : stored->queues) {
      rows += queue.ready + queue.leased + queue.delayed + queue.held;
    }
    const std::uint64_t most = has(Trouble::kSlowUplink) ? kLongEvent + 500 : 500;
    return rows * most * 2 + kEmptyStore < around_.climate.max_disk.count;
  }

  void shop_around() {
    Shop& shop = any_shop();
    for (std::size_t i = 0; i < 1 + roll(3); ++i) {
      const CartStep step =
          Carts::next(next_event_++, random_, clock().wall_now(), around_.climate);
      if (!step.is_order) known_.insert(step.abandoned());
      const bool promised = take(shop, step, step.text(), 0, roll(2) == 0);
      carts_.happened(number_of(shop), step, promised, clock().now(), clock().wall_now());
    }
  }

  void update_profiles() {
    Shop& shop = any_shop();
    for (std::size_t i = 0; i < 1 + roll(4); ++i) {
      const ProfileUpdate update = Profiles::next(random_, clock().wall_now());
      const TrackStatus status = shop.tracker->track_durably(update, at_once()).status();
      if (status == TrackStatus::kAccepted || status == TrackStatus::kNotDurable) {
        ++shop.accepted;
        known_.insert(update.text());
        profiles_.happened(number_of(shop), update, status == TrackStatus::kAccepted);
      }
    }
  }

  void operate() {
    Tracker& tracker = *any_shop().tracker;
    if (roll(2) == 0) return reload();
    if (roll(2) == 0) return (void)tracker.replay({}).has_value();
    const std::uint64_t profile = roll(97);
    // Also when it fails: a commit that failed at its last step may be in the log all the same.
    (void)tracker.forget(tests::key_of(std::to_string(profile))).has_value();
    books_.forgotten(static_cast<int>(profile));
    profiles_.forgotten(profile);
  }

  // All processes end as kill -9 ends them.
  void die() {
    disk().gone = true;
    for (Shop& shop : shops_) shop.close();
    long_read_.end();
    disk().gone = false;
    disk().dies_in = 0;
  }

  // At any moment, also in the middle of a transaction or a checkpoint.
  void restart(bool power_cut) {
    review_books();
    disk().dies_in = roll(2) == 0 ? 0 : 1 + roll(60);
    if (disk().dies_in > 0) {
      offer();
      pass(milliseconds(roll(100)));
    }
    die();
    if (power_cut) disk().cut_power();
    for (std::size_t i = 0; i < shops_.size(); ++i) {
      books_.died(i);
      carts_.died(i);
    }
    for (Shop& shop : shops_) shop.open(around_, vendor_);
    books_.begin_again(clock().now());
    tight_until_ = clock().now() + minutes(2);
  }

  void reload() {
    for (Shop& shop : shops_) (void)shop.tracker->reload().has_value();
  }

  // All but the flags, which hold nothing up that they let through.
  void mend() {
    review_books();
    long_read_.end();
    const Sky before = sky();
    sky() = Sky{.notes = before.notes, .memos = before.memos};
    if (sky().notes.is_off()) sky().notes = Flag::on();
    vendor_.has_bugs = false;
    for (Shop& shop : shops_) {
      if (shop.far) shop.far->mood = tests::FarStore::Mood::kThere;
    }
    disk().write_error = SQLITE_OK;
    record_disk_state();
    reload();
  }
  void switch_on() {
    review_books();
    sky().notes = sky().memos = Flag::on();
    reload();
  }

  void come_to_rest() {
    for (int i = 0; i < 36 && !is_at_rest(); ++i) pass(minutes(5));
  }
  [[nodiscard]] bool is_at_rest() {
    const bool some_held = !sky().notes.is_on() || !sky().memos.is_on();
    return std::ranges::all_of(shops_, [some_held](Shop& shop) {
      const Stats stats = shop.tracker->stats();
      return stats.complete && stats.waiting + stats.in_flight + stats.timers_pending == 0 &&
             (some_held || stats.held == 0);
    });
  }

  // How often somebody may wake in 30 s although nothing happens: the outbox is polled each five
  // seconds. Each second a process that is not the sender asks for its place, and in a store that
  // is nearly full each writer for room.
  [[nodiscard]] std::size_t wakes_at_rest() {
    constexpr std::size_t kEachSecond = 35;
    const auto asked = shops_.front().outbox->append({});
    const bool nearly_full = !asked || asked->fullness >= 900;
    return 10 + kEachSecond * (shops_.size() - 1 + (nearly_full ? shops_.size() : 0));
  }

  // Nothing changes: then nothing is sent, nothing written, and nobody wakes but to poll. What is
  // due once in a while is done within these windows.
  void look_for_rest() {
    constexpr int kWindows = 8;
    constexpr seconds kWindow{30};
    std::size_t steps = 0;
    for (int i = 0; i < kWindows; ++i) {
      const std::uint64_t writes = disk().writes;
      const std::size_t requests = vendor_.requests;
      steps = pass(kWindow);
      const bool quiet = disk().writes == writes && vendor_.requests == requests;
      if (quiet && steps <= wakes_at_rest()) return;
    }
    problems_.push_back("never at rest: " + std::to_string(steps) + " steps in 30 s");
  }

  // In a world that is well, what matters most passes what waits of the rest.
  void order_behind_a_backlog() {
    constexpr std::size_t kBacklog = 200;
    review_books();
    sky().key_works = false;
    Shop& shop = shops_.front();
    for (std::size_t i = 0; i < kBacklog; ++i) {
      while (next_event_ % 3 != 0) ++next_event_;
      offer_one(shop, "event", false);
      if (i % 10 == 9) pass(milliseconds(20));
    }
    pass(seconds(1));
    while (next_event_ % 3 == 0) ++next_event_;
    const std::string order = offer_one(shop, "event", false);
    review_books();
    sky().key_works = true;
    reload();
    const std::size_t before = vendor_.requests;
    for (int i = 0; i < 1'200 && !vendor_.recorded.contains(order); ++i) pass(milliseconds(100));
    if (known_.contains(order) && vendor_.departed[order].request - before >= kBacklog / 2) {
      problems_.push_back("what matters most waited for the whole backlog");
    }
    pass(minutes(10));
  }

  // The log grows as long as it is read: to the cap, and then everything is refused. When the
  // reader is gone, it goes on.
  void read_for_long() {
    constexpr std::size_t kLarge = 200'000;
    Shop& shop = shops_.front();
    long_read_.begin(around_.path);
    const std::uint64_t full = shop.outbox->says_full;
    for (int i = 0; i < 300 && shop.outbox->says_full == full; ++i) {
      offer_one(shop, "event", false, kLarge);
      pass(milliseconds(300));
    }
    pass(minutes(roll(10)));
    long_read_.end();
    tight_until_ = clock().now() + seconds(30);
    pass(minutes(2));
    for (int i = 0; i < 5; ++i) offer_one(shop, "event", true);
    come_to_rest();
  }

  // Time passes, from one moment at which something is due to the next. Returns how many there
  // were.
  std::size_t pass(std::chrono::nanoseconds time) {
    constexpr std::size_t kMost = 20'000;
    const SteadyTime end = clock().now() + time;
    std::size_t steps = 0;
    for (; clock().now() < end; ++steps) {
      SteadyTime next = end;
      for (Shop& shop : shops_) {
        next = std::min({next, shop.tracker->run_once(), shop.network->next()});
        if (shop.outbox->says_full > shop.full_seen && has_room()) {
          if (problems_.size() < 5) problems_.push_back("the store says full and has room");
        }
        shop.full_seen = shop.outbox->says_full;
      }
      if (next > clock().now()) clock().advance(next - clock().now());
      if (steps > kMost) throw std::runtime_error("the engine spins");
    }
    return steps;
  }

  [[nodiscard]] std::vector<std::string> problems_at_vendor() const {
    std::vector<std::string> found;
    for (const std::string& event : vendor_.in_flight_twice) {
      found.push_back("sent while it was being sent: " + event);
    }
    for (const auto& [event, at] : vendor_.recorded) {
      if (!known_.contains(event)) found.push_back("never offered: " + event);
    }
    return found;
  }

  [[nodiscard]] std::vector<std::string> problems_of_shops() {
    std::vector<std::string> found;
    for (Shop& shop : shops_) {
      const Stats stats = shop.tracker->stats();
      if (!stats.complete) found.push_back("the outbox cannot be read");
      if (!stats.conserved() && shops_.size() == 1) found.push_back("not conserved");
      if (stats.waiting + stats.in_flight + stats.held > 0) {
        found.push_back("something still waits");
      }
    }
    const auto stored = shops_.front().outbox->stats();
    const auto letters = shops_.front().outbox->dead({}, EventHandle{0}, 10'000);
    if (!stored || !letters) {
      found.push_back("the outbox cannot be read");
      return found;
    }
    std::uint64_t dead = 0;
    for (const QueueStats& queue : stored->queues) dead += queue.dead;
    if (stored->timers_pending > 0) found.push_back("a timer still runs");
    const OutboxTotals& totals = stored->totals;
    if (totals.appended + totals.fired !=
        totals.delivered + totals.purged + totals.expired + dead) {
      found.push_back("the outbox's own count does not add up");
    }
    if (stored->used.count > kEmptyStore + 2'000 * dead) {
      found.push_back("what is left takes " + std::to_string(stored->used.count) + " bytes");
    }
    for (const DeadLetter& letter : *letters) {
      const Nature nature = nature_of(letter.record.payload);
      const bool given_up = letter.reason.starts_with("given up after");
      if (nature != Nature::kGood && given_up != is_refused(nature)) continue;
      found.push_back("dead: " + letter.record.payload.substr(0, 40) + ": " + letter.reason);
    }
    return found;
  }

  static constexpr std::size_t kLongEvent = 4'000;

  // An outbox without events, with the ends of a day's orders.
  static constexpr std::uint64_t kEmptyStore = 250'000;

  std::mt19937_64 random_;
  Surroundings around_;
  Vendor vendor_{around_.sky};
  std::vector<Shop> shops_;
  Books books_;
  Carts carts_;
  Profiles profiles_;
  LongRead long_read_;
  std::uint64_t weights_ = 0;
  std::set<std::string> known_;  // whatever may come to the vendor
  std::size_t next_event_ = 0;
  int floods_ = 0;
  SteadyTime tight_until_{};  // the store may still be full of what was
  std::vector<std::string> problems_;
};

inline const std::array<World::Happening, 24> World::kHappenings{{
    {Trouble::kCount, 28, &World::offer},
    {Trouble::kCount, 2, &World::offer_again},
    {Trouble::kCount, 10, &World::shop_around},
    {Trouble::kCount, 36, &World::wait_a_while},
    {Trouble::kCount, 3, &World::crash},
    {Trouble::kCount, 3, &World::lose_power},
    {Trouble::kCount, 2, &World::reload},
    {Trouble::kWeather, 5, &World::change_weather},
    {Trouble::kBadDisk, 4, &World::spoil_disk},
    {Trouble::kWrongKey, 2, &World::change_key},
    {Trouble::kFlags, 2, &World::change_flags},
    {Trouble::kClockJumps, 2, &World::set_clock},
    {Trouble::kLanes, 6, &World::change_lane},
    {Trouble::kEdge, 4, &World::change_edge},
    {Trouble::kSlowUplink, 3, &World::change_uplink},
    {Trouble::kSlowUplink, 2, &World::send_much},
    {Trouble::kLongReads, 3, &World::change_long_read},
    {Trouble::kRollout, 4, &World::roll_out},
    {Trouble::kHistory, 6, &World::import_history},
    {Trouble::kDeadInNumber, 4, &World::offer_bad_ones},
    {Trouble::kProfiles, 10, &World::update_profiles},
    {Trouble::kOperator, 3, &World::operate},
    {Trouble::kImpatience, 6, &World::wait_for_long},
    {Trouble::kFarStore, 4, &World::change_store},
}};

}  // namespace postbox::simulation
