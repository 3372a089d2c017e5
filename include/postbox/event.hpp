// EventRecord is the value that travels down the pipeline; TrackableEvent is what a caller may
// hand to Tracker::track().
//
// Place:     made on the caller's thread by an integration, stored by the outbox, sent as it is.
// Threads:   plain values.
// Lifetime:  a record owns its bytes; they are frozen when it enters the EventBatch.
// Failure:   a batch with a violation is refused as a whole.
#pragma once

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <postbox/clock.hpp>

namespace postbox {

// A family of events: one feature flag, one priority, one queue of the outbox. The number is
// written to disk and must never change its meaning; the lowest is sent first. Two families may
// have one flag, such as what happens now and its history.
enum class QueueId : std::uint32_t {};

struct Family {
  QueueId queue{};
  std::string_view name;      // "purchase", as it stands in log lines
  std::string_view variable;  // the environment variable of its flag
  std::string_view about{};   // a sentence for the reference of settings
};

using Key = std::array<std::byte, 16>;

struct Timing;

struct EventRecord {
  QueueId queue{};
  Key dedup_key{};      // hash of (profile, metric, unique_id): the vendor's own idempotency key
  Key profile_key{};    // hash of the profile's identifier: percentages and purges go by it
  std::string payload;  // the destination's own encoding; opaque to the engine

  // What the outbox does with it beside storing it. Null for almost every event.
  std::shared_ptr<const Timing> timing{};
};

// An event that comes about by itself when `delay` has passed, unless something ends it: an
// abandoned cart.
struct Timer {
  std::chrono::milliseconds delay{};  // by the store's clock
  std::vector<Key> ended_by{};        // beside the slot
  EventRecord event{};                // without a timing
};

// What a record says of other events than itself. Everything happens in the transaction that stores
// the record, also when it is a duplicate.
struct Timing {
  Key slot{};  // the cart, or the fields of a profile. One event waits, one timer runs per slot
  WallTime as_of{};  // when what it reports happened, by the caller's clock: the order that counts

  // The record waits so long, and a newer one of its slot takes its place meanwhile, without a new
  // wait. Zero: it does not wait.
  std::chrono::milliseconds quiet{0};

  // Started, in place of the slot's older one; not when an end of its keys is as new or newer.
  std::optional<Timer> timer{};

  // Timers with one of these keys that are not newer are over: they will not fire, and what they
  // have fired and is not delivered yet is removed.
  std::vector<Key> ends{};

  // The record is no event: none of it is stored or counted, and only what this says happens, also
  // when the store is full.
  bool alone = false;

  // The record is claimed only once every older one in order of its profile has left the store or
  // become a dead letter: the last one stored is the last one sent. One of its slot that waits in
  // no one's hands gives way to it and counts as a duplicate. It does not wait (quiet) besides.
  bool in_order = false;
};

[[nodiscard]] inline bool has_event(const EventRecord& record) noexcept {
  return record.timing == nullptr || !record.timing->alone;
}

// One broken rule of the schema. `path` is the place in the caller's data ("items[2].quantity"),
// `rule` says what was found and what is accepted, without personal data.
struct Violation {
  std::string path;
  std::string rule;

  friend bool operator==(const Violation&, const Violation&) = default;
};

// What the operator calls a vendor's types of events: (the integration's name, the name to send).
using TypeNames = std::vector<std::pair<std::string, std::string>>;

// How an event is told from others in a log and to the host when it is refused.
struct EventName {
  std::string_view type;      // what the vendor calls it: "Placed Order"
  std::string_view log_name;  // what log lines call it: "purchase event"
  std::string_view key;       // the caller's own id of it: the order's
};

// What the integration's events look up when they are encoded, such as for how long a cart may stay
// untouched. Each integration derives its own from it.
struct EventContext {
  EventContext() = default;
  EventContext(const EventContext&) = delete;
  EventContext& operator=(const EventContext&) = delete;
  virtual ~EventContext() = default;
};

// The records that one call of track() produces: all of them are stored, or none is.
class EventBatch {
 public:
  // `names` and `context` must outlive the batch.
  explicit EventBatch(WallTime now, const TypeNames* names = nullptr,
                      const EventContext* context = nullptr)
      : now_(now), names_(names), context_(context) {}

  // The time that an event without a time of its own gets.
  [[nodiscard]] WallTime now() const noexcept { return now_; }

  // The name under which events of `type` are sent: `type` itself unless the operator has another.
  [[nodiscard]] std::string_view name_of(std::string_view type) const noexcept {
    if (names_ == nullptr) return type;
    for (const auto& [from, to] : *names_) {
      if (from == type) return to;
    }
    return type;
  }

  // Integration::context; null when there is none, or when it is another integration's.
  template <class T>
  [[nodiscard]] const T* context() const noexcept {
    return dynamic_cast<const T*>(context_);
  }

  // What is in the batch; views of the event that encodes itself, or of constants.
  void set_name(const EventName& name) noexcept { name_ = name; }
  [[nodiscard]] const EventName& name() const noexcept { return name_; }

  void add(EventRecord record) { records_.push_back(std::move(record)); }
  void reject(Violation violation) { violations_.push_back(std::move(violation)); }

  // Report what the vendor will leave out of an event that is good enough otherwise.
  void warn(Violation violation) { warnings_.push_back(std::move(violation)); }

  // Report what had to be changed or left out for the vendor to take the rest: warnings, in front
  // of the others, that reach the log, too. No value of the caller's may stand in a rule.
  void mend(std::vector<Violation> changes) {
    const auto place = warnings_.begin() + static_cast<std::ptrdiff_t>(mended_);
    mended_ += changes.size();
    warnings_.insert(place, std::make_move_iterator(changes.begin()),
                     std::make_move_iterator(changes.end()));
  }
  void reserve(std::size_t records) { records_.reserve(records); }

  [[nodiscard]] std::vector<EventRecord>& records() noexcept { return records_; }
  [[nodiscard]] std::vector<Violation>& violations() noexcept { return violations_; }
  [[nodiscard]] std::vector<Violation>& warnings() noexcept { return warnings_; }

  // How many warnings in front mend() has made.
  [[nodiscard]] std::size_t mended() const noexcept { return mended_; }

 private:
  WallTime now_;
  const TypeNames* names_;
  const EventContext* context_;
  EventName name_{};
  std::vector<EventRecord> records_;
  std::vector<Violation> violations_;
  std::vector<Violation> warnings_;
  std::size_t mended_ = 0;
};

// What track() takes: a type that knows its family and profile, and writes itself into a batch.
// `size()` is how many events encode() adds when nothing is wrong: one, or one per line and more.
// encode() adds that many records, fewer where a warning of mend() says what was left out, or
// rejects with at least one violation; records with a Timing that stands alone may take the place
// of events, or come beside none.
//
// An event that knows its profile better by what the tracker is set to has a member
// profile_key(const EventBatch&) const, too, which a flag's percentage then goes by.
//
// An event that means something to others also while its own family is off, as an order does to the
// carts of its customer, has a member encode_disabled(EventBatch&) const, too. It adds records with
// a Timing that stands alone, or nothing.
template <class E>
concept TrackableEvent = requires(const E& event, EventBatch& batch) {
  { event.family() }
  noexcept->std::convertible_to<const Family&>;
  { event.profile_key() } -> std::convertible_to<Key>;
  { event.size() }
  noexcept->std::convertible_to<std::size_t>;
  event.encode(batch);
};

}  // namespace postbox
