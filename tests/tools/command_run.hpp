// CommandRun runs `postbox` with arguments in this process, and keeps what it wrote.
#pragma once

#include <chrono>
#include <command.hpp>
#include <functional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace postbox::testing {

struct CommandRun {
  int code = 0;
  std::string out;
  std::string err;
};

// `can_ask`: as at a terminal, where `input` is typed. `pause` is Console::pause.
inline CommandRun run_postbox(std::vector<std::string> arguments, const std::string& input = {},
                              bool can_ask = false,
                              std::function<bool(std::chrono::milliseconds)> pause = {}) {
  std::istringstream in(input);
  std::ostringstream out;
  std::ostringstream err;
  cli::Console console{
      .in = in, .out = out, .err = err, .can_ask = can_ask, .pause = std::move(pause)};
  const int code = cli::run_command_line(std::move(arguments), console);
  return {.code = code, .out = out.str(), .err = err.str()};
}

}  // namespace postbox::testing
