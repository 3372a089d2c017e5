#include "metrics.hpp"

#include <algorithm>
#include <bit>
#include <ostream>
#include <sstream>
#include <utility>

namespace checkout {
namespace {

constexpr unsigned kStepBits = 4;  // 16 buckets between a power of two and the next
constexpr std::uint64_t kSteps = 1U << kStepBits;

std::size_t bucket_of(std::uint64_t nanoseconds) {
  if (nanoseconds < kSteps) return static_cast<std::size_t>(nanoseconds);
  const auto shift = static_cast<unsigned>(std::bit_width(nanoseconds)) - kStepBits - 1;
  return static_cast<std::size_t>((std::uint64_t{shift} << kStepBits) + (nanoseconds >> shift));
}

// The first value beyond the bucket.
double end_of(std::size_t bucket) {
  if (bucket < kSteps) return static_cast<double>(bucket + 1);
  const auto shift = static_cast<unsigned>((bucket >> kStepBits) - 1);
  const std::uint64_t step = (bucket & (kSteps - 1)) + kSteps + 1;
  return static_cast<double>(step) * static_cast<double>(std::uint64_t{1} << shift);
}

void write_head(std::string_view name, std::string_view type, std::string_view help,
                std::ostream& out) {
  out << "# HELP " << name << ' ' << help << "\n# TYPE " << name << ' ' << type << '\n';
}

// Where the events are, by the names of postbox::Stats. Some of them fall again, so no counter.
void write_events(const postbox::Stats& stats, std::ostream& out) {
  write_head("postbox_events_total", "untyped", "Events by what became of them.", out);
  for (const postbox::StatsField& field : postbox::kStatsFields) {
    if (!field.counts_events) continue;
    out << "postbox_events_total{state=\"" << field.name << "\"} " << stats.*field.member << '\n';
  }
}

void write_one(std::string_view name, std::string_view type, std::uint64_t value,
               std::ostream& out) {
  out << "# TYPE postbox_" << name << ' ' << type << "\npostbox_" << name << ' ' << value << '\n';
}

void write_work(const postbox::Stats& stats, std::ostream& out) {
  for (const postbox::StatsField& field : postbox::kStatsFields) {
    if (field.counts_events) continue;
    write_one(std::string(field.name) + "_total", "counter", stats.*field.member, out);
  }
  write_one("stats_complete", "gauge", stats.complete ? 1 : 0, out);
  write_one("conserved", "gauge", stats.conserved() ? 1 : 0, out);
}

// `text` as the value of a label. Some are another's texts: a quote in one must not break the page.
std::string escaped(std::string_view text) {
  std::string label;
  for (const char c : text) {
    if (c == '\\' || c == '"') label += '\\';
    if (c == '\n') {
      label += "\\n";
    } else {
      label += c;
    }
  }
  return label;
}

double in_seconds(std::chrono::milliseconds time) {
  return static_cast<double>(time.count()) / 1e3;
}

std::string labels_of(const postbox::FamilyMetrics& family) {
  return "family=\"" + escaped(family.family) + "\",queue=\"" +
         std::to_string(static_cast<std::uint32_t>(family.queue)) + '"';
}

void write_families(const std::vector<postbox::FamilyMetrics>& families, std::ostream& out) {
  using postbox::FamilyMetrics;
  constexpr std::pair<std::string_view, std::uint64_t FamilyMetrics::*> kStates[] = {
      {"accepted", &FamilyMetrics::accepted}, {"disabled", &FamilyMetrics::disabled},
      {"rejected", &FamilyMetrics::rejected}, {"full", &FamilyMetrics::full},
      {"waiting", &FamilyMetrics::waiting},   {"in_flight", &FamilyMetrics::in_flight},
      {"held", &FamilyMetrics::held},         {"dead", &FamilyMetrics::dead}};
  write_head("postbox_family_events", "untyped", "Events of a family by where they are.", out);
  for (const FamilyMetrics& family : families) {
    for (const auto& [state, member] : kStates) {
      out << "postbox_family_events{" << labels_of(family) << ",state=\"" << state << "\"} "
          << family.*member << '\n';
    }
  }
  write_head("postbox_flag_percent", "gauge", "The flag in force: 0 is off, 100 is on.", out);
  for (const FamilyMetrics& family : families) {
    out << "postbox_flag_percent{" << labels_of(family) << "} " << family.flag.percent() << '\n';
  }
  write_head("postbox_oldest_seconds", "gauge", "The age of what waits longest.", out);
  for (const FamilyMetrics& family : families) {
    out << "postbox_oldest_seconds{" << labels_of(family) << "} "
        << in_seconds(family.oldest.value_or(std::chrono::milliseconds{})) << '\n';
  }
}

void write_lanes(const std::vector<postbox::LaneMetrics>& lanes, std::ostream& out) {
  const auto write = [&](std::string_view name, std::string_view help, auto value_of) {
    write_head(name, "gauge", help, out);
    for (const postbox::LaneMetrics& lane : lanes) {
      out << name << "{lane=\"" << escaped(lane.lane) << "\"} " << value_of(lane) << '\n';
    }
  };
  write("postbox_lane_in_flight", "Requests under way.", [](const auto& l) { return l.in_flight; });
  write("postbox_lane_closed_seconds", "For how long nothing is sent there; 0: open.",
        [](const auto& l) { return in_seconds(l.closed_for); });
  write("postbox_lane_window_limit", "Requests of ours in the vendor's window.",
        [](const auto& l) { return l.rate.limit; });
  write("postbox_lane_window_left", "Those that are left in it.",
        [](const auto& l) { return l.rate.left; });
}

void write_outcomes(const std::vector<postbox::OutcomeCount>& outcomes, std::ostream& out) {
  write_head("postbox_outcomes_total", "counter", "What became of events at the vendor.", out);
  for (const postbox::OutcomeCount& row : outcomes) {
    out << "postbox_outcomes_total{family=\"" << escaped(row.family) << "\",queue=\""
        << static_cast<std::uint32_t>(row.queue) << "\",type=\"" << escaped(row.type)
        << "\",lane=\"" << escaped(row.lane) << "\",outcome=\"" << name_of(row.outcome)
        << "\",cause=\"" << escaped(row.cause) << "\"} " << row.events << '\n';
  }
}

void write_histogram(std::string_view name, std::string_view help,
                     const postbox::Histogram& histogram, std::ostream& out) {
  write_head(name, "histogram", help, out);
  std::uint64_t so_far = 0;
  for (std::size_t i = 0; i < postbox::Histogram::kBounds.size(); ++i) {
    so_far += histogram.counts[i];
    out << name << "_bucket{le=\"" << in_seconds(postbox::Histogram::kBounds[i]) << "\"} " << so_far
        << '\n';
  }
  out << name << "_bucket{le=\"+Inf\"} " << histogram.count() << '\n'
      << name << "_sum " << in_seconds(histogram.sum) << '\n'
      << name << "_count " << histogram.count() << '\n';
}

// Deliveries of Stripe by the names of stripe::Counts. `waiting` falls again, so no counter.
void write_webhooks(const stripe::Counts& c, std::ostream& out) {
  const std::pair<std::string_view, std::uint64_t> states[] = {
      {"received", c.received}, {"refused", c.refused},       {"unusable", c.unusable},
      {"ignored", c.ignored},   {"tracked", c.tracked},       {"disabled", c.disabled},
      {"waited", c.waited},     {"failed", c.failed},         {"released", c.released},
      {"lost", c.lost},         {"incomplete", c.incomplete}, {"waiting", c.waiting}};
  out << "# HELP stripe_webhooks_total Webhooks by what became of them.\n"
         "# TYPE stripe_webhooks_total untyped\n";
  for (const auto& [state, count] : states) {
    out << "stripe_webhooks_total{state=\"" << state << "\"} " << count << '\n';
  }
}

void write_unhandled(const std::map<std::string, std::uint64_t>& unhandled, std::ostream& out) {
  out << "# HELP stripe_unhandled_webhooks_total Webhooks that no events are made of, by type.\n"
         "# TYPE stripe_unhandled_webhooks_total counter\n";
  for (const auto& [type, count] : unhandled) {
    out << "stripe_unhandled_webhooks_total{type=\"" << escaped(type) << "\"} " << count << '\n';
  }
}

void write_latency(std::string_view handler, const Latency& latency, std::ostream& out) {
  for (const double q : {0.5, 0.99}) {
    out << "checkout_handler_seconds{handler=\"" << handler << "\",quantile=\"" << q << "\"} "
        << latency.quantile(q) << '\n';
  }
  out << "checkout_handler_seconds_sum{handler=\"" << handler << "\"} " << latency.sum() << '\n'
      << "checkout_handler_seconds_count{handler=\"" << handler << "\"} " << latency.count()
      << '\n';
}

}  // namespace

void Latency::record(std::chrono::nanoseconds duration) noexcept {
  const auto nanoseconds = static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0));
  buckets_[bucket_of(nanoseconds)].fetch_add(1, std::memory_order_relaxed);
  total_nanoseconds_.fetch_add(nanoseconds, std::memory_order_relaxed);
}

