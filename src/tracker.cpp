// What callers do; what the two threads do is in tracker_workers.cpp, what operators ask for in
// tracker_operator.cpp.
#include "sqlite/locks.hpp"
#include "tracker_impl.hpp"

#include <algorithm>
#include <utility>

namespace postbox {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Empty when there is no memory even for this.
std::vector<Violation> cannot_encode() noexcept {
  try {
    return {{"event", "could not be encoded: out of memory, or an exception of the event's own"}};
  } catch (...) {
    return {};
  }
}

// "items[2].name" as "items[].name".
std::string without_places(std::string_view path) {
  std::string kept;
  bool inside = false;
  for (const char c : path) {
    if (c == ']') inside = false;
    if (!inside) kept += c;
    if (c == '[') inside = true;
  }
  return kept;
}

}  // namespace

void Tracker::Impl::count(TrackStatus status, std::uint64_t events) {
  add(counters.offered, events);
  switch (status) {
    case TrackStatus::kAccepted:
    case TrackStatus::kNotDurable:
      return add(counters.accepted, events);
    case TrackStatus::kDisabled:
      return add(counters.disabled, events);
    case TrackStatus::kRejected:
      return add(counters.rejected, events);
    case TrackStatus::kFull:
      return add(counters.full, events);
    case TrackStatus::kClosed:
      return add(counters.closed, events);
  }
}

// Nothing when the event throws.
std::optional<bool> Tracker::Impl::is_included(Flag flag, const EventView& event) {
  if (flag.is_off()) return false;
  try {
    const EventBatch batch(services.clock->wall_now(), &services.type_names, &services.settings);
    return flag.includes(event.profile_key(event.event, batch));
  } catch (...) {
    return std::nullopt;
  }
}

// By the queue, not the family: history has its family's flag, and none of its privileges.
IntakeQueue::Share Tracker::Impl::share_of(EventBatch& batch) const {
  const bool first = !batch.records().empty() && batch.records().front().queue ==
                                                     services.destination->families().front().queue;
  return first ? IntakeQueue::Share::kAll : IntakeQueue::Share::kCommon;
}

// True when every record of the event is complete and storable.
bool Tracker::Impl::encode(const EventView& event, EventBatch& batch) const {
  try {
    event.encode(event.event, batch);
    const auto most = services.outbox->caps().max_payload;
    std::uint64_t sum = 0;
    for (const EventRecord& record : batch.records()) {
      sum += footprint(record);
      if (record.payload.size() <= most.count) continue;
      batch.reject({"event", "takes " + std::to_string(record.payload.size()) +
                                 " bytes; the outbox accepts " + std::to_string(most.count)});
    }
    // It would be "full" whenever it is offered.
    const std::uint64_t cap = IntakeQueue::allowed(config->max_queued_bytes.count, share_of(batch));
    if (sum > cap) {
      batch.reject({"event", "takes " + std::to_string(sum) +
                                 " bytes of memory with all that comes of it; POSTBOX_MAX_MEMORY "
                                 "allows " +
                                 std::to_string(cap)});
    }
  } catch (...) {
    return false;
  }
  return batch.violations().empty();
}

// What an event says of others, which counts although the event itself is not kept: its family is
// off, it breaks a rule, or there is no room. Whoever has bought gets no reminder.
void Tracker::Impl::note(const EventView& event) {
  if (event.encode_disabled == nullptr) return;
  try {
    EventBatch batch(services.clock->wall_now(), &services.type_names, &services.settings);
    event.encode_disabled(event.event, batch);
    (void)intake.push(batch.records(), IntakeQueue::Share::kEffects);
  } catch (...) {
    // Without memory for it, nothing of it is known.
  }
}

