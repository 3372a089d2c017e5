// Pacer is the RateGate of one server: it keeps a lane inside the vendor's windows.
//
// Place:     one per lane, inside the sender.
// Threads:   one thread.
// Lifetime:  owned by its lane.
// Failure:   none.
//
// The vendor counts requests in two fixed windows, per account and endpoint. Of each we use our
// share and no more:
//
//   burst   one second, whose start nobody tells: at most so many in any second, and a tenth of
//           them in any tenth, since the network may push together what was apart.
//   steady  one minute, whose end the answers reveal (RateLimit-Reset). Until the first answer: at
//           most so many in any minute.
//
// The answers also reveal who else uses the account: what is gone from RateLimit-Remaining and was
// not ours. Alone, we use up a window as fast as the burst allows and wait for the next. In company
// we leave the others what they use and spread the rest evenly over the window, so that they find
// room in each second, too.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <postbox/clock.hpp>
#include <postbox/destination.hpp>
#include <postbox/rate_gate.hpp>

namespace postbox {

// Alone, a window is used up at once; in company, evenly. A fixed window that is used up in its
// first seconds drains a middling backlog soonest, and others lose nothing when there are none.
//
// The part that we leave to others is measured, never asked for: the limit, less what remains, less
// ours. When their rate says that nothing is left, half of the remaining window later one request
// looks again.
class Pacer final : public RateGate {
 public:
  Pacer(const Lane& lane, std::shared_ptr<Random> random)
      : lane_(lane),
        random_(std::move(random)),
        limit_(lane.steady.requests),
        phase_(static_cast<std::int64_t>(random_->next() % 1000)) {}

  void set_share(std::uint32_t per_mille) noexcept override { share_ = per_mille; }
  [[nodiscard]] SteadyTime next(SteadyTime now, Pace pace) override;
  [[nodiscard]] std::size_t capacity(SteadyTime now, std::chrono::milliseconds span) override;
  void started(SteadyTime now) override;
  void ended(SteadyTime start, SteadyTime now, const std::optional<RateHint>& hint) override;

  // Somebody else is there, or the limit is lower than it was. Whoever else was refused was told
  // the same time to come back: we come later.
  void refused(SteadyTime now, std::chrono::milliseconds retry_after) override;
  [[nodiscard]] RateUse use(SteadyTime now) const override;

 private:
  // The end of the server's present window lies between these two.
  struct End {
    SteadyTime earliest;
    SteadyTime latest;
  };

  [[nodiscard]] bool is_unlimited() const noexcept;
  [[nodiscard]] bool is_sliver() const noexcept;
  [[nodiscard]] std::int64_t allowance() const noexcept;
  [[nodiscard]] std::int64_t burst() const noexcept;
  [[nodiscard]] std::int64_t left(SteadyTime now) const;
  [[nodiscard]] std::int64_t started_since(SteadyTime time) const;
  [[nodiscard]] SteadyTime nth_last_start(std::int64_t n) const;
  [[nodiscard]] bool in_company() const noexcept { return foreign_ > 0 || company_windows_ > 0; }
  [[nodiscard]] double foreign_rate() const;
  [[nodiscard]] SteadyTime next_chance() const;
  [[nodiscard]] SteadyTime next_even_start(std::int64_t free) const;
  void roll(SteadyTime now);
  void begin_window(End end, SteadyTime now);
  void align(End seen, SteadyTime now);
  [[nodiscard]] static std::optional<End> overlap(End a, End b);

  Lane lane_;
  std::shared_ptr<Random> random_;
  std::uint32_t share_ = 1000;
  std::int64_t limit_;  // of the steady window: documented, or what the answers say

  std::int64_t phase_;  // thousandths of a part, before a window's first request
  std::optional<SteadyTime> first_asked_{};
  std::deque<SteadyTime> starts_;  // of the last requests, as many as the rules look back
  std::int64_t unanswered_ = 0;

  // The present steady window, once an answer has revealed it.
  std::optional<End> end_;
  std::int64_t ours_ = 0;       // started in it
  std::int64_t blurred_ = 0;    // ours near its start: the server may count them in either window
  std::int64_t remaining_ = 0;  // the least that an answer named
  SteadyTime remaining_at_{};   // and when
  std::int64_t foreign_ = 0;    // requests of others

  double known_foreign_rate_ = 0;  // per second, from earlier windows
  SteadyTime not_before_{};
  int company_windows_ = 0;  // for so many windows more we assume others
};

}  // namespace postbox
