// Stats is a snapshot of everything that became of the events.
//
// Place:     returned by Tracker::stats().
// Threads:   a plain value.
// Lifetime:  a plain value.
// Failure:   `complete` is false when the outbox could not be read; its counts are then zero, but
//            for what is spilled.
//            When its file was replaced by an older one, what it counts is too little until the
//            next start, and conserved() is false.
//
// Two identities hold whenever no call and no worker is in the middle of a step (after flush() or
// stop(), and in tests after every step):
//
//   offered  = accepted + disabled + rejected + full + closed
//   accepted = delivered + dead + held + waiting + in_flight + purged
//
// Counts are events, not calls: an order of three lines is offered as four events. Events that an
// earlier run left in the outbox are counted as offered and accepted when this run finds them, and
// what a timer becomes, such as an abandoned cart, when it fires.
//
// One outbox may serve several processes. Where the accepted ones are is then counted for all of
// them together, and what was offered for each alone. In an outbox that is meant to be shared, as
// on PostgreSQL, what others have put there since the start is counted as found, and both
// identities hold; in a file that several processes share (pre-fork servers) the second does not.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace postbox {

struct Stats {
  // Events that callers offered, and what they were told.
  std::uint64_t offered = 0;
  std::uint64_t accepted = 0;
  std::uint64_t disabled = 0;  // the family's flag was off, or no key is set
  std::uint64_t rejected = 0;  // broke a rule of the schema
  std::uint64_t full = 0;    // a cap was reached: memory, or for all but the first family the disk
  std::uint64_t closed = 0;  // offered after stop()

  // Where the accepted ones are.
  std::uint64_t delivered = 0;
  std::uint64_t dead = 0;       // refused for good, kept as dead letters
  std::uint64_t held = 0;       // their family is switched off
  std::uint64_t waiting = 0;    // in memory, spilled, ready, or waiting for a retry
  std::uint64_t in_flight = 0;  // leased to a sender; for Config::settle_interval also when it is
                                // delivered
  // Removed on purpose: purged, expired, duplicates, and what a timer made and an end took back.
  std::uint64_t purged = 0;

  std::uint64_t recovered = 0;  // of the accepted: found in the outbox, at start or put there by
                                // other servers and in transactions of the shop's own
  std::uint64_t fired = 0;      // of the accepted: came of a timer
  std::uint64_t timers_pending = 0;  // timers that run: not events yet
  std::uint64_t duplicates = 0;      // of the purged: the same event was already waiting
  std::uint64_t spilled = 0;  // of the waiting: on this machine's disk, for a store that is away

  // How it went.
  std::uint64_t requests = 0;      // started
  std::uint64_t retries = 0;       // events sent back to wait after a failed request
  std::uint64_t rate_limited = 0;  // 429 answers
  std::uint64_t parked = 0;  // answers that paused everything, or a lane: 401, 403, 404, 410, 3xx
  std::uint64_t stale_settles = 0;    // outcomes that came after their lease had ended
  std::uint64_t outbox_failures = 0;  // failed calls of the outbox, all retried
  std::uint64_t sink_failures = 0;    // exceptions from the log sink

  bool complete = true;

  [[nodiscard]] constexpr bool conserved() const noexcept {
    return offered == accepted + disabled + rejected + full + closed &&
           accepted == delivered + dead + held + waiting + in_flight + purged;
  }
};

// A member of Stats, for whoever shows all of them.
struct StatsField {
  std::string_view name;
  std::uint64_t Stats::*member;
  bool counts_events;  // else requests, answers or failures
};

// All of them, in the order of Stats. Whatever is counted has a row here: the engine counts, and
// dashboards show, by this table.
inline constexpr std::array kStatsFields{
    StatsField{"offered", &Stats::offered, true},
    StatsField{"accepted", &Stats::accepted, true},
    StatsField{"disabled", &Stats::disabled, true},
    StatsField{"rejected", &Stats::rejected, true},
    StatsField{"full", &Stats::full, true},
    StatsField{"closed", &Stats::closed, true},
    StatsField{"delivered", &Stats::delivered, true},
    StatsField{"dead", &Stats::dead, true},
    StatsField{"held", &Stats::held, true},
    StatsField{"waiting", &Stats::waiting, true},
    StatsField{"in_flight", &Stats::in_flight, true},
    StatsField{"purged", &Stats::purged, true},
    StatsField{"recovered", &Stats::recovered, true},
    StatsField{"fired", &Stats::fired, true},
    StatsField{"timers_pending", &Stats::timers_pending, true},
    StatsField{"duplicates", &Stats::duplicates, true},
    StatsField{"spilled", &Stats::spilled, true},
    StatsField{"requests", &Stats::requests, false},
    StatsField{"retries", &Stats::retries, true},
    StatsField{"rate_limited", &Stats::rate_limited, false},
    StatsField{"parked", &Stats::parked, false},
    StatsField{"stale_settles", &Stats::stale_settles, false},
    StatsField{"outbox_failures", &Stats::outbox_failures, false},
    StatsField{"sink_failures", &Stats::sink_failures, false},
};

}  // namespace postbox
