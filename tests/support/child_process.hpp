// Child: the rest of a process after fork(), as a function.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <utility>

namespace postbox::tests {

// A child's threads may wait for ever for locks that the sanitizers' own parts held at the fork:
// the allocator's of AddressSanitizer, and ThreadSanitizer starts no threads there at all.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define POSTBOX_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define POSTBOX_SANITIZED 1
#endif
#endif
#ifdef POSTBOX_SANITIZED
inline constexpr bool kForkIsTestable = false;
#else
inline constexpr bool kForkIsTestable = true;
#endif

class Child {
 public:
  // `work` returns whether all went well. The child ends without destructors or exit handlers.
  template <class Work>
  explicit Child(Work work) : pid_(fork()) {
    if (pid_ != 0) return;
    bool well = false;
    try {
      well = work();
    } catch (...) {
    }
    _exit(well ? 0 : 1);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) end(SIGKILL);
  }

  [[nodiscard]] bool went_well() { return exit_code() == 0; }

  // -1 when a signal ended it.
  [[nodiscard]] int exit_code() {
    int status = 0;
    waitpid(std::exchange(pid_, 0), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  void end(int signal) {
    kill(pid_, signal);
    waitpid(std::exchange(pid_, 0), nullptr, 0);
  }

 private:
  pid_t pid_;
};

// A word from one process to another; wait() also ends when nobody is left who could say it.
class Signal {
 public:
  Signal() { EXPECT_EQ(pipe(ends_.data()), 0); }
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  ~Signal() {
    close(ends_[0]);
    stay_silent();
  }

  void give() const { EXPECT_EQ(write(ends_[1], "!", 1), 1); }

  // Returns whether it was given.
  [[nodiscard]] bool wait() const {
    char word = 0;
    return read(ends_[0], &word, 1) == 1;
  }

  // This process will not give it.
  void stay_silent() {
    if (ends_[1] >= 0) close(std::exchange(ends_[1], -1));
  }

  [[nodiscard]] int reading_end() const noexcept { return ends_[0]; }
  [[nodiscard]] int writing_end() const noexcept { return ends_[1]; }

 private:
  std::array<int, 2> ends_{-1, -1};
};

}  // namespace postbox::tests
