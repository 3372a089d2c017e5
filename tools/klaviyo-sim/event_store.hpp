// EventStore keeps the account's metrics and events, and drops duplicates.
//
// Place:     in Account.
// Threads:   guarded by the simulator's mutex.
// Lifetime:  a reference to an event or a metric stays valid until clear().
// Failure:   none; a duplicate is a returned false.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "event_rules.hpp"
#include "paging.hpp"

namespace sim {

struct Metric {
  std::string id;
  std::string name;
  std::chrono::sys_seconds created;
  std::chrono::sys_seconds updated;
  bool has_value = false;  // an event of this metric once had a value
};

struct Event {
  std::string id;
  std::string uuid;
  std::size_t profile = 0;
  std::size_t metric = 0;
  std::chrono::sys_seconds time;
  Json properties;  // as GET /api/events shows them
  bool backfill = false;
};

class EventStore {
 public:
  // False when an event with the same key is here already; then nothing changes. The key is
  // (profile, metric, unique_id), or (profile, metric, second) without a unique_id.
  bool record(std::size_t profile, const EventInput& input, std::chrono::sys_seconds now);

  const Event& event(std::size_t index) const { return events_[index]; }
  const Metric& metric(std::size_t index) const { return metrics_[index]; }
  const Order& by_time() const { return by_time_; }
  const Order& metrics_by_creation() const { return metrics_by_creation_; }
  void clear();

 private:
  std::size_t find_or_create_metric(const std::string& name, std::chrono::sys_seconds now);
  Json shown_properties(const EventInput& input, Metric& metric) const;

  std::deque<Event> events_;
  std::deque<Metric> metrics_;
  std::unordered_map<std::string, std::size_t> metric_by_name_;
  std::unordered_set<std::string> keys_;
  Order by_time_;
  Order metrics_by_creation_;
};

}  // namespace sim
