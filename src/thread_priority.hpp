// stand_back() lets the calling thread wait behind the host's own when processors are short.
//
// Place:     the sender's thread. The writer's keeps its priority: requests wait for it.
// Threads:   changes the calling thread only.
// Lifetime:  until the thread ends; the host's threads and children are not affected.
// Failure:   none that matters: where it is not possible nothing changes.
#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>

namespace postbox {

inline void stand_back() noexcept {
#ifdef __linux__
  constexpr int kNicer = 5;
  // On Linux the priority of a "process" with a thread's number is the thread's.
  const auto self = static_cast<id_t>(gettid());
  errno = 0;
  const int current = getpriority(PRIO_PROCESS, self);
  if (errno == 0) setpriority(PRIO_PROCESS, self, current + kNicer);
#endif
}

}  // namespace postbox
