// ServerMetrics is what only the process that sends knows: how long things take, what is left of
// the quota, what failed. It is read from the server's GET /metrics, which postbox::prometheus
// makes.
#pragma once

#include <iosfwd>
#include <optional>
#include <postbox/result.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "output.hpp"

namespace postbox::cli {

// Times that something took, since the server's start.
struct Latency {
  struct Bucket {
    double up_to = 0;   // seconds; the last one is infinite
    double values = 0;  // that took so long at the most
  };
  std::string name;  // "track()", "to disk", "to delivery"
  std::vector<Bucket> buckets;

  [[nodiscard]] double count() const { return buckets.empty() ? 0 : buckets.back().values; }

  // The part that was added since `before`: the whole of it when the server has started anew
  // meanwhile.
  [[nodiscard]] Latency since(const Latency& before) const;

  // In seconds, between two bounds in proportion; nothing when there is no value. What is beyond
  // the last bound is that bound.
  [[nodiscard]] std::optional<double> quantile(double q) const;
};

// The rate limit of an endpoint, and its pauses.
struct LaneUse {
  std::string lane;
  double window_limit = 0;  // requests of ours in Klaviyo's window
  double window_left = 0;
  double closed_seconds = 0;  // for how long nothing is sent there; 0: open
  double in_flight = 0;
};

// Failures at Klaviyo of a kind, since the server's start.
struct Trouble {
  std::string outcome;  // "dead", "retried", "put_off"
  std::string family;
  std::string type;  // "Placed Order"
  std::string lane;
  std::string cause;  // "HTTP 503", "timeout"
  double events = 0;
};

struct ServerMetrics {
  std::vector<Latency> latencies;
  std::vector<LaneUse> lanes;
  std::vector<Trouble> troubles;  // most events first
};

// Fails with what parse_prometheus() says, and when `text` has none of Postbox's metrics.
[[nodiscard]] Result<ServerMetrics> server_metrics_of(std::string_view text);

// The latencies are those since `before`; null: since the server's start.
[[nodiscard]] Json json_of(const ServerMetrics& metrics, const ServerMetrics* before);
void write(const ServerMetrics& metrics, const ServerMetrics* before, std::ostream& out);

}  // namespace postbox::cli
