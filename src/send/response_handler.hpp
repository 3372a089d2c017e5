// ResponseHandler decides by the destination's verdict what becomes of the events of a request that
// was answered, or failed: delivered, tried again, taken apart, put off, or buried.
//
// Place:     between the answers, which the Sender collects, and the Settler, which writes the
//            outcomes; what is taken apart goes back to the Loader.
// Threads:   one thread.
// Lifetime:  owned by the sender; its parts outlive it.
// Failure:   nothing is lost: each event is settled, given back, or put first in the loader.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/backoff.hpp"
#include "lane.hpp"
#include "loader.hpp"
#include "outage.hpp"
#include "send_gate.hpp"
#include "sender_parts.hpp"
#include "settler.hpp"

namespace postbox {

class ResponseHandler {
 public:
  // `gate` is closed when what is wrong concerns every lane.
  ResponseHandler(const ValidConfig& config, const SenderParts& parts, std::vector<SendLane>& lanes,
                  Loader& loader, Settler& settler, SendGate& gate)
      : config_(config),
        parts_(parts),
        lanes_(lanes),
        loader_(loader),
        settler_(settler),
        gate_(gate) {}

  // The request of `parcel` has ended.
  void ended(Parcel parcel, const HttpCompletion& completion, SteadyTime now);

  // It could not even start.
  void not_started(Parcel parcel, const Error& error, SteadyTime now);

  // The flag of the event's family has changed since it was claimed.
  void hold(const Parcel& parcel, const Piece& piece);

  // A request has started whose events were not tried before: the budget of retries grows.
  void started_first() noexcept { retry_budget_.earn(); }

  // Say in the log that events do not get through, or do again, when it is time.
  void report_outage(SteadyTime now);
  [[nodiscard]] SteadyTime next_report() const noexcept { return outage_.next(); }

 private:
  [[nodiscard]] Verdict verdict_on(const HttpCompletion& completion, const Parcel& parcel);
  void apply(const Verdict& verdict, Parcel parcel, SteadyTime now);
  void deliver(const Parcel& parcel, const Verdict& verdict, SteadyTime now);
  void split(Parcel parcel, const std::vector<std::size_t>& culprits);
  void retry_or_bury(const Parcel& parcel, const Verdict& verdict);
  void retry(const Parcel& parcel, const Piece& piece, const Verdict& verdict,
             std::chrono::milliseconds wait);
  void bury(const Parcel& parcel, const Piece& piece, const Verdict& verdict);
  void put_off(const Parcel& parcel, Verdict verdict, SteadyTime now);
  void count(const Parcel& parcel, const Piece& piece, EventOutcome outcome) noexcept;
  void log_outcome(const Piece& piece, const Verdict& verdict);
  void record_failure(const Parcel& parcel, const Verdict& verdict, SteadyTime now);
  [[nodiscard]] std::string waiting_text();

  const ValidConfig& config_;
  const SenderParts& parts_;
  std::vector<SendLane>& lanes_;
  Loader& loader_;
  Settler& settler_;
  SendGate& gate_;
  RetryBudget retry_budget_;
  Outage outage_;
  std::vector<const EventRecord*> records_;  // of the parcel that is judged
};

}  // namespace postbox
