// Undeliverable tells the log and the host which events will not be delivered.
//
// Place:     beside the flow: callers leave here what track() has rejected, the sender what it has
//            buried.
// Threads:   rejected() from any thread; the others from the sender's, so that the host's function
//            is called by one thread.
// Lifetime:  as long as the tracker.
// Failure:   an exception of the host's function is caught and logged. Beyond 1,000 rejections that
//            wait they are counted, and the count logged.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <postbox/config.hpp>
#include <postbox/destination.hpp>
#include <postbox/event.hpp>

#include "base/logger.hpp"
#include "base/mutex.hpp"

namespace postbox {

class Undeliverable {
 public:
  using Callback = decltype(Config::on_undeliverable);

  Undeliverable(Callback callback, const Destination& destination, Logger& logger)
      : callback_(std::move(callback)), destination_(destination), logger_(logger) {}

  // Returns whether the sender's thread has to be woken for it.
  [[nodiscard]] bool rejected(const EventName& event,
                              const std::vector<Violation>& violations) noexcept;

  // Tell the host of an event that will not be delivered.
  void tell(std::string_view type, std::string_view key, std::string_view reason) noexcept;

  // Log what was rejected, a line for each kind, and tell the host.
  void report_rejected() noexcept;

 private:
  struct Rejected {
    std::string type;
    std::string log_name;
    std::string key;
    std::vector<Violation> violations;
  };

  void report(const Rejected& event);

  const Callback callback_;
  const Destination& destination_;
  Logger& logger_;

  Mutex mutex_;
  std::vector<Rejected> rejected_ POSTBOX_GUARDED_BY(mutex_);
  std::uint64_t beyond_ POSTBOX_GUARDED_BY(mutex_) = 0;
};

}  // namespace postbox
