// NoFork keeps fork() away from SQLite, libcurl and OpenSSL while they are at work: none of them
// can be used in a child that was forked in the middle of a call, for their locks stay taken there
// forever. A fork() waits until nobody is inside; then both sides go on.
//
// Place:     around every use of a store and of the network; below everything, also below the
//            integrations.
// Threads:   everything from any thread; scopes of one thread may be nested. 🔒
// Lifetime:  the process's, and its children's: nothing here is ever destroyed.
// Failure:   no wait is without a bound. A call that does not return (a disk that hangs) holds a
//            fork() up for a second. A fork() that does not return, since another library's
//            handler waits for a lock of a thread that waits here, holds that thread up for a
//            second, and for 20 ms from the second time on. The child of such a fork, and of one
//            from inside a scope, was not forked_at_rest(): there nothing of this library may be
//            used.
#pragma once

#include <atomic>
#include <cstdint>

namespace postbox {

// A fork waits for SQLite and libcurl, then the child opens its own. Their global locks cannot be
// repaired in a child, so none may be taken at the fork. SQLite counts its locks per process and
// file: the child closes what it inherited (without a checkpoint, which is the parent's affair)
// before it opens the file again, else it would hold locks in its books that the kernel does not
// know of. The handler in the child only closes the descriptor of the sender lock, for `flock`
// belongs to the open file and an idle child would keep the lock of a dead parent; a lock of
// `fcntl` would not, but two trackers of one process could not tell each other apart by it.
//
// While one exists, fork() of another thread waits.
class NoFork {
 public:
  NoFork() noexcept;
  NoFork(const NoFork&) = delete;
  NoFork& operator=(const NoFork&) = delete;
  ~NoFork();
};

// Counts the forks between the first process and this one.
[[nodiscard]] std::uint64_t fork_generation() noexcept;

// True when no call was under way in any fork between the first process and this one, and all that
// was inherited could be given up. Asked inside a NoFork scope, where the latter is known.
[[nodiscard]] bool forked_at_rest() noexcept;

// Something that a child inherits and must not go on using, such as connections to a database. It
// may be used again in the child after give_up().
class Inherited {
 public:
  Inherited(const Inherited&) = delete;
  Inherited& operator=(const Inherited&) = delete;

 protected:
  Inherited();
  ~Inherited();

  // To be called inside the last NoFork scope of a destructor: what is destroyed after it is not to
  // be found by a child.
  void withdraw() noexcept;

 private:
  friend struct ForkGate;

  // In the child, before fork() returns, also when another thread was in the middle of a call:
  // system calls only, no memory, no locks, no log.
  virtual void forked() noexcept {}

  // In the child, when the first NoFork scope begins. False when it cannot be given up without
  // waiting forever.
  [[nodiscard]] virtual bool give_up() noexcept { return true; }

  std::atomic<Inherited*> next_{nullptr};
};

}  // namespace postbox
