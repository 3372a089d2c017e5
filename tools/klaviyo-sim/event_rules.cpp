#include "event_rules.hpp"

#include <algorithm>

#include "property_rules.hpp"
#include "rfc3339.hpp"
#include "size_limits.hpp"

namespace sim {
namespace {

// One answer need not name a thousand broken events.
constexpr std::size_t kMaxProblems = 100;

std::string read_metric_name(const FieldReader& attributes) {
  const FieldReader metric = attributes.object("metric", true);
  if (!metric.ok()) return {};
  const FieldReader data = metric.object("data", true);
  if (!data.ok()) return {};
  data.check_type("metric");
  const FieldReader metric_attributes = data.object("attributes", true);
  if (!metric_attributes.ok()) return {};
  metric_attributes.check_names({"name", "service"}, "metric");
  metric_attributes.text("service");
  const auto name = metric_attributes.text("name", true);
  if (!name) return {};
  if (name->empty()) {
    metric_attributes.note("name", "The metric name must not be empty.");
  } else if (count_characters(*name) >= kMetricNameCharsEnd) {
    metric_attributes.note("name", "The metric name must have fewer than 128 characters.");
  }
  return *name;
}

std::optional<std::chrono::sys_seconds> read_time(const FieldReader& attributes, TimePoint now) {
  using namespace std::chrono;
  const auto text = attributes.text("time");
  if (!text) return std::nullopt;
  const auto time = parse_date_time(*text);
  if (!time) {
    attributes.note("time", "'" + *text + "' is not a valid RFC 3339 date-time.");
    return std::nullopt;
  }
  constexpr sys_seconds kEarliest = sys_days(year(1990) / January / 1);
  if (*time < kEarliest || *time > floor<seconds>(now) + days(365)) {
    attributes.note("time", "The time must be after 1990 and at most one year ahead.");
    return std::nullopt;
  }
  return time;
}

void read_value(const FieldReader& attributes, EventInput& event) {
  const Json* value = attributes.find("value");
  if (value != nullptr) {
    if (value->is_number()) {
      event.value = value->get<double>();
      event.value_as_sent = *value;
    } else {
      attributes.note("value", "The value must be a number, not a string.");
    }
  }
  event.value_currency = attributes.text("value_currency");
  if (!event.value_currency) return;
  const std::string& code = *event.value_currency;
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (code.size() != 3 || !std::all_of(code.begin(), code.end(), is_upper)) {
    attributes.note("value_currency", "The value_currency must be an ISO 4217 code.");
  }
}

void read_unique_id(const FieldReader& attributes, EventInput& event) {
  event.unique_id = attributes.text("unique_id");
  if (!event.unique_id) return;
  const std::size_t characters = count_characters(*event.unique_id);
  if (characters < 1 || characters > kMaxUniqueIdChars) {
    attributes.note("unique_id", "The unique_id must have 1 to 255 characters.");
  }
}

// `resource` is {"type": "event", "attributes": {…}}, without the profile.
EventInput read_attributes(const FieldReader& attributes, TimePoint now,
                           std::vector<Problem>& problems) {
  EventInput event;
  event.pointer = attributes.pointer();
  event.metric = read_metric_name(attributes);
  event.time = read_time(attributes, now);
  read_value(attributes, event);
  read_unique_id(attributes, event);
  event.backfill = attributes.boolean("backfill").value_or(false);
  const FieldReader properties = attributes.object("properties", true);
  if (properties.ok()) {
    event.properties = *attributes.find("properties");
    check_event_properties(event.properties, properties.pointer(), problems);
  }
  return event;
}

ProfileInput read_profile_of(const FieldReader& attributes, ProfilePlace place,
                             std::vector<Problem>& problems) {
  const FieldReader profile = attributes.object("profile", true);
  return read_profile(profile.object("data", true), place, problems);
}

EventInput read_bulk_event(const Json& entry, const std::string& pointer, TimePoint now,
                           std::vector<Problem>& problems) {
  const FieldReader resource(&entry, pointer, problems);
  if (!resource.ok()) return {};
  resource.check_type("event");
  const FieldReader attributes = resource.object("attributes", true);
  if (!attributes.ok()) return {};
  attributes.check_names(
      {"properties", "metric", "time", "value", "value_currency", "unique_id", "backfill"},
      "event");
  return read_attributes(attributes, now, problems);
}

// The member `data` of `parent` when it is a list with something in it.
const Json* read_list(const FieldReader& parent) {
  const Json* list = parent.find("data", true);
  if (list == nullptr) return nullptr;
  if (!list->is_array() || list->empty()) {
    parent.note("data", "Must be a list that is not empty.");
    return nullptr;
  }
  return list;
}

EventGroup read_group(const Json& entry, const std::string& pointer, TimePoint now,
                      std::vector<Problem>& problems) {
  EventGroup group;
  const FieldReader resource(&entry, pointer, problems);
  if (!resource.ok()) return group;
  resource.check_type("event-bulk-create");
  const FieldReader attributes = resource.object("attributes", true);
  if (!attributes.ok()) return group;
  attributes.check_names({"backfill", "profile", "events"}, "event-bulk-create");
  group.profile = read_profile_of(attributes, ProfilePlace::kBulkEvent, problems);
  const bool backfill = attributes.boolean("backfill").value_or(false);
  const FieldReader events = attributes.object("events", true);
  const Json* list = read_list(events);
  if (list == nullptr) return group;
  for (std::size_t i = 0; i < list->size() && problems.size() < kMaxProblems; ++i) {
    const std::string place = join_pointer(events.pointer_to("data"), std::to_string(i));
    group.events.push_back(read_bulk_event((*list)[i], place, now, problems));
    group.events.back().backfill = group.events.back().backfill || backfill;
  }
  return group;
}

void check_event_count(const EventsInput& input, const FieldReader& entries,
                       std::vector<Problem>& problems) {
  std::size_t count = 0;
  for (const EventGroup& group : input.groups) {
    count += group.events.size();
  }
  if (count > kMaxBulkEvents) {
    problems.push_back(
        invalid(entries.pointer(), "A request must not have more than 1000 events."));
  }
}

}  // namespace

EventsInput read_event(const Json& body, TimePoint now) {
  EventsInput input;
  const FieldReader data = FieldReader(&body, "", input.problems).object("data", true);
  if (!data.ok()) return input;
  data.check_type("event");
  const FieldReader attributes = data.object("attributes", true);
  if (!attributes.ok()) return input;
  attributes.check_names({"properties", "metric", "profile", "time", "value", "value_currency",
                          "unique_id", "backfill"},
                         "event");
  EventGroup group;
  group.profile = read_profile_of(attributes, ProfilePlace::kEvent, input.problems);
  group.events.push_back(read_attributes(attributes, now, input.problems));
  input.groups.push_back(std::move(group));
  return input;
}

EventsInput read_bulk(const Json& body, TimePoint now) {
  EventsInput input;
  const FieldReader data = FieldReader(&body, "", input.problems).object("data", true);
  if (!data.ok()) return input;
  data.check_type("event-bulk-create-job");
  const FieldReader entries = data.object("attributes", true).object("events-bulk-create", true);
  const Json* list = read_list(entries);
  if (list == nullptr) return input;
  for (std::size_t i = 0; i < list->size() && input.problems.size() < kMaxProblems; ++i) {
    const std::string place = join_pointer(entries.pointer_to("data"), std::to_string(i));
    input.groups.push_back(read_group((*list)[i], place, now, input.problems));
  }
  check_event_count(input, entries, input.problems);
  return input;
}

}  // namespace sim
