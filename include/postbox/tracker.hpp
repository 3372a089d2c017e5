// Tracker takes events and delivers them. START HERE.
//
// Place:     the front door. An integration makes one (klaviyo::start), routes call track().
// Threads:   every member may be called from any thread, at the same time; stop() from any thread
//            but a log sink.
// Lifetime:  movable, not copyable; one that was moved from is closed. The destructor stops it
// within
//            Config::stop_timeout. fork() at any time: see "In a child" below.
// Failure:   nothing throws; a refusal is an answer, and every refusal is counted in stats().
//
// In a child: the first call there starts a tracker of the child's own, with the settings in force
// at the fork, on the same outbox. The parent goes on as if nothing had happened; what it had
// accepted stays its own, and so do its counts. The child's is closed, so that every call says so
// and does nothing, when Services brought an outbox or an HTTP client (their connections would be
// shared), when the fork came while the disk hung for a second, or while a thread of the host was
// in the middle of a call of SQLite of its own. A log sink with a lock of its own must survive a
// fork() by itself.
#pragma once

#include <any>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <postbox/clock.hpp>
#include <postbox/config.hpp>
#include <postbox/destination.hpp>
#include <postbox/event.hpp>
#include <postbox/flags.hpp>
#include <postbox/outbox.hpp>
#include <postbox/result.hpp>
#include <postbox/stats.hpp>

namespace postbox {

enum class TrackStatus : std::uint8_t {
  kAccepted,    // track(): in memory, on its way to the disk. track_durably(): on disk
  kDisabled,    // the family's flag is off for this profile, or no key is set: nothing was kept
  kRejected,    // the event breaks rules; see violations()
  kFull,        // the cap of memory or disk is reached: the disk does not keep up, or is full. A
                // tenth of both is kept for the family that matters most
  kClosed,      // the tracker has been stopped, or belongs to the process this one was forked from
  kNotDurable,  // track_durably(): not on disk within the deadline. It may still get there:
                // offering the same event again does not double it
};

// The answer to a caller. Safe to ignore.
class TrackResult {
 public:
  explicit TrackResult(TrackStatus status, std::vector<Violation> violations = {},
                       std::vector<Violation> warnings = {})
      : status_(status), violations_(std::move(violations)), warnings_(std::move(warnings)) {}

  [[nodiscard]] TrackStatus status() const noexcept { return status_; }

  // Every broken rule with its path; empty unless the status is kRejected.
  [[nodiscard]] const std::vector<Violation>& violations() const noexcept { return violations_; }

  // What the vendor will leave out of an accepted event, with its path: a hint for whoever wrote
  // the call. Empty unless the status is kAccepted.
  [[nodiscard]] const std::vector<Violation>& warnings() const noexcept { return warnings_; }

  // True when nothing is left for the caller to do: accepted, or switched off on purpose.
  explicit operator bool() const noexcept {
    return status_ == TrackStatus::kAccepted || status_ == TrackStatus::kDisabled;
  }

  // One line for a log or an error answer: the status, then each violation and warning.
  [[nodiscard]] std::string to_string() const;

