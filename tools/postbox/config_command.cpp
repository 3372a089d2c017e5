#include "config_command.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>
#include <klaviyo/settings_history.hpp>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "account.hpp"
#include "flag_lines.hpp"
#include "output.hpp"

namespace postbox::cli {
namespace {

using Changes = std::vector<klaviyo::ChangedSetting>;

Changes of_flags(const Changes& changes, const klaviyo::Config& config) {
  const auto families = klaviyo::every_queue(config.own_families);
  Changes found;
  std::ranges::copy_if(
      changes, std::back_inserter(found), [&](const klaviyo::ChangedSetting& change) {
        return std::ranges::find(families, change.name, &Family::variable) != families.end();
      });
  return found;
}

Json json_of(const Changes& changes) {
  Json all = Json::array();
  for (const auto& [time, name, change] : changes) {
    all.push_back({{"time", time}, {"name", name}, {"change", change}});
  }
  return all;
}

void write_changes(const Changes& changes, std::ostream& out) {
  if (changes.empty()) {
    out << "no change is known of\n";
    return;
  }
  Table table({"time", "setting", "change"});
  for (const auto& [time, name, change] : changes) table.add({time, name, change});
  table.write(out);
}

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : ", ") + text;
  return all.empty() ? "events of the shop's own" : all;
}

void write_flags(const std::vector<FlagLine>& lines, const Changes& changes, std::ostream& out) {
  Table table({"family", "variable", "here", "server"});
  for (const FlagLine& line : lines) {
    table.add({line.family, line.variable, line.here, line.server.value_or("-")});
  }
  table.write(out);
  out << '\n';
  for (const FlagLine& line : lines) out << line.family << ": " << joined(line.metrics) << '\n';
  out << '\n';
  write_changes(changes, out);
  for (const FlagLine& line : lines) {
    if (differs(line)) out << "\nproblem: " << difference(line);
  }
  out << (std::ranges::any_of(lines, differs) ? "\n" : "");
}

int run_flags(const AccountOptions& options, Console& console) {
  const auto account = open_account(options);
  if (!account) return fail(console, account.error());
  const auto kept = klaviyo::kept_settings(account->outbox);
  if (!kept) return fail(console, kept.error());
  const auto all_changes = klaviyo::changed_settings(account->outbox);
  if (!all_changes) return fail(console, all_changes.error());
  const auto lines = flags_of(account->config, *kept);
  const Changes changes = of_flags(*all_changes, account->config);
  if (options.json) {
    Json flags = Json::array();
    for (const FlagLine& line : lines) flags.push_back(json_of(line));
    write_json(console.out, {{"flags", std::move(flags)}, {"history", json_of(changes)}});
  } else {
    write_flags(lines, changes, console.out);
  }
  return std::ranges::any_of(lines, differs) ? kProblem : kDone;
}

int run_history(const AccountOptions& options, Console& console) {
  const auto account = open_account(options);
  if (!account) return fail(console, account.error());
  const auto changes = klaviyo::changed_settings(account->outbox);
  if (!changes) return fail(console, changes.error());
  if (options.json) {
    write_json(console.out, {{"history", json_of(*changes)}});
  } else {
    write_changes(*changes, console.out);
  }
  return kDone;
}

void add(CLI::App& command, Run& run, int (*run_it)(const AccountOptions&, Console&)) {
  const auto options = std::make_shared<AccountOptions>();
  add_account_options(command, *options);
  command.callback([options, run_it, &run] {
    run = [options, run_it](Console& console) { return run_it(*options, console); };
  });
}

}  // namespace

void add_flags(CLI::App& app, Run& run) {
  CLI::App* command = app.add_subcommand("flags", "Show the flags, what each governs, and history");
  command->footer(
      "Exit code: 1 when this environment has another flag than the server has applied, at its\n"
      "start or by a reload: the environment was changed since.\n"
      "Example:\n"
      "  postbox flags --env-file /etc/shop/shop.env");
  add(*command, run, run_flags);
}

void add_config(CLI::App& app, Run& run) {
  CLI::App* command = app.add_subcommand("config", "Look at the settings of the server");
  command->require_subcommand(1);
  CLI::App* history = command->add_subcommand("history", "List what was changed when");
  history->footer(
      "The changes that a start or a reload of the server has applied, the oldest first. Secrets\n"
      "are masked.\n"
      "Example:\n"
      "  postbox config history");
  add(*history, run, run_history);
}

}  // namespace postbox::cli
