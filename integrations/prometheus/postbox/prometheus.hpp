// PrometheusCollector shows a tracker's metrics to prometheus-cpp, for its Exposer or a route of
// the shop's own.
//
// Place:     beside the tracker: exposer.RegisterCollectable(collector). Needs prometheus-cpp and
//            links postbox::prometheus; nothing else of Postbox knows it.
// Threads:   Collect() may be called from several threads at once. It reads the outbox: some
//            milliseconds, and more while a million events wait.
// Lifetime:  the tracker must outlive the collector; the Exposer keeps only a weak pointer.
// Failure:   none; `postbox_stats_complete` is 0 when the outbox could not be read.
//
// Names and labels are stable: the alerts and the dashboard of docs/monitoring rest on them.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <chrono>
#include <cstdint>
#include <postbox/metrics.hpp>
#include <postbox/tracker.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postbox {
namespace detail {

using PrometheusLabels = std::vector<::prometheus::ClientMetric::Label>;

[[nodiscard]] inline double in_seconds(std::chrono::microseconds time) noexcept {
  return std::chrono::duration<double>(time).count();
}

// PrometheusPage gathers families; `labels` are on every metric.
class PrometheusPage {
 public:
  using Type = ::prometheus::MetricType;

  explicit PrometheusPage(PrometheusLabels labels) : labels_(std::move(labels)) {}

  void begin(std::string_view name, std::string_view help, Type type) {
    auto& family = families_.emplace_back();
    family.name = "postbox_";
    family.name += name;
    family.help = help;
    family.type = type;
  }

  void add(PrometheusLabels labels, double value) {
    auto& metric = new_metric(std::move(labels));
    switch (families_.back().type) {
      case Type::Counter:
        metric.counter.value = value;
        break;
      case Type::Gauge:
        metric.gauge.value = value;
        break;
      default:
        metric.untyped.value = value;
        break;
    }
  }

  void add(PrometheusLabels labels, std::uint64_t value) {
    add(std::move(labels), static_cast<double>(value));
  }

  void add(const Histogram& histogram) {
    auto& metric = new_metric({}).histogram;
    std::uint64_t so_far = 0;
    for (std::size_t i = 0; i < Histogram::kBounds.size(); ++i) {
      so_far += histogram.counts[i];
      metric.bucket.push_back({so_far, in_seconds(Histogram::kBounds[i])});
    }
    metric.sample_count = histogram.count();
    metric.sample_sum = in_seconds(histogram.sum);
  }

  [[nodiscard]] std::vector<::prometheus::MetricFamily> take() && { return std::move(families_); }

 private:
  ::prometheus::ClientMetric& new_metric(PrometheusLabels labels) {
    auto& metric = families_.back().metric.emplace_back();
    metric.label = labels_;
    for (auto& label : labels) metric.label.push_back(std::move(label));
    return metric;
  }