 private:
  TrackStatus status_;
  std::vector<Violation> violations_;
  std::vector<Violation> warnings_;
};

// What stop() leaves for the next start.
struct StopReport {
  bool in_time = true;  // every worker had ended when the deadline passed
  std::uint64_t in_memory =
      0;  // accepted events that never reached the disk: lost with the process
  std::uint64_t in_outbox = 0;  // waiting or held on disk: sent after a later start. Unknown, and
                                // zero, when `in_time` is false
};

// Which dead letters an operator means; unset members match all.
struct DeadLetterQuery {
  std::optional<QueueId> queue{};
  std::optional<EventHandle> handle{};
  std::string type{};                                   // "Placed Order"
  std::string reason{};                                 // a part of the reason, in the same case
  std::optional<std::chrono::milliseconds> dead_for{};  // at least this long
};

struct TypedDeadLetter : DeadLetter {
  std::string type;  // what the vendor calls it; empty when the stored event is damaged
};

// Which held events an operator means; unset members match all.
struct HeldQuery {
  std::optional<QueueId> queue{};
  std::optional<EventHandle> handle{};
  std::string type{};  // "Placed Order"
  std::optional<std::chrono::milliseconds>
      waits_for{};  // since it was accepted, at least this long
};

struct TypedHeldEvent : HeldEvent {
  std::string type;  // what the vendor calls it; empty when the stored event is damaged
};

struct ReplayOptions {
  std::size_t max = std::numeric_limits<std::size_t>::max();
  bool backfill = false;  // as history: recorded, and nothing at the vendor acts on it
};

// What an integration reads again when the operator asks for it.
struct Reloaded {
  std::vector<std::pair<QueueId, Flag>> flags;
  LogLevel log_level = LogLevel::kInfo;
  std::vector<std::string> changes;  // "NAME old -> new", secrets masked; logged one by one
  // The same for what is set otherwise than at the start and cannot be applied without one.
  std::vector<std::string> needs_restart{};
  std::vector<std::string> warnings{};  // what else there is to say of the settings
  // Names and texts that the outbox is to keep from now on, see Outbox::exchange(). A line says
  // when it cannot.
  std::vector<std::pair<std::string, std::string>> kept{};
};

// The parts that a Tracker is built from. Unset ones are made from the configuration.
struct Services {
  std::shared_ptr<Destination> destination{};  // required
  std::shared_ptr<Outbox> outbox{};
  std::shared_ptr<HttpClient> http{};
  std::shared_ptr<Clock> clock{};
  std::shared_ptr<Random> random{};
  std::vector<std::pair<QueueId, Flag>> flags{};  // a family that is not named is off

  // Other names for types of events; see EventBatch::name_of().
  TypeNames type_names{};

  // Types of events, by the names that are sent, that are not kept although their family is on.
  // They count as disabled; what they say of others, such as that an order ends carts, counts all
  // the same. Events that wait already are sent.
  std::vector<std::string> disabled_types{};

  // What events of the integration look up when they are encoded; see EventBatch::settings(). Read
  // from several threads at once.
  std::any settings{};

  // Read the settings again and make the destination use them. Called by Tracker::reload(), by one
  // thread at a time. Unset: reload() fails.
  std::function<Result<Reloaded>()> reload{};

  // The line that reports a changed setting begins with this. "Klaviyo configuration changed".
  std::string change_prefix = "configuration changed";

  // The line that reports a failure of the engine itself begins with this.
  std::string failure_prefix = "worker queue error";

  // False: no threads; the owner calls run_once(). For tests and simulations.
  bool threads = true;
};

class Tracker {
 public:
  // Start the workers. Fails with kInvalidConfig. An outbox that cannot be opened is no failure:
  // events wait in memory up to the cap while the writer keeps trying.
  [[nodiscard]] static Result<Tracker> start(const ValidConfig& config, Services services);

  Tracker(Tracker&&) noexcept;
  Tracker& operator=(Tracker&&) noexcept;
  ~Tracker();

  // Check the event, freeze its bytes and queue them. Never blocks on I/O.
  template <TrackableEvent E>
  TrackResult track(const E& event) {
    return offer(view(event));
  }

  // The same, but return only when the event is on disk (kAccepted), or after `deadline`
  // (kNotDurable). Many callers share one commit.
  template <TrackableEvent E>
  TrackResult track_durably(const E& event, std::chrono::milliseconds deadline) {
    return offer_durably(view(event), deadline);
  }

  // Wait until no event is waiting or in flight: all are delivered, dead or held. False when the
  // deadline came first. Stops nothing, and waits for events that are tracked meanwhile, too.
  bool flush(std::chrono::milliseconds deadline);

  // Refuse new events, write what is in memory to the disk, let requests in flight end, give the
  // rest back to the outbox, end the workers. Returns within `deadline`; a second call returns the
  // first one's report.
  StopReport stop(std::chrono::milliseconds deadline);

  // Read flags, key and log level again from where the configuration came from, and apply them at
  // once; a line in the log names each other setting that has changed and needs a restart. Fails
  // with kInvalidConfig and changes nothing when a value does not parse, or when the file that was
  // there before is missing, empty or cannot be read whole.
  [[nodiscard]] Result<void> reload();

  // Take a snapshot. Reads the outbox: milliseconds with a large backlog.
  [[nodiscard]] Stats stats() const;

