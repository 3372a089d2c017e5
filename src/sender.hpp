// Sender delivers what the outbox holds: claim, request, verdict, settle.
//
// Place:     behind the outbox; speaks to the vendor through Destination and HttpClient.
// Threads:   one thread drives it; resume() and appended() may be called
//            from any thread.
// Lifetime:  as long as the tracker; drop_transfers() ends it.
// Failure:   every claimed event leaves with an outcome. An outcome that cannot be written is kept
//            and written later; should its lease have ended by then, the outbox ignores it and the
//            event is sent again with the same bytes, which the vendor recognises.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <postbox/clock.hpp>
#include <postbox/config.hpp>
#include <postbox/destination.hpp>
#include <postbox/flags.hpp>
#include <postbox/http_client.hpp>
#include <postbox/outbox.hpp>

#include "counters.hpp"
#include "logger.hpp"
#include "send_gate.hpp"

namespace postbox {

class Sender {
 public:
  struct Parts {
    Outbox& outbox;
    HttpClient& http;
    const Destination& destination;
    const FlagSet& flags;
    Counters& counters;
    Logger& logger;
    std::shared_ptr<const Clock> clock;
    std::shared_ptr<Random> random;
    std::string failure_prefix;
  };

  Sender(const ValidConfig& config, Parts parts);

  // Take in what has finished, settle it, start what may be started. Returns when to come back
  // unless a transfer finishes or wake() is called on the HttpClient before.
  SteadyTime run_once(SteadyTime now);

  // Wait for a transfer to finish, for HttpClient::wake(), or for `until`.
  void wait(SteadyTime now, SteadyTime until);

  // Settings have changed: look at the flags and held events again, and probe a parked destination.
  void resume() noexcept { resumed_.store(true); }

  // The outbox has new events. From any thread.
  void appended() noexcept { appended_.store(true); }

  // Start nothing new from now on.
  void stop_launching() noexcept { launching_ = false; }

  [[nodiscard]] bool has_transfers() const noexcept { return !in_flight_.empty(); }

  // Abort the transfers and give every event in hand back to the outbox, ready and unspent.
  void drop_transfers();

  // True when the last run_once() settled something.
  [[nodiscard]] bool settled() const noexcept { return settled_; }

 private:
  // Events that travel in one request.
  struct Parcel {
    ClaimToken token{};
    SteadyTime usable_until;  // the lease must outlive the request
    std::vector<ClaimedEvent> events;
  };

  void apply_resume();
  void collect(SteadyTime now);
  void judge(Parcel parcel, const HttpCompletion& completion, SteadyTime now);
  void split(Parcel parcel);
  void retry_or_bury(const Parcel& parcel, const Verdict& verdict);
  void put_off(const Parcel& parcel, Verdict verdict, SteadyTime now);
  void log_outcome(const ClaimedEvent& event, const Verdict& verdict);
  void finish(ClaimToken token, Outcome outcome);
  void release(const Parcel& parcel);
  void release_unstarted();
  [[nodiscard]] bool worth_a_settlement() const noexcept;
  void settle(SteadyTime now);
  void maintain(SteadyTime now);
  void launch(SteadyTime now);
  void claim(SteadyTime now);
  bool claim_queue(QueueId queue, SteadyTime now);
  void start(Parcel parcel, SteadyTime now);
  void admit(Parcel& parcel);
  [[nodiscard]] bool has_room(SteadyTime now) const;
  [[nodiscard]] SteadyTime next_wake(SteadyTime now) const;
  SteadyTime fail(SteadyTime now, const Error& error);

  // Constant after construction.
  const ValidConfig config_;
  const Parts parts_;

  // Only touched by the sender's thread.
  SendGate gate_;
  std::deque<Parcel> parcels_;  // claimed, not yet started
  std::unordered_map<TransferId, Parcel> in_flight_;
  std::map<ClaimToken, std::vector<Outcome>> outcomes_;
  std::size_t unsettled_ = 0;  // outcomes in all
  std::vector<HttpCompletion> finished_;
  SteadyTime outbox_retry_at_{};
  SteadyTime maintain_at_{};
  // Each settlement and claim is a write transaction, and an append waits while one runs: under
  // load, one of each serves what has gathered since the last. A full batch need not wait.
  SteadyTime outbox_free_at_{};
  bool outbox_turn_ = true;
  bool backlog_ = false;    // the last claim was a full one
  bool exhausted_ = false;  // nothing was ready at the last claim
  bool launching_ = true;
  bool settled_ = false;

  std::atomic<bool> resumed_{true};
  std::atomic<bool> appended_{false};
};

}  // namespace postbox
