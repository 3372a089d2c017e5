// Metrics is everything that is counted and measured, with what it is counted by: for a dashboard,
// an alert, an operator's page. Stats has the sums, and the identities that hold between them.
//
// Place:     returned by Tracker::metrics().
// Threads:   plain values.
// Lifetime:  plain values; names are copies.
// Failure:   `totals.complete` is false when the outbox could not be read; what comes from it is
//            then missing.
//
// Counts are of this process since its start; what a family has on disk is the outbox's, whoever
// put it there.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <postbox/event.hpp>
#include <postbox/flags.hpp>
#include <postbox/outbox.hpp>
#include <postbox/rate_gate.hpp>
#include <postbox/stats.hpp>

namespace postbox {

// How long something took, in buckets that are the same for every histogram.
struct Histogram {
  using Bound = std::chrono::microseconds;
  using Milli = std::chrono::milliseconds;
  using Seconds = std::chrono::seconds;
  static constexpr std::array kBounds{Bound{2},
                                      Bound{5},
                                      Bound{10},
                                      Bound{20},
                                      Bound{50},
                                      Bound{100},
                                      Bound{200},
                                      Bound{500},
                                      Bound{Milli{1}},
                                      Bound{Milli{2}},
                                      Bound{Milli{5}},
                                      Bound{Milli{10}},
                                      Bound{Milli{20}},
                                      Bound{Milli{50}},
                                      Bound{Milli{100}},
                                      Bound{Milli{200}},
                                      Bound{Milli{500}},
                                      Bound{Seconds{1}},
                                      Bound{Seconds{2}},
                                      Bound{Seconds{5}},
                                      Bound{Seconds{10}},
                                      Bound{Seconds{30}},
                                      Bound{Seconds{60}},
                                      Bound{Seconds{300}},
                                      Bound{Seconds{1'800}},
                                      Bound{Seconds{7'200}},
                                      Bound{Seconds{43'200}},
                                      Bound{Seconds{259'200}}};

  // Of each bound the values that are at most as long and longer than the bound before; the last is
  // what is beyond all.
  std::array<std::uint64_t, kBounds.size() + 1> counts{};
  std::chrono::microseconds sum{0};

  [[nodiscard]] std::uint64_t count() const noexcept {
    std::uint64_t all = 0;
    for (const std::uint64_t in_bucket : counts) all += in_bucket;
    return all;
  }
};

enum class EventOutcome : std::uint8_t {
  kDelivered,
  kRetried,  // sent back to wait after a request that failed
  kPutOff,   // the vendor asked for a pause, or nothing can succeed until a setting changes
  kHeld,     // its family's flag was switched off after it had been accepted
  kDead,     // refused for good
};

// "delivered", "retried", "put_off", "held", "dead".
[[nodiscard]] std::string_view name_of(EventOutcome outcome) noexcept;

// A count of events by what became of them at the vendor, for one combination that has occurred.
struct OutcomeCount {
  std::string family;
  QueueId queue{};   // history has its family's name, and a queue of its own
  std::string type;  // what the vendor calls it: "Placed Order"
  std::string lane;
  EventOutcome outcome = EventOutcome::kDelivered;
  // "HTTP 400", "timeout", "dns" …. Of a delivery the status: with 201 the vendor has made
  // something new, such as a profile, with 200 changed it, with 202 taken it.
  std::string cause;
  std::uint64_t events = 0;
};

struct FamilyMetrics {
  std::string family;
  QueueId queue{};
  Flag flag;  // in force

  // Events that callers offered, and what they were told.
  std::uint64_t accepted = 0;
  std::uint64_t disabled = 0;
  std::uint64_t rejected = 0;
  std::uint64_t full = 0;

  // On disk. What waits counts as held while the flag is off.
  std::uint64_t waiting = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t held = 0;
  std::uint64_t dead = 0;
  std::optional<std::chrono::milliseconds> oldest{};  // the age of what waits longest
};

struct LaneMetrics {
  std::string lane;
  std::size_t in_flight = 0;
  bool is_probing = false;                  // after trouble: one request at a time
  std::chrono::milliseconds closed_for{0};  // zero when it is open
  std::size_t most_bytes = 0;               // that one request carries on the link as it is now
  RateUse rate{};
};

struct Metrics {
  Stats totals;
  std::vector<FamilyMetrics> families;  // in order of priority
  std::vector<LaneMetrics> lanes;       // as of the sender's last step
  std::vector<OutcomeCount> outcomes;
  Histogram in_call;  // of track(), on the caller's thread; not of what is switched off
  Histogram to_disk;  // from track() until the event is on disk
  Histogram
      to_delivery;  // from there until the vendor has it; a timer's event begins when it fires
};

}  // namespace postbox
