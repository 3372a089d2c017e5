// The rules for the two endpoints that take events.
//
// Place:     called by the simulator with the parsed body, before any lock.
// Threads:   pure functions.
// Failure:   every broken rule is a Problem with the pointer that Klaviyo would give; with
//            problems the events must not be used.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "profile_rules.hpp"

namespace sim {

struct EventInput {
  std::string metric;
  Json properties = Json::object();
  std::optional<std::chrono::sys_seconds> time;
  std::optional<double> value;
  Json value_as_sent;  // keeps 10 and 10.0 apart
  std::optional<std::string> value_currency;
  std::optional<std::string> unique_id;
  bool backfill = false;
  std::string pointer;  // to its attributes
};

// The events of one profile.
struct EventGroup {
  ProfileInput profile;
  std::vector<EventInput> events;
};

struct EventsInput {
  std::vector<EventGroup> groups;
  std::vector<Problem> problems;
};

using TimePoint = std::chrono::system_clock::time_point;

// POST /api/events
EventsInput read_event(const Json& body, TimePoint now);

// POST /api/event-bulk-create-jobs
EventsInput read_bulk(const Json& body, TimePoint now);

}  // namespace sim
