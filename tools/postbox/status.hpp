// Status is where the events of an outbox are, and what of it is a problem.
#pragma once

#include <chrono>
#include <iosfwd>
#include <klaviyo/config.hpp>
#include <optional>
#include <postbox/outbox.hpp>
#include <string>
#include <vector>

#include "output.hpp"

namespace postbox::cli {

// The events of a queue. Those that the server has in its hands count as waiting; of a family that
// is off, what waits counts as held.
struct QueueStatus {
  std::string name;
  QueueId queue{};
  std::optional<Flag> flag{};  // unknown of a family of the shop's own that nobody named
  std::uint64_t waiting = 0;
  std::uint64_t delayed = 0;
  std::uint64_t held = 0;
  std::uint64_t dead = 0;
  std::optional<std::chrono::milliseconds> oldest{};  // of what waits or is delayed
};

struct Status {
  std::string file;
  std::uint64_t used = 0;  // bytes, of `allowed`
  std::uint64_t allowed = 0;
  std::uint64_t timers = 0;
  std::uint64_t spilled = 0;
  std::uint64_t inbox = 0;
  OutboxTotals totals{};
  std::vector<QueueStatus> queues{};
  std::vector<std::string> problems{};
};

// `max_wait`: how old an event may become before it is a problem that it waits.
[[nodiscard]] Status status_of(const klaviyo::Config& config, std::string file,
                               const OutboxStats& stats, std::chrono::milliseconds max_wait);

[[nodiscard]] Json json_of(const Status& status);
void write(const Status& status, std::ostream& out);

}  // namespace postbox::cli
