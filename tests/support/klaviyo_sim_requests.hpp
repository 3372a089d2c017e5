// Requests and bodies for the tests of the local Klaviyo.
#pragma once

#include <chrono>
#include <string>
#include <utility>

#include "json_api.hpp"
#include "message.hpp"

namespace sim {

inline const std::chrono::sys_seconds kNow =
    std::chrono::sys_days(std::chrono::year(2026) / std::chrono::November / 22) +
    std::chrono::hours(10);

inline Json metric(const Json& name) {
  return {{"data", {{"type", "metric"}, {"attributes", {{"name", name}}}}}};
}

inline Json profile(Json attributes) {
  return {{"data", {{"type", "profile"}, {"attributes", std::move(attributes)}}}};
}

inline Json event_attributes() {
  return {{"properties", Json::object()},
          {"metric", metric("Placed Order")},
          {"profile", profile({{"email", "jane@shop.fr"}})}};
}

inline Json event(const Json& attributes) {
  return {{"data", {{"type", "event"}, {"attributes", attributes}}}};
}

inline Json event_with(const char* name, const Json& value) {
  Json attributes = event_attributes();
  attributes[name] = value;
  return event(attributes);
}

inline Json bulk_event(const std::string& unique_id) {
  return {{"type", "event"},
          {"attributes",
           {{"properties", Json::object()},
            {"metric", metric("Placed Order")},
            {"unique_id", unique_id}}}};
}

inline Json bulk_group(const Json& profile_attributes, Json events) {
  return {{"type", "event-bulk-create"},
          {"attributes",
           {{"profile", profile(profile_attributes)}, {"events", {{"data", std::move(events)}}}}}};
}

inline Json bulk(Json groups) {
  return {{"data",
           {{"type", "event-bulk-create-job"},
            {"attributes", {{"events-bulk-create", {{"data", std::move(groups)}}}}}}}};
}

inline Request request_for(const char* method, const char* path, std::string body = "") {
  Request request;
  request.method = method;
  request.path = path;
  request.headers = {{"authorization", "Klaviyo-API-Key pk_test"},
                     {"revision", "2026-10-15"},
                     {"content-type", kJsonApiType}};
  request.body = std::move(body);
  return request;
}

}  // namespace sim
