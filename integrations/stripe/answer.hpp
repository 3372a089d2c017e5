// Answer is the result of one delivery, for the route; Counts are the results of all of them.
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
  // 200  the events are on disk or switched off (without an API key, all are), or there are none,
  // or
  //      the body waits on disk for the customer's address
  // 400  not signed by Stripe, or no event can be made of the body
  // 503  the events could not be stored, or no secret is set
  int status = 200;

  // For logs: "2 events", "ignored: no mapping", "waits for customer:…". Not for the answer's body:
  // a caller should not learn what was wrong with a signature.
  std::string reason;
};

// The deliveries to this process by their result. Each one counts once from `refused` to `failed`.
struct Counts {
  std::uint64_t received = 0;

  std::uint64_t refused = 0;   // 400: not signed, too old or too large
  std::uint64_t unusable = 0;  // 400: no event can be made of it
  std::uint64_t ignored = 0;   // 200: it contains no events
  std::uint64_t tracked = 0;   // 200: its events are on disk
  std::uint64_t disabled = 0;  // 200: its events are switched off, or no API key is set
  std::uint64_t waited = 0;    // 200: the body itself is on disk and waits
  std::uint64_t failed = 0;    // 503

  std::uint64_t released = 0;    // bodies that have waited and are tracked or switched off
  std::uint64_t lost = 0;        // bodies that have waited and then could not be used: none, unless
                                 // the program was replaced in between
  std::uint64_t incomplete = 0;  // tracked without the fact that they had waited for
  std::uint64_t waiting = 0;     // bodies that wait now, including those of other processes
};

}  // namespace stripe
