// Engine has the two threads and the network, which one account uses, or several.
//
// Place:     above its pipelines; a Tracker is the handle to one of them.
// Threads:   add() and launch() from one thread, before anything else; stop() from any.
// Lifetime:  shared by the trackers and the threads: a thread that hangs outlives the trackers.
// Failure:   what throws while a thread waits is answered with a pause.
//
//   writer's thread   for each pipeline: what has gathered is committed; then the bell, or the time
//   sender's thread   for each pipeline: answers, settlements, requests; then the network, or the
//                     time
//
// One pipeline's disk that hangs keeps the writer from the others', whose events wait in memory.
// All else is a pipeline's own: key, flags, quota, pauses, outbox.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include <postbox/services.hpp>
#include <postbox/track_result.hpp>

#include "base/machine_time.hpp"
#include "base/mutex.hpp"
#include "base/worker.hpp"
#include "pipeline.hpp"
#include "shared_client.hpp"

namespace postbox {

class Engine {
 public:
  // `services` have all but the outbox; they are those of every pipeline.
  explicit Engine(Services services);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // The pipeline lives as long as the engine.
  Pipeline& add(const ValidConfig& config, Integration integration, std::shared_ptr<Outbox> outbox);

  // Starts the threads, unless the services say that there are none.
  static void launch(const std::shared_ptr<Engine>& self);

  // Ends one of the pipelines within `deadline`; with the last one, the threads.
  [[nodiscard]] StopReport stop(Pipeline& pipeline, std::chrono::milliseconds deadline);

 private:
  // Returns when to come back, by the machine's clock; nothing when no pipeline goes on.
  using Step = Pipeline::Step;
  Step step_all(Step (Pipeline::*step)());
  void wait_for_network(SteadyTime until);
  [[nodiscard]] bool end_work_of(Pipeline& pipeline, std::chrono::milliseconds deadline)
      POSTBOX_EXCLUDES(mutex_);

  // Constant after launch().
  const Services services_;
  const MachineTime machine_;
  Worker writer_;
  Worker sender_;
  SharedClient network_;
  std::vector<std::unique_ptr<Pipeline>> pipelines_;

  Mutex mutex_;
  std::size_t ended_ POSTBOX_GUARDED_BY(mutex_) = 0;
};

}  // namespace postbox
