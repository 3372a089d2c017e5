// SignalsBlocked keeps the host's signals away from threads that are started in its scope.
#pragma once

#include <pthread.h>

#include <csignal>

namespace postbox {

// A new thread inherits the mask: none of the host's handlers may run on ours (pitfall P17).
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

}  // namespace postbox
