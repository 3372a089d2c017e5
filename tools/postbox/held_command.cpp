#include "held_command.hpp"

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "delivery.hpp"
#include "duration_option.hpp"

namespace postbox::cli {
namespace {

HeldQuery query_of(const Selection& selection, const klaviyo::Config& config) {
  HeldQuery query{.type = selection.metric, .waits_for = selection.older_than};
  query.queue = queue_of(selection, config).value_or(std::nullopt);
  if (selection.id) query.handle = EventHandle{*selection.id};
  return query;
}

ShownEvent shown(TypedHeldEvent held, const klaviyo::Config& config, bool reveal) {
  ShownEvent event;
  event.line = {.handle = held.handle,
                .family = name_of(held.record.queue, config),
                .metric = held.type,
                .key = shown_key(held.key, reveal),
                .age = held.age};
  event.details = {{"attempts", held.attempts}};
  event.record = std::move(held.record);
  return event;
}

Result<std::vector<ShownEvent>> list(const Account& account, const Selection& selection,
                                     bool reveal, EventHandle after, std::size_t max) {
  auto held = account.outbox.held_events(query_of(selection, account.config), after, max);
  if (!held) return held.error();
  std::vector<ShownEvent> events;
  for (TypedHeldEvent& event : *held) {
    events.push_back(shown(std::move(event), account.config, reveal));
  }
  return events;
}

}  // namespace

EventKind held_events() {
  return {.name = "held event",
          .list = list,
          .purge = [](Account& account, const Selection& selection) {
            return account.outbox.purge_held(query_of(selection, account.config), selection.max);
          }};
}

namespace {

struct ReleaseArguments {
  EventArguments events;
  std::optional<std::chrono::milliseconds> timeout{std::chrono::minutes(10)};
};

// Frees what is meant and delivers it. The approval was given.
int deliver(const ReleaseArguments& arguments, Console& console) {
  auto delivery = Delivery::start(arguments.events.account, console);
  if (!delivery) return fail(console, delivery.error());
  const Selection& selection = arguments.events.selection;
  const auto released = delivery->release(query_of(selection, delivery->config()), selection.max);
  if (!released) return fail(console, released.error());
  const Delivery::End end = delivery->run(*arguments.timeout, console);
  return write_end(end, *delivery, {{"released", *released}}, arguments.events.account.json,
                   console);
}

int run_release(const ReleaseArguments& arguments, Console& console) {
  const auto& events = arguments.events;
  Decision decision = Decision::kNo;
  const int code = with_account(events, console, [&](const Account& account) {
    const auto meant = count_events(held_events(), account, events.selection);
    if (!meant) return fail(console, meant.error());
    decision = decide(events.approval, "Release " + counted(*meant, "held event") + '?', console);
    if (decision == Decision::kDryRun) {
      write_dry_run(held_events(), "released", *meant, events, console);
    }
    return decision == Decision::kCannotAsk ? kWrongUse : kDone;
  });
  return decision == Decision::kGo ? deliver(arguments, console) : code;
}

void add_release(CLI::App& command, Run& run) {
  CLI::App* release =
      command.add_subcommand("release", "Send held events although their family is off");
  release->footer(
      "Delivers from this process, and what else waits with them, so that no server may run on "
      "the\n"
      "outbox: a server would hold them again, until their family is switched on. Needs the key.\n"
      "What is not delivered at the end is held again.\n"
      "Example:\n"
      "  postbox held release --metric \"Placed Order\" --yes");
  const auto arguments = std::make_shared<ReleaseArguments>();
  add_filters(*release, held_events(), arguments->events);
  add_approval(*release, arguments->events.approval);
  add_duration(*release, "--timeout", arguments->timeout, "When to give up; 10m unless set");
  release->callback([arguments, &run] {
    run = [arguments](Console& console) { return run_release(*arguments, console); };
  });
}

}  // namespace

void add_held(CLI::App& app, Run& run) {
  CLI::App* command =
      app.add_subcommand("held", "List, show, release or purge what waits while its family is off");
  command->footer(
      "Whether a family is off goes by this environment: use the server's. When the family is\n"
      "switched on, they are sent by themselves.");
  command->require_subcommand(1);
  add_list(*command, held_events(), "held list --family cart", run);
  add_show(*command, held_events(), "held show 17", run);
  add_release(*command, run);
  add_purge(*command, held_events(), "held purge --family cart --older-than 72h --yes", run);
}

}  // namespace postbox::cli