std::uint64_t Latency::count() const noexcept {
  std::uint64_t count = 0;
  for (const auto& bucket : buckets_) count += bucket.load(std::memory_order_relaxed);
  return count;
}

double Latency::sum() const noexcept {
  return static_cast<double>(total_nanoseconds_.load(std::memory_order_relaxed)) / 1e9;
}

double Latency::quantile(double q) const noexcept {
  const double rank = q * static_cast<double>(count());
  double seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += static_cast<double>(buckets_[i].load(std::memory_order_relaxed));
    if (seen > 0 && seen >= rank) return end_of(i) / 1e9;
  }
  return 0;
}

std::string Metrics::to_prometheus(const postbox::Metrics& metrics, const stripe::Counts& webhooks,
                                   const std::map<std::string, std::uint64_t>& unhandled) const {
  std::ostringstream out;
  out.precision(9);
  write_events(metrics.totals, out);
  write_work(metrics.totals, out);
  write_families(metrics.families, out);
  write_lanes(metrics.lanes, out);
  write_outcomes(metrics.outcomes, out);
  write_histogram("postbox_to_disk_seconds", "From track() until the event is on disk.",
                  metrics.to_disk, out);
  write_histogram("postbox_to_delivery_seconds", "From there until the vendor has it.",
                  metrics.to_delivery, out);
  write_webhooks(webhooks, out);
  write_unhandled(unhandled, out);
  out << "# HELP checkout_handler_seconds Time that a handler took.\n"
         "# TYPE checkout_handler_seconds summary\n";
  for (std::size_t i = 0; i < kHandlers.size(); ++i) {
    write_latency(kHandlers[i], latencies_[i], out);
  }
  return std::move(out).str();
}

}  // namespace checkout
