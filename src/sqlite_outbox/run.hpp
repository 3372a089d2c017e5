// SqliteOutbox::run, the one place where an internal exception becomes a Result.
//
// Place:     included by the SQLite outbox's source files only.
// Threads:   takes the lane's mutex for the whole of `work`.
// Lifetime:  a template body, nothing else.
// Failure:   does not throw.
#pragma once

#include <chrono>
#include <concepts>
#include <new>

#include "base/fork_gate.hpp"
#include "outbox.hpp"

namespace postbox {

// An operator who waits for another's work, which comes in pages.
inline constexpr std::chrono::milliseconds kLongestWork = std::chrono::minutes(10);

// What an operator is told beside SQLite's own words.
[[nodiscard]] std::string_view advice_of(ErrorCode code) noexcept;

template <class Value, class Work>
Result<Value> SqliteOutbox::run(Role role, std::string_view what, Work work) {
  try {
    const NoFork no_fork;
    if (!forked_at_rest()) {
      return Error{ErrorCode::kClosed, "forked while SQLite was in use"};
    }
    Lane& chosen = lane(role);
    const bool flows = role == Role::kFlow;
    const sqlite::Turn turn(flows || in_memory() ? shared_.turn : operator_turn_,
                            flows ? busy_timeout_ : kLongestWork);
    const MutexLock lock(chosen.mutex);
    if (has_moved(chosen)) restore(chosen);
    if (role == Role::kFlow && damaged_.exchange(false)) repair(chosen);
    try {
      sqlite::Database& database = connect(role, chosen);
      if constexpr (std::invocable<Work, sqlite::Database&>) {
        return Result<Value>(work(database));
      } else {
        return Result<Value>(work(database, chosen.memory));
      }
    } catch (const sqlite::Failure& failure) {
      after_failure(failure.error().code, chosen);
      throw;
    }
  } catch (const sqlite::Failure& failure) {
    Error error = failure.error();
    if (failure.is_of_sqlite()) error.message += advice_of(error.code);
    return error.with_context(what);
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kInternal, "out of memory"};  // short enough to need none
  } catch (...) {
    return Error{ErrorCode::kInternal, "outbox failed"};
  }
}

}  // namespace postbox
