// World is everything around the engine, drawn from one seed: a vendor, the network to it, a disk,
// a clock, an operator, and callers who offer events. It breaks things, mends them, and then asks
// whether anything was lost, counted twice, buried, refused or kept waiting without need.
//
// Place:     the simulation's tests.
// Threads:   one; a whole run is a function of its seed.
// Lifetime:  one run.
// Failure:   problems() lists what was found, empty when all is well.
#pragma once

#include <array>
#include <random>
#include <set>
#include <string>
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
  World(std::uint64_t seed, const std::string& folder, Sabotage sabotage = Sabotage::kNone);
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World() { die(); }

  // One life: `steps` things happen, then the world is mended and has time to come to rest.
  void live(int steps);

  [[nodiscard]] std::vector<std::string> problems();

  [[nodiscard]] std::size_t promised() const { return books_.promised(); }
  [[nodiscard]] SteadyTime::duration longest_wait() const { return books_.longest_wait(); }
  [[nodiscard]] std::size_t most_takes() const;

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

  void happen();

  // Whatever changes under the sky, the books are brought up to date before.
  void review_books();
  void wait_a_while();
  void wait_for_long() { pass(minutes(roll(is_disk_bad() ? 2 : 40))); }
  void crash() { restart(false); }
  void lose_power() { restart(true); }
  void change_weather();

  // A bad disk is asked again every second, which costs much and shows little that is new.
  static bool is_disk_bad() { return disk().write_error != SQLITE_OK; }

  void spoil_disk();

  // Also what was full or could not be moved is asked again for a while after it works again.
  void record_disk_state();

  // It goes in the midst of an append, or between two.
  void change_store();
  void change_key();
  void change_flags();

  // Some profiles first: what waits of the others is held.
  void roll_out();
  void set_clock();
  void change_lane();
  void change_edge();
  void change_uplink();
  void send_much();
  void change_long_read();
  void import_history();
  void offer_bad_ones();
  void offer();
  void offer_again();

  std::string offer_one(Shop& shop, std::string_view nature, bool durably, std::size_t padding = 0);

  // Offers the event and notes the answer. Returns whether it is on disk.
  template <class Event>
  bool take(Shop& shop, const Event& event, const std::string& text, int profile, bool durably,
            std::size_t padding = 0);

  // A deadline that has passed by every clock, also by the machine's.
  [[nodiscard]] milliseconds at_once();

  template <class Event>
  void record(const Shop& shop, const Event& event, const std::string& text, int profile,
              bool promised, std::size_t padding);

  [[nodiscard]] std::size_t number_of(const Shop& shop) const;

  // Full is an answer only where a cap is reached.
  void judge_refusal(Shop& shop, const std::string& text);

  // Room in the store, by the rows that it has and those that wait in memory to be some. What the
  // vendor has taken stays there, too, until its answer has come.
  [[nodiscard]] bool has_room();

  void shop_around();
  void update_profiles();
  void operate();

  // All processes end as kill -9 ends them.
  void die();

  // At any moment, also in the middle of a transaction or a checkpoint.
  void restart(bool power_cut);
  void reload();

  // All but the flags, which hold nothing up that they let through.
  void mend();
  void switch_on();
  void come_to_rest();
  [[nodiscard]] bool is_at_rest();

  // How often somebody may wake in 30 s although nothing happens: the outbox is polled each five
  // seconds. Each second a process that is not the sender asks for its place, and in a store that
  // is nearly full each writer for room.
  [[nodiscard]] std::size_t wakes_at_rest();

  // Nothing changes: then nothing is sent, nothing written, and nobody wakes but to poll. What is
  // due once in a while is done within these windows.
  void look_for_rest();

  // In a world that is well, what matters most passes what waits of the rest.
  void order_behind_a_backlog();

  // The log grows as long as it is read: to the cap, and then everything is refused. When the
  // reader is gone, it goes on.
  void read_for_long();

  // Time passes, from one moment at which something is due to the next. Returns how many there
  // were.
  std::size_t pass(std::chrono::nanoseconds time);

  [[nodiscard]] std::vector<std::string> problems_at_vendor() const;

  [[nodiscard]] std::vector<std::string> problems_of_shops();

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

}  // namespace postbox::simulation
