// EventDraft is an event that its caller stores, in the database transaction that stores what it
// reports.
//
// Place:     made by Tracker::draft(); an outbox that shares the caller's database inserts it, see
//            postgres_put.hpp.
// Threads:   a plain value.
// Lifetime:  owns its records.
// Failure:   see TrackResult.
#pragma once

#include <vector>

#include <postbox/event.hpp>
#include <postbox/track_result.hpp>
#include <postbox/tracker.hpp>

namespace postbox {

struct EventDraft {
  TrackResult result;  // never kFull or kNotDurable

  // To be inserted together with the order, also when `result` is not kAccepted: an order whose
  // family is switched off ends its cart all the same. Encrypted where the outbox is.
  std::vector<EventRecord> records{};
};

template <TrackableEvent E>
EventDraft Tracker::draft(const E& event) {
  return draft(view_of(event));
}

}  // namespace postbox
