// Operator answers what people ask of an outbox: dead letters, held events, replay, purge, forget.
//
// Place:     over an Outbox and a Destination, without threads, key or running tracker; also beside
//            a server that sends from the same outbox. A Tracker has the same for its own process.
// Threads:   every member may be called from several threads at once.
// Lifetime:  keeps its parts.
// Failure:   the outbox's errors; nothing throws. A replay or purge that fails in the middle has
//            done the first part, and may be repeated.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <postbox/destination.hpp>
#include <postbox/flag_set.hpp>
#include <postbox/outbox.hpp>
#include <postbox/result.hpp>

namespace postbox {

// Which dead letters are meant; unset members match all.
struct DeadLetterQuery {
  std::optional<QueueId> queue{};
  std::optional<EventHandle> handle{};
  std::string type{};                                   // "Placed Order"
  std::string reason{};                                 // a part of the reason, in the same case
  std::optional<std::chrono::milliseconds> dead_for{};  // at least this long
};

struct TypedDeadLetter : DeadLetter {
  std::string type;  // what the vendor calls it; empty when the stored event is damaged
  std::string key;   // the caller's own id, such as an order's; empty when there is none
};

// Which held events are meant; unset members match all.
struct HeldQuery {
  std::optional<QueueId> queue{};
  std::optional<EventHandle> handle{};
  std::string type{};  // "Placed Order"
  std::optional<std::chrono::milliseconds>
      waits_for{};  // since it was accepted, at least this long
};

struct TypedHeldEvent : HeldEvent {
  std::string type;  // what the vendor calls it; empty when the stored event is damaged
  std::string key;   // the caller's own id, such as an order's; empty when there is none
};

struct TypedEvent : ListedEvent {
  std::string type;  // what the vendor calls it; empty when the stored event is damaged
  std::string key;   // the caller's own id, such as an order's; empty when there is none
};

struct ReplayOptions {
  std::size_t max = std::numeric_limits<std::size_t>::max();
  bool backfill = false;  // as history: recorded, and nothing at the vendor acts on it
};

class Operator {
 public:
  static constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

  // `flags` say which families are off: what waits there counts as held. Nothing is null.
  Operator(std::shared_ptr<Outbox> outbox, std::shared_ptr<const Destination> destination,
           std::shared_ptr<const FlagSet> flags)
      : outbox_(std::move(outbox)),
        destination_(std::move(destination)),
        flags_(std::move(flags)) {}

  // Outbox::file().
  [[nodiscard]] std::optional<std::string> file() const { return outbox_->file(); }

  // Dead letters after `after` in the order of their handles, at most `max`. This and the next two
  // take as long as the outbox has dead letters.
  [[nodiscard]] Result<std::vector<TypedDeadLetter>> dead_letters(const DeadLetterQuery& query,
                                                                  EventHandle after,
                                                                  std::size_t max) const;

  // Send dead letters again, the oldest first, with the same keys and, unless as backfill, the same
  // bytes. One whose key is waiting already stays where it is. Returns how many were revived.
  [[nodiscard]] Result<std::size_t> replay(const DeadLetterQuery& query,
                                           const ReplayOptions& options = {});

  // Remove dead letters, the oldest first, at most `max`. Returns how many.
  [[nodiscard]] Result<std::size_t> purge(const DeadLetterQuery& query, std::size_t max = kAll);

  // Events that are held because their family is switched off, after `after` in the order of their
  // handles, at most `max`.
  [[nodiscard]] Result<std::vector<TypedHeldEvent>> held_events(const HeldQuery& query,
                                                                EventHandle after,
                                                                std::size_t max) const;

  // Remove held events, the oldest first, at most `max`. Returns how many.
  [[nodiscard]] Result<std::size_t> purge_held(const HeldQuery& query, std::size_t max = kAll);

  // Make held events ready although their family is off, the oldest first. Their sender holds them
  // again unless it knows them: `freed` is told which they are, some at a time. Returns how many.
  using Freed = std::function<void(std::span<const EventHandle>)>;
  [[nodiscard]] Result<std::size_t> free_held(const HeldQuery& query, std::size_t max,
                                              const Freed& freed);

  // Events in whatever state after `after` in the order of their handles, at most `max`. Of a
  // family that is off, what nobody has claimed is held.
  [[nodiscard]] Result<std::vector<TypedEvent>> events(EventHandle after, std::size_t max) const;

  // Remove every event of one profile, in whatever state, and its timers: somebody has asked to be
  // forgotten. A request under way is not recalled. Reads the whole outbox. Returns how many.
  [[nodiscard]] Result<std::size_t> forget(const Key& profile);

  // Encrypt what is plain, or encrypted with an older key: see OutboxOptions::encryption_keys.
  // Reads the whole outbox. Fails with kInvalidArgument without a key.
  [[nodiscard]] Result<Resealed> reseal() { return outbox_->reseal(); }

  // Outbox::check() and Outbox::back_up().
  [[nodiscard]] Result<Checked> check() const { return outbox_->check(); }
  [[nodiscard]] Result<void> back_up(const std::string& file) const {
    return outbox_->back_up(file);
  }

  // The text that the outbox keeps under `name`, see Outbox::keep(); empty when there is none.
  [[nodiscard]] Result<std::string> kept(std::string_view name) const;

  // How many events are in which state, by queue, and what has been counted since the outbox was
  // made. Fails, and says how many are spilled, while the store is away.
  [[nodiscard]] Result<OutboxStats> status() const;

 private:
  [[nodiscard]] HeldFilter filter_of(const HeldQuery& query) const;
  template <class Page, class Query>
  [[nodiscard]] Result<std::vector<Page>> pages_of(const Query& query, EventHandle after,
                                                   std::size_t max, auto list) const;

  std::shared_ptr<Outbox> outbox_;
  std::shared_ptr<const Destination> destination_;
  std::shared_ptr<const FlagSet> flags_;
};

}  // namespace postbox
