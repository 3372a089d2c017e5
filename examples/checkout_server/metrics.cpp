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

// Where the events are, by the names of postbox::Stats. Some of them fall again, so no counter.
void write_events(const postbox::Stats& s, std::ostream& out) {
  const std::pair<std::string_view, std::uint64_t> states[] = {
      {"offered", s.offered},     {"accepted", s.accepted},
      {"disabled", s.disabled},   {"rejected", s.rejected},
      {"full", s.full},           {"closed", s.closed},
      {"delivered", s.delivered}, {"dead", s.dead},
      {"held", s.held},           {"waiting", s.waiting},
      {"in_flight", s.in_flight}, {"purged", s.purged},
      {"recovered", s.recovered}, {"duplicates", s.duplicates},
      {"retries", s.retries},     {"fired", s.fired},
      {"armed", s.armed}};
  out << "# HELP postbox_events_total Events by what became of them.\n"
         "# TYPE postbox_events_total untyped\n";
  for (const auto& [state, count] : states) {
    out << "postbox_events_total{state=\"" << state << "\"} " << count << '\n';
  }
}

void write_one(std::string_view name, std::string_view type, std::uint64_t value,
               std::ostream& out) {
  out << "# TYPE postbox_" << name << ' ' << type << "\npostbox_" << name << ' ' << value << '\n';
}

void write_work(const postbox::Stats& s, std::ostream& out) {
  write_one("requests_total", "counter", s.requests, out);
  write_one("rate_limited_total", "counter", s.rate_limited, out);
  write_one("parked_total", "counter", s.parked, out);
  write_one("stale_settles_total", "counter", s.stale_settles, out);
  write_one("outbox_failures_total", "counter", s.outbox_failures, out);
  write_one("sink_failures_total", "counter", s.sink_failures, out);
  write_one("stats_complete", "gauge", s.complete ? 1 : 0, out);
  write_one("conserved", "gauge", s.conserved() ? 1 : 0, out);
}

// What Stripe has delivered, by the names of stripe::Counts. `waiting` falls again, so no counter.
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

// `text` as the value of a label. The types are another's texts: a quote in one must not break the
// page.
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

void write_unhandled(const std::map<std::string, std::uint64_t>& unhandled, std::ostream& out) {
  out << "# HELP stripe_unhandled_webhooks_total Webhooks of which nothing is made, by type.\n"
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

std::string Metrics::to_prometheus(const postbox::Stats& stats, const stripe::Counts& webhooks,
                                   const std::map<std::string, std::uint64_t>& unhandled) const {
  std::ostringstream out;
  out.precision(9);
  write_events(stats, out);
  write_work(stats, out);
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
