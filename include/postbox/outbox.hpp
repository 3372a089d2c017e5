// Outbox is the seam to storage: events wait here, durably, until they are settled.
//
// Place:     between the writer, which appends, and the sender, which claims and settles.
// Threads:   every member may be called from several threads at once.
// Lifetime:  shared; must outlive the tracker that uses it.
// Failure:   a Result with an outbox error code. A failed append stored nothing or everything, and
//            the caller repeats it with the same keys. The store is opened at first use and opened
//            again after a failure, so that a repaired disk needs no restart.
//
// The life of an event here:
//
//   append ──▶ ready ──claim──▶ leased ──settle──┬▶ gone (delivered)
//                ▲                 │             ├▶ delayed ──maintain──▶ ready
//                └── lease ends ───┘             ├▶ held ──release_held──▶ ready
//                                                └▶ dead ──replay──▶ ready, or expired, or purged
//
// A record with a Timing may also wait (delayed) for a newer one to take its place, start a timer,
// which maintain() turns into a ready event when it is due, and end other timers.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <postbox/bytes.hpp>
#include <postbox/event.hpp>
#include <postbox/flags.hpp>
#include <postbox/outbox_backend.hpp>
#include <postbox/outbox_options.hpp>
#include <postbox/rate_gate.hpp>
#include <postbox/result.hpp>

