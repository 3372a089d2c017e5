#include "server_metrics.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <iomanip>
#include <ostream>
#include <sstream>
#include <string_view>
#include <utility>

#include "prometheus_text.hpp"

namespace postbox::cli {
namespace {

constexpr std::array kQuantiles{0.5, 0.95, 0.99};

struct Measured {
  std::string_view metric;
  const char* name;
};
constexpr std::array kMeasured{Measured{"postbox_call_seconds_bucket", "track()"},
                               Measured{"postbox_to_disk_seconds_bucket", "to disk"},
                               Measured{"postbox_to_delivery_seconds_bucket", "to delivery"}};

struct OfLane {
  std::string_view metric;
  double LaneUse::*member;
};
constexpr std::array kOfLane{OfLane{"postbox_lane_window_limit", &LaneUse::window_limit},
                             OfLane{"postbox_lane_window_left", &LaneUse::window_left},
                             OfLane{"postbox_lane_closed_seconds", &LaneUse::closed_seconds},
                             OfLane{"postbox_lane_in_flight", &LaneUse::in_flight}};

std::string label(const MetricSample& sample, const char* name) {
  const auto found = sample.labels.find(name);
  return found == sample.labels.end() ? std::string() : found->second;
}

// The labels that a shop has given to each metric of an account, such as "us".
std::string account_of(const MetricSample& sample) {
  std::string labels;
  for (const auto& [name, value] : sample.labels) {
    if (name != "lane") labels += (labels.empty() ? "" : ", ") + value;
  }
  return labels;
}

void add_bucket(const MetricSample& sample, Latency& latency) {
  double up_to = HUGE_VAL;
  if (const std::string bound = label(sample, "le"); bound != "+Inf") {
    up_to = std::strtod(bound.c_str(), nullptr);
  }
  const auto place = std::ranges::lower_bound(latency.buckets, up_to, {}, &Latency::Bucket::up_to);
  if (place == latency.buckets.end() || place->up_to != up_to) {
    latency.buckets.insert(place, {up_to, sample.value});
  } else {
    place->values += sample.value;  // of another account in the same process
  }
}

LaneUse& lane_of(const MetricSample& sample, std::vector<LaneUse>& lanes) {
  const std::string account = account_of(sample);
  const std::string name = label(sample, "lane") + (account.empty() ? "" : " (" + account + ')');
  const auto found = std::ranges::find(lanes, name, &LaneUse::lane);
  if (found != lanes.end()) return *found;
  lanes.push_back({.lane = name});
  return lanes.back();
}

void add_trouble(const MetricSample& sample, std::vector<Trouble>& troubles) {
  const std::string outcome = label(sample, "outcome");
  const bool is_trouble = outcome == "dead" || outcome == "retried" || outcome == "put_off";
  if (!is_trouble || !(sample.value > 0)) return;
  troubles.push_back({.outcome = outcome,
                      .family = label(sample, "family"),
                      .type = label(sample, "type"),
                      .lane = label(sample, "lane"),
                      .cause = label(sample, "cause"),
                      .events = sample.value});
}

void add(const MetricSample& sample, ServerMetrics& metrics) {
  for (std::size_t i = 0; i < kMeasured.size(); ++i) {
    if (sample.name == kMeasured[i].metric) add_bucket(sample, metrics.latencies[i]);
  }
  for (const OfLane& of_lane : kOfLane) {
    if (sample.name == of_lane.metric)
      lane_of(sample, metrics.lanes).*of_lane.member = sample.value;
  }
  if (sample.name == "postbox_outcomes_total") add_trouble(sample, metrics.troubles);
}

// "85us", "1.3ms", "2.5s", "3h 20m".
std::string in_time(std::optional<double> seconds) {
  if (!seconds) return "-";
  if (*seconds >= 60) {
    return in_words(std::chrono::milliseconds(std::llround(*seconds * 1'000)));
  }
  std::ostringstream text;
  text << std::setprecision(3);
  if (*seconds < 1e-3) {
    text << *seconds * 1e6 << "us";
  } else if (*seconds < 1) {
    text << *seconds * 1e3 << "ms";
  } else {
    text << *seconds << 's';
  }
  return text.str();
}

// A count without a point; what JSON has no number for is null.
Json number(double value) {
  constexpr double kExact = 9e15;
  if (!std::isfinite(value)) return nullptr;
  const bool is_whole = std::abs(value) < kExact && value == std::floor(value);
  return is_whole ? Json(std::llround(value)) : Json(value);
}

std::string whole(double value) {
  return std::isfinite(value) ? std::to_string(std::llround(value)) : "-";
}

std::vector<Latency> latencies_since(const ServerMetrics& metrics, const ServerMetrics* before) {
  std::vector<Latency> latencies = metrics.latencies;
  for (std::size_t i = 0; before != nullptr && i < latencies.size(); ++i) {
    latencies[i] = latencies[i].since(before->latencies[i]);
  }
  return latencies;
}

Json json_of(const Latency& latency) {
  Json json = {{"name", latency.name}, {"count", number(latency.count())}};
  for (const double q : kQuantiles) {
    const auto seconds = latency.quantile(q);
    json["p" + whole(q * 100) + "_seconds"] = seconds ? Json(*seconds) : Json(nullptr);
  }
  return json;
}

Json json_of(const LaneUse& lane) {
  return {{"lane", lane.lane},
          {"window_limit", number(lane.window_limit)},
          {"window_left", number(lane.window_left)},
          {"closed_seconds", number(lane.closed_seconds)},
          {"in_flight", number(lane.in_flight)}};
}

Json json_of(const Trouble& trouble) {
  return {{"outcome", trouble.outcome}, {"family", trouble.family},
          {"type", trouble.type},       {"lane", trouble.lane},
          {"cause", trouble.cause},     {"events", number(trouble.events)}};
}

void write_latencies(const std::vector<Latency>& latencies, std::ostream& out) {
  Table table({"latency", "p50", "p95", "p99", "events"});
  for (const Latency& latency : latencies) {
    std::vector<std::string> row{latency.name};
    for (const double q : kQuantiles) row.push_back(in_time(latency.quantile(q)));
    row.push_back(whole(latency.count()));
    table.add(row);
  }
  out << '\n';
  table.write(out);
}

void write_lanes(const std::vector<LaneUse>& lanes, std::ostream& out) {
  Table table({"lane", "quota used", "left", "of", "closed", "in flight"});
  for (const LaneUse& lane : lanes) {
    table.add({lane.lane, whole(lane.window_limit - lane.window_left), whole(lane.window_left),
               whole(lane.window_limit),
               lane.closed_seconds > 0 ? in_time(lane.closed_seconds) : "-",
               whole(lane.in_flight)});
  }
  out << '\n';
  table.write(out);
}

void write_troubles(const std::vector<Trouble>& troubles, std::ostream& out) {
  if (troubles.empty()) return;
  Table table({"what failed", "family", "metric", "lane", "cause", "events"});
  for (const Trouble& trouble : troubles) {
    table.add({trouble.outcome, trouble.family, trouble.type, trouble.lane, trouble.cause,
               whole(trouble.events)});
  }
  out << '\n';
  table.write(out);
}

}  // namespace

Latency Latency::since(const Latency& before) const {
  if (before.buckets.size() != buckets.size()) return *this;
  Latency added = *this;
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    if (before.buckets[i].up_to != buckets[i].up_to) return *this;
    added.buckets[i].values -= before.buckets[i].values;
    if (added.buckets[i].values < 0) return *this;
  }
  return added;
}

std::optional<double> Latency::quantile(double q) const {
  if (!(count() > 0)) return std::nullopt;
  const double rank = q * count();
  double lower = 0;
  double below = 0;
  for (const Bucket& bucket : buckets) {
    if (std::isinf(bucket.up_to)) break;
    if (bucket.values >= rank && bucket.values > below) {
      return lower + (bucket.up_to - lower) * (rank - below) / (bucket.values - below);
    }
    lower = bucket.up_to;
    below = bucket.values;
  }
  return lower;
}

Result<ServerMetrics> server_metrics_of(std::string_view text) {
  const auto samples = parse_prometheus(text);
  if (!samples) return samples.error();
  ServerMetrics metrics;
  for (const Measured& measured : kMeasured) {
    metrics.latencies.push_back({.name = measured.name, .buckets = {}});
  }
  for (const MetricSample& sample : *samples) add(sample, metrics);
  if (metrics.latencies[0].buckets.empty() && metrics.lanes.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 "there is none of Postbox's metrics: is it the address of the server's GET "
                 "/metrics?"};
  }
  std::ranges::stable_sort(metrics.troubles, std::ranges::greater{}, &Trouble::events);
  return metrics;
}

Json json_of(const ServerMetrics& metrics, const ServerMetrics* before) {
  Json latencies = Json::array();
  for (const Latency& latency : latencies_since(metrics, before)) {
    latencies.push_back(json_of(latency));
  }
  Json lanes = Json::array();
  for (const LaneUse& lane : metrics.lanes) lanes.push_back(json_of(lane));
  Json troubles = Json::array();
  for (const Trouble& trouble : metrics.troubles) troubles.push_back(json_of(trouble));
  return {{"latencies", std::move(latencies)},
          {"lanes", std::move(lanes)},
          {"troubles", std::move(troubles)}};
}

void write(const ServerMetrics& metrics, const ServerMetrics* before, std::ostream& out) {
  write_latencies(latencies_since(metrics, before), out);
  write_lanes(metrics.lanes, out);
  write_troubles(metrics.troubles, out);
}

}  // namespace postbox::cli
