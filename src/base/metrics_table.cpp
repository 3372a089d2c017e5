#include "metrics_table.hpp"

#include <algorithm>
#include <optional>

#include "base/assert.hpp"

namespace postbox {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// The place of a status in a row; nothing for one that no family is asked for.
std::optional<std::size_t> place_of(TrackStatus status) noexcept {
  switch (status) {
    case TrackStatus::kAccepted:
    case TrackStatus::kNotDurable:
      return 0;
    case TrackStatus::kDisabled:
      return 1;
    case TrackStatus::kRejected:
      return 2;
    case TrackStatus::kFull:
      return 3;
    case TrackStatus::kClosed:
      break;
  }
  return std::nullopt;
}

}  // namespace

std::string_view name_of(EventOutcome outcome) noexcept {
  switch (outcome) {
    case EventOutcome::kDelivered:
      return "delivered";
    case EventOutcome::kRetried:
      return "retried";
    case EventOutcome::kPutOff:
      return "put_off";
    case EventOutcome::kHeld:
      return "held";
    case EventOutcome::kDead:
      return "dead";
  }
  return "unknown";
}

void LiveHistogram::add(std::chrono::microseconds value, std::uint64_t times) noexcept {
  POSTBOX_ASSERT(times > 0);
  value = std::max(value, std::chrono::microseconds{});  // a clock that was set back
  const auto bound = std::ranges::lower_bound(Histogram::kBounds, value);
  counts_[static_cast<std::size_t>(bound - Histogram::kBounds.begin())].fetch_add(times, kRelaxed);
  sum_us_.fetch_add(value.count() * static_cast<std::int64_t>(times), kRelaxed);
}

Histogram LiveHistogram::read() const noexcept {
  Histogram histogram;
  for (std::size_t i = 0; i < counts_.size(); ++i) histogram.counts[i] = counts_[i].load(kRelaxed);
  histogram.sum = std::chrono::microseconds(sum_us_.load(kRelaxed));
  return histogram;
}

void MetricsTable::add_offered(QueueId queue, TrackStatus status, std::int64_t events) noexcept {
  const auto number = static_cast<std::size_t>(queue);
  const auto place = place_of(status);
  if (number >= offered_.size() || !place) return;
  offered_[number][*place].fetch_add(static_cast<std::uint64_t>(events), kRelaxed);
}

void MetricsTable::add_outcome(const OutcomeOf& of) noexcept {
  const MutexLock lock(mutex_);
  try {
    add_to(of);
  } catch (...) {
    // Without memory for a new row it is not counted by what it was.
  }
}

void MetricsTable::add_to(const OutcomeOf& of) {
  key_.assign(of.type);
  for (const std::string_view part : {of.lane, of.cause}) key_.append(1, '\0').append(part);
  key_ += static_cast<char>(of.outcome);
  key_ += static_cast<char>(of.queue);
  const auto found = outcomes_.find(key_);
  if (found != outcomes_.end()) {
    ++found->second.events;
    return;
  }
  if (outcomes_.size() >= kMostOutcomes && of.type != "other") {
    OutcomeOf other = of;
    other.type = "other";
    return add_to(other);
  }
  OutcomeCount row;
  row.queue = of.queue;
  row.type = of.type;
  row.lane = of.lane;
  row.outcome = of.outcome;
  row.cause = of.cause;
  row.events = 1;
  outcomes_.emplace(key_, std::move(row));
}

void MetricsTable::set_lanes(std::vector<LaneMetrics> lanes) {
  const MutexLock lock(mutex_);
  lanes_ = std::move(lanes);
}

Metrics MetricsTable::read(std::span<const Family> families, const FlagSet& flags) const {
  Metrics metrics;
  std::map<QueueId, std::string> names;
  for (const Family& family : families) {
    names.emplace(family.queue, family.name);
    FamilyMetrics& row = metrics.families.emplace_back();
    row.family = family.name;
    row.queue = family.queue;
    row.flag = flags.get(family.queue);
    const auto number = static_cast<std::size_t>(family.queue);
    if (number >= offered_.size()) continue;
    const Row& offered = offered_[number];
    row.accepted = offered[0].load(kRelaxed);
    row.disabled = offered[1].load(kRelaxed);
    row.rejected = offered[2].load(kRelaxed);
    row.full = offered[3].load(kRelaxed);
  }
  metrics.in_call = in_call.read();
  metrics.to_disk = to_disk.read();
  metrics.to_delivery = to_delivery.read();
  const MutexLock lock(mutex_);
  metrics.lanes = lanes_;
  for (const auto& [key, row] : outcomes_) {
    metrics.outcomes.push_back(row);
    metrics.outcomes.back().family = names[row.queue];
  }
  return metrics;
}

}  // namespace postbox
