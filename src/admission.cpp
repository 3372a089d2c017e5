#include "admission.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/cipher.hpp"
#include "base/per_thread.hpp"
#include "encrypted_outbox.hpp"

namespace postbox {
namespace {

// Empty when there is no memory even for this.
std::vector<Violation> cannot_encode() noexcept {
  try {
    return {{"event", "could not be encoded: out of memory, or an exception of the event's own"}};
  } catch (...) {
    return {};
  }
}

// "items[2].name" as "items[].name".
std::string without_places(std::string_view path) {
  std::string kept;
  bool inside = false;
  for (const char c : path) {
    if (c == ']') inside = false;
    if (!inside) kept += c;
    if (c == '[') inside = true;
  }
  return kept;
}

// Lends a batch the memory that the thread's last one had for its records.
class RecordMemory {
 public:
  explicit RecordMemory(EventBatch& batch) : batch_(batch) { batch.records().swap(of_thread()); }
  RecordMemory(const RecordMemory&) = delete;
  RecordMemory& operator=(const RecordMemory&) = delete;
  ~RecordMemory() {
    constexpr std::size_t kKept = 64;  // an order of sixty lines
    batch_.records().clear();
    if (batch_.records().capacity() <= kKept) batch_.records().swap(of_thread());
  }

 private:
  static std::vector<EventRecord>& of_thread() {
    return per_thread<std::vector<EventRecord>, RecordMemory>();
  }

