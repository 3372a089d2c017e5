// SpillLog says in the log that events wait on this machine's disk for a store that is away, and
// that they do no more.
//
// Place:     beside the workers' steps; see Outbox::spilled().
// Threads:   report() from several threads at once. 🔒
// Lifetime:  as long as the pipeline.
// Failure:   none.
#pragma once

#include <cstdint>
#include <string>

#include <postbox/clock.hpp>
#include <postbox/outbox.hpp>

#include "base/logger.hpp"
#include "base/mutex.hpp"

namespace postbox {

class SpillLog {
 public:
  SpillLog(Logger& logger, std::string failure_prefix)
      : logger_(logger), failure_prefix_(std::move(failure_prefix)) {}

  void report(const Spilled& spilled, SteadyTime now) POSTBOX_EXCLUDES(mutex_);

 private:
  // The lines to write now; each may be empty.
  struct Lines {
    std::string disk{};
    std::string waiting{};
    std::string drained{};
  };
  [[nodiscard]] Lines lines_of(const Spilled& spilled, SteadyTime now) POSTBOX_EXCLUDES(mutex_);

  Logger& logger_;
  const std::string failure_prefix_;

  Mutex mutex_;
  bool is_spilling_ POSTBOX_GUARDED_BY(mutex_) = false;
  SteadyTime since_ POSTBOX_GUARDED_BY(mutex_){};
  SteadyTime said_ POSTBOX_GUARDED_BY(mutex_){};
  std::uint64_t most_ POSTBOX_GUARDED_BY(mutex_) = 0;
  std::uint64_t damaged_ POSTBOX_GUARDED_BY(mutex_) = 0;
  std::string trouble_ POSTBOX_GUARDED_BY(mutex_);
};

}  // namespace postbox