TrackResult Tracker::Impl::offer(const EventView& event, std::uint64_t& sequence) {
  const auto disable = [&] {
    count(TrackStatus::kDisabled, event.size(event.event));
    return TrackResult(TrackStatus::kDisabled);
  };
  const Flag flag = flags.get(event.family->queue);
  if (!services.destination->ready()) return disable();
  if (!flag.is_on()) {
    const auto included = is_included(flag, event);
    if (!included) {
      count(TrackStatus::kRejected, event.size(event.event));
      return reject(event, {}, {});
    }
    if (!*included) {
      note(event);
      return disable();
    }
  }
  EventBatch batch(services.clock->wall_now(), &services.type_names, &services.settings);
  const auto disabled =
      encode(event, batch) ? take_out_disabled(batch) : std::optional<std::size_t>();
  if (!disabled) {
    count(TrackStatus::kRejected, event.size(event.event));
    return reject(event, batch.name(), std::move(batch.violations()));
  }
  count(TrackStatus::kDisabled, *disabled);
  const bool is_all = *disabled > 0 && std::ranges::none_of(batch.records(), has_event);
  TrackResult result = accept(event, batch, sequence);
  const bool is_open = result.status() != TrackStatus::kClosed;
  return is_all && is_open ? TrackResult(TrackStatus::kDisabled) : result;
}

TrackResult Tracker::Impl::reject(const EventView& event, EventName name,
                                  std::vector<Violation> violations) {
  note(event);
  if (violations.empty()) violations = cannot_encode();
  if (name.log_name.empty()) name.log_name = event.family->name;
  if (undeliverable.rejected(name, violations)) services.http->wake();
  return TrackResult(TrackStatus::kRejected, std::move(violations));
}

bool Tracker::Impl::is_disabled(const EventRecord& record) const {
  const std::string type = services.destination->type_of(record);
  return std::ranges::find(services.disabled_types, type) != services.disabled_types.end();
}

// Takes the events whose types are switched off out of the batch; what they say of others stays.
// Returns how many; nothing without memory for it.
std::optional<std::size_t> Tracker::Impl::take_out_disabled(EventBatch& batch) const {
  std::size_t taken = 0;
  if (services.disabled_types.empty()) return taken;
  try {
    for (EventRecord& record : batch.records()) {
      if (!has_event(record)) continue;
      if (record.timing && record.timing->timer && is_disabled(record.timing->timer->event)) {
        Timing without = *record.timing;
        without.timer.reset();
        record.timing = std::make_shared<const Timing>(std::move(without));
      }
      if (!is_disabled(record)) continue;
      ++taken;
      Timing alone = record.timing ? *record.timing : Timing{};
      alone.alone = true;
      EventRecord effects;
      effects.queue = record.queue;
      effects.timing = std::make_shared<const Timing>(std::move(alone));
      record = std::move(effects);
    }
  } catch (...) {
    return std::nullopt;
  }
  return taken;
}

// What was changed in an event or left out of it. A line names no place in a list, so that lines of
// a kind are equal and the logger counts them.
void Tracker::Impl::report_mended(EventBatch& batch) {
  const std::string type = services.destination->type_of(batch.records().front());
  for (std::size_t i = 0; i < batch.mended(); ++i) {
    const auto& [path, rule] = batch.warnings()[i];
    notices.add("an event was changed to be accepted: " + type + ": " + without_places(path) +
                ": " + rule);
  }
}

