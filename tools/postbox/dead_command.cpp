#include "dead_command.hpp"

#include <CLI/CLI.hpp>
#include <memory>
#include <utility>

namespace postbox::cli {
namespace {

DeadLetterQuery query_of(const Selection& selection, const klaviyo::Config& config) {
  DeadLetterQuery query{
      .type = selection.metric, .reason = selection.reason, .dead_for = selection.older_than};
  query.queue = queue_of(selection, config).value_or(std::nullopt);
  if (selection.id) query.handle = EventHandle{*selection.id};
  return query;
}

ShownEvent shown(TypedDeadLetter letter, const klaviyo::Config& config, bool reveal) {
  ShownEvent event;
  event.line = {.handle = letter.handle,
                .family = name_of(letter.record.queue, config),
                .metric = letter.type,
                .key = shown_key(letter.key, reveal),
                .age = letter.age};
  event.details = {{"dead_ms", letter.dead_since.count()},
                   {"first_attempt_ms", letter.first_attempt.count()},
                   {"attempts", letter.attempts},
                   {"http_status", letter.http_status},
                   {"reason", letter.reason},
                   {"pointer", letter.pointer}};
  event.record = std::move(letter.record);
  return event;
}

Result<std::vector<ShownEvent>> list(const Account& account, const Selection& selection,
                                     bool reveal, EventHandle after, std::size_t max) {
  auto letters = account.outbox.dead_letters(query_of(selection, account.config), after, max);
  if (!letters) return letters.error();
  std::vector<ShownEvent> events;
  for (TypedDeadLetter& letter : *letters) {
    events.push_back(shown(std::move(letter), account.config, reveal));
  }
  return events;
}

}  // namespace

EventKind dead_letters() {
  return {.name = "dead letter",
          .has_reasons = true,
          .list = list,
          .purge = [](Account& account, const Selection& selection) {
            return account.outbox.purge(query_of(selection, account.config), selection.max);
          }};
}

Result<std::size_t> replay(Account& account, const Selection& selection, bool backfill) {
  return account.outbox.replay(query_of(selection, account.config),
                               {.max = selection.max, .backfill = backfill});
}

namespace {

void add_replay(CLI::App& command, Run& run) {
  CLI::App* replay = command.add_subcommand("replay", "Send dead letters again");
  replay->footer(
      "They are sent with the same keys, so that one that did arrive counts once. The server "
      "sends\n"
      "them within five seconds; while their family is off they are held. One whose key is "
      "waiting\n"
      "already stays.\n"
      "Example:\n"
      "  postbox dead replay --metric \"Placed Order\" --yes");
  const auto arguments = std::make_shared<EventArguments>();
  add_filters(*replay, dead_letters(), *arguments);
  replay->add_flag("--backfill", arguments->backfill,
                   "As history: Klaviyo records them and starts no flow");
  add_approval(*replay, arguments->approval);
  replay->callback([arguments, &run] {
    run = [arguments](Console& console) {
      const Change change{.verb = "Replay", .done = "replayed", .act = [&](Account& account) {
                            return cli::replay(account, arguments->selection, arguments->backfill);
                          }};
      return run_change(dead_letters(), *arguments, change, console);
    };
  });
}

}  // namespace

void add_dead(CLI::App& app, Run& run) {
  CLI::App* command =
      app.add_subcommand("dead", "List, show, replay or purge what Klaviyo refused for good");
  command->require_subcommand(1);
  add_list(*command, dead_letters(), "dead list --family purchase --older-than 24h", run);
  add_show(*command, dead_letters(), "dead show 17", run);
  add_replay(*command, run);
  add_purge(*command, dead_letters(), "dead purge --reason phone_number --dry-run", run);
}

}  // namespace postbox::cli
