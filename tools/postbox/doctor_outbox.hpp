// The outbox as a doctor sees it: its folder, its disk, its file, and what waits in it. Looks
// beside a running server; makes no file but one that it removes at once.
#pragma once

#include <chrono>
#include <cstdint>
#include <klaviyo/config.hpp>
#include <optional>
#include <postbox/bytes.hpp>
#include <postbox/outbox.hpp>
#include <string>
#include <vector>

#include "doctor_settings.hpp"

namespace postbox::cli {

[[nodiscard]] std::vector<Finding> outbox_findings(const klaviyo::Config& config);

// Whether what waits is encrypted, and with keys that are set; nothing where outbox_findings() say
// why it cannot be looked at.
[[nodiscard]] std::vector<Finding> encryption_findings(const klaviyo::Config& config);

// The parts of it that are pure functions.

// `free` is the disk's, `used` of `cap` what events occupy.
[[nodiscard]] Finding room_finding(Bytes free, Bytes used, Bytes cap);
[[nodiscard]] Finding fsync_finding(std::chrono::microseconds time);

// `type` as statfs() has it.
[[nodiscard]] std::optional<Finding> filesystem_finding(std::uint64_t type);

struct QueueFacts {
  OutboxStats stats;
  std::size_t damaged = 0;  // dead letters whose bytes have turned
  bool has_sender = false;  // a process sends from the outbox
};
[[nodiscard]] std::optional<Finding> spill_finding(const OutboxStats& stats);
[[nodiscard]] std::vector<Finding> queue_findings(const QueueFacts& facts,
                                                  const klaviyo::Config& config);

}  // namespace postbox::cli
