// postbox: the command line. Each subcommand is a file of its own.

#include <CLI/CLI.hpp>
#include <exception>
#include <functional>
#include <iostream>

#include "schema_command.hpp"

int main(int argc, char** argv) {
  CLI::App app("Looks after Postbox, the outbox of commerce events.", "postbox");
  app.footer(
      "Exit code: 0 done, 1 found a problem, 2 wrong use.\n"
      "Example:\n"
      "  postbox schema \"Placed Order\"");
  app.require_subcommand(1);
  std::function<int()> run;
  postbox::cli::add_schema(app, run);
  try {
    app.parse(argc, argv);
    return run();
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? postbox::cli::kDone : postbox::cli::kWrongUse;
  } catch (const std::exception& error) {
    std::cerr << "postbox: " << error.what() << '\n';
    return postbox::cli::kProblem;
  }
}
