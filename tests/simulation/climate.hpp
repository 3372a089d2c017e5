// A Climate says what may go wrong in one life: some of all troubles, drawn from the life's seed.
// Where everything fails at once, one fault hides another; a life with few troubles shows it.
//
// Place:     below everything of the simulation.
// Threads:   a plain value.
// Lifetime:  one life.
// Failure:   none.
#pragma once

#include <array>
#include <bitset>
#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <postbox/config.hpp>

namespace postbox::simulation {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

enum class Trouble : std::uint8_t {
  kWeather,       // requests and answers are lost, late or replaced
  kBadDisk,       // it is full, or fails
  kWrongKey,      // the vendor refuses it for a while
  kFlags,         // a family is switched off for a while
  kClockJumps,    // of the wall clock, by an hour
  kLanes,         // one endpoint fails, hangs or is gone, and the others work
  kEdge,          // what stands before the vendor answers with a page of its own
  kPoison,        // events whose requests fail by themselves, in every class of status
  kSlowUplink,    // so many bytes a second and no more
  kLongReads,     // another program reads the file and does not end
  kRollout,       // a flag is on for a percentage, with thousands of held events beside it
  kHistory,       // imports of orders that are years old
  kDeadInNumber,  // hundreds of events that the vendor refuses for good
  kProfiles,      // updates of profiles, of which the last counts
  kRefusals,      // orders that break a rule, and small caps
  kSkewedClocks,  // of those who report carts, up to twenty seconds ahead
  kSmallStore,    // a megabyte of disk
  kImpatience,    // events are given up within the hour
  kOperator,      // dead letters are sent again, profiles forgotten, settings read again
  kFarStore,      // the store is a database on the network, beside a spill, and is away for a while
  kCount,
};

class Climate {
 public:
  static Climate from(std::mt19937_64& random) {
    Climate climate;
    for (std::size_t i = 0; i < kTroubles; ++i) {
      // The first five have always been there, and are what outages are made of.
      const std::uint64_t one_in = i < kUsual ? 3 : 5;
      climate.troubles_[i] = (random() % one_in == 0) != (i < kUsual);
    }
    climate.choose(random);
    return climate;
  }

  [[nodiscard]] bool has(Trouble trouble) const {
    return troubles_[static_cast<std::size_t>(trouble)];
  }

  // What the shops are configured with.
  milliseconds give_up_after = hours(72);
  milliseconds retention = hours(24 * 30);
  Bytes max_disk = mebibytes(256);
  std::size_t max_queued_events = 10'000;
  milliseconds settle_interval{0};
  std::vector<std::string> encryption_keys;

 private:
  static constexpr auto kTroubles = static_cast<std::size_t>(Trouble::kCount);
  static constexpr std::size_t kUsual = 5;

  void drop(Trouble trouble) { troubles_[static_cast<std::size_t>(trouble)] = false; }

  // Some troubles exclude each other: what fails as a whole for longer than an event is tried is
  // rightly given up.
  void choose(std::mt19937_64& random) {
    if (has(Trouble::kImpatience)) {
      for (const Trouble one : {Trouble::kWeather, Trouble::kClockJumps}) drop(one);
      give_up_after = minutes(10 + random() % 30);
    }
    if (has(Trouble::kSmallStore)) max_disk = Bytes{800'000 + random() % 800'000};
    if (has(Trouble::kRefusals)) max_queued_events = 20 + random() % 100;
    if (has(Trouble::kDeadInNumber) && random() % 2 == 0) retention = minutes(1 + random() % 60);
    if (random() % 2 == 0) settle_interval = milliseconds(random() % 3'000);
    if (random() % 4 == 0) encryption_keys = {std::string(64, 'e')};
  }

  std::bitset<kTroubles> troubles_;
};

}  // namespace postbox::simulation