TrackResult Tracker::Impl::accept(const EventView& event, EventBatch& batch,
                                  std::uint64_t& sequence) {
  const IntakeQueue::Share share = share_of(batch);
  const auto events = static_cast<std::size_t>(std::ranges::count_if(batch.records(), has_event));
  const auto full = [&] {
    note(event);
    return TrackResult(TrackStatus::kFull);
  };
  if (share == IntakeQueue::Share::kCommon && writer.is_crowded()) {
    count(TrackStatus::kFull, events);
    return full();
  }
  // Counted before the push: the writer may be done with the event before push() returns, and
  // stats() must not see a delivered event that nobody accepted.
  count(TrackStatus::kAccepted, events);
  const auto take_back = [&](Counters::Count& instead) {
    counters.accepted.fetch_sub(events, std::memory_order_relaxed);
    add(instead, events);
  };
  IntakeQueue::Pushed pushed{};
  try {
    if (batch.mended() > 0) report_mended(batch);
    pushed = intake.push(batch.records(), share, writer.room());
  } catch (...) {
    take_back(counters.rejected);
    return reject(event, batch.name(), {});
  }
  sequence = pushed.sequence;
  switch (pushed.answer) {
    case IntakeQueue::Answer::kAccepted:
      return TrackResult(TrackStatus::kAccepted, {}, std::move(batch.warnings()));
    case IntakeQueue::Answer::kFull:
      take_back(counters.full);
      if (writer.ask_for_room()) intake.wake();
      return full();
    case IntakeQueue::Answer::kClosed:
      break;
  }
  take_back(counters.closed);
  return TrackResult(TrackStatus::kClosed);
}

bool Tracker::Impl::is_settled() {
  const Stats now = stats();
  return now.complete && now.waiting == 0 && now.in_flight == 0;
}

Stats Tracker::Impl::stats() {
  Stats stats = ledger.stats(counters, intake.pending());
  stats.sink_failures = logger.sink_failures();
  return stats;
}

Result<Tracker> Tracker::start(const ValidConfig& config, Services services) {
  if (!services.destination) {
    return Error{ErrorCode::kInvalidConfig, "Services::destination is not set"};
  }
  if (!forked_at_rest()) {
    return Error{ErrorCode::kClosed,
                 "this process was forked while the outbox or the network was in use, and cannot "
                 "use them: start a tracker in the parent, or begin a process anew (exec)"};
  }
  try {
    const NoFork no_fork;
    if (!services.outbox && (!forked_at_rest() || !sqlite_locks_are_free())) {
      return Error{ErrorCode::kClosed,
                   "this process was forked while the host used SQLite, and cannot use it: start a "
                   "tracker in the parent, or begin a process anew (exec)"};
    }
    Services given = services;
    if (!services.clock) services.clock = system_clock();
    if (!services.random) services.random = system_random();
    if (!services.outbox) {
      auto outbox = open_outbox(config->outbox, services.clock);
      if (!outbox) return outbox.error();
      services.outbox = *std::move(outbox);
    }
    if (!services.http) {
      auto http = curl_http_client(config->http);
      if (!http) return http.error();
      services.http = *std::move(http);
    }
    const bool threads = services.threads;
    Tracker tracker(std::make_shared<Impl>(config, std::move(given), std::move(services)));
    if (threads) {
      Impl::launch(tracker.impl_, &Impl::run_writer);
      Impl::launch(tracker.impl_, &Impl::run_sender);
    }
    return tracker;
  } catch (const std::exception& failure) {
    return Error{ErrorCode::kInternal, std::string("cannot start: ") + failure.what()};
  }
}

