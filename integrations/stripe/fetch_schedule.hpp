// FetchSchedule says when which thin event is asked for: each alone backs off after a failure of
// its own, and all of them after one that concerns them all.
//
// Place:     inside the integration: Reception's thread.
// Threads:   one at a time.
// Lifetime:  a member of Reception. A restart forgets it, and asks for everything at once.
// Failure:   none.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <postbox/clock.hpp>
#include <string>
#include <vector>

namespace stripe {

class FetchSchedule {
 public:
  // The keys of all that wait; those that have gone are forgotten.
  void set_waiting(const std::vector<std::string>& keys) {
    std::map<std::string, Turn> turns;
    for (const std::string& key : keys) {
      const auto known = turns_.find(key);
      turns[key] = known == turns_.end() ? Turn() : known->second;
    }
    turns_ = std::move(turns);
  }

  [[nodiscard]] std::vector<std::string> due(std::size_t most, postbox::SteadyTime now) const {
    std::vector<std::string> keys;
    if (now < all_.at) return keys;
    for (const auto& [key, turn] : turns_) {
      if (keys.size() < most && turn.at <= now) keys.push_back(key);
    }
    return keys;
  }

  // When due() next has something; nothing when nothing waits.
  [[nodiscard]] std::optional<postbox::SteadyTime> next() const {
    if (turns_.empty()) return std::nullopt;
    const auto first =
        std::ranges::min_element(turns_, {}, [](const auto& entry) { return entry.second.at; });
    return std::max(first->second.at, all_.at);
  }

  void failed(const std::string& key, postbox::SteadyTime now) { put_off(turns_[key], now); }
  void all_failed(postbox::SteadyTime now) { put_off(all_, now); }

  // One has come: what failed with all the others is due. Returns whether all had failed.
  bool all_go_on() {
    if (all_.failures == 0) return false;
    start_over();
    return true;
  }

  void done(const std::string& key) { turns_.erase(key); }

  // Everything is due: there is another key.
  void start_over() {
    for (auto& [key, turn] : turns_) turn = {};
    all_ = {};
  }

  [[nodiscard]] std::size_t waiting() const noexcept { return turns_.size(); }

 private:
  struct Turn {
    std::uint32_t failures = 0;
    postbox::SteadyTime at{};
  };

  void put_off(Turn& turn, postbox::SteadyTime now);

  std::shared_ptr<postbox::Random> random_ = postbox::system_random();
  std::map<std::string, Turn> turns_;
  Turn all_;
};

}  // namespace stripe
