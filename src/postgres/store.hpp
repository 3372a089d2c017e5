// Store has the connections to the database of some tables: it opens them at first use, and again
// after they have ended.
//
// Place:     below PostgresOutbox and its like, which say what is done in a session.
// Threads:   every member may be called from several threads at once. There are three connections,
//            so that an append waits for no claim, and neither for an operator; of the calls of one
//            each waits for the one before it. 🔒
// Lifetime:  owns its connections. In the child of a fork() it leaves them to the parent and opens
//            its own.
// Failure:   run() returns what its work throws. A connection that had ended before is opened again
//            and the work is done once more: everything that is done here may be done twice.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>

#include <postbox/result.hpp>

#include "base/batch_number.hpp"
#include "base/fork_gate.hpp"
#include "base/mutex.hpp"
#include "database_time.hpp"
#include "failure.hpp"
#include "migrate.hpp"
#include "transaction.hpp"

namespace postbox::postgres {

class Store final : private Inherited {
 public:
  enum class Role : std::uint8_t { kWriter, kSender, kOperator };

  // `schema` has the tables, and lasts as long as the program; `uri` is "postgresql://…"; `limit`
  // bounds each statement.
  Store(const Schema& schema, std::string uri, std::chrono::milliseconds limit,
        std::shared_ptr<Clock> clock, TimeSource source);
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  ~Store();

  [[nodiscard]] DatabaseTime& time() noexcept { return time_; }

  // Runs `work(session)` on the connection of `role`; what is thrown becomes an Error. The one
  // place where it does.
  template <class Value, class Work>
  Result<Value> run(Role role, std::string_view what, Work work);

 private:
  // A connection and who may touch it.
  struct Place {
    Mutex mutex;
    std::optional<Session> session POSTBOX_GUARDED_BY(mutex);
  };

  Session& connect(Place& place) POSTBOX_REQUIRES(place.mutex);
  // Returns whether the work may be done once more.
  [[nodiscard]] static bool after_failure(const Failure& failure, Place& place, bool was_open)
      POSTBOX_REQUIRES(place.mutex);
  [[nodiscard]] bool give_up() noexcept override;

  // Constant after construction.
  const Schema& schema_;
  const std::string uri_;
  const std::chrono::milliseconds limit_;
  const std::int64_t first_part_;

  DatabaseTime time_;
  std::array<Place, 3> places_;  // each guards itself
};

template <class Value, class Work>
Result<Value> Store::run(Role role, std::string_view what, Work work) {
  try {
    const NoFork no_fork;
    if (!forked_at_rest()) {
      return Error{ErrorCode::kClosed, "forked while a connection was in use"};
    }
    Place& place = places_.at(static_cast<std::size_t>(role));
    const MutexLock lock(place.mutex);
    for (;;) {
      const bool was_open = place.session.has_value();
      try {
        return Result<Value>(work(connect(place)));
      } catch (const Failure& failure) {
        if (!after_failure(failure, place, was_open)) throw;
      }
    }
  } catch (const Failure& failure) {
    return failure.error().with_context(what);
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kInternal, "out of memory"};  // short enough to need none
  } catch (...) {
    return Error{ErrorCode::kInternal, "outbox failed"};
  }
}

}  // namespace postbox::postgres
