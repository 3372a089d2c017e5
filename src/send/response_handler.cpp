#include "response_handler.hpp"

#include <algorithm>
#include <iterator>
#include <postbox/schema.hpp>
#include <utility>

#include "base/assert.hpp"

namespace postbox {
namespace {

using std::chrono::milliseconds;

// A retry that its budget does not cover waits as if it had failed so many times more.
constexpr std::uint32_t kUncovered = 3;

// An event is given up by what was tried, not by its age: after `give_up_after` since its first
// attempt, and ten attempts at least. A replay begins anew; a week in which the process, the key or
// the flag was off proves nothing against an event.
//
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
  POSTBOX_ASSERT(0 < first && first < parcel.pieces.size());
  Parcel rest{.lane = parcel.lane, .leased_until = parcel.leased_until};
  const auto begin = parcel.pieces.begin() + static_cast<std::ptrdiff_t>(first);
  rest.pieces.assign(std::make_move_iterator(begin), std::make_move_iterator(parcel.pieces.end()));
  parcel.pieces.erase(begin, parcel.pieces.end());
  return rest;
}

// The kind of an answer, by which outcomes are counted: one of few, and no text of a vendor's.
std::string cause_of(const HttpCompletion& completion, const Verdict& verdict) {
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

void ResponseHandler::ended(Parcel parcel, const HttpCompletion& completion, SteadyTime now) {
  POSTBOX_ASSERT(parcel.lane < lanes_.size() && !parcel.pieces.empty());
  const Verdict verdict = verdict_on(completion, parcel);
  parcel.cause = cause_of(completion, verdict);
  lanes_[parcel.lane].ended(parcel, completion, verdict, now);
  apply(verdict, std::move(parcel), now);
}

void ResponseHandler::not_started(Parcel parcel, const Error& error, SteadyTime now) {
  apply({VerdictKind::kRetry, 0, error.message}, std::move(parcel), now);
}

// A destination that throws has not judged: the events are tried again.
Verdict ResponseHandler::verdict_on(const HttpCompletion& completion, const Parcel& parcel) {
  try {
    return parts_.destination.verdict(completion.outcome, records_of(parcel, records_),
                                      parts_.clock->wall_now());
  } catch (...) {
    return {VerdictKind::kRetry, 0, "an exception while its answer was read"};
  }
}

void ResponseHandler::apply(const Verdict& verdict, Parcel parcel, SteadyTime now) {
  switch (verdict.kind) {
    case VerdictKind::kRetry:
      lanes_[parcel.lane].failed(verdict.foreign, now, *parts_.random);
      record_failure(parcel, verdict, now);
      return retry_or_bury(parcel, verdict);
    case VerdictKind::kPark:
      record_failure(parcel, verdict, now);
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
  if (verdict.kind == VerdictKind::kDelivered) return deliver(parcel, verdict, now);
  for (const Piece& piece : parcel.pieces) bury(parcel, piece, verdict);
}

void ResponseHandler::deliver(const Parcel& parcel, const Verdict& verdict, SteadyTime now) {
  for (const Piece& piece : parcel.pieces) {
    log_outcome(piece, verdict);
    count(parcel, piece, EventOutcome::kDelivered);
    POSTBOX_ASSERT(piece.claimed <= now);
    const auto since_claim = std::chrono::floor<milliseconds>(now - piece.claimed);
    parts_.metrics.to_delivery.add(piece.event.age + since_claim, 1);
    // Others may wait for one in order; and once a lease has ended, the next claim has the event.
    const SteadyTime settle_by =
        piece.event.in_order ? now : std::min(now + parts_.settle_interval, parcel.leased_until);
    settler_.finish(piece.token, {.handle = piece.event.handle, .kind = OutcomeKind::kDelivered},
                    settle_by);
  }
}

// A batch that is refused without a pointer is halved down to 64 events, which then go one by one.
// Halving to the end takes two bulk requests for each bad event, and the account has 150 a minute:
// of 900 bad and 100 good ones none of the good had left after a quarter of an hour. Now it takes
// 31 bulk and 1,000 single requests, half a minute.
//
// The events that the answer names go alone, on the lane for single ones. If it names none, the
// parcel is halved, and what is small enough goes one by one: halving on would take two requests of
// the bulk lane's few for each bad event. All of them go first: they have waited longest.
void ResponseHandler::split(Parcel parcel, const std::vector<std::size_t>& culprits) {
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
  POSTBOX_ASSERT(alone.size() + rest.pieces.size() == named.size());
  loader_.put_first(std::move(rest));
  for (Parcel& one : alone) loader_.put_first(std::move(one));
}

// An answer that is not the vendor's own spends attempts and gives nothing up (`Verdict::foreign`).
// Without attempts, an event that makes a filter answer would take its batch along each time.
//
// The events of one request wait together, so that they travel together again.
void ResponseHandler::retry_or_bury(const Parcel& parcel, const Verdict& verdict) {
  POSTBOX_ASSERT(verdict.kind == VerdictKind::kRetry);
  std::uint32_t attempts = 0;
  for (const Piece& piece : parcel.pieces) attempts = std::max(attempts, piece.event.attempts);
  if (!retry_budget_.spend()) attempts += kUncovered;
  const milliseconds backoff = full_jitter(backoff_ceiling(attempts), *parts_.random);
  POSTBOX_ASSERT(backoff >= milliseconds{} && backoff <= backoff_ceiling(attempts));
  const milliseconds wait = std::max(backoff, verdict.retry_after.value_or(backoff));
  for (const Piece& piece : parcel.pieces) {
    if (!verdict.foreign) log_outcome(piece, verdict);
    if (verdict.foreign || piece.event.tried_for < config_->give_up_after ||
        piece.event.attempts < kFewestAttempts) {
      retry(parcel, piece, verdict, wait);
      continue;
    }
    Verdict last = verdict;
    last.kind = VerdictKind::kDead;
    last.reason = "given up after " + std::to_string(piece.event.attempts) + " attempts in " +
                  text_of(piece.event.tried_for) + "; last answer: " + verdict.reason;
    bury(parcel, piece, last);
  }
}

void ResponseHandler::retry(const Parcel& parcel, const Piece& piece, const Verdict& verdict,
                            milliseconds wait) {
  add<&Stats::retries>(parts_.counters, 1);
  count(parcel, piece, EventOutcome::kRetried);
  settler_.finish(piece.token, {.handle = piece.event.handle,
                                .kind = OutcomeKind::kRetry,
                                .delay = wait,
                                .begin_again = verdict.foreign});
}

void ResponseHandler::bury(const Parcel& parcel, const Piece& piece, const Verdict& verdict) {
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

// A 429 pauses its endpoint, not the others. Single and bulk requests have quotas of their own:
// orders go on while a backlog waits.
//
// The events are as good as before; it is everyone on that lane, or on all, who must wait.
void ResponseHandler::put_off(const Parcel& parcel, Verdict verdict, SteadyTime now) {
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

void ResponseHandler::hold(const Parcel& parcel, const Piece& piece) {
  count(parcel, piece, EventOutcome::kHeld);
  settler_.finish(piece.token, {.handle = piece.event.handle, .kind = OutcomeKind::kHold});
}

// By what is known of it, for Metrics.
void ResponseHandler::count(const Parcel& parcel, const Piece& piece,
                            EventOutcome outcome) noexcept {
  const EventRecord& record = piece.event.record;
  std::string type;
  say([&] { type = parts_.destination.type_of(record); });
  parts_.metrics.add_outcome(
      {record.queue, type, lanes_[parcel.lane].name(), outcome, parcel.cause});
}

void ResponseHandler::log_outcome(const Piece& piece, const Verdict& verdict) {
  say([&] {
    const LogLine line = parts_.destination.log_line(piece.event.record, verdict);
    parts_.logger.log(line.level, line.text);
  });
}

void ResponseHandler::record_failure(const Parcel& parcel, const Verdict& verdict, SteadyTime now) {
  if (parcel.pieces.empty()) return;
  const bool is_certain = verdict.foreign || verdict.kind == VerdictKind::kPark;
  say([&] {
    outage_.failed(parcel.lane, verdict.reason,
                   parts_.destination.outage_line(parcel.pieces.front().event.record, verdict),
                   is_certain, now);
  });
}

void ResponseHandler::report_outage(SteadyTime now) {
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

// Reads the outbox: for what is written once in some minutes.
std::string ResponseHandler::waiting_text() {
  const auto stats = parts_.outbox.stats();
  if (!stats) return {};
  std::uint64_t waiting = 0;
  for (const QueueStats& queue : stats->queues) {
    waiting += queue.ready + queue.leased + queue.delayed;
  }
  return ", " + std::to_string(waiting) + " events wait";
}

}  // namespace postbox
