// FaultQueue holds the scripted faults and hands them to the requests that they match.
//
// Place:     in Simulator, before every check of a request under /api.
// Threads:   guarded by the simulator's mutex.
// Failure:   a bad script is a returned reason, and the queue stays as it was.
//
// The format of a script is in README.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "json_api.hpp"

namespace sim {

struct Fault {
  std::string method;         // "" matches any
  std::string path = "/api";  // a prefix
  std::int64_t times = 1;     // how often it is still to happen; -1: without end
  double probability = 1.0;

  std::optional<int> status;
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<std::string> body;
  bool html = false;
  std::optional<std::string> retry_after;
  std::chrono::milliseconds delay{0};
  bool reset = false;
  bool truncate = false;
  bool after = false;

  Json script;  // as it was read

  // Whether the request is never really handled.
  bool replaces_handling() const { return !after && (status.has_value() || reset); }
};

class FaultQueue {
 public:
  // Replaces the queue. Returns why the script is bad, or nothing.
  std::optional<std::string> load(const Json& script);

  // The first fault that matches; it has happened once more.
  std::optional<Fault> take(const std::string& method, const std::string& path);

  // A script with the faults that are still to happen.
  Json left() const;

  void clear() { faults_.clear(); }

 private:
  bool draw(double probability);

  std::vector<Fault> faults_;
  std::mt19937_64 random_;
};

// What `fault` makes of `handled`, the request's real answer (or an empty one).
Response apply_fault(const Fault& fault, Response handled);

}  // namespace sim
