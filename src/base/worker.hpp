// Worker is a thread around a run_once(): it calls it, waits until the next call is due or somebody
// wakes it, and goes on until the job says that it is done.
//
// Place:     the tracker's writer and sender, a webhook's thread; below everything.
// Threads:   start(), wake() and request_stop() from any; join_until() and the destructor from one
//            thread at a time. The host's signals stay away from the worker's thread. 🔒
// Lifetime:  the destructor stops the job and waits for it without limit, unless join_until() was
//            called before. A child of fork() has no such thread: there a Worker that was started
//            must be neither used nor destroyed.
// Failure:   start() throws std::system_error without a thread, and std::bad_alloc.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include <postbox/clock.hpp>

#include "doorbell.hpp"
#include "mutex.hpp"

namespace postbox {

class Worker {
 public:
  // Both are called on the worker's thread alone and must not throw. What they own is given up on
  // that thread when it ends.
  struct Job {
    // One step. Returns when the next one is due at the latest, or nothing when the job is done.
    // After request_stop() `is_stopping` is true: a job finishes what it has begun and is done.
    std::function<std::optional<SteadyTime>(bool is_stopping)> run_once;

    // Wait until the time that run_once() has returned. For a job that waits for something of its
    // own, such as a socket; whoever calls request_stop() must end that wait, too. Defaults to a
    // wait that wake() and request_stop() end, by the machine's steady clock.
    std::function<void(SteadyTime until)> wait{};
  };

  Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();

  // A Worker has one job in its life: the second call does nothing.
  void start(Job job);

  // Lets run_once() be called at once; without a thread, as soon as there is one. Lives as long as
  // the Worker.
  [[nodiscard]] Doorbell& bell() noexcept;
  void wake() noexcept { bell().ring(); }

  void request_stop() noexcept;

  // Wait for the end of the job, until `until` by the machine's steady clock. False when it has not
  // ended, because a call of its own hangs: then the thread is left alone, keeps what its job owns,
  // and ends by itself when that call returns.
  [[nodiscard]] bool join_until(SteadyTime until);

 private:
  // Shared with the thread, which may outlive the Worker.
  struct State;
  static void run(State& state, const Job& job);

  const std::shared_ptr<State> state_;
  Mutex starting_;
  bool is_started_ POSTBOX_GUARDED_BY(starting_) = false;
  std::thread thread_;  // assigned under starting_, once
};

}  // namespace postbox
