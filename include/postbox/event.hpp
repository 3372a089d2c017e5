// EventRecord is the value that travels down the pipeline; EventBatch has those of one event.
//
// Place:     made on the caller's thread by an integration, stored by the outbox, sent as it is.
// Threads:   plain values.
// Lifetime:  a record owns its bytes; they are frozen when it enters the EventBatch.
// Failure:   a batch with a violation is refused as a whole.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <postbox/time.hpp>
#include <postbox/trackable.hpp>

namespace postbox {

struct Timing;

// A Timing that copies of a record share, or none. Spelled like std::shared_ptr<const Timing>,
// whose header costs every file that includes it 13,000 lines.
class SharedTiming {
 public:
  SharedTiming() = default;
  SharedTiming(std::nullptr_t) {}      // NOLINT(google-explicit-constructor)
  SharedTiming(const Timing& timing);  // NOLINT(google-explicit-constructor)
  SharedTiming(Timing&& timing);       // NOLINT(google-explicit-constructor)

  // Takes what a pointer or an optional has, if there is something.
  template <class Pointer>
  requires(!std::same_as<std::remove_cvref_t<Pointer>, SharedTiming> && requires(Pointer && p) {
    { *p } -> std::convertible_to<const Timing&>;
  }) SharedTiming(Pointer&& pointer) {  // NOLINT(google-explicit-constructor)
    if (pointer) *this = SharedTiming(*std::forward<Pointer>(pointer));
  }

  SharedTiming(const SharedTiming& other) noexcept : shared_(other.shared_) {
    if (shared_ != nullptr) share();
  }
  SharedTiming(SharedTiming&& other) noexcept : shared_(std::exchange(other.shared_, nullptr)) {}
  SharedTiming& operator=(SharedTiming other) noexcept {
    std::swap(shared_, other.shared_);
    return *this;
  }
  ~SharedTiming() {
    if (shared_ != nullptr) release();
  }

  [[nodiscard]] const Timing& operator*() const noexcept;
  [[nodiscard]] const Timing* operator->() const noexcept { return &**this; }
  explicit operator bool() const noexcept { return shared_ != nullptr; }
  void reset() noexcept { *this = {}; }
  friend bool operator==(const SharedTiming& timing, std::nullptr_t) noexcept { return !timing; }

 private:
  struct Shared;
  void share() const noexcept;
  void release() noexcept;

  Shared* shared_ = nullptr;
};

struct EventRecord {
  QueueId queue{};
  Key dedup_key{};      // hash of (profile, metric, unique_id): the vendor's own idempotency key
  Key profile_key{};    // hash of the profile's identifier: percentages and purges go by it
  std::string payload;  // the destination's own encoding; opaque to the engine

  // Effects on other events, see Timing. Null for almost every event.
  SharedTiming timing{};
};

// An event that comes about by itself when `delay` has passed, unless something ends it: an
// abandoned cart.
struct Timer {
  std::chrono::milliseconds delay{};  // by the store's clock
  std::vector<Key> cancelled_by{};    // beside the slot
  EventRecord event{};                // without a timing
};

// Timing is the effect of a record on other events than itself. Everything happens in the
// transaction that stores the record, also when it is a duplicate.
struct Timing {
  Key slot{};  // the cart, or the fields of a profile. One event waits, one timer runs per slot
  WallTime as_of{};  // when what it reports happened, by the caller's clock: the order that counts

  // The record waits so long, and a newer one of its slot takes its place meanwhile, without a new
  // wait. Zero: it does not wait.
  std::chrono::milliseconds debounce{0};

  // Started, in place of the slot's older one; not when an end of its keys is as new or newer.
  std::optional<Timer> timer{};

  // Timers with one of these keys that are not newer are over: they will not fire, and what they
  // have fired and is not delivered yet is removed.
  std::vector<Key> cancels{};

  // The record is no event: none of it is stored or counted, and only what this says happens, also
  // when the store is full.
  bool effects_only = false;

  // The record is claimed only once every older one in order of its profile has left the store or
  // become a dead letter: the last one stored is the last one sent. One of its slot that waits in
  // no one's hands gives way to it and counts as a duplicate. It is not debounced besides.
  bool in_order = false;
};

[[nodiscard]] inline bool has_event(const EventRecord& record) noexcept {
  return record.timing == nullptr || !record.timing->effects_only;
}

// EventContext holds settings that an integration's events look up when they are encoded, such as
// for how long a cart may stay untouched. Each integration derives its own from it.
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

  // The name of what is in the batch; views of the event that encodes itself, or of constants.
  void set_name(const EventName& name) noexcept { name_ = name; }
  [[nodiscard]] const EventName& name() const noexcept { return name_; }

  void add(EventRecord record) { records_.push_back(std::move(record)); }
  void reject(Violation violation) { violations_.push_back(std::move(violation)); }

  // Report what the vendor will leave out of an event that is good enough otherwise.
  void warn(Violation violation) { warnings_.push_back(std::move(violation)); }

  // Report what had to be changed or left out for the vendor to take the rest: warnings, in front
  // of the others, that reach the log, too. No value of the caller's may stand in a rule.
  void mend(std::vector<Violation> changes);
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

}  // namespace postbox