Tracker::Tracker(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tracker::Tracker(Tracker&&) noexcept = default;

Tracker& Tracker::operator=(Tracker&& other) noexcept {
  if (this != &other) {
    end();
    impl_ = std::move(other.impl_);
  }
  return *this;
}

Tracker::~Tracker() { end(); }

void Tracker::end() noexcept {
  if (!impl_) return;
  stop(impl_->config->stop_timeout);
  if (impl_->is_foreign()) Impl::leave(std::move(impl_));
}

TrackResult Tracker::offer(const EventView& event) {
  std::uint64_t sequence = 0;
  Impl* const impl = here();
  return impl != nullptr ? impl->offer(event, sequence) : turn_away(event);
}

TrackResult Tracker::offer_durably(const EventView& event, milliseconds deadline) {
  std::uint64_t sequence = 0;
  Impl* const impl = here();
  if (impl == nullptr) return turn_away(event);
  const SteadyTime until = impl->after(deadline);
  TrackResult offered = impl->offer(event, sequence);
  if (offered.status() != TrackStatus::kAccepted) return offered;
  if (!impl->services.threads) impl->attempt(&Impl::write_once);
  if (impl->wait_durable(sequence, until)) return offered;
  return TrackResult(TrackStatus::kNotDurable);
}

// Without threads nobody else writes: waiting would change nothing.
bool Tracker::Impl::wait_durable(std::uint64_t sequence, SteadyTime until) {
  for (;;) {
    const SteadyTime look = services.threads ? on_machine(until) : steady_clock::now();
    if (intake.wait_durable(sequence, look)) return true;
    if (!services.threads || now() >= until) return false;
  }
}

bool Tracker::flush(milliseconds deadline) {
  Impl* const here_or_null = here();
  if (here_or_null == nullptr) return true;
  Impl& impl = *here_or_null;
  const SteadyTime until = impl.after(deadline);
  // Progress is announced by settlements; events that a flag holds back settle without one.
  constexpr milliseconds kLook{100};
  for (;;) {
    std::uint64_t seen = 0;
    {
      const MutexLock lock(impl.mutex);
      seen = impl.progress;
    }
    const SteadyTime asked = impl.now();
    if (impl.is_settled()) return true;
    const SteadyTime now = impl.now();
    if (now >= until) return false;
    if (!impl.services.threads) {
      if (run_once() > now) return impl.is_settled();
      continue;
    }
    // The question counts every waiting event: no more than a tenth of the time goes into asking.
    const SteadyTime again = std::min(until, now + 9 * (now - asked));
    MutexLock lock(impl.mutex);
    while (impl.progress == seen || impl.now() < again) {
      const SteadyTime look = std::max(again, std::min(until, now + kLook));
      if (impl.changed.wait_until(lock, impl.on_machine(look))) break;
    }
  }
}

StopReport Tracker::stop(milliseconds deadline) {
  if (!impl_) return {};
  if (impl_->is_foreign()) return impl_->stop_in_child(deadline);
  Impl& impl = *impl_;
  const MutexLock lock(impl.stop_mutex);
  if (impl.stopped) return *impl.stopped;
  StopReport report;
  impl.intake.close();
  if (impl.services.threads) {
    impl.end_workers(deadline, report);
  } else {
    impl.attempt(&Impl::write_once);
    impl.sender.stop_launching();
    impl.attempt(&Impl::send_once);
    impl.attempt(&Impl::drop_transfers);
  }
  report.in_memory = impl.intake.pending();
  if (report.in_time) {
    const Stats left = impl.stats();
    report.in_outbox = left.waiting - report.in_memory + left.held + left.in_flight;
  }
  impl.logger.report_repeats(true);
  if (!report.in_time) {
    impl.logger.log(LogLevel::kWarn,
                    "stopped while a worker was busy: what it had is sent after the next start");
  }
  if (report.in_outbox > 0) {
    impl.logger.log(LogLevel::kInfo, "stopped: " + std::to_string(report.in_outbox) +
                                         " events wait in the outbox for the next start");
  }
  if (report.in_memory > 0) {
    impl.logger.log(LogLevel::kError, impl.services.failure_prefix + ": stopped with " +
                                          std::to_string(report.in_memory) +
                                          " events that never reached the outbox");
  }
  impl.stopped = report;
  return report;
}

Stats Tracker::stats() const {
  if (Impl* const impl = here()) return impl->stats();
  Stats stats;
  stats.complete = false;
  if (impl_) stats.offered = stats.closed = impl_->turned_away.load();
  return stats;
}

SteadyTime Tracker::run_once() {
  Impl* const impl = here();
  if (impl == nullptr) return SteadyTime::max();
  const SteadyTime failed = impl->now() + Impl::kAfterFailure;
  const SteadyTime written = impl->attempt(&Impl::write_once).value_or(failed);
  return std::min(written, impl->attempt(&Impl::send_once).value_or(failed));
}

}  // namespace postbox
