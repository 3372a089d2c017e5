// Loader claims events from the outbox and packs them into parcels, each for one lane of the
// destination.
//
// Place:     inside the sender, between the outbox and the requests.
// Threads:   one thread.
// Lifetime:  owned by the sender.
// Failure:   a failed call of the outbox is counted, logged and repeated later.
//
// Which lane: single requests while their quota carries what is waiting within seconds, the bulk
// lane when there is more, and the other one while either is closed for longer than that or is
// being probed. An event that has failed twice among others travels alone: it may be the one that
// makes them fail. Which queue: the destination's families share a lane by weight, each twice the
// next one's, so that a backlog of the lowest never delays the first by more than one parcel, and
// none starves.
#pragma once

#include <array>
#include <deque>
#include <optional>
#include <postbox/clock.hpp>
#include <postbox/event.hpp>
#include <vector>

#include "lane.hpp"
#include "sender_parts.hpp"

namespace postbox {

class Settler;

class Loader {
 public:
  Loader(const ValidConfig& config, const SenderParts& parts, OutboxTurn& turn,
         std::vector<SendLane>& lanes);

  // Any queue may have events that can be claimed.
  void rescan() noexcept;

  // These have some, in all likelihood.
  void appended(Queues queues) noexcept;

  // Claim for every queue that has nothing at hand: for a probe one event, else what one bulk
  // request takes.
  void load(Settler& settler, SteadyTime now, bool probe);

  // When load() wants to be called: `now`, later, or SteadyTime::max().
  [[nodiscard]] SteadyTime next_load(SteadyTime now) const;

  // The parcel that goes next on `lane`; null when there is none. Valid until take() or load().
  [[nodiscard]] const Parcel* peek(std::size_t lane) const;

  // Take what peek() shows.
  [[nodiscard]] Parcel take(std::size_t lane);

  // Let `parcel` go before all others of its queue.
  void put_first(Parcel parcel);

  // Give everything at hand back to the outbox.
  void release_all(Settler& settler);

  // The same for what is meant for a lane that stays closed.
  void release_shut(Settler& settler, SteadyTime now);

  [[nodiscard]] bool empty() const noexcept;

 private:
  // The room of a lane now.

  // Events at hand of one queue.
  struct Shelf {
    QueueId queue{};
    Route route{};
    double weight = 1;
    double used = 0;  // events taken, divided by the weight: the least goes next
    std::array<std::deque<Parcel>, 2> parcels{};  // for the single lane, and for the bulk lane
    bool had_to_wait = false;  // it gave back what it had at hand: its turn is still to come
    bool look = true;          // the outbox may have more
    bool likely = false;   // it has, as somebody appended: not worth a question before the claim
    bool backlog = false;  // it surely has: the last claim was cut off

    [[nodiscard]] bool empty() const noexcept { return parcels[0].empty() && parcels[1].empty(); }
    [[nodiscard]] std::deque<Parcel>& of(std::size_t lane) noexcept {
      return parcels[lane == route.single ? 0 : 1];
    }
    [[nodiscard]] const std::deque<Parcel>* find(std::size_t lane) const noexcept {
      if (lane == route.single) return &parcels.front();
      return lane == route.bulk ? &parcels.back() : nullptr;
    }
  };

  // How the next claim of a queue travels.
  struct Plan {
    std::size_t lane = 0;
    ClaimLimits limits{};
    bool is_probe = false;   // of what is claimed, one event travels
    bool undecided = false;  // one lane or the other: by how much there is
  };

  [[nodiscard]] std::optional<Plan> plan(const Shelf& shelf, bool probe, SteadyTime now);
  [[nodiscard]] bool wants_more(const Shelf& shelf, SteadyTime now) const;
  void fill(Shelf& shelf, Settler& settler, bool probe, SteadyTime now);
  void pack(Shelf& shelf, Claim claim, std::size_t lane, SteadyTime now);
  void release(Shelf& shelf, std::deque<Parcel>& parcels, Settler& settler);
  [[nodiscard]] SteadyTime has_room_at(const Shelf& shelf, SteadyTime now) const;
  [[nodiscard]] std::size_t carried_soon(const Shelf& shelf, SteadyTime now);
  [[nodiscard]] bool fits_singly(const Shelf& shelf, std::size_t events, SteadyTime now);
  [[nodiscard]] const Shelf* next_shelf(std::size_t lane) const;
  [[nodiscard]] Shelf* shelf_of(QueueId queue);

  const ValidConfig& config_;
  const SenderParts& parts_;
  OutboxTurn& turn_;
  std::vector<SendLane>& lanes_;
  std::vector<Shelf> shelves_;  // in order of priority
};

}  // namespace postbox
