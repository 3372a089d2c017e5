// SharedRateGate is the RateGate of servers that share an account: it starts what the database has
// granted.
//
// Place:     one per lane, inside the sender.
// Threads:   one thread, the sender's.
// Lifetime:  owned by its lane; not longer than the outbox whose connection it uses.
// Failure:   while the database cannot be asked each server keeps to its part of the limits by
//            itself, and takes the others for strangers.
//
// A grant says how many requests may start within a second, and how many of them in any burst
// window: the servers' parts of the burst add up to the vendor's. So it takes one question for what
// starts in half a second. Nobody asks who has nothing to send. What a server has not used of a
// grant it gives back with its next question; what a dead one has not used ends with the window.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include <postbox/clock.hpp>
#include <postbox/destination.hpp>
#include <postbox/rate_gate.hpp>

#include "rate_ledger.hpp"

namespace postbox::postgres {

class SharedRateGate final : public RateGate {
 public:
  SharedRateGate(std::shared_ptr<RateLedger> ledger, const Lane& lane,
                 std::unique_ptr<RateGate> alone, std::shared_ptr<Random> random);

  void set_share(std::uint32_t per_mille) noexcept override { per_mille_ = per_mille; }
  [[nodiscard]] SteadyTime next(SteadyTime now, Pace pace) override;
  [[nodiscard]] std::size_t capacity(SteadyTime now, std::chrono::milliseconds span) override;
  void started(SteadyTime now) override;
  void ended(SteadyTime start, SteadyTime now, const std::optional<RateHint>& hint) override;
  [[nodiscard]] RateUse use(SteadyTime now) const override;
  void refused(SteadyTime now, std::chrono::milliseconds retry_after) override;

 private:
  [[nodiscard]] RateGate& alone();
  [[nodiscard]] std::int64_t limit() const noexcept;
  [[nodiscard]] std::int64_t burst() const noexcept;
  [[nodiscard]] std::int64_t allowance() const noexcept;
  [[nodiscard]] bool has_grant(SteadyTime now) const noexcept;
  [[nodiscard]] SteadyTime next_of_grant(Pace pace) const;
  [[nodiscard]] SteadyTime nth_last_start(std::int64_t n) const;
  [[nodiscard]] SteadyTime& again(Pace pace) noexcept;
  [[nodiscard]] std::optional<SteadyTime> window_end(SteadyTime now) const;
  void adapt_wish(SteadyTime now);
  [[nodiscard]] bool ask(RateQuestion question, Pace pace, SteadyTime now);
  void take_in(const RateGrant& grant, Pace pace);
  void see(const RateSeen& seen);

  // Constant after construction.
  const std::shared_ptr<RateLedger> ledger_;
  const Lane lane_;
  const std::shared_ptr<Random> random_;

  const std::unique_ptr<RateGate>
      alone_;  // hears of everything, and decides while the database cannot be asked
  std::uint32_t per_mille_ = 1000;
  std::deque<SteadyTime> starts_;  // within the last burst window
  std::optional<RateSeen> seen_;   // since the last question

  RateGrant grant_;          // the last
  std::int64_t unused_ = 0;  // of it; negative: started without
  std::int64_t wish_ = 0;    // the part of the burst to ask for
  SteadyTime again_fast_{};  // not to ask before
  SteadyTime again_even_{};
};

// What the gates of a server have in common.
struct SharedRate {
  std::shared_ptr<Store> store;
  std::string account;
  std::shared_ptr<Random> random;
};

[[nodiscard]] NewRateGate shared_rate_gates(SharedRate shared);

// The gates of one server that asks `ledger`.
[[nodiscard]] NewRateGate shared_rate_gates(std::shared_ptr<RateLedger> ledger,
                                            std::shared_ptr<Random> random);

}  // namespace postbox::postgres
