#include <algorithm>
#include <exception>
#include <ostream>
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
#include "report_command.hpp"
#include "salvage_command.hpp"
#include "schema_command.hpp"
#include "send_test_command.hpp"
#include "serve_command.hpp"
#include "status_command.hpp"
#include "validate_command.hpp"

namespace postbox::cli {

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
    return app.exit(error, console.out, console.err) == 0 ? kDone : kWrongUse;
  } catch (const std::exception& error) {
    console.err << "postbox: " << error.what() << '\n';
    return kProblem;
  }
}

}  // namespace postbox::cli