namespace postbox {

// The failures that a returned append survives.
enum class Durability : std::uint8_t {
  kNone,        // nothing: it lives in this process
  kProcess,     // a crash of the process
  kMachine,     // a power cut
  kReplicated,  // the loss of a machine
  kUnknown,
};

// The longest text that Outbox::keep() and exchange() take, in bytes.
inline constexpr std::size_t kMaxKeptText = 16'384;

struct OutboxCaps {
  Durability append = Durability::kUnknown;
  Bytes max_payload;
  bool shared = false;  // others append to it in the ordinary course of things
};

enum class EventHandle : std::int64_t {};
enum class ClaimToken : std::int64_t {};

struct Appended {
  std::size_t inserted = 0;
  // The same (queue, dedup_key) was already waiting, or the record took the place of one, or was
  // older than that: not an error.
  std::size_t duplicates = 0;
  std::uint32_t fullness = 0;  // how much of the store's cap was used before, in thousandths
  // Bytes of the store's cap that were left before. Unlimited unless the store knows.
  Bytes room{std::numeric_limits<std::uint64_t>::max()};
};

struct ClaimLimits {
  std::size_t max_events = 100;
  Bytes max_bytes = mebibytes(1);  // of payload; one event is returned even if it is larger
};

struct ClaimedEvent {
  EventHandle handle{};
  std::uint32_t attempts = 0;  // those that a settlement spent, and this one
  // Since the claim of the first attempt that was spent, by the store's clock; zero before there
  // is one. A replay begins anew.
  std::chrono::milliseconds tried_for{0};
  std::chrono::milliseconds age{0};  // since it was appended, or came of a timer
  bool in_order = false;             // others may wait for it to leave the store
  EventRecord record;
};

struct Claim {
  ClaimToken token{};
  std::vector<ClaimedEvent> events;  // oldest first; no promise of order beyond that
  bool limited = false;              // the limits ended it: there may be more
  std::size_t damaged = 0;           // no longer what was appended: dead letters now
  std::size_t locked = 0;  // encrypted with a key that is not set: they wait, nothing is spent
};

enum class OutcomeKind : std::uint8_t { kDelivered, kRetry, kHold, kDead };

struct Outcome {
  EventHandle handle{};
  OutcomeKind kind = OutcomeKind::kRetry;
  std::chrono::milliseconds delay{0};  // kRetry: not claimable before; zero makes it ready at once
  bool spend_attempt = true;  // kRetry, kDead: false gives the attempt back (429, stop, damage)
  bool begin_again = false;   // kRetry: the time for which the event was tried counts from this
                              // attempt, since what failed before it says nothing of the event
  int http_status = 0;        // kDead: the answer that ended it, or zero
  std::string reason{};       // kDead: for the operator; holds no personal data
  std::string pointer{};      // kDead: the place in the request that the answer blames, if any
};

// What became of some events of one claim.
struct Decision {
  ClaimToken token{};
  std::span<const Outcome> outcomes{};
};

struct Settled {
  std::size_t applied = 0;
  std::size_t stale = 0;     // the lease had ended: another holder decides, nothing was changed
  bool ready_again = false;  // events in order may be claimed now that older ones are gone
};

struct Maintained {
  std::size_t promoted = 0;     // delayed rows that became ready
  std::size_t expired = 0;      // dead letters past their retention, removed
  std::size_t crowded_out = 0;  // the oldest dead letters, removed: all had more than their share
  std::size_t fired = 0;        // timers that became events
  // Until the next delayed row or timer is due; zero when this call has left some undone.
  std::optional<std::chrono::milliseconds> next_due;
};

struct Released {
  std::size_t released = 0;
  std::optional<EventHandle> go_on_after;  // there may be more behind it; unset at the end
};

struct DeadLetter {
  EventHandle handle{};
  std::uint32_t attempts = 0;
  std::chrono::milliseconds age{0};  // since append
  // Since the first attempt: since append, where a store of format 1 did not note it. The last
  // attempt is `dead_since` ago.
  std::chrono::milliseconds first_attempt{0};
  std::chrono::milliseconds dead_since{0};
  int http_status = 0;
  std::string reason;
  std::string pointer;
  EventRecord record;
};

// Which dead letters are meant; unset members match all.
struct EventFilter {
  std::optional<QueueId> queue{};
  std::optional<EventHandle> handle{};
  std::optional<std::chrono::milliseconds> dead_for{};  // at least this long
  std::string reason{};                                 // a part of the reason, in the same case
};

struct HeldEvent {
  EventHandle handle{};
  std::uint32_t attempts = 0;        // spent before it was held
  std::chrono::milliseconds age{0};  // since append
  EventRecord record;
};

// Which held events are meant; unset members match all.
struct HeldFilter {
  std::optional<QueueId> queue{};
  std::optional<EventHandle> handle{};
  std::optional<std::chrono::milliseconds> waits_for{};  // since append, at least this long
  // The queues that are switched off, as bits by their numbers: nobody claims what is ready or
  // delayed there, so that it counts as held, too, unless it is leased.
  std::uint64_t off_queues = 0;
};

// Returns another payload for the event of that dedup key, or nothing to leave it. Must not use the
// outbox.
using PayloadRewrite =
    std::function<std::optional<std::string>(const Key& dedup_key, std::string_view payload)>;

struct Resealed {
  std::size_t events = 0;  // encrypted with the first key now, timers included
  std::size_t locked = 0;  // left as they are: their key is not set
};

enum class EventState : std::uint8_t {
  kReady,
  kLeased,  // by this process; those of another may be listed as ready
  kDelayed,
  kHeld,
  kDead,
};

// An event in whatever state.
struct ListedEvent {
  EventHandle handle{};
  EventState state = EventState::kReady;
  std::uint32_t attempts = 0;                      // spent
  std::chrono::milliseconds age{0};                // since append, or since it came of a timer
  std::optional<std::chrono::milliseconds> due{};  // kDelayed: until it is ready
  int http_status = 0;                             // kDead
  std::string reason{};                            // kDead
  EventRecord record{};
};

// Checked is what a look through the whole store has found.
struct Checked {
  std::uint64_t events = 0;            // looked at, in whatever state, and timers
  std::vector<EventHandle> damaged{};  // no longer what was appended, the first hundred
  std::uint64_t damaged_count = 0;
  std::vector<std::string> problems{};  // of the store itself: a sentence each
};

// May change an event's queue and payload; what it does to the keys is ignored. Must not use the
// outbox.
using Rewrite = std::function<void(EventRecord&)>;

struct QueueStats {
  QueueId queue{};
  std::uint64_t ready = 0;
  std::uint64_t leased = 0;  // by this process; those of another may be counted as ready
  std::uint64_t delayed = 0;
  std::uint64_t held = 0;
  std::uint64_t dead = 0;
  std::optional<std::chrono::milliseconds> oldest{};  // the age of what is ready, leased or delayed
};

// Counted since the store was created, in the transactions that made the changes. Always:
// appended + fired = delivered + purged + expired + the rows of all queues + what is spilled.
struct OutboxTotals {
  std::uint64_t appended = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t delivered = 0;
  std::uint64_t purged = 0;   // by purge() and purge_profile(), or their timer ended after it fired
  std::uint64_t expired = 0;  // dead letters past their retention, or crowded out
  std::uint64_t fired = 0;    // timers that became events
};

struct OutboxStats {
  std::vector<QueueStats> queues;
  OutboxTotals totals;
  std::uint64_t timers_pending = 0;  // timers that run
  Bytes used;                        // disk that live data occupies

