// Vendor records each event once, whatever is sent twice, and keeps each profile as the last update
// that came has left it.
//
// Place:     behind every Network of one World.
// Threads:   one.
// Lifetime:  one life; outlives the shops' processes.
// Failure:   what it saw that must not be is kept for World::problems().
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <postbox/clock.hpp>
#include <postbox/http_client.hpp>

#include "sky.hpp"

namespace postbox::simulation {

class Vendor {
 public:
  explicit Vendor(const Sky& sky) : sky_(sky) {}

  std::map<std::string, SteadyTime> recorded;  // each event, and when it came first
  std::map<std::string, std::size_t> takes;    // how often each was taken
  std::map<std::string, std::string> profiles;

  // Whether it objects to events that nothing is wrong with: a bug of its own, mended at the end.
  bool has_bugs = true;

  // How many requests there were, and which of them was the last with an event.
  struct Departure {
    std::size_t request = 0;
    SteadyTime at{};
  };
  std::size_t requests = 0;
  std::map<std::string, Departure> departed;

  // What is on its way here, what was so twice at once, and what was in a request that failed.
  std::multiset<std::string> travelling;
  std::set<std::string> in_flight_twice;
  std::set<std::string> touched;

  // A body is a line for each event: its text, and padding behind a bar.
  static std::vector<std::string> events_of(const std::string& body) {
    std::vector<std::string> events;
    for (std::size_t begin = 0; begin < body.size();) {
      const std::size_t end = body.find('\n', begin);
      events.push_back(body.substr(begin, std::min(end, body.find('|', begin)) - begin));
      begin = end + 1;
    }
    return events;
  }

  void depart(const std::string& body, SteadyTime now) {
    ++requests;
    for (const std::string& event : events_of(body)) {
      departed[event] = {requests, now};
      if (travelling.contains(event)) in_flight_twice.insert(event);
      travelling.insert(event);
    }
  }
  void end_of_journey(const std::string& body) {
    for (const std::string& event : events_of(body)) travelling.erase(travelling.find(event));
  }
  void failed(const std::string& body) {
    for (std::string& event : events_of(body)) touched.insert(std::move(event));
  }

  // Nothing: it never answers.
  std::optional<HttpResponse> take(std::size_t lane, const std::string& body, SteadyTime now) {
    if (sky_.edge) return page(*sky_.edge);
    const std::vector<std::string> events = events_of(body);
    if (has_bugs && any(events, Nature::kBlocked)) return page(403);
    switch (sky_.lanes.at(lane)) {
      case LaneFault::kUnavailable:
        return HttpResponse{.status = 503};
      case LaneFault::kGone:
        return own(404);
      case LaneFault::kMoved:
        return HttpResponse{.status = 301, .headers = {{"location", "http://elsewhere.invalid/"}}};
      case LaneFault::kSilent:
        return std::nullopt;
      default:
        break;
    }
    if (!sky_.key_works) return own(401);
    return judge(events, now);
  }

 private:
  static HttpResponse own(int status, std::string body = {}) {
    return {.status = status,
            .headers = {{"content-type", "application/vnd.api+json"}},
            .body = std::move(body)};
  }
  static HttpResponse page(int status) {
    return {.status = status, .headers = {{"content-type", "text/html"}}, .body = "<html>"};
  }
  static bool any(const std::vector<std::string>& events, Nature nature) {
    for (const std::string& event : events) {
      if (nature_of(event) == nature) return true;
    }
    return false;
  }

  std::optional<HttpResponse> judge(const std::vector<std::string>& events, SteadyTime now) {
    if (has_bugs && any(events, Nature::kHang)) return std::nullopt;
    if (has_bugs && any(events, Nature::kCrash)) return own(500);
    if (any(events, Nature::kLarge)) return own(413, kRefusal);
    std::string culprits = R"({"errors":[{"title":"bad","detail":"culprits:)";
    for (std::size_t place = 0; place < events.size(); ++place) {
      if (nature_of(events[place]) != Nature::kPointed) continue;
      culprits += " " + std::to_string(place);
    }
    if (any(events, Nature::kPointed)) return own(400, culprits + "\"}]}");
    if (any(events, Nature::kPoison)) return own(400, kRefusal);
    for (const std::string& event : events) record(event, now);
    return own(202);
  }

  void record(const std::string& event, SteadyTime now) {
    recorded.emplace(event, now);
    ++takes[event];
    // "profile 7 gold"
    if (!event.starts_with("profile ")) return;
    const std::size_t value = event.rfind(' ');
    profiles[event.substr(0, value)] = event.substr(value + 1);
  }

  static constexpr const char* kRefusal = R"({"errors":[{"title":"bad","detail":"some event"}]})";

  const Sky& sky_;
};

}  // namespace postbox::simulation
