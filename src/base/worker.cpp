#include "worker.hpp"

#include <dlfcn.h>

#include <utility>

#include "fork_gate.hpp"
#include "signals_blocked.hpp"

#include "base/assert.hpp"

namespace postbox {
namespace {

// A thread that is left alone may return into code that dlclose() has removed meanwhile (pitfall
// P11).
void keep_code_loaded() noexcept {
  static const char here = 0;
  Dl_info module{};
  if (dladdr(&here, &module) == 0) return;
  // Null for the program itself, which stays anyway. Never closed.
  (void)dlopen(module.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

}  // namespace

struct Worker::State {
  [[nodiscard]] bool is_stopping() {
    const MutexLock lock(mutex);
    return stop_requested;
  }

  // Returns whether the thread has ended.
  [[nodiscard]] bool wait_for_end(SteadyTime until) {
    MutexLock lock(mutex);
    while (!has_ended) {
      if (end.wait_until(lock, until)) break;
    }
    return has_ended;
  }

  Doorbell bell;
  Mutex mutex;
  ConditionVariable end;
  bool stop_requested POSTBOX_GUARDED_BY(mutex) = false;
  bool has_ended POSTBOX_GUARDED_BY(mutex) = false;
};

Worker::Worker() : state_(std::make_shared<State>()) {}

Worker::~Worker() {
  request_stop();
  if (thread_.joinable()) thread_.join();
}

void Worker::start(Job job) {
  const NoFork no_fork;  // a child inherits one that was started or one that was not
  const MutexLock lock(starting_);
  if (std::exchange(is_started_, true)) return;
  const SignalsBlocked blocked;
  thread_ = std::thread([state = state_, job = std::move(job)]() mutable {
    run(*state, job);
    job = {};  // on this thread, before the end is announced: who is joined owns nothing any more
    {
      const MutexLock state_lock(state->mutex);
      state->has_ended = true;
    }
    state->end.notify_all();
  });
}

void Worker::run(State& state, const Job& job) {
  for (;;) {
    const bool is_stopping = state.is_stopping();
    const auto next = job.run_once(is_stopping);
    if (!next) return;
    // The step may have used up the wake of a request_stop() that came during it.
    if (!is_stopping && state.is_stopping()) continue;
    if (job.wait) {
      job.wait(*next);
    } else {
      (void)state.bell.wait(*next);
    }
  }
}

Doorbell& Worker::bell() noexcept { return state_->bell; }

void Worker::request_stop() noexcept {
  {
    const MutexLock lock(state_->mutex);
    state_->stop_requested = true;
  }
  state_->bell.ring();
}

bool Worker::join_until(SteadyTime until) {
  if (!thread_.joinable()) return true;
  POSTBOX_ASSERT(thread_.get_id() != std::this_thread::get_id());
  if (state_->wait_for_end(until)) {
    thread_.join();
    return true;
  }
  keep_code_loaded();
  thread_.detach();
  return false;
}

}  // namespace postbox
