// RareLine keeps a line that others can provoke to one in a while, with the count of the
// others.
//
// Place:     inside the integration: webhook.cpp.
// Threads:   every member may be called from several threads at once.
// Lifetime:  a member of what logs.
// Failure:   none.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <postbox/clock.hpp>
#include <utility>

namespace stripe {

class RareLine {
 public:
  // Returns how many were left out since the last one; nothing when this one is, too.
  std::optional<std::uint64_t> admit(postbox::WallTime now) {
    const std::lock_guard lock(mutex_);
    if (now < next_) {
      ++left_out_;
      return std::nullopt;
    }
    next_ = now + std::chrono::seconds(30);
    return std::exchange(left_out_, 0);
  }

 private:
  std::mutex mutex_;
  postbox::WallTime next_{};
  std::uint64_t left_out_ = 0;
};

}  // namespace stripe
