// Settler collects what became of claimed events and tells the outbox, many at a time.
//
// Place:     inside the sender, on the way back: the only arrow against the flow.
// Threads:   one thread.
// Lifetime:  owned by the sender.
// Failure:   what the outbox does not take stays here and is offered again.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <postbox/clock.hpp>
#include <postbox/outbox.hpp>
#include <vector>

#include "sender_parts.hpp"

namespace postbox {

class Settler {
 public:
  Settler(const SenderParts& parts, OutboxTurn& turn) : parts_(parts), turn_(turn) {}

  // Told to the outbox by the time `settle_by`: at once unless nothing depends on it.
  void finish(ClaimToken token, Outcome outcome, SteadyTime settle_by = {});

  // What is here has become due at once.
  void hurry() noexcept {
    if (!outcomes_.empty()) settle_by_ = {};
  }

  // Give events back: ready, and no attempt spent.
  void release(const Parcel& parcel);
  void release(ClaimToken token, EventHandle handle);

  // The flags have changed: what was to be held back, and is not written yet, is given back, so
  // that it is not held after the release of what was.
  void reconsider_holds();

  // The result of a run.
  struct Settlement {
    bool any = false;            // something was settled
    bool ready_again = false;    // events became claimable
    SteadyTime delayed_until{};  // the earliest time at which one that must wait is due
  };

  // Why to offer the outbox everything.
  enum class Reason : std::uint8_t {
    kTurn,   // it is due, and the outbox's turn
    kQuiet,  // it is due, and nothing will be added soon
    kLast,   // nothing will be added at all
  };

  // Offer the outbox everything when `reason` is one, or there is much.
  Settlement settle(SteadyTime now, Reason reason);

  // When settle() wants to be called, or SteadyTime::max().
  [[nodiscard]] SteadyTime next(SteadyTime now) const;

  // So many claims wait here that no more should be made: a flag holds everything back.
  [[nodiscard]] bool is_crowded() const noexcept;

 private:
  [[nodiscard]] bool is_full() const noexcept;
  [[nodiscard]] bool is_wanted(SteadyTime now, Reason reason) const noexcept;
  static void note(const Outcome& outcome, SteadyTime now, Settlement& settlement);

  const SenderParts& parts_;
  OutboxTurn& turn_;
  std::map<ClaimToken, std::vector<Outcome>> outcomes_;
  std::size_t count_ = 0;
  SteadyTime settle_by_ = SteadyTime::max();  // the earliest of all
};

}  // namespace postbox
