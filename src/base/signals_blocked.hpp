// SignalsBlocked keeps the host's signals away from threads that are started in its scope.
//
// Place:     around the start of every thread of this library; below everything, also below the
//            integrations.
// Threads:   changes the mask of its own thread, until the end of its scope.
// Lifetime:  a scope.
// Failure:   none.
#pragma once

#include <pthread.h>

#include <csignal>

namespace postbox {

// A new thread inherits the mask: none of the host's handlers may run on ours (pitfall P17). Those
// of faults may: such a signal comes from what the thread itself does, and blocked it ends the
// process before the host's crash handler has written a word.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT}) {
      sigdelset(&all, fault);
    }
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

}  // namespace postbox
