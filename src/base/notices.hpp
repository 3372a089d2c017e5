// Notices are lines for the log that a caller's thread has found and does not write itself: a sink
// may take its time.
//
// Place:     between track() and the writer's thread, which logs them.
// Threads:   every member from any thread.
// Lifetime:  the tracker's.
// Failure:   add() may throw without memory. Beyond kMost a line is dropped: those before it say
//            enough until they are written.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "mutex.hpp"

namespace postbox {

class Notices {
 public:
  void add(std::string line) {
    const MutexLock lock(mutex_);
    if (lines_.size() < kMost) lines_.push_back(std::move(line));
  }

  // All since the last call, the oldest first.
  [[nodiscard]] std::vector<std::string> take() {
    const MutexLock lock(mutex_);
    return std::exchange(lines_, {});
  }

 private:
  static constexpr std::size_t kMost = 256;

  Mutex mutex_;
  std::vector<std::string> lines_ POSTBOX_GUARDED_BY(mutex_);
};

}  // namespace postbox
