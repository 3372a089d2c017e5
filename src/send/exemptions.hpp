// Exemptions are the events that an operator sends although their family is switched off.
//
// Place:     between Tracker::send_held(), which adds them, and the sender, which lets them pass.
// Threads:   every member may be called from several threads at once.
// Lifetime:  as long as the tracker; not kept on disk: after a restart they are held again.
// Failure:   add() throws without memory.
#pragma once

#include <atomic>
#include <span>
#include <unordered_set>

#include <postbox/outbox.hpp>

#include "base/mutex.hpp"

namespace postbox {

// Events that an operator sends although their family is off are exempt in memory, not on disk: a
// flag that is off stays the answer after every restart and `reload()`.
class Exemptions {
 public:
  // A handle is never used again, so that none needs to be taken back.
  void add(std::span<const EventHandle> events) POSTBOX_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    events_.insert(events.begin(), events.end());
    any_ = !events_.empty();
  }
  void clear() POSTBOX_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    events_.clear();
    any_ = false;
  }
  [[nodiscard]] bool any() const noexcept { return any_; }
  [[nodiscard]] bool has(EventHandle event) const POSTBOX_EXCLUDES(mutex_) {
    if (!any_) return false;
    const MutexLock lock(mutex_);
    return events_.contains(event);
  }

 private:
  mutable Mutex mutex_;
  std::unordered_set<EventHandle> events_ POSTBOX_GUARDED_BY(mutex_);
  std::atomic<bool> any_{false};
};

}  // namespace postbox
