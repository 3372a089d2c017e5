#include "event_store.hpp"

#include "ids.hpp"
#include "property_rules.hpp"

namespace sim {

bool EventStore::record(std::size_t profile, const EventInput& input,
                        std::chrono::sys_seconds now) {
  const std::chrono::sys_seconds time = input.time.value_or(now);
  const std::size_t metric = find_or_create_metric(input.metric, now);
  const std::string last = input.unique_id
                               ? "id:" + *input.unique_id
                               : "at:" + std::to_string(time.time_since_epoch().count());
  const std::string key = std::to_string(profile) + ':' + std::to_string(metric) + ':' + last;
  if (!keys_.insert(key).second) return false;

  const std::size_t index = events_.size();
  Event event;
  event.id = make_event_id(index + 1);
  event.uuid = make_uuid(index + 1);
  event.profile = profile;
  event.metric = metric;
  event.time = time;
  event.properties = shown_properties(input, metrics_[metric]);
  event.backfill = input.backfill;
  by_time_.emplace(PageKey{time.time_since_epoch().count(), index}, index);
  events_.push_back(std::move(event));
  return true;
}

std::size_t EventStore::find_or_create_metric(const std::string& name,
                                              std::chrono::sys_seconds now) {
  const std::size_t next = metrics_.size();
  const auto [entry, is_new] = metric_by_name_.emplace(name, next);
  if (is_new) {
    metrics_.push_back({make_metric_id(next + 1), name, now, now});
    metrics_by_creation_.emplace(PageKey{now.time_since_epoch().count(), next}, next);
  }
  return entry->second;
}

// Klaviyo has no own members for these three when it shows an event: they are listed among the
// properties under the names that its JavaScript API gives them, `$value`, `$currency_code` and
// `$event_id` (the unique_id). Once a metric had a value, an event without one shows 0.
Json EventStore::shown_properties(const EventInput& input, Metric& metric) const {
  Json shown = without_unset(input.properties);
  if (input.value) {
    metric.has_value = true;
    shown["$value"] = input.value_as_sent;
  } else if (metric.has_value) {
    shown["$value"] = 0;
  }
  if (input.value_currency) shown["$currency_code"] = *input.value_currency;
  if (input.unique_id) shown["$event_id"] = *input.unique_id;
  return shown;
}

void EventStore::clear() {
  events_.clear();
  metrics_.clear();
  metric_by_name_.clear();
  keys_.clear();
  by_time_.clear();
  metrics_by_creation_.clear();
}

}  // namespace sim
