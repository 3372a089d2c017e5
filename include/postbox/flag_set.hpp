// FlagSet has the flags in force, for every thread of a tracker to read.
//
// Place:     read by track() before anything else is done, and by the sender before each request.
// Threads:   written and read from any thread without a lock.
// Lifetime:  as long as its tracker.
// Failure:   none: a queue that was never set is off.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include <postbox/event.hpp>
#include <postbox/flags.hpp>

namespace postbox {

// One flag per queue. A queue that was never set is off.
class FlagSet {
 public:
  static constexpr std::size_t kMaxQueues = postbox::kMaxQueues;

  [[nodiscard]] Flag get(QueueId queue) const noexcept;
  void set(QueueId queue, Flag flag) noexcept;  // ignores a queue number of kMaxQueues or above

 private:
  std::array<std::atomic<std::uint8_t>, kMaxQueues> percent_{};
};

}  // namespace postbox
