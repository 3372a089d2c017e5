#include "loader.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "settler.hpp"

#include "base/assert.hpp"

namespace postbox {
namespace {

using std::chrono::milliseconds;
using Room = SendLane::Room;

// Kept on the first lane for the first family, in thousandths of what it could carry: when the
// others have used up their part, its events still need no bulk request.
constexpr std::size_t kForTheFirst = 100;

constexpr std::size_t kFewest = 100;

// An event that has failed twice in company travels alone from then on. A status of an outage (5xx,
// a timeout, a page of the edge) says nothing of whether one event of the batch causes it: 997 good
// events of 1,000 became dead letters with three that did. Two failures, because in an outage few
// events have more: the breaker lets probes out only.
constexpr std::uint32_t kFailuresInCompany = 2;

// Of one queue, with those that travel alone: as many as the single lane carries in half a minute.
constexpr std::size_t kMostAtHand = 2'000;

bool travels_alone(const ClaimedEvent& event) { return event.attempts > kFailuresInCompany; }

// Where most of what waits fails, a good event must not wait for all of it: a probe costs the
// longest request and a pause.
void put_least_failed_first(Claim& claim) {
  std::ranges::stable_sort(claim.events, {}, &ClaimedEvent::attempts);
}

// A parcel that takes more events of its group.
struct OpenParcel {
  std::uint64_t group = 0;
  std::uint64_t bytes = 0;
  Parcel parcel;
};

// The one of that group; `empty` when there is none yet.
OpenParcel& open_parcel(std::vector<OpenParcel>& open, std::uint64_t group, Parcel empty) {
  const auto found = std::ranges::find(open, group, &OpenParcel::group);
  if (found != open.end()) return *found;
  return open.emplace_back(OpenParcel{.group = group, .parcel = std::move(empty)});
}

// Costs the outbox no write.
void release_all_but_first(Claim& claim, Settler& settler) {
  for (std::size_t i = 1; i < claim.events.size(); ++i) {
    settler.release(claim.token, claim.events[i].handle);
  }
  claim.events.resize(1);
}

}  // namespace

Loader::Loader(const ValidConfig& config, const SenderParts& parts, OutboxTurn& turn,
               std::vector<SendLane>& lanes)
    : config_(config), parts_(parts), turn_(turn), lanes_(lanes) {
  const auto families = parts_.destination.families();
  double weight = 1;
  for (auto family = families.rbegin(); family != families.rend(); ++family, weight *= 2) {
    shelves_.push_back({.queue = family->queue,
                        .route = parts_.destination.route(family->queue),
                        .weight = weight});
  }
  std::ranges::reverse(shelves_);
}

void Loader::rescan() noexcept {
  for (Shelf& shelf : shelves_) shelf.look = true;
}

void Loader::appended(Queues queues) noexcept {
  if (queues.is_any()) return rescan();
  for (Shelf& shelf : shelves_) {
    if (queues.has(shelf.queue)) shelf.look = shelf.likely = true;
  }
}

void Loader::load(Settler& settler, SteadyTime now, bool probe) {
  if (next_load(now) > now) return;
  std::vector<QueueId> due;
  const bool is_known = std::ranges::all_of(shelves_, [&](const Shelf& shelf) {
    return shelf.likely || !shelf.look || !wants_more(shelf, now);
  });
  if (!is_known) {
    auto found = parts_.outbox.due_queues();
    if (!found) {
      if (found.error().code == ErrorCode::kOutboxTaken) return turn_.failed(now);
      return report_outbox_failure(parts_, turn_, now, found.error());
    }
    due = *std::move(found);
  }
  for (Shelf& shelf : shelves_) {
    if (!shelf.look || !wants_more(shelf, now)) continue;
    // A queue that is switched off is looked at again when settings change, or an operator sends
    // some of it: what else is claimed is held then.
    const bool has_some = shelf.likely || std::ranges::find(due, shelf.queue) != due.end();
    const bool is_off = parts_.flags.get(shelf.queue).is_off() && !parts_.exemptions.any();
    if (!has_some || is_off) {
      shelf.look = shelf.likely = shelf.backlog = false;
      continue;
    }
    if (turn_.is_due() || shelf.backlog) fill(shelf, settler, probe, now);
    if (!turn_.works(now)) return;
  }
}

SteadyTime Loader::next_load(SteadyTime now) const {
  if (!parts_.destination.ready()) return SteadyTime::max();
  SteadyTime next = SteadyTime::max();
  for (const Shelf& shelf : shelves_) {
    if (!shelf.look || !wants_more(shelf, now)) continue;
    const bool at_once = shelf.backlog || turn_.is_due();
    next = std::min(
        next, std::max({now, has_room_at(shelf, now), at_once ? turn_.retry_at() : turn_.next()}));
  }
  return next;
}

// A backlog goes on in bulk while some of its events wait to travel alone.
bool Loader::wants_more(const Shelf& shelf, SteadyTime now) const {
  if (shelf.empty()) return true;
  return shelf.backlog && shelf.parcels[1].empty() && shelf.parcels[0].size() < kMostAtHand &&
         shelf.route.single != shelf.route.bulk &&
         lanes_[shelf.route.bulk].room(now) == Room::kOpen &&
         lanes_[shelf.route.single].room(now) != Room::kProbe;
}

// Nothing while neither lane can take anything.
std::optional<Loader::Plan> Loader::plan(const Shelf& shelf, bool probe, SteadyTime now) {
  const auto [single, bulk] = shelf.route;
  const auto on = [&](std::size_t lane, std::size_t most, bool is_probe = false) {
    return Plan{lane, {.max_events = most, .max_bytes = lanes_[lane].most_bytes()}, is_probe};
  };
  const Room singly = lanes_[single].room(now);
  const Room together = single == bulk ? Room::kNone : lanes_[bulk].room(now);
  const std::size_t whole = std::max(kFewest, lanes_[bulk].most_events());
  if (singly == Room::kNone && together == Room::kNone) return std::nullopt;
  if (singly == Room::kNone) {
    // While both fail, a probe is one event: those that fail twice in company travel alone after.
    return on(bulk, whole, probe || together == Room::kProbe);
  }
  if (probe || singly == Room::kProbe) return on(single, whole, true);
  if (single == bulk) return on(single, whole);
  if (together == Room::kNone)
    return on(single, std::max<std::size_t>(1, carried_soon(shelf, now)));
  Plan either = on(bulk, together == Room::kProbe ? kFewest : whole);
  either.undecided = true;
  return either;
}

// Claims first, then decides how the events travel.
void Loader::fill(Shelf& shelf, Settler& settler, bool probe, SteadyTime now) {
  const auto planned = plan(shelf, probe, now);
  if (!planned) return;
  auto claim = parts_.outbox.claim(shelf.queue, planned->limits, config_->lease);
  if (!claim) return report_outbox_failure(parts_, turn_, now, claim.error());
  turn_.used(now);
  if (claim->damaged > 0) {
    parts_.logger.log(
        LogLevel::kError,
        parts_.failure_prefix + ": " + std::to_string(claim->damaged) +
            " events were damaged on the disk and are dead letters now: check the disk");
    for (std::size_t i = 0; i < claim->damaged; ++i) {
      parts_.undeliverable.tell({}, {}, "damaged on the disk");
    }
  }
  if (claim->locked > 0) {
    parts_.logger.log(LogLevel::kError,
                      parts_.failure_prefix + ": " + std::to_string(claim->locked) +
                          " events are encrypted with a key that is not set, and wait: put it "
                          "behind the first one in POSTBOX_ENCRYPTION_KEY and restart");
  }
  POSTBOX_ASSERT(claim->events.size() <= planned->limits.max_events);
  POSTBOX_ASSERT(std::ranges::all_of(claim->events, [&](const ClaimedEvent& event) {
    return event.record.queue == shelf.queue && event.attempts > 0;
  }));
  shelf.backlog = claim->limited;
  // Where none was claimed that should have been there, the outbox is asked why.
  shelf.look = claim->limited || (shelf.likely && claim->events.empty());
  shelf.likely = false;
  if (claim->events.empty()) return;
  put_least_failed_first(*claim);
  if (planned->is_probe) release_all_but_first(*claim, settler);
  const bool is_few = planned->undecided && fits_singly(shelf, claim->events.size(), now);
  pack(shelf, std::move(*claim), is_few ? shelf.route.single : planned->lane, now);
}

bool Loader::fits_singly(const Shelf& shelf, std::size_t events, SteadyTime now) {
  return !shelf.backlog &&
         events <= std::min(carried_soon(shelf, now), lanes_[shelf.route.bulk].most_events() - 1);
}

std::size_t Loader::carried_soon(const Shelf& shelf, SteadyTime now) {
  const std::size_t soon = lanes_[shelf.route.single].carried_soon(now);
  return &shelf == &shelves_.front() ? soon : soon - soon * kForTheFirst / 1000;
}

// The event says what may share its request (Destination::sharing): a job of Klaviyo's has one
// list, and the loader packs those of one group together, whatever lies between them.
void Loader::pack(Shelf& shelf, Claim claim, std::size_t lane, SteadyTime now) {
  // A queue that was idle gets no credit for that time. One that had to give back what it had keeps
  // its turn: while a lane is probed, the first family would take every probe.
  const Shelf* other = next_shelf(lane);
  const bool was_idle = !std::exchange(shelf.had_to_wait, false);
  if (other != nullptr && was_idle) shelf.used = std::max(shelf.used, other->used);
  const std::size_t alone = lanes_[shelf.route.single].is_shut(now) ? lane : shelf.route.single;
  const SteadyTime leased_until = now + config_->lease;
  std::vector<OpenParcel> open;
  const auto put = [&shelf](Parcel& full) {
    if (full.pieces.empty()) return;
    shelf.of(full.lane).push_back({.lane = full.lane,
                                   .leased_until = full.leased_until,
                                   .pieces = std::exchange(full.pieces, {})});
  };
  for (ClaimedEvent& event : claim.events) {
    if (travels_alone(event)) {
      Parcel one{.lane = alone, .leased_until = leased_until};
      one.pieces.push_back({claim.token, std::move(event), now});
      put(one);
      continue;
    }
    const Sharing sharing = parts_.destination.sharing(event.record);
    OpenParcel& to = open_parcel(open, sharing.group, {.lane = lane, .leased_until = leased_until});
    const std::size_t most = std::min(lanes_[lane].most_events(), sharing.most);
    to.bytes += event.record.payload.size();
    if (to.parcel.pieces.size() >= most || to.bytes > lanes_[lane].most_bytes().count) {
      put(to.parcel);
      to.bytes = event.record.payload.size();
    }
    to.parcel.pieces.push_back({claim.token, std::move(event), now});
  }
  for (OpenParcel& one : open) put(one.parcel);
}

const Loader::Shelf* Loader::next_shelf(std::size_t lane) const {
  const Shelf* next = nullptr;
  for (const Shelf& shelf : shelves_) {
    const auto* parcels = shelf.find(lane);
    if (parcels == nullptr || parcels->empty()) continue;
    if (next == nullptr || shelf.used < next->used) next = &shelf;
  }
  return next;
}

const Parcel* Loader::peek(std::size_t lane) const {
  const Shelf* shelf = next_shelf(lane);
  return shelf == nullptr ? nullptr : &shelf->find(lane)->front();
}

Parcel Loader::take(std::size_t lane) {
  Shelf& shelf = *shelf_of(next_shelf(lane)->queue);
  std::deque<Parcel>& parcels = shelf.of(lane);
  POSTBOX_ASSERT(!parcels.empty());
  Parcel parcel = std::move(parcels.front());
  parcels.pop_front();
  POSTBOX_ASSERT(parcel.lane == lane && !parcel.pieces.empty());
  POSTBOX_ASSERT(parcel.pieces.size() <= lanes_[lane].most_events());
  shelf.used += static_cast<double>(parcel.pieces.size()) / shelf.weight;
  return parcel;
}

void Loader::put_first(Parcel parcel) {
  if (parcel.pieces.empty()) return;
  Shelf* shelf = shelf_of(parcel.pieces.front().event.record.queue);
  POSTBOX_ASSERT(shelf != nullptr && shelf->find(parcel.lane) != nullptr);
  shelf->of(parcel.lane).push_front(std::move(parcel));
}

// When nothing at all may be sent, claimed events are given back, so that no lease runs.
void Loader::release_all(Settler& settler) {
  for (Shelf& shelf : shelves_) {
    for (auto& parcels : shelf.parcels) release(shelf, parcels, settler);
  }
}

// A lane that stays shut leaves its events to the other lane of their route. In place of bulk
// requests single ones carry what they can within seconds, less the part of the first family, so
// that an order still passes. A lane that is being probed has room for its probe alone, and a lane
// never takes every place in flight: what hangs on one leaves each other a place.
void Loader::release_shut(Settler& settler, SteadyTime now) {
  for (Shelf& shelf : shelves_) {
    for (auto& parcels : shelf.parcels) {
      if (!parcels.empty() && lanes_[parcels.front().lane].is_shut(now))
        release(shelf, parcels, settler);
    }
  }
}

void Loader::release(Shelf& shelf, std::deque<Parcel>& parcels, Settler& settler) {
  for (const Parcel& parcel : std::exchange(parcels, {})) {
    settler.release(parcel);
    shelf.look = shelf.had_to_wait = true;
  }
}

// SteadyTime::max() while both wait for the answer to a probe, which ends the wait.
SteadyTime Loader::has_room_at(const Shelf& shelf, SteadyTime now) const {
  SteadyTime at = SteadyTime::max();
  for (const std::size_t lane : {shelf.route.single, shelf.route.bulk}) {
    if (lanes_[lane].room(now) != Room::kNone) return now;
    if (lanes_[lane].is_shut(now)) at = std::min(at, lanes_[lane].opens_at() - SendLane::kSoon);
  }
  return at;
}

bool Loader::empty() const noexcept {
  return std::ranges::all_of(shelves_, [](const Shelf& shelf) { return shelf.empty(); });
}

Loader::Shelf* Loader::shelf_of(QueueId queue) {
  const auto found = std::ranges::find(shelves_, queue, &Shelf::queue);
  return found == shelves_.end() ? nullptr : &*found;
}

}  // namespace postbox
