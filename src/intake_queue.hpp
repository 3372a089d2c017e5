// IntakeQueue takes events from callers' threads and gives them to the writer.
//
// Place:     between Tracker::track and OutboxWriter; the only stage that callers' threads enter.
// Threads:   every member may be called from several threads at once; take() and settle_durable()
//            by the writer alone. 🔒
// Lifetime:  as long as the tracker.
// Failure:   push() refuses at the caps and after close(). An event counts against the caps until
//            it is durable, not until it is taken: a hanging disk cannot make memory grow.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <vector>

#include <postbox/bytes.hpp>
#include <postbox/clock.hpp>
#include <postbox/event.hpp>

#include "base/doorbell.hpp"
#include "base/mutex.hpp"

namespace postbox {

class IntakeQueue {
 public:
  static constexpr Bytes kUnlimited{std::numeric_limits<std::uint64_t>::max()};

  enum class Answer : std::uint8_t { kAccepted, kFull, kClosed };

  struct Pushed {
    Answer answer;
    std::uint64_t sequence;  // of the last event: durable when durable_through() reaches it
  };

  // `bell` wakes the writer; several queues may have one writer.
  IntakeQueue(std::size_t max_events, Bytes max_bytes, Doorbell& bell)
      : max_events_(max_events), max_bytes_(max_bytes), bell_(bell) {}

  // How much of the caps an event may use: what matters most has a tenth to itself. Effects, which
  // are no events (Timing::effects_only), have a tenth beyond the caps: an order that is refused
  // because memory is full still ends its cart's timer.
  enum class Share : std::uint8_t { kAll, kCommon, kEffects };

  [[nodiscard]] static constexpr std::uint64_t allowed(std::uint64_t cap, Share share) noexcept {
    if (share == Share::kAll) return cap;
    return share == Share::kCommon ? cap - cap / 10 : cap + cap / 10;
  }

  // How many events were offered at which time.
  struct Offered {
    WallTime at{};
    std::uint64_t events = 0;
  };

  struct Taken {
    std::vector<EventRecord> records{};
    std::vector<Offered> offered{};
  };

  // Take over all of `records`, which were offered at `at`, or none. Those that are no events count
  // for their bytes alone. The events that wait must fit into `room` bytes, too: what the store has
  // left.
  Pushed push(std::vector<EventRecord>& records, WallTime at, Share share = Share::kAll,
              Bytes room = kUnlimited) POSTBOX_EXCLUDES(mutex_);

  // Return what has gathered, in order, as much as is worth one commit. Whole calls of push():
  // what one call brought is committed together.
  Taken take() POSTBOX_EXCLUDES(mutex_);

  // The first `events` of what was taken are on disk, with `bytes` in all.
  void settle_durable(std::size_t events, std::uint64_t bytes) POSTBOX_EXCLUDES(mutex_);

  // While one exists somebody waits for what is in the queue, or comes into it: the writer is woken
  // at once.
  class Hurry {
   public:
    explicit Hurry(IntakeQueue& queue) : queue_(queue) { queue.hurry(); }
    Hurry(const Hurry&) = delete;
    Hurry& operator=(const Hurry&) = delete;
    ~Hurry() { queue_.end_hurry(); }

   private:
    IntakeQueue& queue_;
  };

  // Wait until the event of that sequence is on disk. False when the deadline came first.
  bool wait_durable(std::uint64_t sequence, SteadyTime deadline) POSTBOX_EXCLUDES(mutex_);

  // For what the writer's bell is rung, once. close() rings it in any case.
  enum class Ring : std::uint8_t {
    kNever,
    kAny,     // something can be taken
    kUrgent,  // the same, and enough for a commit, or too much for the caps, or somebody waits
  };

  // Set it. Returns whether it is so already; then nobody rings.
  [[nodiscard]] bool ring_for(Ring ring) POSTBOX_EXCLUDES(mutex_);

  // Refuse everything from now on.
  void close() POSTBOX_EXCLUDES(mutex_);

  [[nodiscard]] bool closed() const POSTBOX_EXCLUDES(mutex_);

  // True when take() would return nothing.
  [[nodiscard]] bool is_empty() const POSTBOX_EXCLUDES(mutex_);

  // Events that are not yet durable.
  [[nodiscard]] std::uint64_t pending() const POSTBOX_EXCLUDES(mutex_);

 private:
  // The records of one commit, and what they weigh. Queued in pieces, so that no push() ever moves
  // a whole backlog, and memory is given back commit by commit.
  struct Piece {
    Taken content;
    std::uint64_t bytes = 0;
  };

  void hurry() POSTBOX_EXCLUDES(mutex_);
  void end_hurry() POSTBOX_EXCLUDES(mutex_);
  [[nodiscard]] bool is_half_full() const POSTBOX_REQUIRES(mutex_);
  [[nodiscard]] bool is_urgent() const POSTBOX_REQUIRES(mutex_);
  [[nodiscard]] bool has(Ring ring) const POSTBOX_REQUIRES(mutex_);
  [[nodiscard]] bool fits(std::size_t events, std::uint64_t bytes, Share share, Bytes room) const
      POSTBOX_REQUIRES(mutex_);
  [[nodiscard]] Piece& last_piece(std::size_t records) POSTBOX_REQUIRES(mutex_);

  // Constant after construction.
  const std::size_t max_events_;
  const Bytes max_bytes_;
  Doorbell& bell_;

  mutable Mutex mutex_;
  ConditionVariable durable_;
  std::deque<Piece> queue_ POSTBOX_GUARDED_BY(mutex_);
  std::uint64_t pushed_ POSTBOX_GUARDED_BY(mutex_) = 0;  // sequence of the newest event
  std::uint64_t durable_through_ POSTBOX_GUARDED_BY(mutex_) = 0;
  std::uint64_t pending_bytes_ POSTBOX_GUARDED_BY(mutex_) = 0;
  int in_hurry_ POSTBOX_GUARDED_BY(mutex_) = 0;
  Ring ring_ POSTBOX_GUARDED_BY(mutex_) = Ring::kNever;
  bool closed_ POSTBOX_GUARDED_BY(mutex_) = false;
};

// The bytes that a record takes of the memory cap.
[[nodiscard]] inline std::uint64_t footprint(const EventRecord& record) noexcept {
  const std::size_t bytes = sizeof(EventRecord) + record.payload.size();
  if (!record.timing) return bytes;
  const auto& timer = record.timing->timer;
  return bytes + sizeof(Timing) + (timer ? timer->event.payload.size() : 0);
}

}  // namespace postbox
