// WebhookLog writes the lines of webhooks and knows their kinds: the engine's log writes one line
// of each kind in 30 seconds, with a count.
//
// Place:     inside the integration: between the webhook's stages and postbox::Logger.
// Threads:   every member may be called from several threads at once.
// Lifetime:  must not outlive the logger.
// Failure:   none; the logger catches what a sink throws.
#pragma once

#include <cstdint>
#include <postbox/log.hpp>
#include <string_view>

namespace postbox {
class Logger;
}

namespace stripe {

class WebhookLog {
 public:
  enum class Kind : std::uint8_t {
    kRefusal,    // strangers provoke it
    kStore,      // the fact store cannot be used
    kUntracked,  // an event is not kept
    kMended,
    kThin,  // an event cannot be fetched
  };

  explicit WebhookLog(postbox::Logger& logger) : logger_(logger) {}

  void write(postbox::LogLevel level, std::string_view line) noexcept;

  // "Stripe webhook: <what>".
  void write_kind(Kind kind, std::string_view what) noexcept;

 private:
  postbox::Logger& logger_;
};

}  // namespace stripe
