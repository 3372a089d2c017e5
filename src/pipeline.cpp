#include "pipeline.hpp"

#include <utility>

#include "base/assert.hpp"
#include "base/encryption_keys.hpp"
#include "base/fork_gate.hpp"
#include "base/guarded.hpp"
#include "base/kept_list.hpp"

namespace postbox {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

// One transaction for what was delivered in it: at 50 events a second each was 12 of 44 KB written.
constexpr milliseconds kSettleInterval{1'000};

}  // namespace

Pipeline::Pipeline(ValidConfig config, Integration integration, const Services& services,
                   std::unique_ptr<HttpClient> http, Doorbell& bell)
    : config_(std::move(config)),
      integration_(std::move(integration)),
      clock_(services.clock),
      outbox_(services.outbox),
      cipher_(cipher_of(config_->outbox.encryption_keys)),
      http_(std::move(http)),
      bell_(bell),
      machine_(*clock_),
      threads_(services.threads),
      flags_(std::make_shared<FlagSet>()),
      logger_(config_->log, config_->log_level, clock_),
      undeliverable_(config_->on_undeliverable, *integration_.destination, logger_),
      stats_(*outbox_, *flags_),
      spill_log_(logger_, integration_.failure_prefix),
      intake_(config_->max_queued_events, config_->max_queued_bytes, bell),
      writer_({intake_, *outbox_, counters_, metrics_, logger_, clock_, services.random,
               integration_.failure_prefix}),
      sender_(config_, {*outbox_, *http_, *integration_.destination, *flags_, exemptions_,
                        counters_, metrics_, logger_, undeliverable_, clock_, services.random,
                        services.rate_gate ? services.rate_gate : outbox_->rate_gate(),
                        integration_.failure_prefix,
                        config_->settle_interval.value_or(services.threads ? kSettleInterval
                                                                           : milliseconds{})}),
      admission_({*config_, integration_, *flags_, *clock_, *outbox_, intake_, writer_, counters_,
                  metrics_, notices_, undeliverable_, *cipher_, bell, *http_}),
      operator_(outbox_, integration_.destination, flags_) {
  for (const auto& [queue, flag] : integration_.flags) flags_->set(queue, flag);
}

TrackResult Pipeline::offer(const EventView& event) {
  std::uint64_t sequence = 0;
  return admission_.offer(event, sequence);
}

TrackResult Pipeline::offer_durably(const EventView& event, milliseconds deadline) {
  std::uint64_t sequence = 0;
  const SteadyTime until = after(deadline);
  const IntakeQueue::Hurry hurry(intake_);
  TrackResult offered = admission_.offer(event, sequence);
  if (offered.status() != TrackStatus::kAccepted) return offered;
  if (!threads_) attempt(&Pipeline::write_once);
  if (wait_durable(sequence, until)) return offered;
  return TrackResult(TrackStatus::kNotDurable);
}

EventDraft Pipeline::draft(const EventView& event) {
  std::vector<EventRecord> records;
  TrackResult result = admission_.draft(event, records);
  return {std::move(result), std::move(records)};
}

void Pipeline::look() noexcept {
  sender_.appended(Queues::any(), true);
  http_->wake();
}

// Without threads nobody else writes: waiting would change nothing.
bool Pipeline::wait_durable(std::uint64_t sequence, SteadyTime until) {
  for (;;) {
    const SteadyTime look = threads_ ? machine_.of(until) : steady_clock::now();
    if (intake_.wait_durable(sequence, look)) return true;
    if (!threads_ || now() >= until) return false;
  }
}

bool Pipeline::flush(milliseconds deadline) {
  const SteadyTime until = after(deadline);
  const IntakeQueue::Hurry write(intake_);
  const Sender::Hurry settle(sender_);
  http_->wake();
  // Progress is announced by settlements; events that a flag holds back settle without one.
  constexpr milliseconds kLookAgain{100};
  for (;;) {
    std::uint64_t seen = 0;
    {
      const MutexLock lock(mutex_);
      seen = progress_;
    }
    const SteadyTime asked = now();
    if (is_settled()) return true;
    const SteadyTime time = now();
    if (time >= until) return false;
    if (!threads_) {
      if (run_once() > time) return is_settled();
      continue;
    }
    // The question counts every waiting event: no more than a tenth of the time goes into asking.
    const SteadyTime again = std::min(until, time + 9 * (time - asked));
    MutexLock lock(mutex_);
    while (progress_ == seen || now() < again) {
      const SteadyTime look = std::max(again, std::min(until, time + kLookAgain));
      if (changed_.wait_until(lock, machine_.of(look))) break;
    }
  }
}

bool Pipeline::is_settled() {
  const auto [stats, on_disk, inbox] = collect();
  if (inbox > 0) look();
  return stats.complete && stats.waiting == 0 && stats.in_flight == 0 && inbox == 0;
}

Stats Pipeline::stats() { return collect().stats; }

StatsCollector::Collected Pipeline::collect() {
  auto collected = stats_.collect(counters_, intake_.pending());
  collected.stats.sink_failures = logger_.sink_failures();
  return collected;
}

Metrics Pipeline::metrics() {
  Metrics metrics = metrics_.read(integration_.destination->families(), *flags_);
  auto collected = collect();
  metrics.totals = collected.stats;
  for (const QueueStats& queue : collected.on_disk) {
    const auto row = std::ranges::find(metrics.families, queue.queue, &FamilyMetrics::queue);
    if (row == metrics.families.end()) continue;
    const std::uint64_t pending = queue.ready + queue.delayed;
    (row->flag.is_off() ? row->held : row->waiting) += pending;
    row->held += queue.held;
    row->in_flight = queue.leased;
    row->dead = queue.dead;
    row->oldest = queue.oldest;
  }
  return metrics;
}

SteadyTime Pipeline::run_once() {
  const SteadyTime failed = now() + kAfterFailure;
  SteadyTime written = attempt(&Pipeline::write_once).value_or(failed);
  const SteadyTime sent = attempt(&Pipeline::send_once).value_or(failed);
  if (writer_.looks_for_room()) written = attempt(&Pipeline::write_once).value_or(failed);
  return std::min(written, sent);
}

// Comes before every step: nothing may change before the counts of what was there are known.
bool Pipeline::open_stats() {
  const auto opened = stats_.open();
  if (opened) return true;
  add<&Stats::outbox_failures>(counters_, 1);
  logger_.log(LogLevel::kError, integration_.failure_prefix + ": " + opened.error().message +
                                    "; events wait in memory until it can be opened");
  return false;
}

void Pipeline::announce_progress() {
  {
    const MutexLock lock(mutex_);
    ++progress_;
  }
  changed_.notify_all();
}

Pipeline::Step Pipeline::write_once() {
  for (const std::string& notice : notices_.take()) logger_.log(LogLevel::kWarn, notice);
  if (!open_stats()) return std::nullopt;
  const SteadyTime next = writer_.run_once(now());
  spill_log_.report(outbox_->spilled(), now());
  if (writer_.appended()) {
    sender_.appended(writer_.queues(), writer_.timed());
    http_->wake();
  }
  return next;
}

Pipeline::Step Pipeline::send_once() {
  undeliverable_.report_rejected();
  if (!open_stats()) return std::nullopt;
  const SteadyTime next = sender_.run_once(now());
  spill_log_.report(outbox_->spilled(), now());
  if (!sender_.settled()) return next;
  announce_progress();
  // That has made room, of which callers would else profit only after one of them was refused.
  const bool room_is_short = writer_.room().count < config_->max_queued_bytes.count;
  if (room_is_short && writer_.ask_for_room()) bell_.ring();
  return next;
}

Pipeline::Step Pipeline::drop_transfers() {
  sender_.drop_transfers();
  undeliverable_.report_rejected();
  return now();
}

// Nothing in src/ throws by itself; memory, lower libraries and the host's parts may.
Pipeline::Step Pipeline::attempt(Step (Pipeline::*step)()) {
  try {
    return (this->*step)();
  } catch (...) {
    logger_.log(LogLevel::kError, integration_.failure_prefix +
                                      ": an exception ended a worker's step; it is repeated");
    return std::nullopt;
  }
}

// Events that nobody waits for gather for one commit, which syncs the disk and costs as much for
// one as for many. The interval begins with the first event after a rest, or with the commit
// before, if that found several: so in steady traffic the writer wakes by itself, and no caller
// spends its time on waking it, nor gives way to it. An interval without events ends in a rest.
bool Pipeline::is_gathering() {
  if (!writer_.wants_events() || intake_.closed()) return false;
  const SteadyTime time = steady_clock::now();
  if (gather_until_ == SteadyTime{} && !intake_.is_empty()) {
    gather_until_ = time + config_->commit_interval;
  }
  return time < gather_until_ && !intake_.ring_for(IntakeQueue::Ring::kUrgent);
}

Pipeline::Step Pipeline::run_writer() {
  if (writer_ended_) return std::nullopt;
  if (is_gathering()) return now() + (gather_until_ - steady_clock::now());
  const Step step = attempt(&Pipeline::write_once);
  gather_until_ = {};
  const SteadyTime next = step.value_or(now() + kAfterFailure);
  if (intake_.closed()) {
    const bool is_done = intake_.is_empty() && writer_.wants_events();
    const auto left = end_by_.load() - steady_clock::now();
    if (!is_done && left > left.zero()) return std::min(next, now() + left);
    end(writer_ended_);
    return std::nullopt;
  }
  // Events alone are no reason to repeat what has just failed.
  const bool wants_events = step.has_value() && writer_.wants_events();
  if (wants_events && writer_.appended_several()) {
    gather_until_ = steady_clock::now() + config_->commit_interval;
    return now();  // to gather, or to go on where somebody waits
  }
  const bool has_events =
      intake_.ring_for(wants_events ? IntakeQueue::Ring::kAny : IntakeQueue::Ring::kNever);
  return has_events ? now() : next;
}

Pipeline::Step Pipeline::run_sender() {
  if (sender_ended_) return std::nullopt;
  const bool ending = ending_.load();
  if (ending) sender_.stop_launching();
  const SteadyTime next = attempt(&Pipeline::send_once).value_or(now() + kAfterFailure);
  // Where the end began meanwhile, the step has used up the wake that came with it.
  if (!ending) return ending_.load() ? now() : next;
  const auto left = end_by_.load() - steady_clock::now();
  if (sender_.has_transfers() && left > left.zero()) return std::min(next, now() + left);
  attempt(&Pipeline::drop_transfers);
  end(sender_ended_);
  return std::nullopt;
}

// Under the lock, so that wait_for_end() does not miss it.
void Pipeline::end(std::atomic<bool>& part) {
  POSTBOX_ASSERT(!part.load());
  {
    const MutexLock lock(mutex_);
    part = true;
  }
  changed_.notify_all();
}

void Pipeline::end_by(SteadyTime deadline) noexcept {
  end_by_.store(deadline);
  ending_.store(true);
}

bool Pipeline::wait_for_end(SteadyTime until) {
  MutexLock lock(mutex_);
  while (!writer_ended_ || !sender_ended_) {
    if (changed_.wait_until(lock, until)) break;
  }
  return writer_ended_ && sender_ended_;
}

void Pipeline::end_here() {
  attempt(&Pipeline::write_once);
  sender_.stop_launching();
  attempt(&Pipeline::send_once);
  attempt(&Pipeline::drop_transfers);
}

StopReport Pipeline::report_end(bool in_time) {
  POSTBOX_ASSERT(intake_.closed());
  StopReport report{.in_time = in_time, .in_memory = intake_.pending()};
  if (in_time) {
    const Stats left = stats();
    POSTBOX_ASSERT(left.waiting >= report.in_memory);
    report.in_outbox = left.waiting - report.in_memory + left.held + left.in_flight;
  }
  logger_.report_repeats(true);
  if (!in_time) {
    logger_.log(LogLevel::kWarn,
                "stopped while a worker was busy: what it had is sent after the next start");
  }
  if (report.in_outbox > 0) {
    logger_.log(LogLevel::kInfo, "stopped: " + std::to_string(report.in_outbox) +
                                     " events wait in the outbox for the next start");
  }
  if (report.in_memory > 0) {
    logger_.log(LogLevel::kError, integration_.failure_prefix + ": stopped with " +
                                      std::to_string(report.in_memory) +
                                      " events that never reached the outbox");
  }
  return report;
}

void Pipeline::wake_sender() {
  sender_.appended();
  http_->wake();
}

Result<void> Pipeline::reload() {
  const MutexLock lock(reload_mutex_);
  if (!integration_.reload) {
    return Error{ErrorCode::kInvalidArgument, "this tracker has no configuration to read again"};
  }
  const auto reloaded = guarded([&] {
    const NoFork no_fork;  // a child reads the settings again from where this leaves them
    return integration_.reload();
  });
  if (!reloaded) return reloaded.error();
  for (const auto& [queue, flag] : reloaded->flags) flags_->set(queue, flag);
  exemptions_.clear();
  logger_.set_level(reloaded->log_level);
  for (const std::string& change : reloaded->changes) {
    logger_.log(LogLevel::kInfo, integration_.change_prefix + ": " + change);
  }
  for (const std::string& change : reloaded->needs_restart) {
    logger_.log(LogLevel::kWarn, "set, but needs a restart: " + change);
  }
  for (const std::string& warning : reloaded->warnings) logger_.log(LogLevel::kWarn, warning);
  sender_.resume();
  http_->wake();
  keep_all_of(*reloaded);  // last, for a disk may hang
  return {};
}

void Pipeline::keep_all_of(const Reloaded& reloaded) {
  const auto warn = [this](const std::string& name, const Error& error) {
    logger_.log(LogLevel::kWarn, "cannot keep the " + name + " in the outbox: " + error.message);
  };
  for (const auto& [name, text] : reloaded.kept) {
    if (const auto before = exchange(name, text); !before) return warn(name, before.error());
  }
  for (const auto& [name, lines] : reloaded.kept_lines) {
    if (lines.empty()) continue;
    if (const auto kept = add_to_kept(*this, name, lines); !kept) return warn(name, kept.error());
  }
}

Result<std::size_t> Pipeline::send_held(const HeldQuery& query, std::size_t max) {
  return change([&](Operator& people) {
    return people.free_held(query, max,
                            [this](std::span<const EventHandle> freed) { exemptions_.add(freed); });
  });
}

Result<std::string> Pipeline::keep(std::string_view name, std::string_view text) const {
  return guarded([&] { return outbox_->keep(name, text); });
}

Result<std::string> Pipeline::exchange(std::string_view name, std::string_view text) const {
  return guarded([&] { return outbox_->exchange(name, text); });
}

}  // namespace postbox
