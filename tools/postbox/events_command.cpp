#include "events_command.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "account.hpp"
#include "order_events.hpp"
#include "output.hpp"
#include "selection.hpp"

namespace postbox::cli {
namespace {

struct EventsArguments {
  AccountOptions account;
  std::string order;
};

void write_people(const std::vector<TypedEvent>& events, const Account& account,
                  const std::string& order, std::ostream& out) {
  if (events.empty()) {
    out << "no event of the order " << shown_key(order, false)
        << " is in the outbox: it was delivered, or removed, or was never accepted\n";
    return;
  }
  Table table({"id", "family", "metric", "key", "age", "where", "remark"});
  for (const TypedEvent& event : events) {
    const EventLine line = line_of(event, account.config, false);
    table.add({std::to_string(static_cast<std::int64_t>(line.handle)), line.family, line.metric,
               line.key, in_words(line.age), word_of(event.state),
               remark_of(event, account.config)});
  }
  table.write(out);
  out << "\nWhat is not here was delivered, or removed, or was never accepted.\n";
}

void write_machine(const std::vector<TypedEvent>& events, const Account& account,
                   std::ostream& out) {
  Json all = Json::array();
  for (const TypedEvent& event : events) {
    all.push_back(json_of(event, account.config, false));
  }
  write_json(out, {{"events", std::move(all)}});
}

int run_events(const EventsArguments& arguments, Console& console) {
  const auto account = open_account(arguments.account);
  if (!account) return fail(console, account.error());
  const auto found = find_order(*account, arguments.order);
  if (!found) return fail(console, found.error());
  const std::vector<TypedEvent>& events = found->events;
  if (arguments.account.json) {
    write_machine(events, *account, console.out);
  } else {
    write_people(events, *account, arguments.order, console.out);
  }
  if (found->locked > 0) {
    return fail(console, {ErrorCode::kInvalidConfig,
                          counted(found->locked, "event") +
                              " cannot be read, and may be of the order: they are encrypted with "
                              "a key that is not set; put it into POSTBOX_ENCRYPTION_KEY"});
  }
  const bool any_dead =
      std::ranges::any_of(events, [](const auto& e) { return e.state == EventState::kDead; });
  return any_dead ? kProblem : kDone;
}

}  // namespace

void add_events(CLI::App& app, Run& run) {
  const auto arguments = std::make_shared<EventsArguments>();
  CLI::App* command = app.add_subcommand("events", "Find the events of an order");
  command->footer(
      "Looks at every event of the outbox: seconds, where a million wait. Exit code: 1 when one "
      "of\n"
      "them is a dead letter.\n"
      "Example:\n"
      "  postbox events --order 1001");
  add_account_options(*command, arguments->account);
  command->add_option("--order", arguments->order, "The number of the order")->required();
  command->callback([arguments, &run] {
    run = [arguments](Console& console) { return run_events(*arguments, console); };
  });
}

}  // namespace postbox::cli
