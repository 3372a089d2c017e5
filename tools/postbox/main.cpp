// postbox: the command line. Each subcommand is a file of its own.

#include <unistd.h>

#include <iostream>

#include "command.hpp"

int main(int argc, char** argv) {
  postbox::cli::Console console{.in = std::cin,
                                .out = std::cout,
                                .err = std::cerr,
                                .is_terminal = ::isatty(STDOUT_FILENO) == 1};
  return postbox::cli::run_command_line({argv + 1, argv + argc}, console);
}
