// SqliteOutbox::run, the one place where an internal exception becomes a Result.
//
// Place:     included by the SQLite outbox's source files only.
// Threads:   takes the lane's mutex for the whole of `work`.
// Lifetime:  a template body, nothing else.
// Failure:   does not throw.
#pragma once

#include <new>

#include "sqlite_outbox.hpp"

namespace postbox {

template <class Value, class Work>
Result<Value> SqliteOutbox::run(Role role, std::string_view what, Work work) {
  try {
    Lane& chosen = lane(role);
    const MutexLock lock(chosen.mutex);
    try {
      sqlite::Database& database = connect(role, chosen);
      Result<Value> result(work(database, chosen.seat));
      checkpoint_when_due(role, database);
      return result;
    } catch (const sqlite::Failure& failure) {
      after_failure(failure.error().code, chosen);
      return failure.error().with_context(what);
    }
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kInternal, "out of memory"};  // short enough to need none
  } catch (...) {
    return Error{ErrorCode::kInternal, "outbox failed"};
  }
}

}  // namespace postbox
