// `postbox schema` as a program of its own.
#include <CLI/CLI.hpp>

#include <iostream>

#include "command.hpp"
#include "schema_command.hpp"

int main(int argc, char** argv) {
  CLI::App app;
  postbox::cli::Run run;
  postbox::cli::add_schema(app, run);
  app.require_subcommand(1);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? postbox::cli::kDone : postbox::cli::kWrongUse;
  }
  postbox::cli::Console console{.in = std::cin, .out = std::cout, .err = std::cerr};
  return run(console);
}
