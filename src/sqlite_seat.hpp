// SenderSeat decides which process is the one sender of a store, and numbers its claims.
//
// Place:     used by the SQLite outbox before it claims.
// Threads:   one thread at a time; guarded by the sender connection's mutex.
// Lifetime:  the seat is kept until destruction. When a process dies the kernel frees it, and the
//            next holder may take the dead one's rows at once: they bear an older epoch.
// Failure:   throws sqlite::Failure.
//
// Caveat:    the lock belongs to the open file. A child that is forked without exec keeps it for as
//            long as it lives: fork before the outbox is first used.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "sqlite_database.hpp"

namespace postbox::sqlite {

// Returns the epoch of the present or latest sender, whoever that is.
[[nodiscard]] std::int64_t stored_epoch(Database& database);

class SenderSeat {
 public:
  // `lock_path` is a file to lock; empty for a store that no other process can see.
  explicit SenderSeat(std::string lock_path) : lock_path_(std::move(lock_path)) {}
  SenderSeat(const SenderSeat&) = delete;
  SenderSeat& operator=(const SenderSeat&) = delete;
  ~SenderSeat();

  // Returns whether this instance is the sender, after trying to become it.
  [[nodiscard]] bool take(Database& database);

  // Precondition for both: take() returned true.
  [[nodiscard]] std::int64_t first_token_of_epoch() const noexcept;
  [[nodiscard]] std::int64_t next_token(Database& database);

  // The store was opened again: it may be another file, with another epoch.
  void distrust_epoch() noexcept {
    epoch_verified_ = false;
    look_from_start();
  }

  // No row of `queue` up to the returned id can be claimed: we lease it, or it is gone. The lease
  // stands in no index, so that a claim would read every leased row to find one behind them. What
  // other processes and the passing of time make claimable is found within seconds.
  [[nodiscard]] std::int64_t leased_through(std::int64_t queue, std::int64_t now);
  void lease_through(std::int64_t queue, std::int64_t last) { fronts_[queue].through = last; }

  // Rows may have become claimable anywhere.
  void look_from_start() noexcept;

 private:
  [[nodiscard]] bool lock();
  void start_epoch(Database& database);

  struct Front {
    std::int64_t through = 0;
    std::int64_t looked_at = 0;  // from the start, by the store's clock
  };

  const std::string lock_path_;
  int descriptor_ = -1;
  std::int64_t epoch_ = 0;
  std::int64_t claims_ = 0;
  bool epoch_verified_ = false;
  std::map<std::int64_t, Front> fronts_;  // by queue
};

}  // namespace postbox::sqlite
