#include <stripe/fetch_schedule.hpp>

#include "base/backoff.hpp"

namespace stripe {

void FetchSchedule::put_off(Turn& turn, postbox::SteadyTime now) {
  using namespace std::chrono_literals;
  turn.at = now + 1ms + postbox::full_jitter(postbox::backoff_ceiling(++turn.failures), *random_);
}

}  // namespace stripe
