// RateWindows counts requests in Klaviyo's two fixed windows, for each endpoint of the account.
//
// Place:     in Simulator, between the key and the other checks.
// Threads:   guarded by the simulator's mutex.
// Failure:   a refused request is a returned retry_after.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

namespace sim {

struct RateLimit {
  std::int64_t burst = 0;   // requests in a second
  std::int64_t steady = 0;  // requests in a minute
};

struct RateAnswer {
  // Set when the request is refused: whole seconds until the full window ends.
  std::optional<std::chrono::seconds> retry_after;
  // The steady window after this request.
  std::int64_t limit = 0;
  std::int64_t remaining = 0;
  std::chrono::seconds reset{0};
};

class RateWindows {
 public:
  // Counts one request. A refused request is not counted.
  RateAnswer take(const std::string& endpoint, RateLimit limit,
                  std::chrono::system_clock::time_point now);

  void clear() { windows_.clear(); }

 private:
  struct Window {
    std::int64_t index = -1;  // which second, or which minute, of the epoch
    std::int64_t used = 0;
  };
  struct Pair {
    Window burst;
    Window steady;
  };

  std::unordered_map<std::string, Pair> windows_;
};

}  // namespace sim
