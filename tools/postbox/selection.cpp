#include "selection.hpp"

#include <CLI/CLI.hpp>
#include <istream>
#include <ostream>

#include "account.hpp"
#include "duration_option.hpp"
#include "output.hpp"

namespace postbox::cli {

void add_selection(CLI::App& command, Selection& selection) {
  command.add_option("--family", selection.family,
                     "Only this family, as `postbox status` names it, such as purchase");
  command.add_option("--metric", selection.metric, "Only this event, such as \"Placed Order\"");
  add_duration(command, "--older-than", selection.older_than, "Only what is at least as old");
  command.add_option("--id", selection.id, "Only this event, by the number that a list shows");
  command.add_option("--max", selection.max, "At most so many, the oldest first")
      ->default_str("")
      ->check(CLI::PositiveNumber);
}

Result<std::optional<QueueId>> queue_of(const Selection& selection, const klaviyo::Config& config) {
  if (selection.family.empty()) return std::optional<QueueId>();
  std::string names;
  for (const Family& family : klaviyo::every_queue(config.own_families)) {
    const std::string name = name_of(family.queue, config);
    if (name == selection.family) return std::optional(family.queue);
    names += (names.empty() ? "" : ", ") + name;
  }
  return Error{ErrorCode::kInvalidArgument, "--family: '" + typed(selection.family) +
                                                "' is not accepted; expected one of " + names};
}

void add_approval(CLI::App& command, Approval& approval) {
  command.add_flag("--dry-run", approval.dry_run, "Only say what would be done");
  command.add_flag("--yes", approval.yes, "Do not ask");
}

Decision decide(const Approval& approval, const std::string& question, Console& console) {
  if (approval.dry_run) return Decision::kDryRun;
  if (approval.yes) return Decision::kGo;
  if (!console.can_ask) {
    console.err << "postbox: " << question << " Nobody can be asked here: add --yes\n";
    return Decision::kCannotAsk;
  }
  console.err << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(console.in, answer);
  return answer == "y" || answer == "yes" || answer == "Y" ? Decision::kGo : Decision::kNo;
}

std::string counted(std::uint64_t number, const std::string& what) {
  return std::to_string(number) + ' ' + what + (number == 1 ? "" : "s");
}

}  // namespace postbox::cli
