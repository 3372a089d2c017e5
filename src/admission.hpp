// Admission decides what becomes of an event that a caller offers: switched off, rejected, refused
// for want of room, or in the intake queue.
//
// Place:     the first stage; calls the integration to encode, and ends at IntakeQueue.
// Threads:   every member may be called from several threads at once; no lock but the queue's.
// Lifetime:  as long as the pipeline.
// Failure:   every refusal is an answer and is counted; what an event throws is a rejection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include <postbox/config.hpp>
#include <postbox/event_view.hpp>
#include <postbox/flag_set.hpp>
#include <postbox/outbox.hpp>
#include <postbox/services.hpp>
#include <postbox/track_result.hpp>

#include "base/counters.hpp"
#include "base/metrics_table.hpp"
#include "base/notices.hpp"
#include "intake_queue.hpp"
#include "outbox_writer.hpp"
#include "send/undeliverable.hpp"

namespace postbox {

class Cipher;

// Its collaborators, all of the same pipeline.
struct AdmissionParts {
  const Config& config;
  const Integration& integration;
  const FlagSet& flags;
  const Clock& clock;
  Outbox& outbox;
  IntakeQueue& intake;
  OutboxWriter& writer;
  Counters& counters;
  MetricsTable& metrics;
  Notices& notices;
  Undeliverable& undeliverable;
  const Cipher& cipher;  // for what is handed over: the outbox has its own
  Doorbell& writers_bell;
  HttpClient& senders_wait;
};

class Admission {
 public:
  explicit Admission(const AdmissionParts& parts) : parts_(parts) {}

  // Sets `sequence`, by which IntakeQueue::wait_durable() knows the event, when it is accepted.
  TrackResult offer(const EventView& event, std::uint64_t& sequence) {
    return decide(event, {.sequence = &sequence});
  }

  // The same, but what would be queued is handed over, as it is to lie in the outbox. It is not
  // counted as offered and accepted: nobody knows yet whether it will be stored.
  TrackResult draft(const EventView& event, std::vector<EventRecord>& records) {
    return decide(event, {.records = &records});
  }

 private:
  // Where the records go: into the queue, which says a sequence, or to the caller.
  struct Way {
    std::uint64_t* sequence = nullptr;
    std::vector<EventRecord>* records = nullptr;
  };

  void count(QueueId queue, TrackStatus status, std::uint64_t events);
  TrackResult decide(const EventView& event, Way way);
  TrackResult take_in(const EventView& event, Way way);
  TrackResult accept(const EventView& event, EventBatch& batch, std::uint64_t& sequence);
  TrackResult hand_over(const EventView& event, EventBatch& batch,
                        std::vector<EventRecord>& records);
  TrackResult reject(const EventView& event, EventName name, std::vector<Violation> violations,
                     Way way);
  void keep_effects(const EventView& event, Way way);
  [[nodiscard]] std::vector<EventRecord> as_stored(EventBatch& batch) const;
  void report_changes(EventBatch& batch);
  [[nodiscard]] bool encode(const EventView& event, EventBatch& batch) const;
  [[nodiscard]] EventBatch new_batch() const;
  [[nodiscard]] std::optional<bool> is_included(Flag flag, const EventView& event) const;
  [[nodiscard]] IntakeQueue::Share share_of(EventBatch& batch) const;
  [[nodiscard]] bool is_disabled(const EventRecord& record) const;
  [[nodiscard]] std::optional<std::size_t> take_out_disabled(EventBatch& batch) const;

  const AdmissionParts parts_;
};

}  // namespace postbox
