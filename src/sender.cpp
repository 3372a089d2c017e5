#include "sender.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "backoff.hpp"

namespace postbox {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kClaimEvents = 100;        // settles and claims in batches: engines measured
constexpr std::size_t kMaxUnsettledClaims = 16;  // bounds memory when a flag holds everything back
constexpr milliseconds kRhythm{5};               // see outbox_turn_
constexpr milliseconds kOutboxWait{1'000};       // after a failed call of the outbox
constexpr milliseconds kLongestSleep{60'000};    // another process may append to the same outbox

}  // namespace

Sender::Sender(const ValidConfig& config, Parts parts)
    : config_(config), parts_(std::move(parts)), gate_(config->probe_interval) {}

SteadyTime Sender::run_once(SteadyTime now) {
  settled_ = false;
  outbox_turn_ = now >= outbox_free_at_;
  // First: it uses up a wake(), and what that wake announced is looked at below.
  collect(now);
  if (appended_.exchange(false)) exhausted_ = false;
  if (resumed_.exchange(false)) apply_resume();
  if (gate_.width(now) == 0 || !launching_) release_unstarted();
  settle(now);
  if (launching_) {
    maintain(now);
    launch(now);
    settle(now);  // events held back by their flag
  }
  parts_.logger.report_repeats(false);
  return next_wake(now);
}

void Sender::wait(SteadyTime now, SteadyTime until) {
  const auto sleep =
      std::clamp<std::chrono::nanoseconds>(until - now, std::chrono::nanoseconds(0), kLongestSleep);
  for (auto& completion : parts_.http.poll(sleep)) finished_.push_back(std::move(completion));
}

void Sender::apply_resume() {
  gate_.reopen();
  exhausted_ = false;
  outbox_retry_at_ = {};
  maintain_at_ = {};
  for (const Family& family : parts_.destination.families()) {
    if (parts_.flags.get(family.queue).is_off()) continue;
    if (const auto released = parts_.outbox.release_held(family.queue); !released) {
      // Held events stay on disk; the next resume finds them. Until then nothing is lost.
      add(parts_.counters.outbox_failures, 1);
      resumed_.store(true);
      return;
    }
  }
}

void Sender::collect(SteadyTime now) {
  for (auto& completion : parts_.http.poll(std::chrono::nanoseconds(0))) {
    finished_.push_back(std::move(completion));
  }
  for (const HttpCompletion& completion : std::exchange(finished_, {})) {
    const auto found = in_flight_.find(completion.id);
    if (found == in_flight_.end()) continue;
    Parcel parcel = std::move(found->second);
    in_flight_.erase(found);
    judge(std::move(parcel), completion, now);
  }
}

void Sender::judge(Parcel parcel, const HttpCompletion& completion, SteadyTime now) {
  const Verdict verdict = parts_.destination.verdict(completion.outcome, parcel.events.size(),
                                                     parts_.clock->wall_now());
  switch (verdict.kind) {
    case VerdictKind::kDelivered:
      gate_.succeeded();
      for (const ClaimedEvent& event : parcel.events) {
        log_outcome(event, verdict);
        finish(parcel.token, {.handle = event.handle, .kind = OutcomeKind::kDelivered});
      }
      return;
    case VerdictKind::kDead:
      gate_.succeeded();  // the vendor works; it is the event that is wrong
      for (const ClaimedEvent& event : parcel.events) {
        log_outcome(event, verdict);
        finish(parcel.token, {.handle = event.handle,
                              .kind = OutcomeKind::kDead,
                              .http_status = verdict.http_status,
                              .reason = verdict.reason});
      }
      return;
    case VerdictKind::kSplit:
      gate_.succeeded();
      return split(std::move(parcel));
    case VerdictKind::kRetry:
      gate_.failed(now, *parts_.random);
      return retry_or_bury(parcel, verdict);
    case VerdictKind::kPause:
    case VerdictKind::kPark:
      return put_off(parcel, verdict, now);
  }
}

// Halve until the bad event stands alone. Both halves go first: they have waited longest.
void Sender::split(Parcel parcel) {
  const auto middle =
      parcel.events.begin() + static_cast<std::ptrdiff_t>((parcel.events.size() + 1) / 2);
  Parcel second{parcel.token, parcel.usable_until, {}};
  second.events.assign(std::make_move_iterator(middle),
                       std::make_move_iterator(parcel.events.end()));
  parcel.events.erase(middle, parcel.events.end());
  if (!second.events.empty()) parcels_.push_front(std::move(second));
  parcels_.push_front(std::move(parcel));
}

void Sender::retry_or_bury(const Parcel& parcel, const Verdict& verdict) {
  for (const ClaimedEvent& event : parcel.events) {
    log_outcome(event, verdict);
    if (event.age < config_->give_up_after) {
      const milliseconds wait = full_jitter(backoff_ceiling(event.attempts), *parts_.random);
      add(parts_.counters.retries, 1);
      finish(parcel.token, {.handle = event.handle,
                            .kind = OutcomeKind::kRetry,
                            .delay = std::max(wait, verdict.retry_after.value_or(wait))});
      continue;
    }
    Verdict dead = verdict;
    dead.kind = VerdictKind::kDead;
    dead.reason = "given up after " + std::to_string(config_->give_up_after.count() / 3'600'000) +
                  " h; last answer: " + verdict.reason;
    log_outcome(event, dead);
    finish(parcel.token, {.handle = event.handle,
                          .kind = OutcomeKind::kDead,
                          .http_status = dead.http_status,
                          .reason = dead.reason});
  }
}

// The event is as good as before; it is everyone who must wait.
void Sender::put_off(const Parcel& parcel, Verdict verdict, SteadyTime now) {
  bool first = false;
  if (verdict.kind == VerdictKind::kPause) {
    add(parts_.counters.rate_limited, 1);
    verdict.retry_after =
        gate_.pause(now, verdict.retry_after.value_or(milliseconds{}), *parts_.random);
    first = verdict.retry_after->count() > 0;
  } else {
    add(parts_.counters.parked, 1);
    first = gate_.park(now);
  }
  if (first && !parcel.events.empty()) log_outcome(parcel.events.front(), verdict);
  release(parcel);
}

void Sender::log_outcome(const ClaimedEvent& event, const Verdict& verdict) {
  const LogLine line = parts_.destination.log_line(event.record, verdict);
  parts_.logger.log(line.level, line.text);
}

void Sender::finish(ClaimToken token, Outcome outcome) {
  outcomes_[token].push_back(std::move(outcome));
  ++unsettled_;
}

void Sender::release(const Parcel& parcel) {
  for (const ClaimedEvent& event : parcel.events) {
    finish(parcel.token,
           {.handle = event.handle, .kind = OutcomeKind::kRetry, .spend_attempt = false});
  }
}

// A lease should not run while nothing may be sent.
void Sender::release_unstarted() {
  for (const Parcel& parcel : parcels_) release(parcel);
  parcels_.clear();
}

bool Sender::worth_a_settlement() const noexcept {
  const bool last = in_flight_.empty() && parcels_.empty();
  return outbox_turn_ || last || unsettled_ >= kClaimEvents || !launching_;
}

void Sender::settle(SteadyTime now) {
  if (now < outbox_retry_at_ || !worth_a_settlement()) return;
  while (!outcomes_.empty()) {
    const auto& [token, outcomes] = *outcomes_.begin();
    const auto settled = parts_.outbox.settle(token, outcomes);
    if (!settled) {
      outbox_retry_at_ = fail(now, settled.error());
      return;
    }
    add(parts_.counters.stale_settles, settled->stale);
    if (settled->stale > 0) exhausted_ = false;  // those are somebody's to claim again
    for (const Outcome& outcome : outcomes) {
      if (outcome.kind != OutcomeKind::kRetry) continue;
      exhausted_ = exhausted_ && outcome.delay.count() > 0;
      maintain_at_ = std::min(maintain_at_, now + outcome.delay);
    }
    unsettled_ -= outcomes.size();
    outcomes_.erase(outcomes_.begin());
    outbox_free_at_ = now + kRhythm;
    settled_ = true;
  }
}

void Sender::maintain(SteadyTime now) {
  if (now < maintain_at_ || now < outbox_retry_at_) return;
  const auto maintained = parts_.outbox.maintain(config_->retention);
  if (!maintained) {
    outbox_retry_at_ = fail(now, maintained.error());
    return;
  }
  exhausted_ = false;  // also for what another process may have appended
  maintain_at_ = now + std::min(maintained->next_due.value_or(kLongestSleep), kLongestSleep);
}

void Sender::launch(SteadyTime now) {
  while (has_room(now)) {
    if (outcomes_.size() >= kMaxUnsettledClaims) return;
    if (parcels_.empty()) claim(now);
    if (parcels_.empty()) return;
    Parcel parcel = std::move(parcels_.front());
    parcels_.pop_front();
    start(std::move(parcel), now);
  }
}

bool Sender::has_room(SteadyTime now) const {
  return in_flight_.size() < std::min(gate_.width(now), config_->max_in_flight);
}

// Fetch events of the first family that is switched on and has some.
void Sender::claim(SteadyTime now) {
  if (exhausted_ || now < outbox_retry_at_ || !parts_.destination.ready()) return;
  if (!outbox_turn_ && !backlog_) return;
  const auto due = parts_.outbox.due_queues();
  if (!due) {
    const bool taken = due.error().code == ErrorCode::kOutboxTaken;
    outbox_retry_at_ = taken ? now + kOutboxWait : fail(now, due.error());
    return;
  }
  for (const QueueId queue : *due) {
    if (!parts_.flags.get(queue).is_off() && claim_queue(queue, now)) return;
  }
  exhausted_ = now >= outbox_retry_at_;
}

bool Sender::claim_queue(QueueId queue, SteadyTime now) {
  auto claim = parts_.outbox.claim(queue, {.max_events = kClaimEvents}, config_->lease);
  if (!claim) {
    outbox_retry_at_ = fail(now, claim.error());
    return false;
  }
  backlog_ = claim->events.size() == kClaimEvents;
  outbox_free_at_ = now + kRhythm;
  const SteadyTime usable_until = now + config_->lease - config_->http.total_timeout;
  const std::size_t most = parts_.destination.max_events_per_request();
  for (ClaimedEvent& event : claim->events) {
    if (parcels_.empty() || parcels_.back().events.size() >= most) {
      parcels_.push_back({claim->token, usable_until, {}});
    }
    parcels_.back().events.push_back(std::move(event));
  }
  return !claim->events.empty();
}

void Sender::start(Parcel parcel, SteadyTime now) {
  admit(parcel);
  if (parcel.events.empty()) return;
  if (now >= parcel.usable_until) return release(parcel);
  std::vector<const EventRecord*> records;
  records.reserve(parcel.events.size());
  for (const ClaimedEvent& event : parcel.events) records.push_back(&event.record);

  const auto id = parts_.http.start(parts_.destination.request(records));
  if (!id) {
    const HttpCompletion failed{0, TransportFailure{TransportFault::kOther, id.error().message}};
    return judge(std::move(parcel), failed, now);
  }
  add(parts_.counters.requests, 1);
  in_flight_.emplace(*id, std::move(parcel));
}

// A flag may have changed since the events were claimed, or exclude some profiles: hold those.
void Sender::admit(Parcel& parcel) {
  std::erase_if(parcel.events, [&](const ClaimedEvent& event) {
    const Flag flag = parts_.flags.get(event.record.queue);
    if (flag.is_on() || (!flag.is_off() && flag.includes(event.record.profile_key))) return false;
    finish(parcel.token, {.handle = event.handle, .kind = OutcomeKind::kHold});
    return true;
  });
}

void Sender::drop_transfers() {
  parts_.http.cancel_all();
  finished_.clear();
  for (const auto& [id, parcel] : in_flight_) release(parcel);
  in_flight_.clear();
  release_unstarted();
  outbox_retry_at_ = {};
  settle(parts_.clock->now());
}

SteadyTime Sender::next_wake(SteadyTime now) const {
  SteadyTime next = std::min(now + kLongestSleep, parts_.logger.next_report());
  if (!outcomes_.empty()) {
    next = std::min(next,
                    std::max(outbox_retry_at_, unsettled_ >= kClaimEvents ? now : outbox_free_at_));
  }
  if (outbox_retry_at_ > now) next = std::min(next, outbox_retry_at_);
  if (!launching_) return next;
  next = std::min(next, std::max(maintain_at_, outbox_retry_at_));
  const bool has_work =
      !parcels_.empty() || (!exhausted_ && now >= outbox_retry_at_ && parts_.destination.ready());
  if (has_work && gate_.closed_until() > now) return std::min(next, gate_.closed_until());
  if (!has_work || !has_room(now)) return next;
  return std::min(next, parcels_.empty() && !backlog_ ? std::max(now, outbox_free_at_) : now);
}

SteadyTime Sender::fail(SteadyTime now, const Error& error) {
  add(parts_.counters.outbox_failures, 1);
  parts_.logger.log(LogLevel::kError, parts_.failure_prefix + ": " + error.message);
  return now + kOutboxWait;
}

}  // namespace postbox
