#include "engine.hpp"

#include <algorithm>
#include <thread>
#include <utility>

#include "base/assert.hpp"

namespace postbox {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// The part of stop()'s deadline that threads need after their last step, to close files and leave.
constexpr milliseconds kStopMargin{30};

// In place of a wait for the network that failed.
constexpr milliseconds kPause{100};

}  // namespace

Engine::Engine(Services services)
    : services_(std::move(services)), machine_(*services_.clock), network_(services_.http) {}

Pipeline& Engine::add(const ValidConfig& config, Integration integration,
                      std::shared_ptr<Outbox> outbox) {
  Services services = services_;
  services.outbox = std::move(outbox);
  return *pipelines_.emplace_back(std::make_unique<Pipeline>(
      config, std::move(integration), services, network_.new_share(), writer_.bell()));
}

void Engine::launch(const std::shared_ptr<Engine>& self) {
  if (!self->services_.threads) return;
  self->writer_.start({.run_once = [self](bool) { return self->step_all(&Pipeline::run_writer); }});
  self->sender_.start({.run_once = [self](bool) { return self->step_all(&Pipeline::run_sender); },
                       .wait = [self](SteadyTime until) { self->wait_for_network(until); }});
}

Engine::Step Engine::step_all(Step (Pipeline::*step)()) {
  Step next;
  for (const auto& pipeline : pipelines_) {
    const Step due = (pipeline.get()->*step)();
    if (due) next = std::min(*due, next.value_or(*due));
  }
  return next ? machine_.of(*next) : next;
}

// Until a transfer ends, somebody wakes the client, or it is time.
void Engine::wait_for_network(SteadyTime until) {
  try {
    const std::chrono::nanoseconds left = until - steady_clock::now();
    network_.wait(std::max<std::chrono::nanoseconds>(left, milliseconds{}));
  } catch (...) {
    std::this_thread::sleep_for(kPause);
  }
}

StopReport Engine::stop(Pipeline& pipeline, milliseconds deadline) {
  pipeline.close();
  bool in_time = true;
  if (services_.threads) {
    in_time = end_work_of(pipeline, deadline);
  } else {
    pipeline.end_here();
  }
  return pipeline.report_end(in_time);
}

// By the machine's clock, whatever the injected one says: the deadline is there for what hangs.
bool Engine::end_work_of(Pipeline& pipeline, milliseconds deadline) {
  constexpr milliseconds kLongest = std::chrono::hours(24 * 365);
  const SteadyTime until = steady_clock::now() + std::clamp(deadline, milliseconds{}, kLongest);
  pipeline.end_by(until - kStopMargin);
  writer_.wake();
  network_.wake();
  const bool in_time = pipeline.wait_for_end(until);
  const MutexLock lock(mutex_);
  POSTBOX_ASSERT(ended_ < pipelines_.size());
  if (++ended_ < pipelines_.size()) return in_time;
  const bool writer_left = writer_.join_until(until);
  return sender_.join_until(until) && writer_left && in_time;
}

}  // namespace postbox