  // Events that transactions of the shop's own have stored and no sender has taken in yet: in no
  // other count.
  std::uint64_t inbox = 0;

  // Events that wait on this machine for a store that is or was away, see OutboxOptions::spill:
  // among the appended, and in no queue.
  std::uint64_t spilled = 0;
  // Why the store itself could not be counted: all but those are missing then. Empty when it was.
  std::string away{};
};

// Spilled is what waits on this machine for a store that is or was away.
struct Spilled {
  std::uint64_t events = 0;
  std::uint64_t damaged = 0;  // on this machine's disk, since the start: they stay there
  std::string away{};         // why the store does not get them; empty when it does
  std::string trouble{};      // why this machine's disk cannot be used; empty when it can
};

class Outbox {
 public:
  virtual ~Outbox() = default;

  [[nodiscard]] virtual OutboxCaps caps() const noexcept = 0;

  // The file in which events wait, by an absolute name without links; empty when they wait in
  // memory. Nothing for a store that is no file.
  [[nodiscard]] virtual std::optional<std::string> file() const { return std::nullopt; }

  // Store all of `batch`, or nothing; an empty one only asks for the room. Returns when it is as
  // durable as caps().append says. Fails with kOutboxFull at the disk cap (what stands alone in it
  // happens all the same), and with kOutboxUnavailable, kOutboxBusy, kOutboxCorrupt or
  // kOutboxTooNew.
  [[nodiscard]] virtual Result<Appended> append(std::span<const EventRecord> batch) = 0;

  // Lease the oldest ready events of `queue` until `lease`, a day at most, has passed by the
  // store's clock. While another process is the sender of this store, the claim is empty.
  [[nodiscard]] virtual Result<Claim> claim(QueueId queue, const ClaimLimits& limits,
                                            std::chrono::milliseconds lease) = 0;

  // Decide events of one claim, in one transaction. Delivered rows are deleted.
  [[nodiscard]] virtual Result<Settled> settle(ClaimToken token,
                                               std::span<const Outcome> outcomes) = 0;

  // The same for several claims, in one transaction where the store can. After a failure some may
  // have been applied: offered again, they are stale.
  [[nodiscard]] virtual Result<Settled> settle_all(std::span<const Decision> decisions);

  // Let the lease of these events end `lease` from now. Returns how many were still ours.
  [[nodiscard]] virtual Result<std::size_t> extend(ClaimToken token,
                                                   std::span<const EventHandle> events,
                                                   std::chrono::milliseconds lease) = 0;

  // The queues that have ready rows, lowest first. Fails with kOutboxTaken while another process
  // is the sender of this store.
  [[nodiscard]] virtual Result<std::vector<QueueId>> due_queues() = 0;

  // Make those held events of `queue` ready again whose profiles `flag` includes, in the order of
  // their handles from the one after `after`. Looks at some thousands at most; the others stay as
  // they are, and nothing is written when there is nothing to release.
  [[nodiscard]] virtual Result<Released> release_held(QueueId queue, Flag flag,
                                                      EventHandle after) = 0;

  // Dead letters after `after` in the order of their handles, at most `max`.
  [[nodiscard]] virtual Result<std::vector<DeadLetter>> dead(const EventFilter& filter,
                                                             EventHandle after,
                                                             std::size_t max) = 0;

  // Make dead letters ready again, at most `max`, with the same keys, no attempts spent, and the
  // same bytes unless `rewrite` (which may be empty) changes them. One whose key is already
  // waiting, in its old queue or its new one, stays where it is. Returns how many were revived.
  [[nodiscard]] virtual Result<std::size_t> replay(const EventFilter& filter, std::size_t max,
                                                   const Rewrite& rewrite) = 0;

