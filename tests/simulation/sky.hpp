// The Sky is the state of everything that stands between the shops and the vendor, at one moment.
// World changes it, the network and the vendor act by it, and Books judge by it.
//
// Place:     below Network, Vendor and Books.
// Threads:   a plain value.
// Lifetime:  one life.
// Failure:   none.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include <postbox/event.hpp>
#include <postbox/flags.hpp>

#include "support/fake_vendor.hpp"

namespace postbox::simulation {

using tests::kMemos;
using tests::kNotes;
inline constexpr Family kProfiles{QueueId{3}, "profile", "PROFILES_ENABLED"};

inline constexpr std::size_t kSingleLane = 0;
inline constexpr std::size_t kBulkLane = 1;
inline constexpr std::size_t kProfileLane = 2;
inline constexpr std::size_t kLanes = 3;

// What one endpoint does while the others work.
enum class LaneFault : std::uint8_t {
  kNone,
  kUnavailable,  // 503
  kGone,         // 404
  kMoved,        // 301
  kSilent,       // takes the request and never answers
  kSlow,         // answers after ten seconds
};

struct Sky {
  bool bad_weather = false;
  bool key_works = true;
  bool disk_works = true;
  bool store_is_there = true;  // where it is on the network
  std::array<LaneFault, kLanes> lanes{};
  std::optional<int> edge{};  // the status with which it answers everything
  std::uint64_t uplink = 0;   // bytes a second; zero: no limit
  bool has_room = true;       // in the store, for what is in memory alone
  Flag notes = Flag::on();
  Flag memos = Flag::on();

  [[nodiscard]] bool works(std::size_t lane) const {
    return lanes.at(lane) == LaneFault::kNone || lanes.at(lane) == LaneFault::kSlow;
  }
  [[nodiscard]] Flag flag_of(const Family& family) const {
    return family.queue == kNotes.queue ? notes : family.queue == kMemos.queue ? memos : Flag::on();
  }
};

// What makes the request of an event fail: the first word of its text.
enum class Nature : std::uint8_t {
  kGood,
  kPoison,   // 400, without a word on which it is
  kPointed,  // 400, and the answer names it
  kLarge,    // 413
  kCrash,    // 500
  kHang,     // no answer
  kBlocked,  // the edge's filter answers 403 with a page
};

inline constexpr std::array<std::string_view, 7> kNatures{"event", "poison", "pointed", "large",
                                                          "crash", "hang",   "blocked"};

[[nodiscard]] inline Nature nature_of(std::string_view text) {
  const std::string_view word = text.substr(0, text.find(' '));
  for (std::size_t i = 1; i < kNatures.size(); ++i) {
    if (word == kNatures.at(i)) return static_cast<Nature>(i);
  }
  return Nature::kGood;
}

// Refused for good, and rightly.
[[nodiscard]] inline bool is_refused(Nature nature) {
  return nature == Nature::kPoison || nature == Nature::kPointed || nature == Nature::kLarge;
}

}  // namespace postbox::simulation
