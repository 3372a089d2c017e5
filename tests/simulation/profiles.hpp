// Profiles are updated again and again; of each the last update counts, whatever happens to those
// before it.
//
// Place:     below World.
// Threads:   one.
// Lifetime:  one life.
// Failure:   problems() lists what was found, empty when all is well.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <postbox/event.hpp>

#include "outbox_decorator.hpp"
#include "sky.hpp"
#include "vendor.hpp"

namespace postbox::simulation {

// As identify(): each time it is told it is an event of its own, also with values that were told
// before.
struct ProfileUpdate {
  std::size_t number = 0;
  std::string value;
  WallTime as_of{};
  std::uint64_t own = 0;  // of this update alone

  [[nodiscard]] std::string subject() const { return "profile " + std::to_string(number); }
  [[nodiscard]] std::string text() const { return subject() + " " + value; }

  [[nodiscard]] const Family& family() const noexcept { return kProfiles; }
  [[nodiscard]] Key profile_key() const { return tests::key_of(std::to_string(number)); }
  [[nodiscard]] std::size_t size() const noexcept { return 1; }
  void encode(EventBatch& batch) const {
    Timing timing{.slot = tests::key_of(subject()), .as_of = as_of};
    timing.in_order = true;
    batch.add({.queue = kProfiles.queue,
               .dedup_key = tests::key_of(text() + " " + std::to_string(own)),
               .profile_key = profile_key(),
               .payload = text(),
               .timing = std::make_shared<Timing>(std::move(timing))});
  }
};

class Profiles {
 public:
  static ProfileUpdate next(std::mt19937_64& random, WallTime now) {
    static constexpr const char* kValues[] = {"bronze", "silver", "gold"};
    return {.number = random() % 3, .value = kValues[random() % 3], .as_of = now, .own = random()};
  }

  // `promised`: it is on disk. Otherwise it may get there, or not; of another shop, also later.
  void happened(std::size_t shop, const ProfileUpdate& update, bool promised) {
    told_[update.subject()].push_back({.shop = shop, .value = update.value, .promised = promised});
  }

  // Somebody asked to be forgotten: what waited is removed, a request under way is not recalled.
  void forgotten(std::size_t number) {
    const auto found = told_.find("profile " + std::to_string(number));
    if (found == told_.end()) return;
    for (Told& told : found->second) {
      told.promised = false;
      told.is_removed = true;
    }
  }

  [[nodiscard]] bool knows(const std::string& text) const {
    return told_.contains(text.substr(0, text.rfind(' ')));
  }

  [[nodiscard]] std::vector<std::string> problems(const Vendor& vendor) const {
    std::vector<std::string> found;
    for (const auto& [subject, all] : told_) {
      const auto last = std::find_if(all.rbegin(), all.rend(), &is_promised).base();
      const bool certain = last != all.begin();
      std::set<std::string> possible;
      for (auto told = all.begin(); told != all.end(); ++told) {
        const bool is_newer = !certain || told + 1 >= last;
        const bool is_late = told->is_removed || !certain || told->shop != (last - 1)->shop;
        if (is_newer || (!told->promised && is_late)) {
          possible.insert(told->value);
        }
      }
      const auto is = vendor.profiles.find(subject);
      if (is == vendor.profiles.end()) {
        if (certain) found.push_back("lost: every update of " + subject);
      } else if (certain && !possible.contains(is->second)) {
        found.push_back(subject + " ended as " + is->second + ", not as its last update");
      }
    }
    return found;
  }

 private:
  struct Told {
    std::size_t shop;
    std::string value;
    bool promised;
    bool is_removed = false;
  };
  static bool is_promised(const Told& told) { return told.promised; }

  std::map<std::string, std::vector<Told>> told_;
};

}  // namespace postbox::simulation
