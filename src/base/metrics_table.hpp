// MetricsTable is the one table of what is counted by family, type, lane, outcome and cause, and of
// what is measured.
//
// Place:     written by the stages of a pipeline, read for Tracker::metrics().
// Threads:   every member may be called from several threads at once. 🔒
// Lifetime:  as long as the pipeline.
// Failure:   without memory an outcome is not counted here; Stats still has it.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <postbox/event.hpp>
#include <postbox/flag_set.hpp>
#include <postbox/flags.hpp>
#include <postbox/metrics.hpp>
#include <postbox/track_result.hpp>

#include "mutex.hpp"

namespace postbox {

// A Histogram that several threads add to.
class LiveHistogram {
 public:
  void add(std::chrono::microseconds value, std::uint64_t times) noexcept;
  [[nodiscard]] Histogram read() const noexcept;

 private:
  std::array<std::atomic<std::uint64_t>, Histogram::kBounds.size() + 1> counts_{};
  std::atomic<std::int64_t> sum_us_{0};
};

// The outcome of one event, or of several that are alike.
struct OutcomeOf {
  QueueId queue{};
  std::string_view type;
  std::string_view lane;
  EventOutcome outcome = EventOutcome::kDelivered;
  std::string_view cause;
};

class MetricsTable {
 public:
  // On the caller's thread: atomic additions, no lock. A negative number takes back.
  void add_offered(QueueId queue, TrackStatus status, std::int64_t events) noexcept;

  LiveHistogram in_call;
  LiveHistogram to_disk;
  LiveHistogram to_delivery;

  void add_outcome(const OutcomeOf& of) noexcept POSTBOX_EXCLUDES(mutex_);
  void set_lanes(std::vector<LaneMetrics> lanes) POSTBOX_EXCLUDES(mutex_);

  // All but the totals, and what is on disk.
  [[nodiscard]] Metrics read(std::span<const Family> families, const FlagSet& flags) const
      POSTBOX_EXCLUDES(mutex_);

 private:
  static constexpr std::size_t kStatuses = 4;
  using Row = std::array<std::atomic<std::uint64_t>, kStatuses>;
  static constexpr std::size_t kMostOutcomes = 1'000;  // beyond, the type is "other"

  void add_to(const OutcomeOf& of) POSTBOX_REQUIRES(mutex_);

  std::array<Row, FlagSet::kMaxQueues> offered_{};

  mutable Mutex mutex_;
  std::map<std::string, OutcomeCount, std::less<>> outcomes_ POSTBOX_GUARDED_BY(mutex_);
  std::string key_ POSTBOX_GUARDED_BY(mutex_);  // of add_to(): so that it takes no memory as a rule
  std::vector<LaneMetrics> lanes_ POSTBOX_GUARDED_BY(mutex_);
};

}  // namespace postbox
