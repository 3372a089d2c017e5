// Tracker::Impl is the composition root: every stage is made and wired here, in the order in which
// an event passes them. Nothing else sees more than its neighbours.
//
// Place:     included by tracker.cpp and tracker_*.cpp only.
// Threads:   two workers and any number of callers; each member says what it is guarded by.
// Lifetime:  shared by the tracker and its workers: one that hangs outlives the tracker.
// Failure:   see each member; what throws in a worker's step is logged, and the step repeated.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <typeinfo>
#include <utility>
#include <vector>

#include <postbox/tracker.hpp>

#include "base/counters.hpp"
#include "base/fork_gate.hpp"
#include "base/logger.hpp"
#include "base/mutex.hpp"
#include "base/notices.hpp"
#include "intake_queue.hpp"
#include "ledger.hpp"
#include "outbox_writer.hpp"
#include "send/exemptions.hpp"
#include "send/sender.hpp"
#include "send/undeliverable.hpp"

namespace postbox {

struct Tracker::Impl {
  Impl(ValidConfig valid, Services as_given, Services complete)
      : config(std::move(valid)),
        given(std::move(as_given)),
        services(std::move(complete)),
        has_machines_clock(is_machines(*services.clock)),
        logger(config->log, config->log_level, services.clock),
        undeliverable(config->on_undeliverable, *services.destination, logger),
        ledger(*services.outbox, flags),
        intake(config->max_queued_events, config->max_queued_bytes),
        writer(intake, *services.outbox, counters, logger, services.random,
               services.failure_prefix),
        sender(config, {*services.outbox, *services.http, *services.destination, flags, exemptions,
                        counters, logger, undeliverable, services.clock, services.random,
                        services.failure_prefix}) {
    for (const auto& [queue, flag] : services.flags) flags.set(queue, flag);
  }

  const ValidConfig config;
  const Services given;     // what the heir in a child is made from, too
  const Services services;  // the same, with what was made from the configuration
  const bool has_machines_clock;

  // What a child of fork() uses in place of this; tracker_fork.cpp.
  const std::uint64_t process = fork_generation();
  std::atomic<Tracker*> heir{nullptr};  // never destroyed before this is
  std::atomic<bool> closed_in_child{false};
  Counters::Count turned_away{0};  // events that were offered to it in a child
  std::shared_ptr<Impl> left_to_parent;
  Impl* next_left = nullptr;
  static inline std::atomic<Impl*> first_left{nullptr};

  Counters counters;
  FlagSet flags;
  Exemptions exemptions;
  Logger logger;
  Undeliverable undeliverable;
  Notices notices;
  Ledger ledger;

  IntakeQueue intake;   // caller's thread  ─▶
  OutboxWriter writer;  // writer's thread  ─▶ outbox ─▶
  Sender sender;        // sender's thread  ─▶ vendor

  SteadyTime rest_until{};  // the sender's thread's
  std::atomic<bool> sender_stops{false};
  std::atomic<SteadyTime> stop_deadline{SteadyTime::max()};  // by the machine's clock

  mutable Mutex mutex;
  ConditionVariable changed;  // progress of the sender, or the end of a worker
  int workers POSTBOX_GUARDED_BY(mutex) = 0;
  std::uint64_t progress POSTBOX_GUARDED_BY(mutex) = 0;

  Mutex stop_mutex;  // one stop() at a time; the second finds the first one's report
  std::optional<StopReport> stopped POSTBOX_GUARDED_BY(stop_mutex);
  Mutex reload_mutex;

  std::vector<std::thread> threads POSTBOX_GUARDED_BY(stop_mutex);

  [[nodiscard]] static bool is_machines(const Clock& clock) {
    const std::shared_ptr<Clock> machines = system_clock();
    const Clock& known = *machines;
    return typeid(clock) == typeid(known);
  }
  [[nodiscard]] bool is_foreign() const noexcept { return process != fork_generation(); }
  [[nodiscard]] Impl* in_child();
  [[nodiscard]] static Error not_here();
  StopReport stop_in_child(std::chrono::milliseconds deadline);
  static void leave(std::shared_ptr<Impl> foreign) noexcept;

  bool open_ledger();
  void announce();

  // When to come back; nothing when the step could not be done: the outbox cannot be opened, or an
  // exception.
  using Step = std::optional<SteadyTime>;
  static constexpr std::chrono::seconds kAfterFailure{1};
  Step write_once();
  Step send_once();
  Step rest();
  Step drop_transfers();
  Step attempt(Step (Impl::*step)());

  void run_writer();
  void run_sender();
  static void launch(const std::shared_ptr<Impl>& self, void (Impl::*loop)());
  void end_workers(std::chrono::milliseconds deadline, StopReport& report)
      POSTBOX_REQUIRES(stop_mutex);
  void count(TrackStatus status, std::uint64_t events);
  TrackResult offer(const EventView& event, std::uint64_t& sequence);
  TrackResult accept(const EventView& event, EventBatch& batch, std::uint64_t& sequence);
  void note(const EventView& event);
  TrackResult reject(const EventView& event, EventName name, std::vector<Violation> violations);
  [[nodiscard]] std::optional<bool> is_included(Flag flag, const EventView& event);
  void report_mended(EventBatch& batch);
  [[nodiscard]] bool is_disabled(const EventRecord& record) const;
  [[nodiscard]] std::optional<std::size_t> take_out_disabled(EventBatch& batch) const;
  [[nodiscard]] IntakeQueue::Share share_of(EventBatch& batch) const;
  bool encode(const EventView& event, EventBatch& batch) const;
  [[nodiscard]] bool is_settled();
  [[nodiscard]] Stats stats();
  [[nodiscard]] bool wait_durable(std::uint64_t sequence, SteadyTime until);
  [[nodiscard]] SteadyTime now() const noexcept { return services.clock->now(); }

  // The machine's time at which to look whether `until` has come by the injected clock: that time
  // itself, where the clock is the machine's own. A thread can wait for the machine's time only.
  [[nodiscard]] SteadyTime on_machine(SteadyTime until) const noexcept {
    if (has_machines_clock) return until;
    const std::chrono::nanoseconds left = until - std::min(now(), until);
    return std::chrono::steady_clock::now() + std::min<std::chrono::nanoseconds>(left, kSlice);
  }
  static constexpr std::chrono::milliseconds kSlice{10};

  // What a caller means by a deadline: a negative one has passed, and the longest is for ever.
  [[nodiscard]] SteadyTime after(std::chrono::milliseconds deadline) const noexcept {
    using std::chrono::milliseconds;
    const auto most = std::chrono::floor<milliseconds>(SteadyTime::max() - now());
    return now() + std::clamp(deadline, milliseconds{}, most);
  }
};

}  // namespace postbox
