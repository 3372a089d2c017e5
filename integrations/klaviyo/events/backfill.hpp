// backfill() turns any of the events into one of history: recorded, and no flow starts for it.
//
// Place:     around a builder; between an import and the tracker.
// Threads:   a plain value; const members may be called from several threads at once.
// Lifetime:  owns the event.
// Failure:   none here: track() rejects with every violation.
#pragma once

#include <postbox/trackable.hpp>

namespace klaviyo {

// Make every event of the batch one of history, see mark_backfill().
void mark_backfills(postbox::EventBatch& batch);

// A backfill is a wrapper around any event, and its queue is its family's number plus 16 under the
// same flag: a new family brings no code for it, and the normal path does not know of it.
template <postbox::TrackableEvent E>
class Backfill {
 public:
  explicit Backfill(E event) : event_(std::move(event)) {}

  [[nodiscard]] const postbox::Family& family() const noexcept { return event_.family(); }
  [[nodiscard]] postbox::Key profile_key() const { return event_.profile_key(); }
  [[nodiscard]] postbox::Key profile_key(const postbox::EventBatch& batch) const {
    if constexpr (requires { event_.profile_key(batch); }) {
      return event_.profile_key(batch);
    } else {
      return event_.profile_key();
    }
  }
  [[nodiscard]] std::size_t size() const noexcept { return event_.size(); }
  void encode(postbox::EventBatch& batch) const {
    event_.encode(batch);
    mark_backfills(batch);
  }

 private:
  E event_;
};

// An event with the time at which it happened, for a shop that begins with Klaviyo or caught up
// after an outage. It goes after everything that happens now. Needs KLAVIYO_REVISION 2026-04-15 or
// later.
//
//   tracker->track(klaviyo::backfill(klaviyo::order_placed(order)));
template <postbox::TrackableEvent E>
[[nodiscard]] Backfill<E> backfill(E event) {
  return Backfill<E>(std::move(event));
}

}  // namespace klaviyo
