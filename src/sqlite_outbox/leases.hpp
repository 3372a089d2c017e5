// Leases notes which rows the sender has in its hands, and until when.
//
// Place:     the SQLite outbox's; filled by claim(), emptied by settle().
// Threads:   every member may be called from several threads at once; the lock is never held while
//            the disk is used. 🔒
// Lifetime:  in memory, as long as the outbox: whoever holds the sender lock is the only one to
//            claim, and when its process dies its leases have died with it.
// Failure:   throws std::bad_alloc only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <postbox/clock.hpp>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/mutex.hpp"

namespace postbox::sqlite {

struct Lease {
  std::int64_t token = 0;
  std::int64_t queue = 0;
  std::int64_t claimed_at = 0;  // by the AgeClock
  SteadyTime until{};
  bool in_order = false;  // the row has a slot
};

// Leases are in memory. One process at a time sends from a file, so nobody else needs to know them,
// and a claim writes nothing, unless it finds a damaged row; they last by the steady clock, which
// nobody sets. The sender holds a lock of the kernel on the file: when it dies, lock and leases are
// gone, and the next one begins at once. Each settlement looks whether the sender lock is still its
// own.
class Leases {
 public:
  // Whether nobody else may claim the row.
  [[nodiscard]] bool holds(std::int64_t row, SteadyTime now) const POSTBOX_EXCLUDES(mutex_);

  // Takes the place of leases that have ended. `in_order` are the ones among `rows` that have a
  // slot.
  void add(std::span<const std::int64_t> rows, std::span<const std::int64_t> in_order,
           const Lease& lease) POSTBOX_EXCLUDES(mutex_);

  // Whether the row may be under way: claimed and not settled, also when the lease has ended.
  [[nodiscard]] bool knows(std::int64_t row) const { return holds(row, SteadyTime::min()); }

  // Returns the lease of the row under `token`; nothing when there was none, or when another claim
  // has taken it since. A lease that has ended, but that nobody took, is still one.
  [[nodiscard]] std::optional<Lease> find(std::int64_t row, std::int64_t token) const
      POSTBOX_EXCLUDES(mutex_);

  // False when there is no such lease.
  bool extend(std::int64_t row, std::int64_t token, SteadyTime until) POSTBOX_EXCLUDES(mutex_);

  void end(std::span<const std::int64_t> rows) POSTBOX_EXCLUDES(mutex_);
  void end_all() POSTBOX_EXCLUDES(mutex_);

  // How many rows of each queue are leased.
  [[nodiscard]] std::map<std::int64_t, std::uint64_t> count(SteadyTime now) const
      POSTBOX_EXCLUDES(mutex_);

  // No row of `queue` up to the returned id can be claimed: it is leased, gone, or waits for one
  // in order. So a claim need not walk past thousands of leased rows. What other processes and the
  // passing of time make claimable is found within seconds.
  [[nodiscard]] std::int64_t leased_through(std::int64_t queue, SteadyTime now)
      POSTBOX_EXCLUDES(mutex_);

  // Rows may have become claimable anywhere.
  void rescan() POSTBOX_EXCLUDES(mutex_);

 private:
  struct Front {
    std::int64_t through = 0;
    SteadyTime looked_at{};  // from the start
  };

  mutable Mutex mutex_;
  std::unordered_map<std::int64_t, Lease> leases_ POSTBOX_GUARDED_BY(mutex_);  // by row
  std::map<std::int64_t, Front> fronts_ POSTBOX_GUARDED_BY(mutex_);            // by queue
};

}  // namespace postbox::sqlite
