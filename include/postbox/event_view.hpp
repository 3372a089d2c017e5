// EventView is an event without its type, so that everything but its encode() is compiled once.
//
// Place:     between Tracker::track() and the engine, on the caller's thread.
// Threads:   a plain value.
// Lifetime:  views the event, for one call.
// Failure:   none of its own: an event's members may throw.
#pragma once

#include <cstddef>

#include <postbox/trackable.hpp>

namespace postbox {

struct EventView {
  const void* event;
  const Family* family;
  Key (*profile_key)(const void*, const EventBatch&);
  std::size_t (*size)(const void*);
  void (*encode)(const void*, EventBatch&);
  void (*encode_disabled)(const void*, EventBatch&);  // null for almost every type
};

template <TrackableEvent E>
[[nodiscard]] EventView view_of(const E& event) {
  void (*encode_disabled)(const void*, EventBatch&) = nullptr;
  if constexpr (requires(EventBatch & batch) { event.encode_disabled(batch); }) {
    encode_disabled = [](const void* e, EventBatch& batch) {
      static_cast<const E*>(e)->encode_disabled(batch);
    };
  }
  return {&event,
          &event.family(),
          [](const void* e, const EventBatch& batch) -> Key {
            if constexpr (requires(const E& known) { known.profile_key(batch); }) {
              return static_cast<const E*>(e)->profile_key(batch);
            } else {
              return static_cast<const E*>(e)->profile_key();
            }
          },
          [](const void* e) -> std::size_t { return static_cast<const E*>(e)->size(); },
          [](const void* e, EventBatch& batch) { static_cast<const E*>(e)->encode(batch); },
          encode_disabled};
}

}  // namespace postbox
