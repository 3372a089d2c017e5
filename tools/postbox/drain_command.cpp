#include "drain_command.hpp"

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>

#include "delivery.hpp"
#include "duration_option.hpp"

namespace postbox::cli {
namespace {

struct DrainArguments {
  AccountOptions account;
  std::optional<std::chrono::milliseconds> timeout{std::chrono::minutes(10)};
};

int run_drain(const DrainArguments& arguments, Console& console) {
  auto delivery = Delivery::start(arguments.account, console);
  if (!delivery) return fail(console, delivery.error());
  const Delivery::End end = delivery->run(*arguments.timeout, console);
  return write_end(end, *delivery, Json::object(), arguments.account.json, console);
}

}  // namespace

void add_drain(CLI::App& app, Run& run) {
  const auto arguments = std::make_shared<DrainArguments>();
  CLI::App* command = app.add_subcommand("drain", "Deliver what waits, where no server runs");
  command->footer(
      "For a rollback of the shop to a version without Postbox, for one. Needs the key; takes\n"
      "nothing in, and leaves held events and timers that are not due.\n"
      "Exit code: 1 when the timeout or a signal ended it while something waited, and when "
      "another\n"
      "process is the sender of the outbox: that one delivers.\n"
      "Example:\n"
      "  postbox drain --timeout 10m");
  add_account_options(*command, arguments->account);
  add_duration(*command, "--timeout", arguments->timeout, "When to give up; 10m unless set");
  command->callback([arguments, &run] {
    run = [arguments](Console& console) { return run_drain(*arguments, console); };
  });
}

}  // namespace postbox::cli
