#include "event_commands.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>
#include <memory>
#include <ostream>
#include <utility>

namespace postbox::cli {
namespace {

constexpr std::size_t kPage = 500;
constexpr std::size_t kListed = 100;
constexpr EventHandle kFromStart{std::numeric_limits<std::int64_t>::min()};

// Calls `take` with each that is meant, `max` at most. Returns how many there were.
Result<std::size_t> for_each(const EventKind& kind, const Account& account,
                             const Selection& selection, bool reveal, std::size_t max,
                             const std::function<void(const ShownEvent&)>& take) {
  std::size_t taken = 0;
  EventHandle after = kFromStart;
  while (taken < max) {
    const std::size_t page = std::min(kPage, max - taken);
    const auto events = kind.list(account, selection, reveal, after, page);
    if (!events) return events.error();
    for (const ShownEvent& event : *events) take(event);
    taken += events->size();
    if (events->size() < page) break;
    after = events->back().line.handle;
  }
  return taken;
}

void write_table(const EventKind& kind, const std::vector<ShownEvent>& events, std::ostream& out) {
  if (events.empty()) return;
  std::vector<std::string> headings = {"id", "family", "metric", "key", "age"};
  if (kind.has_reasons) headings.emplace_back("reason");
  Table table(headings);
  for (const ShownEvent& event : events) {
    const EventLine& line = event.line;
    std::vector<std::string> row = {std::to_string(static_cast<std::int64_t>(line.handle)),
                                    line.family, line.metric, line.key, in_words(line.age)};
    if (kind.has_reasons) row.push_back(event.details["reason"].get<std::string>());
    table.add(row);
  }
  table.write(out);
}

int run_list(const EventKind& kind, const EventArguments& arguments, const Account& account,
             Console& console) {
  std::vector<ShownEvent> events;
  const std::size_t max = arguments.selection.max;
  const auto listed = for_each(kind, account, arguments.selection, arguments.account.reveal,
                               max == std::numeric_limits<std::size_t>::max() ? max : max + 1,
                               [&](const ShownEvent& event) { events.push_back(event); });
  if (!listed) return fail(console, listed.error());
  const bool has_more = events.size() > max;
  if (has_more) events.pop_back();
  if (arguments.account.json) {
    Json all = Json::array();
    for (const ShownEvent& event : events) all.push_back(json_of(event));
    write_json(console.out, {{"events", std::move(all)}, {"more", has_more}});
    return kDone;
  }
  write_table(kind, events, console.out);
  if (events.empty()) console.out << "no " << kind.name << " is meant\n";
  if (has_more) console.out << "… and more: see --max\n";
  return kDone;
}

int run_show(const EventKind& kind, const EventArguments& arguments, const Account& account,
             Console& console) {
  const bool reveal = arguments.account.reveal;
  const auto events = kind.list(account, arguments.selection, reveal, kFromStart, 1);
  if (!events) return fail(console, events.error());
  if (events->empty()) {
    console.err << "postbox: there is no " << kind.name << " with the id "
                << *arguments.selection.id << '\n';
    return kProblem;
  }
  Json json = json_of(events->front());
  const Json event = structure_of(events->front().record, reveal);
  if (arguments.account.json) {
    json["event"] = event;
    write_json(console.out, json);
    return kDone;
  }
  write_members(console.out, json);
  console.out << '\n';
  if (event.is_null()) console.out << "the stored event is damaged\n";
  if (!event.is_null()) write_json(console.out, event);
  return kDone;
}

struct Counts {
  std::size_t meant = 0;
  std::size_t done = 0;
};

void write_counts(const EventKind& kind, const std::string& done, const Counts& counts,
                  const EventArguments& arguments, Console& console) {
  const bool is_dry = arguments.approval.dry_run;
  if (arguments.account.json) {
    return write_json(console.out,
                      {{"meant", counts.meant}, {done, counts.done}, {"dry_run", is_dry}});
  }
  console.out << done << ' ' << counts.done << " of " << counted(counts.meant, kind.name)
              << (is_dry ? ": this was a dry run" : "") << '\n';
}

void set_example(CLI::App& command, const std::string& example) {
  command.footer("Example:\n  postbox " + example);
}

}  // namespace

Json json_of(const ShownEvent& event) {
  Json json = json_of(event.line);
  json.update(event.details);
  return json;
}

void add_filters(CLI::App& command, const EventKind& kind, EventArguments& arguments) {
  add_account_options(command, arguments.account);
  add_selection(command, arguments.selection);
  if (!kind.has_reasons) return;
  command.add_option("--reason", arguments.selection.reason, "Only with this in the reason");
}

Result<std::size_t> count_events(const EventKind& kind, const Account& account,
                                 const Selection& selection) {
  return for_each(kind, account, selection, false, selection.max, [](const ShownEvent&) {});
}

int with_account(const EventArguments& arguments, Console& console,
                 const std::function<int(Account&)>& run) {
  auto account = open_account(arguments.account);
  if (!account) return fail(console, account.error());
  if (const auto queue = queue_of(arguments.selection, account->config); !queue) {
    fail(console, queue.error());
    return kWrongUse;
  }
  return run(*account);
}

int run_change(const EventKind& kind, const EventArguments& arguments, const Change& change,
               Console& console) {
  return with_account(arguments, console, [&](Account& account) {
    const auto meant = count_events(kind, account, arguments.selection);
    if (!meant) return fail(console, meant.error());
    const std::string question = change.verb + ' ' + counted(*meant, kind.name) + '?';
    const Decision decision =
        *meant == 0 ? Decision::kDryRun : decide(arguments.approval, question, console);
    if (decision == Decision::kCannotAsk) return kWrongUse;
    if (decision != Decision::kGo) {
      write_counts(kind, change.done, {.meant = *meant}, arguments, console);
      return kDone;
    }
    const auto done = change.act(account);
    if (!done) return fail(console, done.error());
    write_counts(kind, change.done, {.meant = *meant, .done = *done}, arguments, console);
    return kDone;
  });
}

void write_dry_run(const EventKind& kind, const std::string& done, std::size_t meant,
                   const EventArguments& arguments, Console& console) {
  write_counts(kind, done, {.meant = meant}, arguments, console);
}

void add_list(CLI::App& command, const EventKind& kind, const std::string& example, Run& run) {
  CLI::App* list = command.add_subcommand("list", "List " + kind.name + "s, the oldest first");
  set_example(*list, example);
  const auto arguments = std::make_shared<EventArguments>();
  add_filters(*list, kind, *arguments);
  arguments->selection.max = kListed;
  add_reveal(*list, arguments->account);
  list->callback([kind, arguments, &run] {
    run = [kind, arguments](Console& console) {
      return with_account(*arguments, console, [&](const Account& account) {
        return run_list(kind, *arguments, account, console);
      });
    };
  });
}

void add_show(CLI::App& command, const EventKind& kind, const std::string& example, Run& run) {
  CLI::App* show = command.add_subcommand("show", "Show a " + kind.name + ", personal data masked");
  set_example(*show, example);
  const auto arguments = std::make_shared<EventArguments>();
  add_account_options(*show, arguments->account);
  add_reveal(*show, arguments->account);
  show->add_option("ID", arguments->selection.id, "The number that a list shows")->required();
  show->callback([kind, arguments, &run] {
    run = [kind, arguments](Console& console) {
      return with_account(*arguments, console, [&](const Account& account) {
        return run_show(kind, *arguments, account, console);
      });
    };
  });
}

void add_purge(CLI::App& command, const EventKind& kind, const std::string& example, Run& run) {
  CLI::App* purge = command.add_subcommand("purge", "Remove " + kind.name + "s for good");
  set_example(*purge, example);
  const auto arguments = std::make_shared<EventArguments>();
  add_filters(*purge, kind, *arguments);
  add_approval(*purge, arguments->approval);
  purge->callback([kind, arguments, &run] {
    run = [kind, arguments](Console& console) {
      const Change change{.verb = "Remove", .done = "purged", .act = [&](Account& account) {
                            return kind.purge(account, arguments->selection);
                          }};
      return run_change(kind, *arguments, change, console);
    };
  });
}

}  // namespace postbox::cli
