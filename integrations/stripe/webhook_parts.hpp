// WebhookParts is what the stages of a webhook share; LiveCounts are its counters.
//
// Place:     inside the integration: owned by Reception, lent to BodyHandler and DeferredBodies.
// Threads:   each part says what it allows; the configuration is constant.
// Lifetime:  references: the parts outlive the stages.
// Failure:   none.
#pragma once

#include <atomic>
#include <cstdint>
#include <postbox/tracker.hpp>
#include <stripe/answer.hpp>
#include <stripe/config.hpp>
#include <stripe/live_settings.hpp>
#include <stripe/webhook_log.hpp>

namespace postbox {
class Worker;
}

namespace stripe {

// As Counts, counted by several threads.
struct LiveCounts {
  using Count = std::atomic<std::uint64_t>;

  Count received, refused, unusable, ignored, tracked, disabled, waited, failed;
  Count released, lost, incomplete;

  [[nodiscard]] Counts values(std::uint64_t waiting) const noexcept {
    return {received, refused, unusable, ignored, tracked,    disabled,
            waited,   failed,  released, lost,    incomplete, waiting};
  }
};

struct WebhookParts {
  const Config& config;  // with the store and the clock that were made
  const LiveSettings& settings;
  postbox::Tracker& tracker;
  WebhookLog& log;
  LiveCounts& counts;
  postbox::Worker& worker;  // runs DeferredBodies; to be woken when a body begins to wait
};

}  // namespace stripe
