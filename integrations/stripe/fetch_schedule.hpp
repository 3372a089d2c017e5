// FetchSchedule decides when each thin event is fetched. An event backs off after a failure of its
// own, and all of them after a failure that they share.
//
// Place:     inside the integration: DeferredBodies.
// Threads:   one at a time.
// Lifetime:  a member of DeferredBodies. After a restart every event is due at once.
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
  // Sets the keys of all that wait, and forgets the others.
  void set_waiting(const std::vector<std::string>& keys) {
    std::map<std::string, Retry> retries;
    for (const std::string& key : keys) {
      const auto known = retries_.find(key);
      retries[key] = known == retries_.end() ? Retry() : known->second;
    }
    retries_ = std::move(retries);
  }

  [[nodiscard]] std::vector<std::string> due_keys(std::size_t most, postbox::SteadyTime now) const {
    std::vector<std::string> keys;
    if (now < all_.at) return keys;
    for (const auto& [key, retry] : retries_) {
      if (keys.size() < most && retry.at <= now) keys.push_back(key);
    }
    return keys;
  }

  // When due_keys() next returns a key; nothing when none waits.
  [[nodiscard]] std::optional<postbox::SteadyTime> next_due() const {
    if (retries_.empty()) return std::nullopt;
    const auto first =
        std::ranges::min_element(retries_, {}, [](const auto& entry) { return entry.second.at; });
    return std::max(first->second.at, all_.at);
  }

  void record_failure(const std::string& key, postbox::SteadyTime now) {
    delay(retries_[key], now);
  }
  void record_common_failure(postbox::SteadyTime now) { delay(all_, now); }

  // One was fetched: after a common failure all the others are due. Returns whether there was one.
  bool resume_all() {
    if (all_.failures == 0) return false;
    start_over();
    return true;
  }

  void remove(const std::string& key) { retries_.erase(key); }

  // Everything is due: the API key is another one.
  void start_over() {
    for (auto& [key, retry] : retries_) retry = {};
    all_ = {};
  }

  [[nodiscard]] std::size_t waiting() const noexcept { return retries_.size(); }

 private:
  struct Retry {
    std::uint32_t failures = 0;
    postbox::SteadyTime at{};
  };

  void delay(Retry& retry, postbox::SteadyTime now);

  std::shared_ptr<postbox::Random> random_ = postbox::system_random();
  std::map<std::string, Retry> retries_;
  Retry all_;
};

}  // namespace stripe
