#include "metrics.hpp"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <bit>
#include <postbox/prometheus.hpp>
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

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

ClientMetric counted(const char* label, std::string_view value, std::uint64_t count) {
  ClientMetric metric;
  metric.label = {{label, std::string(value)}};
  metric.counter.value = metric.untyped.value = static_cast<double>(count);
  return metric;
}

// Deliveries of Stripe by the names of stripe::Counts. `waiting` falls again, so no counter.
MetricFamily webhooks_of(const stripe::Counts& c) {
  MetricFamily family{
      "stripe_webhooks_total", "Webhooks by what became of them.", MetricType::Untyped, {}};
  const std::pair<const char*, std::uint64_t> states[] = {
      {"received", c.received}, {"refused", c.refused},       {"unusable", c.unusable},
      {"ignored", c.ignored},   {"tracked", c.tracked},       {"disabled", c.disabled},
      {"waited", c.waited},     {"failed", c.failed},         {"released", c.released},
      {"lost", c.lost},         {"incomplete", c.incomplete}, {"waiting", c.waiting}};
  for (const auto& [state, count] : states) {
    family.metric.push_back(counted("state", state, count));
  }
  return family;
}

MetricFamily unhandled_of(const std::map<std::string, std::uint64_t>& unhandled) {
  MetricFamily family{"stripe_unhandled_webhooks_total",
                      "Webhooks that no events are made of, by type.",
                      MetricType::Counter,
                      {}};
  for (const auto& [type, count] : unhandled) {
    family.metric.push_back(counted("type", type, count));
  }
  return family;
}

ClientMetric latency_of(std::string_view handler, const Latency& latency) {
  ClientMetric metric;
  metric.label = {{"handler", std::string(handler)}};
  for (const double q : {0.5, 0.99}) metric.summary.quantile.push_back({q, latency.quantile(q)});
  metric.summary.sample_sum = latency.sum();
  metric.summary.sample_count = latency.count();
  return metric;
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
  std::vector<MetricFamily> families = postbox::prometheus_families(metrics);
  families.push_back(webhooks_of(webhooks));
  families.push_back(unhandled_of(unhandled));
  MetricFamily handlers{
      "checkout_handler_seconds", "Time that a handler took.", MetricType::Summary, {}};
  for (std::size_t i = 0; i < kHandlers.size(); ++i) {
    handlers.metric.push_back(latency_of(kHandlers[i], latencies_[i]));
  }
  families.push_back(std::move(handlers));
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace checkout
