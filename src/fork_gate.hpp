// NoFork keeps fork() away from SQLite, libcurl and OpenSSL while they are at work: none of them
// can be used in a child that was forked in the middle of a call, for their locks stay taken there
// for ever. A fork() waits until nobody is inside; then both sides go on.
//
// Place:     around every use of the outbox's store and of the network.
// Threads:   everything from any thread; scopes of one thread may be nested. 🔒
// Lifetime:  the process's, and its children's: nothing here is ever destroyed.
// Failure:   a call that does not return (a disk that hangs) holds a fork() up for a second. The
//            child of such a fork, and of one from inside a scope, was not forked_at_rest(): there
//            nothing of this library may be used.
#pragma once

#include <cstdint>

namespace postbox {

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

// True when no call was under way in any fork between the first process and this one.
[[nodiscard]] bool forked_at_rest() noexcept;

// What a child inherits and must not go on using, such as connections to a database. It may be used
// again in the child after give_up().
class Inherited {
 public:
  Inherited(const Inherited&) = delete;
  Inherited& operator=(const Inherited&) = delete;

 protected:
  Inherited();
  ~Inherited();

 private:
  friend struct ForkGate;

  // In the child, before fork() returns, also when another thread was in the middle of a call:
  // system calls only, no memory, no locks, no log.
  virtual void forked() noexcept = 0;

  // In the child, before the first NoFork scope begins.
  virtual void give_up() noexcept = 0;

  Inherited* previous_ = nullptr;
  Inherited* next_ = nullptr;
};

}  // namespace postbox
