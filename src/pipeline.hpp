// Pipeline is one account: its stages in the order in which an event passes them, with the flags,
// the outbox and the destination that are its own. It alone sees all of them.
//
// Place:     in an Engine, which lends it two threads and the network; Tracker is the handle to it.
// Threads:   run_writer() and run_sender() each from one thread, the rest from any.
// Lifetime:  as long as the engine.
// Failure:   see each member; what throws in a worker's step is logged, and the step repeated.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <postbox/config.hpp>
#include <postbox/event_draft.hpp>
#include <postbox/event_view.hpp>
#include <postbox/flag_set.hpp>
#include <postbox/metrics.hpp>
#include <postbox/operator.hpp>
#include <postbox/services.hpp>
#include <postbox/stats.hpp>
#include <postbox/track_result.hpp>

#include "admission.hpp"
#include "base/counters.hpp"
#include "base/logger.hpp"
#include "base/machine_time.hpp"
#include "base/metrics_table.hpp"
#include "base/mutex.hpp"
#include "base/notices.hpp"
#include "intake_queue.hpp"
#include "outbox_writer.hpp"
#include "send/exemptions.hpp"
#include "send/sender.hpp"
#include "send/undeliverable.hpp"
#include "spill_log.hpp"
#include "stats_collector.hpp"

namespace postbox {

class Cipher;

class Pipeline {
 public:
  // `services` are complete but for the network: that is the engine's, of which `http` is a share.
  // `bell` wakes the writer's thread.
  Pipeline(ValidConfig config, Integration integration, const Services& services,
           std::unique_ptr<HttpClient> http, Doorbell& bell);
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // The callers' part; see the members of Tracker with these names.
  TrackResult offer(const EventView& event);
  TrackResult offer_durably(const EventView& event, std::chrono::milliseconds deadline);
  EventDraft draft(const EventView& event);
  void look() noexcept;
  bool flush(std::chrono::milliseconds deadline);
  [[nodiscard]] Stats stats();
  [[nodiscard]] Metrics metrics();
  SteadyTime run_once();

  // The operators' part.
  [[nodiscard]] Result<void> reload();
  [[nodiscard]] const Operator& outbox_reader() const noexcept { return operator_; }
  [[nodiscard]] Result<std::size_t> send_held(const HeldQuery& query, std::size_t max);
  [[nodiscard]] Result<std::string> keep(std::string_view name, std::string_view text) const;
  [[nodiscard]] Result<std::string> exchange(std::string_view name, std::string_view text) const;

  // Something that changes what is there: after the counts have been read, see StatsCollector, and
  // before the sender is woken, also after a failure, which may have come behind the first of
  // several.
  template <class Work>
  [[nodiscard]] Result<std::size_t> change(Work work) {
    if (const auto opened = stats_.open(); !opened) return opened.error();
    Result<std::size_t> done = work(operator_);
    wake_sender();
    return done;
  }

  // When to come back; nothing when it should not.
  using Step = std::optional<SteadyTime>;

  // Steps of the engine's two threads. Each returns when to come back unless it is woken before, or
  // nothing after its part of the end.
  Step run_writer() POSTBOX_EXCLUDES(mutex_);
  Step run_sender() POSTBOX_EXCLUDES(mutex_);

  // The end: refuse new events; then let the threads finish by `deadline` of the machine's clock,
  // and wait for them until `until`; or, without threads, finish here. Then say what is left.
  void close() { intake_.close(); }
  void end_by(SteadyTime deadline) noexcept;
  [[nodiscard]] bool wait_for_end(SteadyTime until) POSTBOX_EXCLUDES(mutex_);
  void end_here();
  [[nodiscard]] StopReport report_end(bool in_time);

  // Constants that a child of fork() may read, whatever the parent's threads were doing.
  [[nodiscard]] const ValidConfig& config() const noexcept { return config_; }
  [[nodiscard]] const Integration& integration() const noexcept { return integration_; }
  [[nodiscard]] const FlagSet& flags() const noexcept { return *flags_; }
  [[nodiscard]] std::optional<std::string> outbox_file() const { return outbox_->file(); }
  [[nodiscard]] bool outbox_is_shared() const noexcept { return outbox_->caps().shared; }
  [[nodiscard]] LogLevel log_level() const noexcept { return logger_.level(); }
  void set_log_level(LogLevel level) noexcept { logger_.set_level(level); }

 private:
  // Parts of a step. Nothing when it could not be done: the outbox cannot be opened, or an
  // exception.
  static constexpr std::chrono::seconds kAfterFailure{1};
  Step write_once();
  Step send_once();
  Step drop_transfers();
  Step attempt(Step (Pipeline::*step)());

  void end(std::atomic<bool>& part) POSTBOX_EXCLUDES(mutex_);
  bool open_stats();
  [[nodiscard]] StatsCollector::Collected collect();
  void announce_progress();
  void wake_sender();
  void keep_all_of(const Reloaded& reloaded);
  [[nodiscard]] bool is_gathering();
  [[nodiscard]] bool is_settled();
  [[nodiscard]] bool wait_durable(std::uint64_t sequence, SteadyTime until);
  [[nodiscard]] SteadyTime now() const noexcept { return clock_->now(); }

  // A caller's deadline: a negative one has passed, and the longest is forever.
  [[nodiscard]] SteadyTime after(std::chrono::milliseconds deadline) const noexcept {
    const auto most = std::chrono::floor<std::chrono::milliseconds>(SteadyTime::max() - now());
    return now() + std::clamp(deadline, std::chrono::milliseconds{}, most);
  }

  const ValidConfig config_;
  const Integration integration_;
  const std::shared_ptr<Clock> clock_;
  const std::shared_ptr<Outbox> outbox_;
  const std::shared_ptr<const Cipher> cipher_;
  const std::unique_ptr<HttpClient> http_;
  Doorbell& bell_;
  const MachineTime machine_;
  const bool threads_;

  Counters counters_;
  MetricsTable metrics_;
  const std::shared_ptr<FlagSet> flags_;
  Exemptions exemptions_;
  Logger logger_;
  Undeliverable undeliverable_;
  Notices notices_;
  StatsCollector stats_;
  SpillLog spill_log_;

  IntakeQueue intake_;         // caller's thread  ─▶
  OutboxWriter writer_;        // writer's thread  ─▶ outbox ─▶
  Sender sender_;              // sender's thread  ─▶ vendor
  SteadyTime gather_until_{};  // by the machine's clock; the writer's thread alone touches it
  Admission admission_;
  Operator operator_;

  std::atomic<bool> ending_{false};
  std::atomic<bool> writer_ended_{false};
  std::atomic<bool> sender_ended_{false};
  std::atomic<SteadyTime> end_by_{SteadyTime::max()};  // by the machine's clock

  mutable Mutex mutex_;
  ConditionVariable changed_;  // progress of the sender, or the end of a thread's work
  std::uint64_t progress_ POSTBOX_GUARDED_BY(mutex_) = 0;

  Mutex reload_mutex_;
};

}  // namespace postbox
