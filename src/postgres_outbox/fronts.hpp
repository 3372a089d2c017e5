// Fronts notes how far a claim need not look: rows before it are leased, or gone.
//
// Place:     the PostgreSQL outbox's claims.
// Threads:   every member may be called from several threads at once. 🔒
// Lifetime:  as long as the outbox.
// Failure:   throws std::bad_alloc only.
//
// While a long transaction of anybody's is open on the server, deleted rows stay in the index, and
// a claim from the start walks over all of them: 54 ms, in place of 2.6. What becomes claimable
// before the front is found within two seconds: by other servers' hands, or as time passes.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>

#include <postbox/clock.hpp>

#include "base/mutex.hpp"

namespace postbox::postgres {

class Fronts {
 public:
  // A claim of the queue looks at the rows behind this id.
  [[nodiscard]] std::int64_t of(std::int64_t queue, SteadyTime now) {
    constexpr std::chrono::seconds kLongest{2};
    const MutexLock lock(mutex_);
    Front& front = fronts_[queue];
    if (now - front.from_start_at >= kLongest) front = {0, now};
    return front.through;
  }

  // A claim has taken, or met in other hands, all rows up to this one.
  void move(std::int64_t queue, std::int64_t through) {
    const MutexLock lock(mutex_);
    fronts_[queue].through = through;
  }

  // Rows may have become claimable anywhere.
  void rescan() {
    const MutexLock lock(mutex_);
    fronts_.clear();
  }

 private:
  struct Front {
    std::int64_t through = 0;
    SteadyTime from_start_at{};
  };

  Mutex mutex_;
  std::map<std::int64_t, Front> fronts_ POSTBOX_GUARDED_BY(mutex_);  // by queue
};

}  // namespace postbox::postgres
