// RateGate says when the next request of a lane may start, so that the vendor need not refuse it.
//
// Place:     one per lane, inside the sender. Postbox has one for a single server, which learns
// from
//            the answers who else uses the account; Services::rate_gate takes another, such as one
//            for servers that share a quota.
// Threads:   the sender's thread.
// Lifetime:  owned by the lane.
// Failure:   none: a gate that cannot ask anybody names a time. Members do not throw.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include <postbox/clock.hpp>
#include <postbox/destination.hpp>

namespace postbox {

// How much of a lane's steady window is used.
struct RateUse {
  std::uint32_t limit = 0;  // requests in the window that may be ours; zero: no limit
  std::uint32_t left = 0;   // of those
  std::chrono::milliseconds resets_in{0};  // until the window ends; zero when that is not known
};

class RateGate {
 public:
  enum class Pace : std::uint8_t {
    kFast,  // as soon as the limits allow
    kEven,  // not before the even share of the window
  };

  virtual ~RateGate() = default;

  // Use at most this share of the limits, in thousandths.
  virtual void set_share(std::uint32_t per_mille) noexcept = 0;

  // The time from which one more request may start: not after `now` when it may start at once.
  [[nodiscard]] virtual SteadyTime next(SteadyTime now, Pace pace) = 0;

  // How many requests may start within `span`, as far as is known now.
  [[nodiscard]] virtual std::size_t capacity(SteadyTime now, std::chrono::milliseconds span) = 0;

  virtual void started(SteadyTime now) = 0;

  // A request that began at `start` ended, with what its answer said about the window, if anything.
  virtual void ended(SteadyTime start, SteadyTime now, const std::optional<RateHint>& hint) = 0;

  // For people to look at. Defaults to nothing known.
  [[nodiscard]] virtual RateUse use(SteadyTime /*now*/) const { return {}; }

  // The vendor refused a request (429) in spite of all this, until `retry_after` has passed.
  virtual void refused(SteadyTime now, std::chrono::milliseconds retry_after) = 0;
};

// Makes the gate of the lane at that place among Destination::lanes().
using NewRateGate = std::function<std::unique_ptr<RateGate>(std::size_t place, const Lane& lane)>;

// Makes the gates of a server that shares nothing: the usual ones.
[[nodiscard]] NewRateGate single_server_rate_gate(std::shared_ptr<Random> random);

}  // namespace postbox
