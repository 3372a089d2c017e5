#include "spill_log.hpp"

#include <algorithm>
#include <chrono>

namespace postbox {
namespace {

constexpr std::chrono::minutes kReminder{5};

std::string in_seconds(SteadyTime::duration time) {
  return std::to_string(std::chrono::floor<std::chrono::seconds>(time).count()) + " seconds";
}

}  // namespace

void SpillLog::report(const Spilled& spilled, SteadyTime now) {
  const Lines lines = lines_of(spilled, now);
  if (!lines.disk.empty()) {
    logger_.log(LogLevel::kError, failure_prefix_ + ": " + lines.disk);
  }
  if (!lines.waiting.empty()) {
    logger_.log_kind(LogLevel::kWarn, "events wait in POSTBOX_SPILL", lines.waiting);
  }
  if (!lines.drained.empty()) {
    logger_.log_kind(LogLevel::kInfo, "POSTBOX_SPILL is drained", lines.drained);
  }
}

SpillLog::Lines SpillLog::lines_of(const Spilled& spilled, SteadyTime now) {
  const MutexLock lock(mutex_);
  Lines lines;
  if (spilled.damaged > damaged_) {
    lines.disk = std::to_string(spilled.damaged - damaged_) +
                 " events were damaged on the disk, and stay in the file of POSTBOX_SPILL: check "
                 "the disk";
  } else if (spilled.trouble != trouble_) {
    lines.disk = spilled.trouble;
  }
  damaged_ = spilled.damaged;
  if (spilled.trouble != trouble_) trouble_ = spilled.trouble;
  if (spilled.events == 0) {
    if (is_spilling_) {
      lines.drained = "POSTBOX_SPILL is drained: the outbox has the events that waited in it, " +
                      std::to_string(most_) + " at most, after " + in_seconds(now - since_);
    }
    is_spilling_ = false;
    most_ = 0;
    return lines;
  }
  most_ = std::max(most_, spilled.events);
  if (!is_spilling_) since_ = now;
  // Events on their way into the outbox need no line.
  if (spilled.away.empty() || (is_spilling_ && now < said_ + kReminder)) return lines;
  is_spilling_ = true;
  said_ = now;
  lines.waiting =
      "events wait in POSTBOX_SPILL, on this server's disk, until the outbox takes "
      "them: " +
      std::to_string(spilled.events) + " so far; " + spilled.away;
  return lines;
}

}  // namespace postbox
