#include <stripe/fetch_schedule.hpp>

#include "base/backoff.hpp"

namespace stripe {

void FetchSchedule::delay(Retry& retry, postbox::SteadyTime now) {
  using namespace std::chrono_literals;
  retry.at = now + 1ms + postbox::full_jitter(postbox::backoff_ceiling(++retry.failures), *random_);
}

}  // namespace stripe
