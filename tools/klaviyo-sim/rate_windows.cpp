#include "rate_windows.hpp"

namespace sim {
namespace {

// Windows begin at whole seconds and minutes of the clock.
template <typename Window>
void roll(Window& window, std::int64_t index) {
  if (window.index == index) return;
  window.index = index;
  window.used = 0;
}

}  // namespace

RateAnswer RateWindows::take(const std::string& endpoint, RateLimit limit,
                             std::chrono::system_clock::time_point now) {
  using namespace std::chrono;
  const seconds elapsed = floor<seconds>(now.time_since_epoch());
  const minutes minute = floor<minutes>(elapsed);
  Pair& pair = windows_[endpoint];
  roll(pair.burst, elapsed.count());
  roll(pair.steady, minute.count());

  RateAnswer answer;
  answer.limit = limit.steady;
  answer.reset = minute + minutes(1) - elapsed;
  if (pair.steady.used >= limit.steady) {
    answer.retry_after = answer.reset;
  } else if (pair.burst.used >= limit.burst) {
    answer.retry_after = seconds(1);
  } else {
    ++pair.burst.used;
    ++pair.steady.used;
  }
  answer.remaining = limit.steady - pair.steady.used;
  return answer;
}

}  // namespace sim
