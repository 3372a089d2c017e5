#include "sender.hpp"

#include <algorithm>
#include <iterator>
#include <postbox/schema.hpp>
#include <utility>

#include "pacer.hpp"

#include "base/assert.hpp"

namespace postbox {
namespace {

using std::chrono::milliseconds;

// The outbox is looked at so often although nothing is known to be due: another process may have
// appended to it, or somebody removed its file.
constexpr milliseconds kLongestSleep{5'000};

// A retry that its budget does not cover waits as if it had failed so many times more.
constexpr std::uint32_t kUncovered = 3;

// Time that passed while nothing was tried (the family was off, the process did not run) says
// nothing of the event.
constexpr std::uint32_t kFewestAttempts = 10;

std::string text_of(milliseconds time) {
  if (time < std::chrono::minutes(1)) {
    return std::to_string(std::chrono::floor<std::chrono::seconds>(time).count()) + " s";
  }
  const auto hours = std::chrono::floor<std::chrono::hours>(time);
  if (hours.count() > 0) return std::to_string(hours.count()) + " h";
  return std::to_string(std::chrono::floor<std::chrono::minutes>(time).count()) + " min";
}

// Moves the pieces from `first` on into a parcel of their own.
Parcel cut_off(Parcel& parcel, std::size_t first) {
  Parcel rest{.lane = parcel.lane, .leased_until = parcel.leased_until};
  const auto begin = parcel.pieces.begin() + static_cast<std::ptrdiff_t>(first);
  rest.pieces.assign(std::make_move_iterator(begin), std::make_move_iterator(parcel.pieces.end()));
  parcel.pieces.erase(begin, parcel.pieces.end());
  return rest;
}

std::vector<SendLane> lanes_of(const SenderParts& parts, milliseconds probe_interval) {
  std::vector<SendLane> lanes;
  for (const Lane& lane : parts.destination.lanes()) {
    auto rate = parts.rate_gate ? parts.rate_gate(lanes.size(), lane)
                                : std::make_unique<Pacer>(lane, parts.random);
    lanes.emplace_back(lane, std::move(rate), probe_interval);
  }
  return lanes;
}

// The kind of an answer, by which outcomes are counted: one of few, and no text of a vendor's.
std::string cause_of(const HttpCompletion& completion, const Verdict& verdict) {
  if (verdict.kind == VerdictKind::kDelivered) return {};
  if (verdict.foreign) return "not the vendor's answer";
  const auto* failure = std::get_if<TransportFailure>(&completion.outcome);
  if (failure != nullptr) return std::string(name_of(failure->fault));
  return verdict.http_status > 0 ? "HTTP " + std::to_string(verdict.http_status) : "no answer";
}

// Whatever a destination throws when it is asked for words about an event, or memory that ends
// meanwhile, must not keep the event from being settled: it would be sent again without end.
void say(const auto& words) noexcept {
  try {
    words();
  } catch (...) {
  }
}

}  // namespace

Sender::Sender(const ValidConfig& config, SenderParts parts)
    : config_(config),
      parts_(std::move(parts)),
      lanes_(lanes_of(parts_, config->probe_interval)),
      loader_(config_, parts_, turn_, lanes_),
      settler_(parts_, turn_),
      gate_(config->probe_interval) {}

SteadyTime Sender::run_once(SteadyTime now) {
  settled_ = false;
  turn_.begin_step(now);
  for (SendLane& lane : lanes_) lane.set_share(parts_.destination.quota_per_mille());
  // First: it uses up a wake(), and what that wake announced is looked at below.
  collect(now);
  if (appended_.exchange(false)) loader_.look_again();
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
  report_outage(now);
  POSTBOX_ASSERT(in_flight_.size() <= config_->max_in_flight);
  publish_lanes(now);
  parts_.logger.report_repeats(false);
  return next_wake(now);
}

// What a step that failed left there comes first.
void Sender::take_finished() {
  if (!finished_.empty()) return;
  finished_ = parts_.http.poll(std::chrono::nanoseconds(0));
  std::ranges::reverse(finished_);
}

void Sender::apply_resume() {
  settler_.reconsider_holds();
  gate_.reopen();
  for (SendLane& lane : lanes_) lane.unpark();
  loader_.look_again();
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
    if (released->released > 0) loader_.look_again();
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
    judge(std::move(parcel), completion, now);
  }
}

void Sender::judge(Parcel parcel, const HttpCompletion& completion, SteadyTime now) {
  const Verdict verdict = verdict_on(completion, parcel);
  parcel.cause = cause_of(completion, verdict);
  lanes_[parcel.lane].ended(parcel, completion, verdict, now);
  apply(verdict, std::move(parcel), now);
}

// Good until the next call.
std::span<const EventRecord* const> Sender::records_of(const Parcel& parcel) {
  records_.clear();
  for (const Piece& piece : parcel.pieces) records_.push_back(&piece.event.record);
  return records_;
}

// A destination that throws has not judged: the events are tried again.
Verdict Sender::verdict_on(const HttpCompletion& completion, const Parcel& parcel) {
  try {
    return parts_.destination.verdict(completion.outcome, records_of(parcel),
                                      parts_.clock->wall_now());
  } catch (...) {
    return {VerdictKind::kRetry, 0, "an exception while its answer was read"};
  }
}

void Sender::apply(const Verdict& verdict, Parcel parcel, SteadyTime now) {
  switch (verdict.kind) {
    case VerdictKind::kRetry:
      lanes_[parcel.lane].failed(verdict.foreign, now, *parts_.random);
      note_failure(parcel, verdict, now);
      return retry_or_bury(parcel, verdict);
    case VerdictKind::kPark:
      note_failure(parcel, verdict, now);
      return put_off(parcel, verdict, now);
    case VerdictKind::kPause:
      return put_off(parcel, verdict, now);
    case VerdictKind::kDelivered:
    case VerdictKind::kDead:
    case VerdictKind::kSplit:
      break;
  }
  // The vendor works, also when it is an event that is wrong.
  gate_.succeeded();
  lanes_[parcel.lane].succeeded();
  outage_.succeeded(parcel.lane);
  if (verdict.kind == VerdictKind::kSplit && parcel.pieces.size() > 1) {
    return split(std::move(parcel), verdict.culprits);
  }
  for (const Piece& piece : parcel.pieces) {
    if (verdict.kind != VerdictKind::kDelivered) {
      bury(parcel, piece, verdict);
      continue;
    }
    log_outcome(piece, verdict);
    count(parcel, piece, EventOutcome::kDelivered);
    POSTBOX_ASSERT(piece.claimed <= now);
    const auto since_claim = std::chrono::floor<milliseconds>(now - piece.claimed);
    parts_.metrics.to_delivery.add(piece.event.age + since_claim, 1);
    settler_.finish(piece.token, {.handle = piece.event.handle, .kind = OutcomeKind::kDelivered});
  }
}

// The events that the answer names go alone, on the lane for single ones. If it names none, the
// parcel is halved, and what is small enough goes one by one: halving on would take two requests of
// the bulk lane's few for each bad event. All of them go first: they have waited longest.
void Sender::split(Parcel parcel, const std::vector<std::size_t>& culprits) {
  POSTBOX_ASSERT(parcel.pieces.size() > 1);
  constexpr std::size_t kSmall = 64;
  const auto [single, bulk] = parts_.destination.route(parcel.pieces.front().event.record.queue);
  std::vector<bool> named(parcel.pieces.size());
  for (const std::size_t place : culprits) {
    if (place < named.size()) named[place] = true;
  }
  const auto count = static_cast<std::size_t>(std::ranges::count(named, true));
  const bool names_some = count > 0 && count < named.size();
  if (!names_some && (single == bulk || named.size() > kSmall)) {
    loader_.put_first(cut_off(parcel, (parcel.pieces.size() + 1) / 2));
    return loader_.put_first(std::move(parcel));
  }
  Parcel rest{.lane = parcel.lane, .leased_until = parcel.leased_until};
  std::vector<Parcel> alone;
  for (std::size_t place = 0; place < named.size(); ++place) {
    const bool is_alone = named[place] || !names_some;
    Parcel& target =
        is_alone ? alone.emplace_back(Parcel{.lane = single, .leased_until = parcel.leased_until})
                 : rest;
    target.pieces.push_back(std::move(parcel.pieces[place]));
  }
  loader_.put_first(std::move(rest));
  for (Parcel& one : alone) loader_.put_first(std::move(one));
}

// The events of one request wait together, so that they travel together again.
void Sender::retry_or_bury(const Parcel& parcel, const Verdict& verdict) {
  POSTBOX_ASSERT(verdict.kind == VerdictKind::kRetry);
  std::uint32_t attempts = 0;
  for (const Piece& piece : parcel.pieces) attempts = std::max(attempts, piece.event.attempts);
  if (!retry_budget_.spend()) attempts += kUncovered;
  const milliseconds backoff = full_jitter(backoff_ceiling(attempts), *parts_.random);
  const milliseconds wait = std::max(backoff, verdict.retry_after.value_or(backoff));
  for (const Piece& piece : parcel.pieces) {
    if (!verdict.foreign) log_outcome(piece, verdict);
    const ClaimedEvent& event = piece.event;
    if (verdict.foreign || event.tried_for < config_->give_up_after ||
        event.attempts < kFewestAttempts) {
      add<&Stats::retries>(parts_.counters, 1);
      count(parcel, piece, EventOutcome::kRetried);
      settler_.finish(piece.token, {.handle = event.handle,
                                    .kind = OutcomeKind::kRetry,
                                    .delay = wait,
                                    .begin_again = verdict.foreign});
      continue;
    }
    Verdict last = verdict;
    last.kind = VerdictKind::kDead;
    last.reason = "given up after " + std::to_string(event.attempts) + " attempts in " +
                  text_of(event.tried_for) + "; last answer: " + verdict.reason;
    bury(parcel, piece, last);
  }
}

// By what is known of it, for Metrics.
void Sender::count(const Parcel& parcel, const Piece& piece, EventOutcome outcome) noexcept {
  const EventRecord& record = piece.event.record;
  std::string type;
  say([&] { type = parts_.destination.type_of(record); });
  parts_.metrics.add_outcome(
      {record.queue, type, lanes_[parcel.lane].name(), outcome, parcel.cause});
}

void Sender::bury(const Parcel& parcel, const Piece& piece, const Verdict& verdict) {
  Verdict dead = verdict;
  dead.kind = VerdictKind::kDead;
  log_outcome(piece, dead);
  count(parcel, piece, EventOutcome::kDead);
  const EventRecord& record = piece.event.record;
  say([&] {
    parts_.undeliverable.tell(parts_.destination.type_of(record), parts_.destination.key_of(record),
                              dead.reason);
  });
  settler_.finish(piece.token, {.handle = piece.event.handle,
                                .kind = OutcomeKind::kDead,
                                .http_status = dead.http_status,
                                .reason = dead.reason,
                                .pointer = dead.pointer});
}

// The events are as good as before; it is everyone on that lane, or on all, who must wait.
void Sender::put_off(const Parcel& parcel, Verdict verdict, SteadyTime now) {
  if (verdict.kind == VerdictKind::kPause) {
    add<&Stats::rate_limited>(parts_.counters, 1);
    verdict.retry_after = lanes_[parcel.lane].pause(
        now, verdict.retry_after.value_or(milliseconds{}), *parts_.random);
    const bool is_first = verdict.retry_after->count() > 0;
    if (is_first && !parcel.pieces.empty()) log_outcome(parcel.pieces.front(), verdict);
  } else {
    add<&Stats::parked>(parts_.counters, 1);
    verdict.lane_only ? lanes_[parcel.lane].park(now) : gate_.park(now);
  }
  for (const Piece& piece : parcel.pieces) count(parcel, piece, EventOutcome::kPutOff);
  settler_.release(parcel);
}

void Sender::note_failure(const Parcel& parcel, const Verdict& verdict, SteadyTime now) {
  if (parcel.pieces.empty()) return;
  const bool is_certain = verdict.foreign || verdict.kind == VerdictKind::kPark;
  say([&] {
    outage_.failed(parcel.lane, verdict.reason,
                   parts_.destination.outage_line(parcel.pieces.front().event.record, verdict),
                   is_certain, now);
  });
}

void Sender::report_outage(SteadyTime now) {
  const auto notice = outage_.take(now);
  if (!notice) return;
  const auto lasted = std::chrono::floor<std::chrono::seconds>(now - notice->since);
  if (notice->is_over) {
    return parts_.logger.log(LogLevel::kInfo, parts_.destination.recovery_text() + " after " +
                                                  text_of(lasted) + waiting_text());
  }
  std::string since;
  append_time(parts_.clock->wall_now() - lasted, since);
  parts_.logger.log(notice->line.level,
                    notice->line.text + " (since " + since + waiting_text() + ")");
}

void Sender::publish_lanes(SteadyTime now) {
  std::vector<LaneMetrics> lanes;
  for (const SendLane& lane : lanes_) lanes.push_back(lane.look(now));
  parts_.metrics.set_lanes(std::move(lanes));
}

// Reads the outbox: for what is written once in some minutes.
std::string Sender::waiting_text() {
  const auto stats = parts_.outbox.stats();
  if (!stats) return {};
  std::uint64_t waiting = 0;
  for (const QueueStats& queue : stats->queues) {
    waiting += queue.ready + queue.leased + queue.delayed;
  }
  return ", " + std::to_string(waiting) + " events wait";
}

void Sender::log_outcome(const Piece& piece, const Verdict& verdict) {
  say([&] {
    const LogLine line = parts_.destination.log_line(piece.event.record, verdict);
    parts_.logger.log(line.level, line.text);
  });
}

void Sender::settle(SteadyTime now) {
  const bool last = !launching_ || (in_flight_.empty() && loader_.empty());
  const auto settlement = settler_.settle(now, last);
  settled_ |= settlement.any;
  if (settlement.ready_again) loader_.look_again();
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
  loader_.look_again();  // also for what another process may have appended
  maintain_at_ = now + std::min(maintained->next_due.value_or(kLongestSleep), kLongestSleep);
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
  if (!id) {
    const Verdict failed{VerdictKind::kRetry, 0, id.error().message};
    return apply(failed, std::move(parcel), now);
  }
  add<&Stats::requests>(parts_.counters, 1);
  if (parcel.pieces.front().event.attempts == 1) retry_budget_.earn();
  SendLane& lane = lanes_[parcel.lane];
  lane.started(now);
  parcel.started = now;
  in_flight_.emplace(*id, std::move(parcel));
  lane.entered();
  POSTBOX_ASSERT(in_flight_.size() <= config_->max_in_flight);
}

Result<TransferId> Sender::send(const Parcel& parcel) {
  try {
    HttpRequest request = parts_.destination.request(parcel.lane, records_of(parcel));
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
    count(parcel, piece, EventOutcome::kHeld);
    settler_.finish(piece.token, {.handle = piece.event.handle, .kind = OutcomeKind::kHold});
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
  next = std::min({next, settler_.next(now), std::max(now, outage_.next())});
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