  PrometheusLabels labels_;
  std::vector<::prometheus::MetricFamily> families_;
};

// Events of Stats by what became of them; some of the counts fall again, so that they are no
// counters.
inline void add_totals(const Stats& stats, PrometheusPage& page) {
  using Type = PrometheusPage::Type;
  page.begin("events_total", "Events by what became of them.", Type::Untyped);
  for (const StatsField& field : kStatsFields) {
    if (field.counts_events) page.add({{"state", std::string(field.name)}}, stats.*field.member);
  }
  for (const StatsField& field : kStatsFields) {
    if (field.counts_events) continue;
    page.begin(std::string(field.name) + "_total", "See postbox/stats.hpp.", Type::Counter);
    page.add({}, stats.*field.member);
  }
  page.begin("stats_complete", "1 when the outbox could be read.", Type::Gauge);
  page.add({}, stats.complete ? 1.0 : 0.0);
  page.begin("conserved", "1 when every accepted event is accounted for.", Type::Gauge);
  page.add({}, stats.conserved() ? 1.0 : 0.0);
}

inline PrometheusLabels labels_of(const FamilyMetrics& family) {
  return {{"family", family.family},
          {"queue", std::to_string(static_cast<std::uint32_t>(family.queue))}};
}

inline void add_families(const std::vector<FamilyMetrics>& families, PrometheusPage& page) {
  using Type = PrometheusPage::Type;
  constexpr std::pair<const char*, std::uint64_t FamilyMetrics::*> kStates[] = {
      {"accepted", &FamilyMetrics::accepted}, {"disabled", &FamilyMetrics::disabled},
      {"rejected", &FamilyMetrics::rejected}, {"full", &FamilyMetrics::full},
      {"waiting", &FamilyMetrics::waiting},   {"in_flight", &FamilyMetrics::in_flight},
      {"held", &FamilyMetrics::held},         {"dead", &FamilyMetrics::dead}};
  page.begin("family_events", "Events of a family by where they are.", Type::Untyped);
  for (const FamilyMetrics& family : families) {
    for (const auto& [state, member] : kStates) {
      auto labels = labels_of(family);
      labels.push_back({"state", state});
      page.add(std::move(labels), family.*member);
    }
  }
  page.begin("flag_percent", "The flag in force: 0 is off, 100 is on.", Type::Gauge);
  for (const FamilyMetrics& family : families) {
    page.add(labels_of(family), static_cast<double>(family.flag.percent()));
  }
  page.begin("oldest_seconds", "The age of the event that waits longest.", Type::Gauge);
  for (const FamilyMetrics& family : families) {
    page.add(labels_of(family), in_seconds(family.oldest.value_or(std::chrono::milliseconds{})));
  }
}

// Sums of outcomes_total that are there from the start, at zero: increase() does not see the first
// count of a metric that has only now appeared.
inline void add_family_outcomes(const Metrics& metrics, PrometheusPage& page) {
  page.begin("family_outcomes_total", "Events of a family by what became of them at the vendor.",
             PrometheusPage::Type::Counter);
  for (const FamilyMetrics& family : metrics.families) {
    for (const EventOutcome outcome :
         {EventOutcome::kDelivered, EventOutcome::kRetried, EventOutcome::kPutOff,
          EventOutcome::kHeld, EventOutcome::kDead}) {
      std::uint64_t events = 0;
      for (const OutcomeCount& row : metrics.outcomes) {
        if (row.queue == family.queue && row.outcome == outcome) events += row.events;
      }
      auto labels = labels_of(family);
      labels.push_back({"outcome", std::string(name_of(outcome))});
      page.add(std::move(labels), events);
    }
  }
}

inline void add_lanes(const std::vector<LaneMetrics>& lanes, PrometheusPage& page) {
  const auto add = [&](const char* name, const char* help, auto value_of) {
    page.begin(name, help, PrometheusPage::Type::Gauge);
    for (const LaneMetrics& lane : lanes) {
      page.add({{"lane", lane.lane}}, static_cast<double>(value_of(lane)));
    }
  };
  add("lane_in_flight", "Requests under way.", [](const LaneMetrics& l) { return l.in_flight; });
  add("lane_closed_seconds", "For how long nothing is sent there; 0: open.",
      [](const LaneMetrics& l) { return in_seconds(l.closed_for); });
  add("lane_window_limit", "Requests of ours in the vendor's window.",
      [](const LaneMetrics& l) { return l.rate.limit; });
  add("lane_window_left", "Requests that are left in the window.",
      [](const LaneMetrics& l) { return l.rate.left; });
}

inline void add_outcomes(const std::vector<OutcomeCount>& outcomes, PrometheusPage& page) {
  page.begin("outcomes_total", "Events by what became of them at the vendor.",
             PrometheusPage::Type::Counter);
  for (const OutcomeCount& row : outcomes) {
    page.add({{"family", row.family},
              {"queue", std::to_string(static_cast<std::uint32_t>(row.queue))},
              {"type", row.type},
              {"lane", row.lane},
              {"outcome", std::string(name_of(row.outcome))},
              {"cause", row.cause}},
             row.events);
  }
}

}  // namespace detail

// The families of one moment. `labels` stand on each metric: of several accounts, which it is.
[[nodiscard]] inline std::vector<::prometheus::MetricFamily> prometheus_families(
    const Metrics& metrics, detail::PrometheusLabels labels = {}) {
  detail::PrometheusPage page(std::move(labels));
  detail::add_totals(metrics.totals, page);
  detail::add_families(metrics.families, page);
  detail::add_lanes(metrics.lanes, page);
  detail::add_family_outcomes(metrics, page);
  detail::add_outcomes(metrics.outcomes, page);
  const auto add = [&page](const char* name, const char* help, const Histogram& histogram) {
    page.begin(name, help, detail::PrometheusPage::Type::Histogram);
    page.add(histogram);
  };
  add("call_seconds", "Time that track() took of its caller.", metrics.in_call);
  add("to_disk_seconds", "From track() until the event is on disk.", metrics.to_disk);
  add("to_delivery_seconds", "From the disk until the vendor has the event.", metrics.to_delivery);
  return std::move(page).take();
}

//   prometheus::Exposer exposer("127.0.0.1:9464");
//   auto collector = std::make_shared<postbox::PrometheusCollector>(*tracker);
//   exposer.RegisterCollectable(collector);
class PrometheusCollector final : public ::prometheus::Collectable {
 public:
  explicit PrometheusCollector(const Tracker& tracker, detail::PrometheusLabels labels = {})
      : tracker_(&tracker), labels_(std::move(labels)) {}

  [[nodiscard]] std::vector<::prometheus::MetricFamily> Collect() const override {
    return prometheus_families(tracker_->metrics(), labels_);
  }

 private:
  const Tracker* tracker_;
  const detail::PrometheusLabels labels_;
};

}  // namespace postbox
