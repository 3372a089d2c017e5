#include "engine.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <utility>

#include "base/signals_blocked.hpp"

namespace postbox {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// What the threads need after their last step to close files and leave, out of stop()'s deadline.
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

Engine::Engine(Services services)
    : services_(std::move(services)), machine_(*services_.clock), network_(services_.http) {}

// On a thread of its own, perhaps: that of a hang which has ended after everybody had left.
Engine::~Engine() {
  const MutexLock lock(mutex_);
  for (std::thread& thread : threads_) thread.detach();
}

Pipeline& Engine::add(const ValidConfig& config, Integration integration,
                      std::shared_ptr<Outbox> outbox) {
  Services services = services_;
  services.outbox = std::move(outbox);
  return *pipelines_.emplace_back(std::make_unique<Pipeline>(
      config, std::move(integration), services, network_.new_share(), bell_));
}

void Engine::launch(const std::shared_ptr<Engine>& self) {
  if (!self->services_.threads) return;
  const MutexLock lock(self->mutex_);
  self->start_thread(self, &Engine::write_all);
  self->start_thread(self, &Engine::send_all);
}

void Engine::start_thread(const std::shared_ptr<Engine>& self, void (Engine::*loop)()) {
  const SignalsBlocked blocked;
  threads_.emplace_back([engine = self, loop] { (engine.get()->*loop)(); });
}

void Engine::write_all() {
  for (;;) {
    SteadyTime next = SteadyTime::max();
    bool any = false;
    for (const auto& pipeline : pipelines_) {
      if (pipeline->writer_has_ended()) continue;
      next = std::min(next, pipeline->run_writer());
      any = any || !pipeline->writer_has_ended();
    }
    if (!any) return;
    if (next > services_.clock->now()) bell_.wait(machine_.of(next));
  }
}

void Engine::send_all() {
  for (;;) {
    SteadyTime next = SteadyTime::max();
    bool any = false;
    for (const auto& pipeline : pipelines_) {
      if (pipeline->sender_has_ended()) continue;
      next = std::min(next, pipeline->run_sender());
      any = any || !pipeline->sender_has_ended();
    }
    if (!any) return;
    wait_for_network(next);
  }
}

// Until a transfer ends, somebody wakes the client, or it is time.
void Engine::wait_for_network(SteadyTime until) {
  try {
    const std::chrono::nanoseconds left = machine_.of(until) - steady_clock::now();
    network_.wait(std::max<std::chrono::nanoseconds>(left, milliseconds{}));
  } catch (...) {
    std::this_thread::sleep_for(kPause);
  }
}

StopReport Engine::stop(Pipeline& pipeline, milliseconds deadline) {
  pipeline.close();
  bool in_time = true;
  if (services_.threads) {
    in_time = end_threads_work(pipeline, deadline);
  } else {
    pipeline.end_here();
  }
  return pipeline.report_end(in_time);
}

// By the machine's clock, whatever the injected one says: the deadline is there for what hangs.
bool Engine::end_threads_work(Pipeline& pipeline, milliseconds deadline) {
  constexpr milliseconds kLongest = std::chrono::hours(24 * 365);
  const SteadyTime until = steady_clock::now() + std::clamp(deadline, milliseconds{}, kLongest);
  pipeline.end_by(until - kStopMargin);
  bell_.ring();
  network_.wake();
  const bool in_time = pipeline.wait_for_end(until);
  leave(in_time);
  return in_time;
}

// A thread that hangs in a disk or a resolver cannot be joined in time. It keeps its share of this
// object and ends by itself when the call returns.
void Engine::leave(bool in_time) {
  if (!in_time) keep_code_loaded();
  const MutexLock lock(mutex_);
  all_in_time_ = all_in_time_ && in_time;
  if (++ended_ < pipelines_.size()) return;
  for (std::thread& thread : threads_) all_in_time_ ? thread.join() : thread.detach();
  threads_.clear();
}

}  // namespace postbox
