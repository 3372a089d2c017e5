// What the two threads of a tracker do, how they begin and how they end.
#include <dlfcn.h>

#include <algorithm>
#include <thread>

#include "base/signals_blocked.hpp"
#include "tracker_impl.hpp"

namespace postbox {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// What the workers need after their last step to close files and leave, out of stop()'s deadline.
constexpr milliseconds kStopMargin{30};

// In place of a wait for the network that failed.
constexpr milliseconds kPause{100};

// A thread that goes on may return into code that dlclose() has removed meanwhile (pitfall P11).
void keep_code_loaded() noexcept {
  static const char here = 0;
  Dl_info module{};
  if (dladdr(&here, &module) == 0) return;
  // Null for the program itself, which stays anyway. Never closed.
  (void)dlopen(module.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

}  // namespace

// Comes before every step: nothing may change before the ledger has seen what was there.
bool Tracker::Impl::open_ledger() {
  const auto opened = ledger.open();
  if (opened) return true;
  add(counters.outbox_failures, 1);
  logger.log(LogLevel::kError, services.failure_prefix + ": " + opened.error().message +
                                   "; events wait in memory until it can be opened");
  return false;
}

void Tracker::Impl::announce() {
  {
    const MutexLock lock(mutex);
    ++progress;
  }
  changed.notify_all();
}

Tracker::Impl::Step Tracker::Impl::write_once() {
  for (const std::string& notice : notices.take()) logger.log(LogLevel::kWarn, notice);
  if (!open_ledger()) return std::nullopt;
  const SteadyTime next = writer.run_once(now());
  if (writer.appended()) {
    sender.appended(writer.timed());
    services.http->wake();
  }
  return next;
}

Tracker::Impl::Step Tracker::Impl::send_once() {
  undeliverable.report();
  if (!open_ledger()) return std::nullopt;
  const SteadyTime next = sender.run_once(now());
  if (sender.settled()) announce();
  return next;
}

// Until a transfer ends, somebody wakes the client, or it is time.
Tracker::Impl::Step Tracker::Impl::rest() {
  sender.wait(now(), rest_until);
  return now();
}

Tracker::Impl::Step Tracker::Impl::drop_transfers() {
  sender.drop_transfers();
  undeliverable.report();
  return now();
}

// Nothing in src/ throws by itself; memory, lower libraries and the host's parts may.
Tracker::Impl::Step Tracker::Impl::attempt(Step (Impl::*step)()) {
  try {
    return (this->*step)();
  } catch (...) {
    logger.log(LogLevel::kError,
               services.failure_prefix + ": an exception ended a worker's step; it is repeated");
    return std::nullopt;
  }
}

void Tracker::Impl::run_writer() {
  for (;;) {
    const Step step = attempt(&Impl::write_once);
    const SteadyTime next = step.value_or(now() + kAfterFailure);
    if (!intake.closed()) {
      // Events alone are no reason to repeat what has just failed.
      if (next > now()) intake.wait(on_machine(next), step.has_value() && writer.wants_events());
      intake.gather(on_machine(writer.gather_until()));
      continue;
    }
    const bool done = intake.is_empty() && writer.wants_events();
    if (done || steady_clock::now() >= stop_deadline.load()) return;
    std::this_thread::sleep_until(std::min(on_machine(next), stop_deadline.load()));
  }
}

void Tracker::Impl::run_sender() {
  for (;;) {
    const bool stopping = sender_stops.load();
    if (stopping) sender.stop_launching();
    SteadyTime next = attempt(&Impl::send_once).value_or(now() + kAfterFailure);
    if (stopping) {
      const auto left = stop_deadline.load() - steady_clock::now();
      if (!sender.has_transfers() || left <= left.zero()) break;
      next = std::min(next, now() + left);
    } else if (sender_stops.load()) {
      continue;  // the step has used up the wake that came with it
    }
    rest_until = has_machines_clock ? next : std::min(next, now() + kSlice);
    if (!attempt(&Impl::rest)) {
      std::this_thread::sleep_until(std::min(steady_clock::now() + kPause, stop_deadline.load()));
    }
  }
  attempt(&Impl::drop_transfers);
}

void Tracker::Impl::launch(const std::shared_ptr<Impl>& self, void (Impl::*loop)()) {
  const SignalsBlocked blocked;
  const MutexLock stop_lock(self->stop_mutex);  // until `workers` is true
  self->threads.emplace_back([impl = self, loop]() mutable {
    (impl.get()->*loop)();
    {
      const MutexLock lock(impl->mutex);
      --impl->workers;
    }
    impl->changed.notify_all();
    impl.reset();
  });
  const MutexLock lock(self->mutex);
  ++self->workers;
}

// By the machine's clock, whatever the injected one says: the deadline is there for what hangs.
void Tracker::Impl::end_workers(milliseconds deadline, StopReport& report) {
  constexpr milliseconds kLongest = std::chrono::hours(24 * 365);
  const SteadyTime until = steady_clock::now() + std::clamp(deadline, milliseconds{}, kLongest);
  stop_deadline.store(until - kStopMargin);
  sender_stops.store(true);
  services.http->wake();
  {
    MutexLock lock(mutex);
    while (workers > 0) {
      if (changed.wait_until(lock, until)) break;
    }
    report.in_time = workers == 0;
  }
  if (!report.in_time) keep_code_loaded();
  for (std::thread& thread : threads) {
    // A worker that hangs in a disk or a resolver cannot be joined in time. It keeps its share of
    // this object and ends by itself when the call returns.
    report.in_time ? thread.join() : thread.detach();
  }
  threads.clear();
}

}  // namespace postbox
