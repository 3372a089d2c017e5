// TrackResult is the answer to a caller, and StopReport what stop() leaves.
//
// Place:     returned by Tracker::track() and stop().
// Threads:   plain values.
// Lifetime:  plain values.
// Failure:   none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <postbox/trackable.hpp>

namespace postbox {

enum class TrackStatus : std::uint8_t {
  kAccepted,    // track(): in memory, on its way to the disk. track_durably(): on disk
  kDisabled,    // the family's flag is off for this profile, or no key is set: nothing was kept
  kRejected,    // the event breaks rules; see violations()
  kFull,        // the cap of memory or disk is reached: the disk does not keep up, or is full. A
                // tenth of both is kept for the family that matters most
  kClosed,      // the tracker has been stopped, or belongs to the process this one was forked from
  kNotDurable,  // track_durably(): not on disk within the deadline. It may still get there:
                // offering the same event again does not double it
};

// The answer to a caller. Safe to ignore.
class TrackResult {
 public:
  explicit TrackResult(TrackStatus status, std::vector<Violation> violations = {},
                       std::vector<Violation> warnings = {})
      : status_(status), violations_(std::move(violations)), warnings_(std::move(warnings)) {}

  [[nodiscard]] TrackStatus status() const noexcept { return status_; }

  // Every broken rule with its path; empty unless the status is kRejected.
  [[nodiscard]] const std::vector<Violation>& violations() const noexcept { return violations_; }

  // Parts that the vendor will leave out of an accepted event, with its path: a hint for whoever
  // wrote the call. Empty unless the status is kAccepted.
  [[nodiscard]] const std::vector<Violation>& warnings() const noexcept { return warnings_; }

  // True when nothing is left for the caller to do: accepted, or switched off on purpose.
  explicit operator bool() const noexcept {
    return status_ == TrackStatus::kAccepted || status_ == TrackStatus::kDisabled;
  }

  // One line for a log or an error answer: the status, then each violation and warning.
  [[nodiscard]] std::string to_string() const;

 private:
  TrackStatus status_;
  std::vector<Violation> violations_;
  std::vector<Violation> warnings_;
};

// StopReport counts the events that stop() leaves for the next start.
struct StopReport {
  bool in_time = true;  // every worker had ended when the deadline passed
  std::uint64_t in_memory =
      0;  // accepted events that never reached the disk: lost with the process
  std::uint64_t in_outbox = 0;  // waiting or held on disk: sent after a later start. Unknown, and
                                // zero, when `in_time` is false
};

}  // namespace postbox
