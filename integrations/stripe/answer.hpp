// Answer is what a route gives to Stripe; Counts is what became of all deliveries.
//
// Place:     returned by Webhook.
// Threads:   plain values.
// Lifetime:  plain values.
// Failure:   none.
#pragma once

#include <cstdint>
#include <string>

namespace stripe {

struct Answer {
  // 200  the events are on disk, switched off (without an API key, all are), or there are none.
  //      Also when the body waits on disk for the customer's address
  // 400  no body of Stripe's, or one that no event can be made of
  // 503  the events could not be kept, or no secret is set
  int status = 200;

  // For logs: "2 events", "ignored: no mapping", "waits for customer:…". Not for the answer's body:
  // a caller should not learn what was wrong with a signature.
  std::string reason;
};

// What became of what was delivered to this process. Each delivery is one of those from `refused`
// to `failed`.
struct Counts {
  std::uint64_t received = 0;

  std::uint64_t refused = 0;   // 400: not signed, too old or too large
  std::uint64_t unusable = 0;  // 400: no event can be made of it
  std::uint64_t ignored = 0;   // 200: there are no events in it
  std::uint64_t tracked = 0;   // 200: its events are on disk
  std::uint64_t disabled = 0;  // 200: its events are switched off, or no API key is set
  std::uint64_t waited = 0;    // 200: it is on disk itself, and waits
  std::uint64_t failed = 0;    // 503

  std::uint64_t released = 0;    // bodies that had waited and are tracked or switched off
  std::uint64_t lost = 0;        // bodies that had waited and no event can be made of: none, unless
                                 // the program was replaced meanwhile
  std::uint64_t incomplete = 0;  // tracked without what they had waited for
  std::uint64_t waiting = 0;     // bodies that wait now, also of other processes
};

}  // namespace stripe
