// Sender moves claimed events to the vendor: it starts requests while the lanes let it, and
// collects their answers.
//
// Place:     the last stage: outbox ─▶ loader ─▶ sender ─▶ Destination ─▶ HttpClient, and back.
// Threads:   run_once(), wait() and drop_transfers() from one thread at a time; resume() and
//            appended() from any thread. None waits for the network except wait().
// Lifetime:  owned by the tracker; its parts outlive it.
// Failure:   nothing is lost: what fails is retried, held, buried with a reason, or given back. An
//            exception ends a step; what that step had in its hands is claimed again when its lease
//            ends, and the rest goes on with the next.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "lane.hpp"
#include "loader.hpp"
#include "response_handler.hpp"
#include "send_gate.hpp"
#include "sender_parts.hpp"
#include "settler.hpp"

namespace postbox {

// How far a look at all held events has come.
struct ReleasePass {
  std::size_t family = 0;  // by its place among the destination's
  EventHandle after{std::numeric_limits<std::int64_t>::min()};
};

class Sender {
 public:
  Sender(const ValidConfig& config, SenderParts parts);
  Sender(const Sender&) = delete;  // its parts refer to each other
  Sender& operator=(const Sender&) = delete;

  // Take in what has finished, settle it, start what may be started. Returns when to come back
  // unless a transfer finishes or wake() is called on the HttpClient before.
  SteadyTime run_once(SteadyTime now);

  // Settings have changed: look at the flags and held events again, and probe a parked destination.
  void resume() noexcept { resumed_.store(true); }

  // The outbox has new events in these queues, or when `timed`, new times to wake for. From any
  // thread.
  void appended(Queues queues = Queues::any(), bool timed = false) noexcept {
    if (timed) timed_.store(true);
    appended_.fetch_or(queues.bits);
  }

  // While one exists somebody waits for what was delivered to be settled. From any thread; whoever
  // makes one calls wake() on the HttpClient.
  class Hurry {
   public:
    explicit Hurry(Sender& sender) : sender_(sender) { ++sender_.in_hurry_; }
    Hurry(const Hurry&) = delete;
    Hurry& operator=(const Hurry&) = delete;
    ~Hurry() { --sender_.in_hurry_; }

   private:
    Sender& sender_;
  };

  // Start nothing new from now on.
  void stop_launching() noexcept { launching_ = false; }

  [[nodiscard]] bool has_transfers() const noexcept { return !in_flight_.empty(); }

  // Abort the transfers and give every event in hand back to the outbox, ready and unspent.
  void drop_transfers();

  // True when the last run_once() settled something.
  [[nodiscard]] bool settled() const noexcept { return settled_; }

 private:
  void apply_resume();
  void release_held(SteadyTime now);
  void take_finished();
  void collect(SteadyTime now);
  void publish_lanes(SteadyTime now);
  void settle(SteadyTime now);
  void maintain(SteadyTime now);
  void launch(SteadyTime now);
  bool launch_one(std::size_t lane, SteadyTime now);
  void start(Parcel parcel, SteadyTime now);
  [[nodiscard]] Result<TransferId> send(const Parcel& parcel);
  void admit(Parcel& parcel);
  [[nodiscard]] SteadyTime opens_at() const;
  [[nodiscard]] SteadyTime next_start(std::size_t lane, SteadyTime now);
  [[nodiscard]] SteadyTime next_wake(SteadyTime now);

  // Constant after construction.
  const ValidConfig config_;
  const SenderParts parts_;

  // Only touched by the sender's thread.
  OutboxTurn turn_;
  std::vector<SendLane> lanes_;
  Loader loader_;
  Settler settler_;
  SendGate gate_;  // the parking that concerns every lane
  ResponseHandler responses_;
  std::unordered_map<TransferId, Parcel> in_flight_;
  std::vector<HttpCompletion> finished_;     // the last is the next
  std::vector<const EventRecord*> records_;  // of the parcel that starts
  std::optional<ReleasePass> releasing_;     // since the last resume()
  SteadyTime maintain_at_{};
  bool launching_ = true;
  bool settled_ = false;

  std::atomic<bool> resumed_{true};
  std::atomic<std::uint64_t> appended_{0};  // Queues
  std::atomic<bool> timed_{false};
  std::atomic<int> in_hurry_{0};
};

}  // namespace postbox
