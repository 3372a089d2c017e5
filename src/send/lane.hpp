// SendLane is an endpoint, and all that limits what is sent to it: what a request may carry, when
// the next may start, how many may be under way.
//
// Place:     one per Lane of the destination, inside the sender; asked by loader and sender.
// Threads:   one thread.
// Lifetime:  as long as the sender.
// Failure:   none.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <variant>

#include <postbox/clock.hpp>
#include <postbox/destination.hpp>
#include <postbox/http_client.hpp>
#include <postbox/rate_gate.hpp>

#include "batch_limit.hpp"
#include "send_gate.hpp"
#include "sender_parts.hpp"

#include "base/assert.hpp"

namespace postbox {

class SendLane {
 public:
  // Events that a single lane carries within this time need no bulk request, and a lane that is
  // closed for longer is no way to wait for.
  static constexpr std::chrono::milliseconds kSoon{3'000};

  enum class Room : std::uint8_t {
    kNone,   // it is closed, or waits for the answer to a probe
    kProbe,  // for one request
    kOpen,
  };

  SendLane(const Lane& lane, std::unique_ptr<RateGate> rate,
           std::chrono::milliseconds probe_interval)
      : limits_(lane), rate_(std::move(rate)), gate_(probe_interval), batch_(lane.max_bytes) {}

  // The most that one request may carry. One event may go whatever its size.
  [[nodiscard]] std::size_t most_events() const noexcept { return limits_.max_events; }
  [[nodiscard]] Bytes most_bytes() const noexcept {
    POSTBOX_ASSERT(batch_.limit() <= limits_.max_bytes);
    return std::min(limits_.max_bytes, batch_.limit());
  }

  [[nodiscard]] std::string_view name() const noexcept { return limits_.name; }

  // For people to look at.
  [[nodiscard]] LaneMetrics look(SteadyTime now) const {
    const auto closed_for = std::chrono::ceil<std::chrono::milliseconds>(opens_at() - now);
    return {.lane = std::string(limits_.name),
            .in_flight = in_flight_,
            .is_probing = gate_.is_probing(),
            .closed_for = std::max(closed_for, std::chrono::milliseconds{}),
            .most_bytes = static_cast<std::size_t>(most_bytes().count),
            .rate = rate_->use(now)};
  }

  [[nodiscard]] Room room(SteadyTime now) const noexcept {
    if (is_shut(now)) return Room::kNone;
    if (!gate_.is_probing()) return Room::kOpen;
    return in_flight_ == 0 ? Room::kProbe : Room::kNone;
  }

  // Closed, and not to open soon.
  [[nodiscard]] bool is_shut(SteadyTime now) const noexcept {
    return gate_.closed_until() > now + kSoon;
  }

  // The end of a pause; in the past when there is none.
  [[nodiscard]] SteadyTime opens_at() const noexcept { return gate_.closed_until(); }

  // How many requests may start soon.
  [[nodiscard]] std::size_t carried_soon(SteadyTime now) { return rate_->capacity(now, kSoon); }

  // When a request with so many events may start; SteadyTime::max() while it has to wait for one of
  // the at most `most` to end.
  [[nodiscard]] SteadyTime next_start(SteadyTime now, RateGate::Pace pace, std::size_t most) {
    if (opens_at() > now) return opens_at();
    if (in_flight_ >= std::min({gate_.width(now), limits_.max_in_flight, most})) {
      return SteadyTime::max();
    }
    return rate_->next(now, pace);
  }

  void set_share(std::uint32_t per_mille) noexcept { rate_->set_share(per_mille); }

  // The way of one request: it counts against the limits; it is under way; it no longer is; it was
  // answered, and the answer is judged thus.
  void started(SteadyTime now) { rate_->started(now); }
  void entered() noexcept {
    ++in_flight_;
    POSTBOX_ASSERT(in_flight_ <= limits_.max_in_flight);
  }
  void left() noexcept {
    POSTBOX_ASSERT(in_flight_ > 0);
    --in_flight_;
  }
  void all_left() noexcept { in_flight_ = 0; }
  void ended(const Parcel& parcel, const HttpCompletion& completion, const Verdict& verdict,
             SteadyTime now) {
    measure(parcel, completion, verdict, now);
    if (verdict.kind == VerdictKind::kPause) {
      rate_->refused(now, verdict.retry_after.value_or(std::chrono::milliseconds{}));
    } else {
      rate_->ended(parcel.started, now, verdict.rate);
    }
  }

  // The effect of answers on the requests that come after; see SendGate.
  void succeeded() noexcept { gate_.succeeded(); }
  void failed(bool is_foreign, SteadyTime now, Random& random) noexcept {
    is_foreign ? gate_.blocked(now, random) : gate_.failed(now, random);
  }
  std::chrono::milliseconds pause(SteadyTime now, std::chrono::milliseconds retry_after,
                                  Random& random) noexcept {
    return gate_.pause(now, retry_after, random);
  }
  void park(SteadyTime now) noexcept { gate_.park(now); }
  void unpark() noexcept { gate_.unpark(); }

 private:
  // Learns from a request how much one can carry.
  void measure(const Parcel& parcel, const HttpCompletion& completion, const Verdict& verdict,
               SteadyTime now) {
    constexpr int kTooLarge = 413;
    const auto* failure = std::get_if<TransportFailure>(&completion.outcome);
    const bool too_slow = failure != nullptr && failure->fault == TransportFault::kTimeout;
    if (too_slow || verdict.http_status == kTooLarge) return batch_.refused(parcel.bytes());
    if (failure == nullptr) batch_.answered(parcel.bytes(), now - parcel.started, parcel.allowed);
  }

  const Lane limits_;
  std::unique_ptr<RateGate> rate_;
  SendGate
      gate_;  // failures here, pauses that the vendor asks for (429), what is missing here alone
  BatchLimit batch_;
  std::size_t in_flight_ = 0;
};

}  // namespace postbox
