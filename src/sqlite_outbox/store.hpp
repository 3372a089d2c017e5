// Store has the connections to an outbox's file: it opens, repairs and restores the file, leaves it
// to the parent after a fork(), and keeps its log short.
//
// Place:     below SqliteOutbox, which says what is done on a connection.
// Threads:   every member may be called from several threads at once. A file has
//            two connections. Appends, claims and settlements share one, whose cache then still
//            holds an event's pages when it is settled: with a connection each, every commit of the
//            one empties the other's cache. They go one after another, and one that waits behind a
//            hanging disk for longer than `busy_timeout` fails with kOutboxBusy. Operators have the
//            other, as have maintain() and release_held(), so that no append waits for a long count
//            or purge. Those two, which the sender calls, do some thousands of rows at most.
// Lifetime:  owns its connections and the sender lock. In the child of a fork() it leaves them to
//            the parent and opens its own; what was kept in memory stays the parent's.
// Failure:   run() returns what its work throws. kOutboxBusy and kOutboxFull keep the connections;
//            after kOutboxUnavailable and kOutboxCorrupt they are closed, and the next call of each
//            opens again.
#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <new>
#include <optional>
#include <postbox/result.hpp>
#include <string>
#include <string_view>

#include "base/batch_number.hpp"
#include "base/fork_gate.hpp"
#include "base/mutex.hpp"
#include "leases.hpp"
#include "sender_lock.hpp"
#include "sqlite/database.hpp"

namespace postbox::sqlite {

// FlowState is what the flow of events keeps besides its connection.
struct FlowState {
  SenderLock sender_lock;
  BatchNumber batch;
  std::int64_t token = 0;  // the newest: tells an append whether this is the sender
};

class Store final : private Inherited {
 public:
  // Appends, claims and settlements share one connection. With a connection each, every commit of
  // the one empties the other's page cache: 27 µs of CPU an event in place of 23. A claim that
  // meets an append in its sync waits for it, as a settlement has to anyway.
  enum class Role : std::uint8_t { kFlow, kOperator };

  // `path` is a resolved_name(); empty means memory.
  Store(std::string path, std::chrono::milliseconds busy_timeout);
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  ~Store();

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] bool in_memory() const noexcept { return path_.empty(); }
  [[nodiscard]] Leases& leases() noexcept { return leases_; }

  // Runs `work(database)` or `work(database, flow_state)` on the connection of `role`; what is
  // thrown becomes an Error. The one place where it does.
  template <class Value, class Work>
  Result<Value> run(Role role, std::string_view what, Work work);

  // Moves a log that is due on the operators' connection, unless an operator is at work there.
  void move_log();

  // Removed data stands in the log until that is emptied: now, or when must_empty_log() is
  // asked next, while another program reads the file.
  void empty_log(Database& database) noexcept { must_empty_log_ = !database.empty_log(); }
  void empty_log_later() noexcept { must_empty_log_ = true; }
  [[nodiscard]] bool must_empty_log() const noexcept { return must_empty_log_; }

 private:
  // A connection and who may touch it.
  struct Connection {
    explicit Connection(std::string lock_path = {})
        : flow{SenderLock(std::move(lock_path)), {}, 0} {}
    Mutex mutex;
    std::optional<Database> database POSTBOX_GUARDED_BY(mutex);
    std::uint64_t generation POSTBOX_GUARDED_BY(mutex) = 0;
    FlowState flow POSTBOX_GUARDED_BY(mutex);  // of the flow's only
  };

  // An operator who waits for another's work, which comes in pages.
  static constexpr std::chrono::milliseconds kLongestWork = std::chrono::minutes(10);

  [[nodiscard]] Connection& connection(Role role) noexcept;
  Database& connect(Role role, Connection& connection) POSTBOX_REQUIRES(connection.mutex);
  void after_failure(ErrorCode code, Connection& connection) POSTBOX_REQUIRES(connection.mutex);
  void repair(Connection& flow) POSTBOX_REQUIRES(flow.mutex);
  [[nodiscard]] bool has_moved(Connection& connection) noexcept POSTBOX_REQUIRES(connection.mutex);
  [[noreturn]] void restore(Connection& flow) POSTBOX_REQUIRES(flow.mutex);
  [[nodiscard]] bool close_operators();
  [[nodiscard]] static Error with_advice(const Failure& failure);
  void forked() noexcept override;
  [[nodiscard]] bool give_up() noexcept override;

  // Constant after construction.
  const std::string path_;
  const std::chrono::milliseconds busy_timeout_;

  // Counts failures after which every connection must open again: one of them saw the file break.
  std::atomic<std::uint64_t> generation_{0};

  // A connection found the file damaged; the next that may repairs it.
  std::atomic<bool> damaged_{false};

  std::atomic<bool> must_empty_log_{false};

  // One operator at a time, in their order: the sender, which maintains, goes between the pages of
  // a long purge.
  WriterMutex operators_;
  SharedFile shared_;
  Leases leases_;

  // Each guards itself. Memory is visible to one connection only, so there everything is the
  // flow's.
  Connection flow_;
  Connection operator_;
};

template <class Value, class Work>
Result<Value> Store::run(Role role, std::string_view what, Work work) {
  try {
    const NoFork no_fork;
    if (!forked_at_rest()) {
      return Error{ErrorCode::kClosed, "forked while SQLite was in use"};
    }
    Connection& chosen = connection(role);
    const bool is_flow = role == Role::kFlow;
    const WriterGuard guard(is_flow || in_memory() ? shared_.writer : operators_,
                            is_flow ? busy_timeout_ : kLongestWork);
    const MutexLock lock(chosen.mutex);
    if (has_moved(chosen)) restore(chosen);
    if (is_flow && damaged_.exchange(false)) repair(chosen);
    try {
      Database& database = connect(role, chosen);
      if constexpr (std::invocable<Work, Database&>) {
        return Result<Value>(work(database));
      } else {
        return Result<Value>(work(database, chosen.flow));
      }
    } catch (const Failure& failure) {
      after_failure(failure.error().code, chosen);
      throw;
    }
  } catch (const Failure& failure) {
    return with_advice(failure).with_context(what);
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kInternal, "out of memory"};  // short enough to need none
  } catch (...) {
    return Error{ErrorCode::kInternal, "outbox failed"};
  }
}

}  // namespace postbox::sqlite
