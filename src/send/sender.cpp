#include "sender.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace postbox {
namespace {

using std::chrono::milliseconds;

// The outbox is looked at so often although nothing is known to be due: another process may have
// appended to it, or somebody removed its file.
constexpr milliseconds kLongestSleep{5'000};

// Each server of a shared outbox would come whenever a row of any is due, where one of them is
// enough: ten servers asked four times for an event. A retry may come so much later for it.
constexpr milliseconds kSharedLook{1'000};

std::vector<SendLane> lanes_of(const SenderParts& parts, milliseconds probe_interval) {
  const NewRateGate gate =
      parts.rate_gate ? parts.rate_gate : single_server_rate_gate(parts.random);
  std::vector<SendLane> lanes;
  for (const Lane& lane : parts.destination.lanes()) {
    lanes.emplace_back(lane, gate(lanes.size(), lane), probe_interval);
  }
  return lanes;
}

}  // namespace

Sender::Sender(const ValidConfig& config, SenderParts parts)
    : config_(config),
      parts_(std::move(parts)),
      lanes_(lanes_of(parts_, config->probe_interval)),
      loader_(config_, parts_, turn_, lanes_),
      settler_(parts_, turn_),
      gate_(config->probe_interval),
      responses_(config_, parts_, lanes_, loader_, settler_, gate_) {}

SteadyTime Sender::run_once(SteadyTime now) {
  settled_ = false;
  turn_.begin_step(now);
  for (SendLane& lane : lanes_) lane.set_share(parts_.destination.quota_per_mille());
  // First: it uses up a wake(), and what that wake announced is looked at below.
  collect(now);
  loader_.appended({appended_.exchange(0)});
  if (timed_.exchange(false)) maintain_at_ = {};
  if (resumed_.exchange(false)) apply_resume();
  if (releasing_ && turn_.works(now)) release_held(now);
  if (opens_at() > now || !launching_) {
    loader_.release_all(settler_);
  } else {
    loader_.release_shut(settler_, now);
  }
  settle(now);
  if (launching_) {
    maintain(now);
    launch(now);
    settle(now);  // events held back by their flag
  }
  responses_.report_outage(now);
  POSTBOX_ASSERT(in_flight_.size() <= config_->max_in_flight);
  publish_lanes(now);
  parts_.logger.report_repeats(false);
  return next_wake(now);
}

// Answers that a failed step left there come first.
void Sender::take_finished() {
  if (!finished_.empty()) return;
  finished_ = parts_.http.poll(std::chrono::nanoseconds(0));
  std::ranges::reverse(finished_);
}

void Sender::apply_resume() {
  settler_.reconsider_holds();
  gate_.reopen();
  for (SendLane& lane : lanes_) lane.unpark();
  loader_.rescan();
  turn_.try_again();
  maintain_at_ = {};
  releasing_.emplace();
}

// One pass over the held events of every family, a page in a step. Those that the flag leaves out
// stay held: given back, they would be claimed and held again, without end.
void Sender::release_held(SteadyTime now) {
  const auto families = parts_.destination.families();
  for (; releasing_->family < families.size(); *releasing_ = {.family = releasing_->family + 1}) {
    const QueueId queue = families[releasing_->family].queue;
    const Flag flag = parts_.flags.get(queue);
    if (flag.is_off()) continue;
    const auto released = parts_.outbox.release_held(queue, flag, releasing_->after);
    if (!released) return report_outbox_failure(parts_, turn_, now, released.error());
    if (released->released > 0) loader_.rescan();
    if (!released->go_on_after) continue;
    releasing_->after = *released->go_on_after;
    return;
  }
  releasing_.reset();
}

void Sender::collect(SteadyTime now) {
  take_finished();
  while (!finished_.empty()) {
    // Out of the queue before anything that may throw: the others stay there.
    const HttpCompletion completion = std::move(finished_.back());
    finished_.pop_back();
    const auto found = in_flight_.find(completion.id);
    if (found == in_flight_.end()) continue;
    Parcel parcel = std::move(found->second);
    in_flight_.erase(found);
    POSTBOX_ASSERT(parcel.lane < lanes_.size() && !parcel.pieces.empty());
    POSTBOX_ASSERT(parcel.started <= now);
    lanes_[parcel.lane].left();
    responses_.ended(std::move(parcel), completion, now);
  }
}

void Sender::publish_lanes(SteadyTime now) {
  std::vector<LaneMetrics> lanes;
  for (const SendLane& lane : lanes_) lanes.push_back(lane.look(now));
  parts_.metrics.set_lanes(std::move(lanes));
}

void Sender::settle(SteadyTime now) {
  using Reason = Settler::Reason;
  if (in_hurry_ > 0) settler_.hurry();
  const bool is_quiet = in_flight_.empty() && loader_.empty();
  const auto settlement = settler_.settle(now, !launching_ ? Reason::kLast
                                               : is_quiet  ? Reason::kQuiet
                                                           : Reason::kTurn);
  settled_ |= settlement.any;
  if (settlement.ready_again) loader_.rescan();
  maintain_at_ = std::min(maintain_at_, settlement.delayed_until);
}

void Sender::maintain(SteadyTime now) {
  if (now < maintain_at_ || !turn_.works(now)) return;
  const auto maintained = parts_.outbox.maintain(config_->retention);
  if (!maintained) return report_outbox_failure(parts_, turn_, now, maintained.error());
  if (maintained->crowded_out > 0) {
    parts_.logger.log(LogLevel::kError,
                      parts_.failure_prefix + ": " + std::to_string(maintained->crowded_out) +
                          " dead letters were removed, the oldest first: all had more than their "
                          "share of POSTBOX_MAX_DISK; replay or purge them, or raise it");
  }
  loader_.rescan();  // also for what another process may have appended
  milliseconds next = std::min(maintained->next_due.value_or(kLongestSleep), kLongestSleep);
  if (next.count() > 0 && parts_.outbox.caps().shared) next = std::max(next, kSharedLook);
  maintain_at_ = now + next;
}

void Sender::launch(SteadyTime now) {
  for (bool progress = opens_at() <= now; progress;) {
    loader_.load(settler_, now, gate_.width(now) == 1);
    progress = false;
    for (std::size_t lane = 0; lane < lanes_.size(); ++lane) {
      while (launch_one(lane, now)) progress = true;
    }
  }
}

bool Sender::launch_one(std::size_t lane, SteadyTime now) {
  if (settler_.is_crowded() || next_start(lane, now) > now) return false;
  start(loader_.take(lane), now);
  return true;
}

void Sender::start(Parcel parcel, SteadyTime now) {
  admit(parcel);
  if (parcel.pieces.empty()) return;
  if (now + config_->http.total_timeout > parcel.leased_until) return settler_.release(parcel);
  const auto leased = std::chrono::floor<milliseconds>(parcel.leased_until - now);
  POSTBOX_ASSERT(leased >= config_->http.total_timeout);
  parcel.allowed = std::min(leased, time_allowed(parcel.bytes(), config_->http.total_timeout,
                                                 config_->lease - config_->http.total_timeout));
  const auto id = send(parcel);
  if (!id) return responses_.not_started(std::move(parcel), id.error(), now);
  add<&Stats::requests>(parts_.counters, 1);
  if (parcel.pieces.front().event.attempts == 1) responses_.started_first();
  SendLane& lane = lanes_[parcel.lane];
  lane.started(now);
  parcel.started = now;
  in_flight_.emplace(*id, std::move(parcel));
  lane.entered();
  POSTBOX_ASSERT(in_flight_.size() <= config_->max_in_flight);
}

Result<TransferId> Sender::send(const Parcel& parcel) {
  try {
    HttpRequest request = parts_.destination.request(parcel.lane, records_of(parcel, records_));
    request.timeout = parcel.allowed;
    return parts_.http.start(std::move(request));
  } catch (...) {
    return Error{ErrorCode::kInternal, "an exception while its request was made"};
  }
}

// A flag may have changed since the events were claimed, or exclude some profiles: hold those.
void Sender::admit(Parcel& parcel) {
  std::erase_if(parcel.pieces, [&](const Piece& piece) {
    const EventRecord& record = piece.event.record;
    const Flag flag = parts_.flags.get(record.queue);
    if (flag.is_on() || (!flag.is_off() && flag.includes(record.profile_key))) return false;
    if (parts_.exemptions.has(piece.event.handle)) return false;
    responses_.hold(parcel, piece);
    return true;
  });
}

void Sender::drop_transfers() {
  parts_.http.cancel_all();
  finished_.clear();
  for (const auto& [id, parcel] : in_flight_) settler_.release(parcel);
  in_flight_.clear();
  for (SendLane& lane : lanes_) lane.all_left();
  loader_.release_all(settler_);
  turn_.try_again();
  launching_ = false;
  settle(parts_.clock->now());
}

// When anything at all may be sent.
SteadyTime Sender::opens_at() const {
  SteadyTime lane_opens = SteadyTime::max();
  for (const SendLane& lane : lanes_) lane_opens = std::min(lane_opens, lane.opens_at());
  return std::max(gate_.closed_until(), lane_opens);
}

// When the next parcel of `lane` may start, or SteadyTime::max() when there is none or it waits for
// a transfer to end.
SteadyTime Sender::next_start(std::size_t index, SteadyTime now) {
  const Parcel* parcel = loader_.peek(index);
  if (parcel == nullptr) return SteadyTime::max();
  SendLane& lane = lanes_[index];
  const SteadyTime open = std::max(gate_.closed_until(), lane.opens_at());
  if (open > now) return open;
  if (in_flight_.size() >= std::min(gate_.width(now), config_->max_in_flight)) {
    return SteadyTime::max();
  }
  // Those that hang on one lane leave every other lane a place.
  const std::size_t others = std::min(lanes_.size(), config_->max_in_flight) - 1;
  // Quota that a small parcel takes early is missing when many have gathered.
  const bool is_small = index > 0 && parcel->pieces.size() * 2 < lane.most_events();
  return lane.next_start(now, is_small ? RateGate::Pace::kEven : RateGate::Pace::kFast,
                         config_->max_in_flight - others);
}

SteadyTime Sender::next_wake(SteadyTime now) {
  SteadyTime next = std::min(now + kLongestSleep, parts_.logger.next_report());
  next = std::min({next, settler_.next(now), std::max(now, responses_.next_report())});
  if (!launching_) return next;
  next = std::min(next, std::max(releasing_ ? now : maintain_at_, turn_.retry_at()));
  const SteadyTime load = loader_.next_load(now);
  if (load < SteadyTime::max()) next = std::min(next, std::max(load, opens_at()));
  if (settler_.is_crowded()) return next;
  for (std::size_t lane = 0; lane < lanes_.size(); ++lane) {
    next = std::min(next, std::max(now, next_start(lane, now)));
  }
  return next;
}

}  // namespace postbox
