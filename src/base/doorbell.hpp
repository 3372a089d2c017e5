// Doorbell wakes one thread that waits for any of several things.
//
// Place:     between those who have work for a thread, and the thread.
// Threads:   ring() from any thread, wait() from one. 🔒
// Lifetime:  outlives both.
// Failure:   none.
#pragma once

#include <utility>

#include <postbox/clock.hpp>

#include "mutex.hpp"

namespace postbox {

class Doorbell {
 public:
  // End the wait, or the next one.
  void ring() noexcept POSTBOX_EXCLUDES(mutex_) {
    {
      const MutexLock lock(mutex_);
      rung_ = true;
    }
    rings_.notify_one();
  }

  // Wait until ring(), or until the machine's clock says `until`. Returns whether it was rung.
  bool wait(SteadyTime until) POSTBOX_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    while (!rung_) {
      if (rings_.wait_until(lock, until)) break;
    }
    return std::exchange(rung_, false);
  }

 private:
  Mutex mutex_;
  ConditionVariable rings_;
  bool rung_ POSTBOX_GUARDED_BY(mutex_) = false;
};

}  // namespace postbox