  EventBatch& batch_;
};

}  // namespace

void Admission::count(QueueId queue, TrackStatus status, std::uint64_t events) {
  parts_.metrics.add_offered(queue, status, static_cast<std::int64_t>(events));
  add<&Stats::offered>(parts_.counters, events);
  switch (status) {
    case TrackStatus::kAccepted:
    case TrackStatus::kNotDurable:
      return add<&Stats::accepted>(parts_.counters, events);
    case TrackStatus::kDisabled:
      return add<&Stats::disabled>(parts_.counters, events);
    case TrackStatus::kRejected:
      return add<&Stats::rejected>(parts_.counters, events);
    case TrackStatus::kFull:
      return add<&Stats::full>(parts_.counters, events);
    case TrackStatus::kClosed:
      return add<&Stats::closed>(parts_.counters, events);
  }
}

EventBatch Admission::new_batch() const {
  const Integration& integration = parts_.integration;
  return EventBatch(parts_.clock.wall_now(), &integration.type_names, integration.context.get());
}

// Nothing when the event throws.
std::optional<bool> Admission::is_included(Flag flag, const EventView& event) const {
  if (flag.is_off()) return false;
  try {
    const EventBatch batch = new_batch();
    return flag.includes(event.profile_key(event.event, batch));
  } catch (...) {
    return std::nullopt;
  }
}

// By the queue, not the family: history has its family's flag, and none of its privileges.
IntakeQueue::Share Admission::share_of(EventBatch& batch) const {
  const bool first =
      !batch.records().empty() &&
      batch.records().front().queue == parts_.integration.destination->families().front().queue;
  return first ? IntakeQueue::Share::kAll : IntakeQueue::Share::kCommon;
}

// True when every record of the event is complete and storable.
bool Admission::encode(const EventView& event, EventBatch& batch) const {
  try {
    event.encode(event.event, batch);
    const auto& before_store = parts_.integration.before_store;
    if (before_store && batch.violations().empty()) before_store(batch);
    const auto most = parts_.outbox.caps().max_payload;
    std::uint64_t sum = 0;
    for (const EventRecord& record : batch.records()) {
      sum += footprint(record);
      if (record.payload.size() <= most.count) continue;
      batch.reject({"event", "takes " + std::to_string(record.payload.size()) +
                                 " bytes; the outbox accepts " + std::to_string(most.count)});
    }
    // It would be "full" whenever it is offered.
    const std::uint64_t cap =
        IntakeQueue::allowed(parts_.config.max_queued_bytes.count, share_of(batch));
    if (sum > cap) {
      batch.reject({"event", "takes " + std::to_string(sum) +
                                 " bytes of memory with all that comes of it; POSTBOX_MAX_MEMORY "
                                 "allows " +
                                 std::to_string(cap)});
    }
  } catch (...) {
    return false;
  }
  return batch.violations().empty();
}

// An event's effects on others, which count although the event itself is not kept: its family is
// off, it breaks a rule, or there is no room. Whoever has bought gets no reminder.
void Admission::keep_effects(const EventView& event, Way way) {
  if (event.encode_disabled == nullptr) return;
  try {
    EventBatch batch = new_batch();
    event.encode_disabled(event.event, batch);
    if (way.records != nullptr) {
      *way.records = as_stored(batch);
      return;
    }
    (void)parts_.intake.push(batch.records(), batch.now(), IntakeQueue::Share::kEffects);
  } catch (...) {
    // Without memory for it, nothing of it is known.
  }
}

std::vector<EventRecord> Admission::as_stored(EventBatch& batch) const {
  if (parts_.cipher.seals()) {
    for (EventRecord& record : batch.records()) record = sealed(record, parts_.cipher);
  }
  return std::move(batch.records());
}

TrackResult Admission::decide(const EventView& event, Way way) {
  const auto disable = [&] {
    count(event.family->queue, TrackStatus::kDisabled, event.size(event.event));
    return TrackResult(TrackStatus::kDisabled);
  };
  const Flag flag = parts_.flags.get(event.family->queue);
  if (!parts_.integration.destination->ready()) return disable();
  if (!flag.is_on()) {
    const auto included = is_included(flag, event);
    if (!included) {
      count(event.family->queue, TrackStatus::kRejected, event.size(event.event));
      return reject(event, {}, {}, way);
    }
    if (!*included) {
      keep_effects(event, way);
      return disable();
    }
  }
  const SteadyTime start = parts_.clock.now();
  TrackResult result = take_in(event, way);
  const auto took = std::chrono::ceil<std::chrono::microseconds>(parts_.clock.now() - start);
  parts_.metrics.in_call.add(took, 1);
  return result;
}

// The family is on for the event's profile.
TrackResult Admission::take_in(const EventView& event, Way way) {
  EventBatch batch = new_batch();
  const RecordMemory memory(batch);
  const auto disabled =
      encode(event, batch) ? take_out_disabled(batch) : std::optional<std::size_t>();
  if (!disabled) {
    count(event.family->queue, TrackStatus::kRejected, event.size(event.event));
    return reject(event, batch.name(), std::move(batch.violations()), way);
  }
  count(event.family->queue, TrackStatus::kDisabled, *disabled);
  const bool is_all = *disabled > 0 && std::ranges::none_of(batch.records(), has_event);
  TrackResult result = way.records != nullptr ? hand_over(event, batch, *way.records)
                                              : accept(event, batch, *way.sequence);
  const bool is_open = result.status() != TrackStatus::kClosed;
  return is_all && is_open ? TrackResult(TrackStatus::kDisabled) : result;
}

TrackResult Admission::reject(const EventView& event, EventName name,
                              std::vector<Violation> violations, Way way) {
  keep_effects(event, way);
  if (violations.empty()) violations = cannot_encode();
  if (name.log_name.empty()) name.log_name = event.family->name;
  if (parts_.undeliverable.rejected(name, violations)) parts_.senders_wait.wake();
  return TrackResult(TrackStatus::kRejected, std::move(violations));
}

bool Admission::is_disabled(const EventRecord& record) const {
  const std::string type = parts_.integration.destination->type_of(record);
  return std::ranges::find(parts_.integration.disabled_types, type) !=
         parts_.integration.disabled_types.end();
}

// Takes the events whose types are switched off out of the batch; what they say of others stays.
// Returns how many; nothing without memory for it.
std::optional<std::size_t> Admission::take_out_disabled(EventBatch& batch) const {
  std::size_t taken = 0;
  if (parts_.integration.disabled_types.empty()) return taken;
  try {
    for (EventRecord& record : batch.records()) {
      if (!has_event(record)) continue;
      if (record.timing && record.timing->timer && is_disabled(record.timing->timer->event)) {
        Timing without = *record.timing;
        without.timer.reset();
        record.timing = std::make_shared<const Timing>(std::move(without));
      }
      if (!is_disabled(record)) continue;
      ++taken;
      Timing timing = record.timing ? *record.timing : Timing{};
      timing.effects_only = true;
      EventRecord effects;
      effects.queue = record.queue;
      effects.timing = std::make_shared<const Timing>(std::move(timing));
      record = std::move(effects);
    }
  } catch (...) {
    return std::nullopt;
  }
  return taken;
}

// Changes to an event, and what was left out of it. A line names no place in a list, so that lines
// of a kind are equal and the logger counts them.
void Admission::report_changes(EventBatch& batch) {
  const std::string type = parts_.integration.destination->type_of(batch.records().front());
  for (std::size_t i = 0; i < batch.mended(); ++i) {
    const auto& [path, rule] = batch.warnings()[i];
    parts_.notices.add("an event was changed to be accepted: " + type + ": " +
                       without_places(path) + ": " + rule);
  }
}

TrackResult Admission::hand_over(const EventView& event, EventBatch& batch,
                                 std::vector<EventRecord>& records) {
  try {
    if (batch.mended() > 0) report_changes(batch);
    records = as_stored(batch);
    return TrackResult(TrackStatus::kAccepted, {}, std::move(batch.warnings()));
  } catch (...) {
    count(event.family->queue, TrackStatus::kRejected, event.size(event.event));
    return reject(event, batch.name(), {}, {.records = &records});
  }
}

TrackResult Admission::accept(const EventView& event, EventBatch& batch, std::uint64_t& sequence) {
  const IntakeQueue::Share share = share_of(batch);
  const auto events = static_cast<std::size_t>(std::ranges::count_if(batch.records(), has_event));
  const auto full = [&] {
    keep_effects(event, {});
    return TrackResult(TrackStatus::kFull);
  };
  if (share == IntakeQueue::Share::kCommon && parts_.writer.is_crowded()) {
    count(event.family->queue, TrackStatus::kFull, events);
    return full();
  }
  // Counted before the push: the writer may be done with the event before push() returns, and
  // stats() must not see a delivered event that nobody accepted.
  count(event.family->queue, TrackStatus::kAccepted, events);
  const auto take_back = [&](TrackStatus instead, Counters::Count& counted) {
    parts_.counters.of<&Stats::accepted>().fetch_sub(events, std::memory_order_relaxed);
    add(counted, events);
    const auto n = static_cast<std::int64_t>(events);
    parts_.metrics.add_offered(event.family->queue, TrackStatus::kAccepted, -n);
    parts_.metrics.add_offered(event.family->queue, instead, n);
  };
  IntakeQueue::Pushed pushed{};
  try {
    if (batch.mended() > 0) report_changes(batch);
    pushed = parts_.intake.push(batch.records(), batch.now(), share, parts_.writer.room());
  } catch (...) {
    take_back(TrackStatus::kRejected, parts_.counters.of<&Stats::rejected>());
    return reject(event, batch.name(), {}, {});
  }
  sequence = pushed.sequence;
  switch (pushed.answer) {
    case IntakeQueue::Answer::kAccepted:
      return TrackResult(TrackStatus::kAccepted, {}, std::move(batch.warnings()));
    case IntakeQueue::Answer::kFull:
      take_back(TrackStatus::kFull, parts_.counters.of<&Stats::full>());
      if (parts_.writer.ask_for_room()) parts_.writers_bell.ring();
      return full();
    case IntakeQueue::Answer::kClosed:
      break;
  }
  take_back(TrackStatus::kClosed, parts_.counters.of<&Stats::closed>());
  return TrackResult(TrackStatus::kClosed);
}

}  // namespace postbox