  // Dead letters after `after` in the order of their handles, at most `max`. This and the next two
  // are for operators: they take as long as the outbox has dead letters.
  [[nodiscard]] Result<std::vector<TypedDeadLetter>> dead_letters(const DeadLetterQuery& query,
                                                                  EventHandle after,
                                                                  std::size_t max) const;

  // Send dead letters again, the oldest first, with the same keys and, unless as backfill, the same
  // bytes. One whose key is waiting already stays where it is. Returns how many were revived.
  [[nodiscard]] Result<std::size_t> replay(const DeadLetterQuery& query,
                                           const ReplayOptions& options = {});

  // Remove dead letters. Returns how many.
  [[nodiscard]] Result<std::size_t> purge(const DeadLetterQuery& query);

  // Events that are held because their family is switched off, after `after` in the order of their
  // handles, at most `max`. This and the next two are for operators; stats().held counts them.
  [[nodiscard]] Result<std::vector<TypedHeldEvent>> held_events(const HeldQuery& query,
                                                                EventHandle after,
                                                                std::size_t max) const;

  // Send held events although their family is off, the oldest first, with the same keys and bytes.
  // What is not delivered when the process ends, or reload() is called, is held again. Only the
  // process that sends from the outbox can. Returns how many are on their way.
  [[nodiscard]] Result<std::size_t> send_held(
      const HeldQuery& query, std::size_t max = std::numeric_limits<std::size_t>::max());

  // Remove held events. Returns how many.
  [[nodiscard]] Result<std::size_t> purge_held(const HeldQuery& query);

  // Outbox::keep(): a text that belongs to the outbox, the same for every process that shares it.
  [[nodiscard]] Result<std::string> keep(std::string_view name, std::string_view text) const;

  // Outbox::exchange(): the same, replaced. Returns the one before.
  [[nodiscard]] Result<std::string> exchange(std::string_view name, std::string_view text) const;

  // Remove every event of one profile that is on disk, in whatever state, and its timers: somebody
  // has asked to be forgotten. A request under way is not recalled. Reads the whole outbox: takes
  // as long as that. Returns how many were removed.
  [[nodiscard]] Result<std::size_t> forget(const Key& profile);

  // What Services::settings were: EventBatch takes them for an event that is looked at before it is
  // tracked. Null for a tracker that is closed.
  [[nodiscard]] const std::any* settings() const noexcept;

  // The file in which events wait, for state that belongs beside it: Outbox::file().
  [[nodiscard]] std::optional<std::string> outbox_file() const;

  // Run one step of each worker and return when the next is due. Only for a tracker that was
  // started with Services::threads = false; from one thread.
  SteadyTime run_once();

 private:
  struct Impl;
  [[nodiscard]] Impl* here() const;  // null: closed in this process
  void end() noexcept;
  explicit Tracker(std::shared_ptr<Impl> impl);

  // An event without its type, so that everything but encode() is compiled once.
  struct EventView {
    const void* event;
    const Family* family;
    Key (*profile_key)(const void*, const EventBatch&);
    std::size_t (*size)(const void*);
    void (*encode)(const void*, EventBatch&);
    void (*encode_disabled)(const void*, EventBatch&);  // null for almost every type
  };

  template <TrackableEvent E>
  static EventView view(const E& event) {
    void (*encode_disabled)(const void*, EventBatch&) = nullptr;
    if constexpr (requires(EventBatch & batch) { event.encode_disabled(batch); }) {
      encode_disabled = [](const void* e, EventBatch& batch) {
        static_cast<const E*>(e)->encode_disabled(batch);
      };
    }
    return {&event,
            &event.family(),
            [](const void* e, const EventBatch& batch) -> Key {
              if constexpr (requires(const E& known) { known.profile_key(batch); }) {
                return static_cast<const E*>(e)->profile_key(batch);
              } else {
                return static_cast<const E*>(e)->profile_key();
              }
            },
            [](const void* e) -> std::size_t { return static_cast<const E*>(e)->size(); },
            [](const void* e, EventBatch& batch) { static_cast<const E*>(e)->encode(batch); },
            encode_disabled};
  }

  TrackResult offer(const EventView& event);
  [[nodiscard]] TrackResult turn_away(const EventView& event) const;
  TrackResult offer_durably(const EventView& event, std::chrono::milliseconds deadline);

  std::shared_ptr<Impl> impl_;
};

}  // namespace postbox
