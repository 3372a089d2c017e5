// What the commands about dead letters and those about held events have in common: to list, show
// and purge them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "account.hpp"
#include "event_text.hpp"
#include "selection.hpp"

namespace postbox::cli {

struct ShownEvent {
  EventLine line;
  Json details;  // an object: what only events of this kind have
  EventRecord record;
};

// The line with its details.
[[nodiscard]] Json json_of(const ShownEvent& event);

struct EventKind {
  std::string name;          // "dead letter"
  bool has_reasons = false;  // `details` has one

  // Those that are meant, after `after`, in pages of `max`.
  std::function<Result<std::vector<ShownEvent>>(const Account&, const Selection&, bool reveal,
                                                EventHandle after, std::size_t max)>
      list;

  // Removes those that are meant, the oldest first. Returns how many.
  std::function<Result<std::size_t>(Account&, const Selection&)> purge;
};

struct EventArguments {
  AccountOptions account;
  Selection selection;
  Approval approval;
  bool backfill = false;
};

// How many are meant, `selection.max` at most.
[[nodiscard]] Result<std::size_t> count_events(const EventKind& kind, const Account& account,
                                               const Selection& selection);

// Opens the account and checks the selection, then returns what `run` returns.
int with_account(const EventArguments& arguments, Console& console,
                 const std::function<int(Account&)>& run);

// Counts what is meant, asks "<Verb> 3 <kind>s?" and does it, unless it is not to be. `act` returns
// how many it has dealt with. Writes the counts as `done`, such as "purged".
struct Change {
  std::string verb;
  std::string done;
  std::function<Result<std::size_t>(Account&)> act;
};
int run_change(const EventKind& kind, const EventArguments& arguments, const Change& change,
               Console& console);

// Writes what a dry run has found.
void write_dry_run(const EventKind& kind, const std::string& done, std::size_t meant,
                   const EventArguments& arguments, Console& console);

// Adds the options of the account and those that say which events are meant. `arguments` must live
// as long as `command`.
void add_filters(CLI::App& command, const EventKind& kind, EventArguments& arguments);

// Adds the subcommands list, show and purge to `command`.
void add_list(CLI::App& command, const EventKind& kind, const std::string& example, Run& run);
void add_show(CLI::App& command, const EventKind& kind, const std::string& example, Run& run);
void add_purge(CLI::App& command, const EventKind& kind, const std::string& example, Run& run);

}  // namespace postbox::cli
