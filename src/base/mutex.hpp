// Mutex, MutexLock and ConditionVariable are the standard ones with clang's thread-safety
// annotations, so that "guarded by" is checked by the compiler and not by a comment.
//
// Place:     everywhere in src/ where two threads meet.
// Threads:   Mutex and ConditionVariable are made for that; a MutexLock belongs to one thread.
// Lifetime:  a MutexLock holds its Mutex for its scope and must not outlive it.
// Failure:   none.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <postbox/clock.hpp>

#if defined(__clang__)
#define POSTBOX_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define POSTBOX_THREAD_ANNOTATION(x)
#endif

#define POSTBOX_CAPABILITY(name) POSTBOX_THREAD_ANNOTATION(capability(name))
#define POSTBOX_SCOPED_CAPABILITY POSTBOX_THREAD_ANNOTATION(scoped_lockable)
#define POSTBOX_GUARDED_BY(...) POSTBOX_THREAD_ANNOTATION(guarded_by(__VA_ARGS__))
#define POSTBOX_REQUIRES(...) POSTBOX_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define POSTBOX_EXCLUDES(...) POSTBOX_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define POSTBOX_ACQUIRE(...) POSTBOX_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define POSTBOX_TRY_ACQUIRE(...) POSTBOX_THREAD_ANNOTATION(try_acquire_capability(__VA_ARGS__))
#define POSTBOX_RELEASE(...) POSTBOX_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define POSTBOX_RETURN_CAPABILITY(x) POSTBOX_THREAD_ANNOTATION(lock_returned(x))
#define POSTBOX_NO_THREAD_SAFETY_ANALYSIS POSTBOX_THREAD_ANNOTATION(no_thread_safety_analysis)

namespace postbox {

class POSTBOX_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() POSTBOX_ACQUIRE() { mutex_.lock(); }
  void unlock() POSTBOX_RELEASE() { mutex_.unlock(); }
  [[nodiscard]] bool try_lock() POSTBOX_TRY_ACQUIRE(true) { return mutex_.try_lock(); }

 private:
  friend class MutexLock;
  std::mutex mutex_;
};

class POSTBOX_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) POSTBOX_ACQUIRE(mutex) : lock_(mutex.mutex_) {}
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  ~MutexLock() POSTBOX_RELEASE() = default;

  // For work that must not be done under the lock; lock() before the scope ends is optional.
  void unlock() POSTBOX_RELEASE() { lock_.unlock(); }
  void lock() POSTBOX_ACQUIRE() { lock_.lock(); }

 private:
  friend class ConditionVariable;
  std::unique_lock<std::mutex> lock_;
};

// Waiting has no predicate parameter: a lambda would escape the analysis. Callers loop on their
// condition themselves, since every wait may wake for no reason.
class ConditionVariable {
 public:
  void wait(MutexLock& lock) { condition_.wait(lock.lock_); }

  // Returns true when `deadline`, by the machine's steady clock, has passed.
  [[nodiscard]] bool wait_until(MutexLock& lock, SteadyTime deadline) {
    return condition_.wait_until(lock.lock_, deadline) == std::cv_status::timeout;
  }

  void notify_one() noexcept { condition_.notify_one(); }
  void notify_all() noexcept { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace postbox
