// SenderParts are the collaborators that the files of the sender's stage share.
//
// Place:     the files of src/send.
// Threads:   one thread.
// Lifetime:  references outlive the sender.
// Failure:   none.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <postbox/bytes.hpp>
#include <postbox/clock.hpp>
#include <postbox/config.hpp>
#include <postbox/destination.hpp>
#include <postbox/flag_set.hpp>
#include <postbox/http_client.hpp>
#include <postbox/outbox.hpp>
#include <postbox/rate_gate.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/counters.hpp"
#include "base/logger.hpp"
#include "base/metrics_table.hpp"
#include "base/queues.hpp"
#include "exemptions.hpp"
#include "undeliverable.hpp"

namespace postbox {

struct SenderParts {
  Outbox& outbox;
  HttpClient& http;
  const Destination& destination;
  const FlagSet& flags;
  const Exemptions& exemptions;
  Counters& counters;
  MetricsTable& metrics;
  Logger& logger;
  Undeliverable& undeliverable;
  std::shared_ptr<const Clock> clock;
  std::shared_ptr<Random> random;
  NewRateGate rate_gate;  // unset: a Pacer
  std::string failure_prefix;
  std::chrono::milliseconds settle_interval{};  // Config::settle_interval, as it applies
};

// A claimed event and the lease under which it is ours.
struct Piece {
  ClaimToken token{};
  ClaimedEvent event;
  SteadyTime claimed{};
};

// Events that travel in one request.
struct Parcel {
  std::size_t lane = 0;
  SteadyTime leased_until{};  // the lease must outlive the request
  SteadyTime started{};
  std::chrono::milliseconds allowed{};  // for the request, once it has started
  std::string cause{};                  // the kind of its answer, once it has ended
  std::vector<Piece> pieces{};

  [[nodiscard]] Bytes bytes() const noexcept {
    Bytes sum;
    for (const Piece& piece : pieces) sum.count += piece.event.record.payload.size();
    return sum;
  }
};

// The records of a parcel, as a Destination takes them: in `scratch`, until that changes.
inline std::span<const EventRecord* const> records_of(const Parcel& parcel,
                                                      std::vector<const EventRecord*>& scratch) {
  scratch.clear();
  for (const Piece& piece : parcel.pieces) scratch.push_back(&piece.event.record);
  return scratch;
}

// When the outbox may be used. An append waits while a settlement (a write transaction) or a claim
// runs: under load, one of each serves what has gathered since the last.
class OutboxTurn {
 public:
  // Under load the sender settles once in twenty milliseconds, for each settlement is a write
  // transaction that an append may have to wait for.
  static constexpr std::chrono::milliseconds kRhythm{20};
  static constexpr std::chrono::milliseconds kAfterFailure{1'000};

  // At the beginning of a step: what is due now stays due to its end.
  void begin_step(SteadyTime now) noexcept { due_ = now >= free_at_; }

  [[nodiscard]] bool is_due() const noexcept { return due_; }
  [[nodiscard]] bool works(SteadyTime now) const noexcept { return now >= retry_at_; }
  [[nodiscard]] SteadyTime next() const noexcept { return std::max(free_at_, retry_at_); }
  [[nodiscard]] SteadyTime retry_at() const noexcept { return retry_at_; }

  void used(SteadyTime now) noexcept { free_at_ = now + kRhythm; }
  void failed(SteadyTime now) noexcept { retry_at_ = now + kAfterFailure; }
  void try_again() noexcept { retry_at_ = {}; }

 private:
  SteadyTime free_at_{};
  SteadyTime retry_at_{};
  bool due_ = true;
};

// Counts and logs a failed call of the outbox, which is then left alone for a while.
inline void report_outbox_failure(const SenderParts& parts, OutboxTurn& turn, SteadyTime now,
                                  const Error& error) {
  add<&Stats::outbox_failures>(parts.counters, 1);
  parts.logger.log(LogLevel::kError, parts.failure_prefix + ": " + error.message);
  turn.failed(now);
}

}  // namespace postbox
