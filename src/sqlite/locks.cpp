#include "locks.hpp"

#include <sqlite3.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

#include "base/fork_gate.hpp"

namespace postbox {
namespace {

// Threads of this process take them, too, for some microseconds.
constexpr std::chrono::milliseconds kPause{1};
constexpr int kTries = 250;

// SQLite's own; the others are the application's and may be held for any time.
constexpr std::array kOwnLocks{SQLITE_MUTEX_STATIC_MAIN, SQLITE_MUTEX_STATIC_MEM,
                               SQLITE_MUTEX_STATIC_OPEN, SQLITE_MUTEX_STATIC_PRNG,
                               SQLITE_MUTEX_STATIC_LRU,  SQLITE_MUTEX_STATIC_PMEM,
                               SQLITE_MUTEX_STATIC_VFS1};

// The process, by its generation, in which one is taken forever; none is the highest.
std::atomic<std::uint64_t> stuck_in{UINT64_MAX};

bool becomes_free(sqlite3_mutex* mutex) noexcept {
  for (int tries = 0; tries < kTries; ++tries) {
    if (sqlite3_mutex_try(mutex) == SQLITE_OK) {
      sqlite3_mutex_leave(mutex);
      return true;
    }
    std::this_thread::sleep_for(kPause);
  }
  return false;
}

}  // namespace

bool sqlite_locks_are_free() noexcept {
  const std::uint64_t process = fork_generation();
  if (stuck_in == process) return false;
  // A static lock is found, not made: that takes no lock and no memory.
  for (const int id : kOwnLocks) {
    sqlite3_mutex* const mutex = sqlite3_mutex_alloc(id);
    if (mutex == nullptr || becomes_free(mutex)) continue;
    stuck_in = process;
    return false;
  }
  return true;
}

}  // namespace postbox
