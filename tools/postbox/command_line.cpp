#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <ostream>
#include <sstream>
#include <thread>

#include "command.hpp"
#include "config_command.hpp"
#include "dead_command.hpp"
#include "doctor_command.hpp"
#include "drain_command.hpp"
#include "events_command.hpp"
#include "file_commands.hpp"
#include "forget_command.hpp"
#include "held_command.hpp"
#include "import_command.hpp"
#include "output.hpp"
#include "report_command.hpp"
#include "salvage_command.hpp"
#include "schema_command.hpp"
#include "send_test_command.hpp"
#include "serve_command.hpp"
#include "status_command.hpp"
#include "validate_command.hpp"

namespace postbox::cli {
namespace {

// What was not expected, as far as it is an option: a word may be whatever somebody has pasted.
std::string extras_of(const CLI::App& app) {
  std::string options;
  std::size_t words = 0;
  for (const std::string& extra : app.remaining(true)) {
    if (extra.starts_with("--")) {
      options += ' ' + typed(extra.substr(0, extra.find('=')));
    } else {
      ++words;
    }
  }
  std::string text = "Not expected:" + options;
  if (words > 0) {
    text += (options.empty() ? " " : " and ") + std::to_string(words) +
            (words == 1 ? " argument" : " arguments");
  }
  return text + "\nRun with --help for more information.\n";
}

// Returns the exit code of arguments that are wrong, or that ask for help.
int answer(const CLI::App& app, const CLI::ParseError& error, Console& console) {
  std::ostringstream said;
  if (app.exit(error, console.out, said) == 0) return kDone;
  const bool is_extra = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr;
  std::istringstream lines(is_extra ? extras_of(app) : said.str());
  for (std::string line; std::getline(lines, line);) console.err << typed(line) << '\n';
  return kWrongUse;
}

}  // namespace

bool wait(Console& console, std::chrono::milliseconds time) {
  if (console.pause) return console.pause(time);
  std::this_thread::sleep_for(time);
  return true;
}

int run_command_line(std::vector<std::string> arguments, Console& console) {
  CLI::App app("Looks after Postbox, the outbox of commerce events.", "postbox");
  app.footer(
      "Exit code: 0 done, 1 found a problem, 2 wrong use.\n"
      "Example:\n"
      "  postbox status --env-file /etc/shop/shop.env");
  app.require_subcommand(1);
  Run run;
  add_backup(app, run);
  add_config(app, run);
  add_dead(app, run);
  add_drain(app, run);
  add_events(app, run);
  add_flags(app, run);
  add_forget(app, run);
  add_fsck(app, run);
  add_held(app, run);
  add_import(app, run);
  add_report(app, run);
  add_reseal(app, run);
  add_salvage(app, run);
  add_doctor(app, run);
  add_schema(app, run);
  add_send_test(app, run);
  add_serve(app, run);
  add_status(app, run);
  add_validate(app, run);
  try {
    std::ranges::reverse(arguments);  // as CLI11 takes them
    app.parse(std::move(arguments));
    return run(console);
  } catch (const CLI::ParseError& error) {
    return answer(app, error, console);
  } catch (const std::exception& error) {
    console.err << "postbox: " << error.what() << '\n';
    return kProblem;
  }
}

}  // namespace postbox::cli
