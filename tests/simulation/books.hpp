// Books note what was offered, what callers were told, and what became of it: nothing is lost, and
// what nothing hinders is soon delivered.
//
// Place:     World writes them; the vendor's record is what they are compared with.
// Threads:   one.
// Lifetime:  one life.
// Failure:   problems() lists what was found, empty when all is well.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <postbox/clock.hpp>

#include "climate.hpp"
#include "sky.hpp"
#include "vendor.hpp"

namespace postbox::simulation {

class Books {
 public:
  // The longest time that an event waits which nothing hinders, from its offer or from the end of
  // what did: the longest backoff, and as long again for those that came before it.
  static constexpr std::chrono::minutes kMostWait{10};

  struct Entry {
    const Family* family = nullptr;
    int profile = 0;
    std::size_t shop = 0;
    std::size_t bytes = 0;
    bool promised = false;  // it is on disk
    bool excused = false;   // lost with its process, or forgotten on purpose
    bool delivered = false;
    SteadyTime clear_since{};
  };

  // An event was accepted, or offered and perhaps kept.
  void offered(const std::string& text, const Entry& entry) {
    const auto [known, is_new] = entries_.emplace(text, entry);
    if (is_new) {
      open_.push_back(known);
      return;
    }
    known->second.promised |= entry.promised;
    if (!entry.excused && known->second.excused && !known->second.delivered) {
      known->second = entry;
      open_.push_back(known);
    }
  }

  [[nodiscard]] bool knows(const std::string& text) const { return entries_.contains(text); }
  [[nodiscard]] std::size_t promised() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(entries_, [](const auto& entry) { return entry.second.promised; }));
  }

  // Called before anything changes under the sky, and at the end.
  void review(const Vendor& vendor, const Sky& sky, SteadyTime now) {
    std::erase_if(open_, [&](const auto& known) {
      auto& [text, entry] = *known;
      const auto recorded = vendor.recorded.find(text);
      entry.delivered = recorded != vendor.recorded.end();
      if (entry.delivered || entry.excused) {
        if (entry.delivered) waited(text, entry, recorded->second);
        return true;
      }
      if (is_hindered(text, entry, vendor, sky)) entry.clear_since = now;
      waited(text, entry, now);
      return false;
    });
  }

  // Everything waits again from here: a process started.
  void begin_again(SteadyTime now) {
    for (const auto& known : open_) {
      known->second.clear_since = std::max(known->second.clear_since, now);
    }
  }

  // What waits for the wall clock waits for so much longer when it is set back.
  void clock_was_set(SteadyTime now, milliseconds jump) {
    clock_is_right_at_ = std::max(clock_is_right_at_, now) + std::max(milliseconds(0), -jump);
  }

  // What the process had in memory alone may be gone.
  void died(std::size_t shop) {
    for (const auto& known : open_) {
      Entry& entry = known->second;
      if (entry.shop == shop && !entry.promised) entry.excused = true;
    }
  }

  void forgotten(int profile) {
    for (auto& [text, entry] : entries_) entry.excused |= entry.profile == profile;
  }

  [[nodiscard]] SteadyTime::duration longest_wait() const noexcept { return longest_wait_; }

  [[nodiscard]] std::vector<std::string> problems(const Vendor& vendor) const {
    std::vector<std::string> found = problems_;
    for (const auto& [text, entry] : entries_) {
      if (entry.promised && !entry.excused && nature_of(text) == Nature::kGood &&
          !vendor.recorded.contains(text)) {
        found.push_back("lost: " + text);
      }
    }
    return found;
  }

 private:
  using Entries = std::map<std::string, Entry>;

  // Whether something stands in the way of this very event, which may concern no other.
  static bool is_hindered(const std::string& text, const Entry& entry, const Vendor& vendor,
                          const Sky& sky) {
    if (nature_of(text) != Nature::kGood) return true;
    if (sky.bad_weather || !sky.key_works || !sky.disk_works || sky.edge) return true;
    if (!sky.store_is_there) return true;
    if (!sky.has_room && !entry.promised) return true;
    if (!sky.flag_of(*entry.family).includes(tests::key_of(std::to_string(entry.profile)))) {
      return true;
    }
    // What failed in company travels alone, on the one lane that is left to it.
    const bool alone = vendor.touched.contains(text);
    return !sky.works(kSingleLane) && (alone || !sky.works(kBulkLane));
  }

  void waited(const std::string& text, const Entry& entry, SteadyTime until) {
    const SteadyTime since = std::max(entry.clear_since, clock_is_right_at_);
    if (nature_of(text) != Nature::kGood || until <= since) return;
    const auto time = until - since;
    longest_wait_ = std::max(longest_wait_, time);
    if (time <= kMostWait || problems_.size() > 5) return;
    problems_.push_back(
        text + " waited for " +
        std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time).count()) +
        " s while nothing hindered it");
  }

  Entries entries_;
  std::vector<Entries::iterator> open_;
  SteadyTime clock_is_right_at_{};
  SteadyTime::duration longest_wait_{};
  std::vector<std::string> problems_;
};

}  // namespace postbox::simulation
