// Command is what every subcommand of `postbox` has in common: where it writes, and how it ends.
#pragma once

#include <chrono>
#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

namespace CLI {
class App;  // of CLI11, whose header is a large one
}

namespace postbox::cli {

// The exit codes.
inline constexpr int kDone = 0;
inline constexpr int kProblem = 1;
inline constexpr int kWrongUse = 2;

// The streams of a command; a test reads them.
struct Console {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool is_terminal = false;  // `out` is one, on which a line may be written over
  bool can_ask = false;      // somebody at a terminal reads `err` and types into `in`

  // Waits so long, or less when the program is to end: false then. From the first call on SIGINT
  // and SIGTERM end waits and not the program. Unset: false.
  std::function<bool(std::chrono::milliseconds)> pause{};

  bool err_is_terminal = false;
};

// The same where waiting is part of the work: without `pause` it sleeps, and nothing ends it.
[[nodiscard]] bool wait(Console& console, std::chrono::milliseconds time);

// What the chosen subcommand does, set by parsing. It returns the exit code.
using Run = std::function<int(Console&)>;

// Parses `arguments` (without the program's name) and runs the subcommand. No exception leaves it.
[[nodiscard]] int run_command_line(std::vector<std::string> arguments, Console& console);

}  // namespace postbox::cli