  // Remove dead letters. Returns how many.
  [[nodiscard]] virtual Result<std::size_t> purge(const EventFilter& filter) = 0;

  // Held events after `after` in the order of their handles, at most `max`. This and the next
  // seven are capabilities: a store that has them not fails with kInvalidArgument.
  [[nodiscard]] virtual Result<std::vector<HeldEvent>> held(const HeldFilter& filter,
                                                            EventHandle after, std::size_t max);

  // Make held events after `after` ready, at most `max` and some hundreds. Returns which, in the
  // order of their handles; none when there are no more.
  [[nodiscard]] virtual Result<std::vector<EventHandle>> free_held(const HeldFilter& filter,
                                                                   EventHandle after,
                                                                   std::size_t max);

  // Remove held events. Returns how many.
  [[nodiscard]] virtual Result<std::size_t> purge_held(const HeldFilter& filter);

  // Events in every state after `after` in the order of their handles, at most `max`. A timer that
  // runs is none yet.
  [[nodiscard]] virtual Result<std::vector<ListedEvent>> list(EventHandle after, std::size_t max);

  // Look whether the store is sound, every event is what was appended, and the counts add up. Reads
  // everything, while others go on; changes nothing. A store that is too damaged to be opened is an
  // error, kOutboxCorrupt.
  [[nodiscard]] virtual Result<Checked> check();

  // Write a copy of the store, as of one moment, to a new file of mode 0600, while others go on.
  // Fails with kInvalidArgument where a file of that name is.
  [[nodiscard]] virtual Result<void> back_up(const std::string& file);

  // Return the text that the store keeps under `name` (small letters and '_'); where there is none
  // it keeps `text` first, of kMaxKeptText bytes at most, durably. With an empty one it only looks,
  // and returns an empty one when there is none. Every process that shares the store gets the same.
  // For what belongs to the store rather than to an event, such as a secret that was made for it.
  [[nodiscard]] virtual Result<std::string> keep(std::string_view name, std::string_view text);

  // Keep `text` under `name` in place of what is there, durably, and return that: of several that
  // call at once each gets the one before it. The same rules as of keep(); an empty text removes.
  [[nodiscard]] virtual Result<std::string> exchange(std::string_view name, std::string_view text);

  // Put another payload in the place of each event's that `rewrite` changes: what waits, dead
  // letters and timers. Returns how many.
  [[nodiscard]] virtual Result<std::size_t> rewrite_payloads(const PayloadRewrite& rewrite);

  // Encrypt with the first of OutboxOptions::encryption_keys what is plain, or encrypted with
  // another of them. Without a key it fails with kInvalidArgument.
  [[nodiscard]] virtual Result<Resealed> reseal();

  // Remove every event of one profile, in whatever state, and its timers. A request in flight is
  // not recalled.
  [[nodiscard]] virtual Result<std::size_t> purge_profile(const Key& profile) = 0;

  // Promote delayed events whose time has come; make events of timers that are due; remove dead
  // letters older than `retention`, and the oldest while they have more than a quarter of the disk.
  // Some thousands at most, so that whoever calls it can do something else meanwhile.
  [[nodiscard]] virtual Result<Maintained> maintain(std::chrono::milliseconds retention) = 0;

  [[nodiscard]] virtual Result<OutboxStats> stats() = 0;

  // Asks neither the disk nor the network. Nothing, unless OutboxOptions::spill is set.
  [[nodiscard]] virtual Spilled spilled() { return {}; }

  // Makes the gates of servers that share this store, and with it the vendor's limits. They live no
  // longer than the outbox. Defaults to an empty one: a server is alone.
  [[nodiscard]] virtual NewRateGate rate_gate() { return {}; }
};

// Returns the outbox that `options.url` names. Fails with kInvalidConfig when its scheme is none of
// the backends', or the backend does not take its place; a store that cannot be opened is an error
// of the first call that needs it.
[[nodiscard]] Result<std::shared_ptr<Outbox>> open_outbox(const OutboxOptions& options,
                                                          std::shared_ptr<Clock> clock);

}  // namespace postbox
