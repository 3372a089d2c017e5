#include "held_command.hpp"

#include <utility>

#include "event_commands.hpp"

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

EventKind held_events() {
  return {.name = "held event",
          .list = list,
          .purge = [](Account& account, const Selection& selection) {
            return account.outbox.purge_held(query_of(selection, account.config), selection.max);
          }};
}

}  // namespace

void add_held(CLI::App& app, Run& run) {
  CLI::App* command =
      app.add_subcommand("held", "List, show or purge what waits for its family to be switched on");
  command->footer(
      "Whether a family is off goes by this environment: use the server's. When the family is\n"
      "switched on, they are sent by themselves.");
  command->require_subcommand(1);
  add_list(*command, held_events(), "held list --family cart", run);
  add_show(*command, held_events(), "held show 17", run);
  add_purge(*command, held_events(), "held purge --family cart --older-than 72h --yes", run);
}

}  // namespace postbox::cli
