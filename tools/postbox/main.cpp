// postbox: the command line. Each subcommand is a file of its own.

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>
#include <iostream>

#include "command.hpp"

namespace {

bool pause_for(std::chrono::milliseconds time) {
  sigset_t ends;
  sigemptyset(&ends);
  for (const int signal : {SIGINT, SIGTERM}) sigaddset(&ends, signal);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  const auto deadline = std::chrono::steady_clock::now() + time;
  for (;;) {
    const auto left =
        std::max(std::chrono::nanoseconds(0),
                 std::chrono::nanoseconds(deadline - std::chrono::steady_clock::now()));
    const timespec wait{.tv_sec = left / std::chrono::seconds(1),
                        .tv_nsec = static_cast<long>((left % std::chrono::seconds(1)).count())};
    if (sigtimedwait(&ends, nullptr, &wait) >= 0) return false;
    if (errno != EINTR) return true;
  }
}

}  // namespace

int main(int argc, char** argv) {
  postbox::cli::Console console{
      .in = std::cin,
      .out = std::cout,
      .err = std::cerr,
      .is_terminal = ::isatty(STDOUT_FILENO) == 1,
      .can_ask = ::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1,
      .pause = pause_for,
      .err_is_terminal = ::isatty(STDERR_FILENO) == 1};
  return postbox::cli::run_command_line({argv + 1, argv + argc}, console);
}
