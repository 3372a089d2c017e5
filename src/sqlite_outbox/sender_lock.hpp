// SenderLock decides which process is the one sender of a store, and numbers its claims.
//
// Place:     used by the SQLite outbox before it claims.
// Threads:   one thread at a time; guarded by the mutex of the flow's connection.
// Lifetime:  the lock is held until destruction. When a process dies the kernel frees it, and the
//            next holder opens a new epoch.
// Failure:   throws sqlite::Failure.
#pragma once

#include <cstdint>
#include <string>

#include "leases.hpp"
#include "sqlite/database.hpp"

namespace postbox::sqlite {

class SenderLock {
 public:
  // `lock_path` is a file to lock; empty for a store that no other process can see.
  explicit SenderLock(std::string lock_path) : lock_path_(std::move(lock_path)) {}
  SenderLock(const SenderLock&) = delete;
  SenderLock& operator=(const SenderLock&) = delete;
  ~SenderLock();

  // Returns whether this instance is the sender, after trying to become it. Clears `leases` when
  // it has not been the sender of this very file until now.
  [[nodiscard]] bool take(Database& database, Leases& leases);

  // True when `token` was made for the file that `database` is, and nobody has taken the lock
  // since. Inside a write transaction that stays true until its end.
  [[nodiscard]] bool is_ours(Database& database, std::int64_t token) const;

  // The same without a look into the file, which may be damaged.
  [[nodiscard]] bool take_lock() { return lock(); }

  // Precondition: take() returned true.
  [[nodiscard]] std::int64_t next_token() noexcept;

  // In the child of a fork(), where it is the parent's: a lock belongs to the open file,
  // and the child's copy of the descriptor would keep it after the parent's end. One system call.
  void leave() noexcept;

 private:
  [[nodiscard]] bool lock();
  void unlock() noexcept;

  const std::string lock_path_;
  int descriptor_ = -1;
  std::int64_t epoch_ = 0;
  std::int64_t claims_ = 0;  // never starts again: a token of one file is none of the next
};

}  // namespace postbox::sqlite
