#include "loader.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "settler.hpp"

namespace postbox {
namespace {

using std::chrono::milliseconds;

// What the first lane can carry within this time needs no bulk request.
constexpr milliseconds kSoon{3'000};

// Kept on the first lane for the first family, in thousandths of what it could carry: when the
// others have used up their part, its events still need no bulk request.
constexpr std::size_t kForTheFirst = 100;

constexpr std::size_t kFewest = 100;

}  // namespace

Loader::Loader(const ValidConfig& config, const SenderParts& parts, OutboxTurn& turn,
               std::vector<PacedLane>& lanes)
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

void Loader::look_again() noexcept {
  for (Shelf& shelf : shelves_) shelf.look = true;
}

void Loader::load(SteadyTime now, bool probe) {
  if (next_load(now) > now) return;
  const auto due = parts_.outbox.due_queues();
  if (!due) {
    if (due.error().code == ErrorCode::kOutboxTaken) return turn_.failed(now);
    return report_outbox_failure(parts_, turn_, now, due.error());
  }
  for (Shelf& shelf : shelves_) {
    if (!shelf.look || !shelf.parcels.empty()) continue;
    // A queue that is switched off is looked at again when settings change.
    const bool has_some = std::ranges::find(*due, shelf.queue) != due->end();
    if (!has_some || parts_.flags.get(shelf.queue).is_off()) {
      shelf.look = shelf.backlog = false;
      continue;
    }
    if (turn_.is_due() || shelf.backlog) fill(shelf, probe, now);
    if (!turn_.works(now)) return;
  }
}

SteadyTime Loader::next_load(SteadyTime now) const {
  if (!parts_.destination.ready()) return SteadyTime::max();
  SteadyTime next = SteadyTime::max();
  for (const Shelf& shelf : shelves_) {
    if (!shelf.look || !shelf.parcels.empty()) continue;
    const bool at_once = shelf.backlog || turn_.is_due();
    next = std::min(next, std::max(now, at_once ? turn_.retry_at() : turn_.next()));
  }
  return next;
}

// Claims first, then decides how the events travel.
void Loader::fill(Shelf& shelf, bool probe, SteadyTime now) {
  const Lane& limits = probe ? lanes_[shelf.route.single].limits : largest(shelf);
  // Where each event is a request of its own, many are claimed at once all the same.
  std::size_t most = probe ? limits.max_events : std::max(kFewest, limits.max_events);
  if (!probe && is_bulk_shut(shelf, now)) most = std::max<std::size_t>(1, carried_soon(shelf, now));
  auto claim = parts_.outbox.claim(shelf.queue, {.max_events = most, .max_bytes = limits.max_bytes},
                                   config_->lease);
  if (!claim) return report_outbox_failure(parts_, turn_, now, claim.error());
  turn_.used(now);
  if (claim->damaged > 0) {
    parts_.logger.log(
        LogLevel::kError,
        parts_.failure_prefix + ": " + std::to_string(claim->damaged) +
            " events were damaged on the disk and are dead letters now: check the disk");
  }
  shelf.look = shelf.backlog = claim->limited;
  if (claim->events.empty()) return;
  const std::size_t lane =
      probe ? shelf.route.single : choose_lane(shelf, claim->events.size(), now);
  pack(shelf, std::move(*claim), lane, now);
}

std::size_t Loader::choose_lane(const Shelf& shelf, std::size_t events, SteadyTime now) {
  const auto [single, bulk] = shelf.route;
  if (single == bulk || is_bulk_shut(shelf, now)) return single;
  if (is_shut(single, now)) return bulk;
  const bool fits = !shelf.backlog && events <= std::min(carried_soon(shelf, now),
                                                         lanes_[bulk].limits.max_events - 1);
  return fits ? single : bulk;
}

std::size_t Loader::carried_soon(const Shelf& shelf, SteadyTime now) {
  const std::size_t soon = lanes_[shelf.route.single].pacer.capacity(now, kSoon);
  return &shelf == &shelves_.front() ? soon : soon - soon * kForTheFirst / 1000;
}

bool Loader::is_bulk_shut(const Shelf& shelf, SteadyTime now) const {
  return is_shut(shelf.route.bulk, now) && !is_shut(shelf.route.single, now);
}

void Loader::pack(Shelf& shelf, Claim claim, std::size_t lane, SteadyTime now) {
  // What was idle has no claim to what others got meanwhile.
  if (const Shelf* other = next_shelf(lane)) shelf.used = std::max(shelf.used, other->used);
  const Lane& limits = lanes_[lane].limits;
  const SteadyTime usable_until = now + config_->lease - config_->http.total_timeout;
  std::uint64_t bytes = 0;
  for (ClaimedEvent& event : claim.events) {
    bytes += event.record.payload.size();
    if (shelf.parcels.empty() || shelf.parcels.back().pieces.size() >= limits.max_events ||
        bytes > limits.max_bytes.count) {
      bytes = event.record.payload.size();
      shelf.parcels.push_back({.lane = lane, .usable_until = usable_until});
    }
    shelf.parcels.back().pieces.push_back({claim.token, std::move(event)});
  }
}

const Loader::Shelf* Loader::next_shelf(std::size_t lane) const {
  const Shelf* next = nullptr;
  for (const Shelf& shelf : shelves_) {
    if (shelf.parcels.empty() || shelf.parcels.front().lane != lane) continue;
    if (next == nullptr || shelf.used < next->used) next = &shelf;
  }
  return next;
}

const Parcel* Loader::peek(std::size_t lane) const {
  const Shelf* shelf = next_shelf(lane);
  return shelf == nullptr ? nullptr : &shelf->parcels.front();
}

Parcel Loader::take(std::size_t lane) {
  Shelf& shelf = *shelf_of(next_shelf(lane)->queue);
  Parcel parcel = std::move(shelf.parcels.front());
  shelf.parcels.pop_front();
  shelf.used += static_cast<double>(parcel.pieces.size()) / shelf.weight;
  return parcel;
}

void Loader::put_first(Parcel parcel) {
  if (parcel.pieces.empty()) return;
  Shelf* shelf = shelf_of(parcel.pieces.front().event.record.queue);
  shelf->parcels.push_front(std::move(parcel));
}

void Loader::release_all(Settler& settler) {
  for (Shelf& shelf : shelves_) release(shelf, settler);
}

void Loader::release_shut(Settler& settler, SteadyTime now) {
  for (Shelf& shelf : shelves_) {
    const auto [single, bulk] = shelf.route;
    if (shelf.parcels.empty() || (is_shut(single, now) && is_shut(bulk, now))) continue;
    if (is_shut(shelf.parcels.front().lane, now)) release(shelf, settler);
  }
}

void Loader::release(Shelf& shelf, Settler& settler) {
  for (const Parcel& parcel : std::exchange(shelf.parcels, {})) {
    settler.release(parcel);
    shelf.look = true;
  }
}

bool Loader::is_shut(std::size_t lane, SteadyTime now) const {
  return lanes_[lane].gate.closed_until() > now + kSoon;
}

bool Loader::empty() const noexcept {
  return std::ranges::all_of(shelves_, [](const Shelf& shelf) { return shelf.parcels.empty(); });
}

Loader::Shelf* Loader::shelf_of(QueueId queue) {
  const auto found = std::ranges::find(shelves_, queue, &Shelf::queue);
  return found == shelves_.end() ? nullptr : &*found;
}

}  // namespace postbox
