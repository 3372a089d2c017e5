// BatchLimit learns how many bytes one request of a lane can carry in the time that it has.
//
// Place:     one per lane, inside the sender.
// Threads:   one thread.
// Lifetime:  a plain value.
// Failure:   none.
//
// A constant is right for one link only: on an uplink of 2 Mbit/s four requests of a megabyte never
// end within 15 seconds, and the vendor takes their events again and again. So a request that ran
// out of time halves the limit, and one that was quick doubles it, up to what the vendor takes.
#pragma once

#include <algorithm>
#include <chrono>

#include <postbox/bytes.hpp>

#include "base/assert.hpp"

namespace postbox {

// The slowest link on which a request is given the time to end. Slower ones end it, and shrink it.
inline constexpr Bytes kSlowestLinkPerSecond = kibibytes(64);

// How much a request carries, and how long it may take, follows the link. One that ran out of time
// halves the limit of its lane, one that was quick doubles it; each has 15
// seconds and a second for every 64 KiB. With constants, four requests of a megabyte on 2 Mbit/s
// never ended, and the vendor took the same events seven times.
class BatchLimit {
 public:
  explicit BatchLimit(Bytes most) : most_(most), limit_(most) {}

  [[nodiscard]] Bytes limit() const noexcept { return limit_; }

  // A request with `sent` bytes was answered after `took` of the time that it was allowed.
  void answered(Bytes sent, std::chrono::nanoseconds took, std::chrono::nanoseconds allowed) {
    POSTBOX_ASSERT(least() <= limit_ && limit_ <= most_);
    if (took <= allowed / 4) {
      limit_ = std::clamp(Bytes{sent.count * 2}, limit_, most_);
    } else if (took > allowed / 2) {
      limit_ = std::clamp(sent, least(), limit_);
    }
  }

  // It ran out of time, or the answer says that it is too large (413).
  void refused(Bytes sent) {
    POSTBOX_ASSERT(least() <= limit_ && limit_ <= most_);
    limit_ = std::clamp(Bytes{sent.count / 2}, least(), limit_);
  }

 private:
  // Smaller requests gain nothing: an event of a kilobyte alone has more around it.
  [[nodiscard]] Bytes least() const noexcept { return std::min(most_, kibibytes(16)); }

  Bytes most_;
  Bytes limit_;
};

// How long a request with so many bytes may take: what an empty one may, and its way over the
// slowest link, but not beyond `most`.
[[nodiscard]] inline std::chrono::milliseconds time_allowed(Bytes bytes,
                                                            std::chrono::milliseconds empty,
                                                            std::chrono::milliseconds most) {
  const std::chrono::milliseconds on_the_way(
      static_cast<std::int64_t>(bytes.count * 1'000 / kSlowestLinkPerSecond.count));
  return std::max(empty, std::min(empty + on_the_way, most));
}

}  // namespace postbox
