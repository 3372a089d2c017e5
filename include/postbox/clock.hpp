// Clock and Random are the engine's only sources of time and chance.
//
// Place:     read by every stage; injected once, at start.
// Threads:   every member may be called from several threads at once.
// Lifetime:  shared; must outlive the tracker that uses them.
// Failure:   none; members do not throw.
#pragma once

#include <cstdint>
#include <memory>

#include <postbox/time.hpp>

namespace postbox {

// Two clocks for two purposes, see time.hpp.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual SteadyTime now() const noexcept = 0;
  [[nodiscard]] virtual WallTime wall_now() const noexcept = 0;
};

class Random {
 public:
  virtual ~Random() = default;
  // Returns 64 uniformly distributed bits. Used for jitter only, never for secrets.
  [[nodiscard]] virtual std::uint64_t next() noexcept = 0;
};

// Returns the machine's own clocks.
[[nodiscard]] std::shared_ptr<Clock> system_clock();

// Returns a generator seeded from the system, or from `seed` for a repeatable sequence.
[[nodiscard]] std::shared_ptr<Random> system_random();
[[nodiscard]] std::shared_ptr<Random> seeded_random(std::uint64_t seed);

}  // namespace postbox
