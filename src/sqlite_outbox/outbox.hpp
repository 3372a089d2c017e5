// SqliteOutbox keeps events in one SQLite file, or in memory.
//
// Place:     what open_outbox() returns for "sqlite:PATH" and "memory:".
// Threads:   every member may be called from several threads at once. A file has two connections.
//            Appends, claims and settlements share one, whose cache then still holds an event's
//            pages when it is settled: with a connection each, every commit of the one empties the
//            other's cache. They take turns, and one that waits behind a hanging disk for longer
//            than busy_timeout says kOutboxBusy. Operators have the other, as have maintain() and
//            release_held(), so that no append waits for a long count or purge. Those two, which
//            the sender calls, do some thousands of rows at most.
// Lifetime:  owns its connections and the sender's seat. In the child of a fork() it leaves them to
//            the parent and opens its own; what was kept in memory stays the parent's.
// Failure:   kOutboxBusy and kOutboxFull keep the connections. After kOutboxUnavailable and
//            kOutboxCorrupt they are closed, and the next call of each opens again. A damaged
//            file is moved aside by the process that sends from it, with its readable rows in a new
//            one; the call that does so fails, and says what was done.
//
// Durability: append, and what an operator asks for, is committed with synchronous=FULL. Settle and
//            maintain use NORMAL: a power cut may undo the last of them, in order. What is lost
//            then is a delivery mark, hence an event is sent again, with the same key, and the
//            vendor de-duplicates it. A claim writes nothing, unless it finds a
//            row that is damaged.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <postbox/clock.hpp>
#include <postbox/outbox.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "age.hpp"
#include "base/fork_gate.hpp"
#include "base/mutex.hpp"
#include "batch.hpp"
#include "leases.hpp"
#include "sender_lock.hpp"
#include "sqlite/database.hpp"

namespace postbox {

class SqliteOutbox final : public Outbox, private Inherited {
 public:
  // `path` is a resolved_name(); empty means memory.
  SqliteOutbox(std::string path, const OutboxOptions& options, std::shared_ptr<Clock> clock);
  SqliteOutbox(const SqliteOutbox&) = delete;
  SqliteOutbox& operator=(const SqliteOutbox&) = delete;
  ~SqliteOutbox() override;

  [[nodiscard]] OutboxCaps caps() const noexcept override;
  [[nodiscard]] std::optional<std::string> file() const override { return path_; }
  [[nodiscard]] Result<Appended> append(std::span<const EventRecord> batch) override;
  [[nodiscard]] Result<Claim> claim(QueueId queue, const ClaimLimits& limits,
                                    std::chrono::milliseconds lease) override;
  [[nodiscard]] Result<Settled> settle(ClaimToken token,
                                       std::span<const Outcome> outcomes) override;
  [[nodiscard]] Result<std::size_t> extend(ClaimToken token, std::span<const EventHandle> events,
                                           std::chrono::milliseconds lease) override;
  [[nodiscard]] Result<std::vector<QueueId>> due_queues() override;
  [[nodiscard]] Result<Released> release_held(QueueId queue, Flag flag, EventHandle after) override;
  [[nodiscard]] Result<std::vector<DeadLetter>> dead(const EventFilter& filter, EventHandle after,
                                                     std::size_t max) override;
  [[nodiscard]] Result<std::size_t> replay(const EventFilter& filter, std::size_t max,
                                           const Rewrite& rewrite) override;
  [[nodiscard]] Result<std::size_t> purge(const EventFilter& filter) override;
  [[nodiscard]] Result<std::vector<HeldEvent>> held(const HeldFilter& filter, EventHandle after,
                                                    std::size_t max) override;
  [[nodiscard]] Result<std::vector<EventHandle>> free_held(const HeldFilter& filter,
                                                           EventHandle after,
                                                           std::size_t max) override;
  [[nodiscard]] Result<std::size_t> purge_held(const HeldFilter& filter) override;
  [[nodiscard]] Result<std::string> keep(std::string_view name, std::string_view text) override;
  [[nodiscard]] Result<std::string> exchange(std::string_view name, std::string_view text) override;
  [[nodiscard]] Result<std::size_t> purge_profile(const Key& profile) override;
  [[nodiscard]] Result<Maintained> maintain(std::chrono::milliseconds retention) override;
  [[nodiscard]] Result<OutboxStats> stats() override;

 private:
  enum class Role : std::uint8_t { kFlow, kOperator };

  // What the flow remembers besides its connection.
  struct Memory {
    sqlite::SenderSeat seat;
    sqlite::BatchNumber batch;
    std::int64_t token = 0;  // the newest: tells an append whether this is the sender
  };

  // One connection and who may touch it.
  struct Lane {
    explicit Lane(std::string lock_path = {})
        : memory{sqlite::SenderSeat(std::move(lock_path)), {}, 0} {}
    Mutex mutex;
    std::optional<sqlite::Database> database POSTBOX_GUARDED_BY(mutex);
    std::uint64_t generation POSTBOX_GUARDED_BY(mutex) = 0;
    Memory memory POSTBOX_GUARDED_BY(mutex);  // of the flow's only
  };

  // Runs `work(database)` or `work(database, memory)` on the connection of `role`; what is thrown
  // becomes an Error.
  template <class Value, class Work>
  Result<Value> run(Role role, std::string_view what, Work work);

  [[nodiscard]] Lane& lane(Role role) noexcept;
  sqlite::Database& connect(Role role, Lane& lane) POSTBOX_REQUIRES(lane.mutex);
  void after_failure(ErrorCode code, Lane& lane) POSTBOX_REQUIRES(lane.mutex);
  void repair(Lane& flow) POSTBOX_REQUIRES(flow.mutex);
  [[nodiscard]] bool has_moved(Lane& lane) noexcept POSTBOX_REQUIRES(lane.mutex);
  [[noreturn]] void restore(Lane& flow) POSTBOX_REQUIRES(flow.mutex);
  [[nodiscard]] bool close_operators();
  void forked() noexcept override;
  [[nodiscard]] bool give_up() noexcept override;
  void move_log();
  void empty_log(sqlite::Database& database) noexcept;
  [[nodiscard]] Result<std::size_t> erased(Result<std::size_t> purged);
  [[nodiscard]] bool in_memory() const noexcept { return path_.empty(); }
  [[nodiscard]] std::int64_t now() const noexcept;

  // Constant after construction.
  const std::string path_;
  const Bytes max_disk_;
  const std::chrono::milliseconds busy_timeout_;
  const std::shared_ptr<Clock> clock_;
  const sqlite::AgeClock ages_;

  // Counts failures after which every lane must open again: one of them saw the file break.
  std::atomic<std::uint64_t> generation_{0};

  // A connection found the file damaged; the next that may repairs it.
  std::atomic<bool> damaged_{false};

  // What was purged can be read in the log still.
  std::atomic<bool> must_empty_log_{false};

  // One operator at a time, in their order: the sender, which maintains, gets its turn between the
  // pages of a long purge.
  sqlite::WriteTurn operator_turn_;
  sqlite::SharedFile shared_;
  sqlite::Leases leases_;

  // Each guards itself. Memory is visible to one connection only, so there everything is the
  // flow's.
  Lane flow_lane_;
  Lane operator_lane_;
};

}  // namespace postbox
