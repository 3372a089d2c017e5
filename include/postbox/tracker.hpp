// Tracker takes events and delivers them. START HERE.
//
// Place:     the front door. An integration makes one (klaviyo::start), routes call track().
// Threads:   every member may be called from any thread, at the same time; stop() from any thread
//            but a log sink.
// Lifetime:  movable, not copyable; one that was moved from is closed. The destructor stops it
//            within Config::stop_timeout. fork() at any time: see "In a child" below.
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

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <postbox/config.hpp>
#include <postbox/event_view.hpp>
#include <postbox/result.hpp>
#include <postbox/stats.hpp>
#include <postbox/time.hpp>
#include <postbox/track_result.hpp>
#include <postbox/trackable.hpp>

namespace postbox {

struct EventDraft;  // event_draft.hpp

// services.hpp
struct Account;
struct Integration;
struct Services;

// metrics.hpp
struct Metrics;

// operator.hpp
class Operator;
enum class EventHandle : std::int64_t;
struct DeadLetterQuery;
struct HeldQuery;
struct ReplayOptions;
struct TypedDeadLetter;
struct TypedHeldEvent;

class Tracker {
 public:
  // Start the workers. Fails with kInvalidConfig. An outbox that cannot be opened is no failure:
  // events wait in memory up to the cap while the writer keeps trying.
  [[nodiscard]] static Result<Tracker> start(const ValidConfig& config, Integration integration);
  [[nodiscard]] static Result<Tracker> start(const ValidConfig& config, Integration integration,
                                             Services services);

  // Start one tracker for each account, in that order, on one engine: two threads and one pool of
  // connections for all. Each has its own outbox, flags, quota and pauses, and is stopped by
  // itself. `shared` may bring the parts that are the same for all, so no outbox. Fails with
  // kInvalidConfig, and starts none, when two have one outbox, or differ in Config::http.
  [[nodiscard]] static Result<std::vector<Tracker>> start_all(std::vector<Account> accounts);
  [[nodiscard]] static Result<std::vector<Tracker>> start_all(std::vector<Account> accounts,
                                                              Services shared);

  Tracker(Tracker&&) noexcept;
  Tracker& operator=(Tracker&&) noexcept;
  ~Tracker();

  // Check the event, freeze its bytes and queue them. Never blocks on I/O.
  template <TrackableEvent E>
  TrackResult track(const E& event) {
    return offer(view_of(event));
  }

  // The same, but return only when the event is on disk (kAccepted), or after `deadline`
  // (kNotDurable). Many callers share one commit.
  template <TrackableEvent E>
  TrackResult track_durably(const E& event, std::chrono::milliseconds deadline) {
    return offer_durably(view_of(event), deadline);
  }

  // Check the event and freeze its bytes as track() does, and hand them over instead of storing
  // them: for a caller who inserts them in the database transaction of the order itself, so that
  // there is an event exactly if there is an order. Does no I/O. What is accepted is counted in the
  // outbox, once a sender has taken it in. Defined in event_draft.hpp.
  template <TrackableEvent E>
  [[nodiscard]] EventDraft draft(const E& event);

  // Tell this process's sender to look into the outbox now: such a transaction is committed. Only
  // for speed: each sender looks every few seconds.
  void look() noexcept;

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

  // The same in detail: by family, type, lane and outcome, with ages, latencies and rate windows.
  // Empty but for the totals in a tracker that is closed.
  [[nodiscard]] Metrics metrics() const;

  // Questions of operators to this process's outbox; Operator says what each does, and how long it
  // takes. They are counted in stats().
  [[nodiscard]] Result<std::vector<TypedDeadLetter>> dead_letters(const DeadLetterQuery& query,
                                                                  EventHandle after,
                                                                  std::size_t max) const;
  [[nodiscard]] Result<std::size_t> replay(const DeadLetterQuery& query);
  [[nodiscard]] Result<std::size_t> replay(const DeadLetterQuery& query,
                                           const ReplayOptions& options);
  [[nodiscard]] Result<std::size_t> purge(const DeadLetterQuery& query);
  [[nodiscard]] Result<std::vector<TypedHeldEvent>> held_events(const HeldQuery& query,
                                                                EventHandle after,
                                                                std::size_t max) const;
  [[nodiscard]] Result<std::size_t> purge_held(const HeldQuery& query);
  [[nodiscard]] Result<std::size_t> forget(const Key& profile);

  // Send held events although their family is off, the oldest first, with the same keys and bytes.
  // Events that are not delivered when the process ends, or reload() is called, are held again.
  // Only the process that sends from the outbox can. Returns how many are on their way.
  [[nodiscard]] Result<std::size_t> send_held(
      const HeldQuery& query, std::size_t max = std::numeric_limits<std::size_t>::max());

  // Outbox::keep() and exchange(): a text that belongs to the outbox, the same for every process
  // that shares it; exchange() replaces it, and returns the one before.
  [[nodiscard]] Result<std::string> keep(std::string_view name, std::string_view text) const;
  [[nodiscard]] Result<std::string> exchange(std::string_view name, std::string_view text) const;

  // Integration::context: EventBatch takes it for an event that is looked at before it is tracked.
  // Null for a tracker that is closed.
  [[nodiscard]] const EventContext* context() const noexcept;

  // A key is set. Without one every event is answered with kDisabled. False in a closed tracker.
  [[nodiscard]] bool is_ready() const noexcept;

  // Where events wait, for state that belongs beside them: Outbox::file(), OutboxCaps::shared, and
  // the secret keys with which it is to be encrypted, OutboxOptions::encryption_keys.
  [[nodiscard]] std::optional<std::string> outbox_file() const;
  [[nodiscard]] bool outbox_is_shared() const;
  [[nodiscard]] std::vector<std::string> encryption_keys() const;

  // Run one step of each worker and return when the next is due. Only for a tracker that was
  // started with Services::threads = false; from one thread.
  SteadyTime run_once();

 private:
  struct Impl;
  [[nodiscard]] Impl* here() const;  // null: closed in this process
  void end() noexcept;
  template <class Answer, class Ask>
  [[nodiscard]] Answer ask(Ask question) const;
  explicit Tracker(Impl* own);

  TrackResult offer(const EventView& event);
  EventDraft draft(const EventView& event);
  [[nodiscard]] TrackResult turn_away(const EventView& event) const;
  TrackResult offer_durably(const EventView& event, std::chrono::milliseconds deadline);

  Impl* impl_;  // owned; null: moved from
};

}  // namespace postbox
