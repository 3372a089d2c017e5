#include "salvage_command.hpp"

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <ostream>
#include <postbox/clock.hpp>
#include <postbox/outbox.hpp>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "account.hpp"
#include "output.hpp"
#include "selection.hpp"

namespace postbox::cli {
namespace {

constexpr std::size_t kPage = 500;

struct SalvageArguments {
  AccountOptions account;
  std::string file;
  Approval approval;
};

// What the file holds, and what became of it.
struct Salvage {
  std::vector<EventRecord> page;  // to be put back next
  std::uint64_t meant = 0;
  std::uint64_t put_back = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t dead = 0;      // left: they were refused
  std::uint64_t in_order = 0;  // left: updates of profiles, and consent
  std::uint64_t timers = 0;    // left
  std::uint64_t unreadable = 0;
};

// Updates of profiles and consent are sent in their order: an old one that is put back would undo a
// newer one, such as that somebody has unsubscribed.
bool is_in_order(QueueId queue) {
  const std::size_t family = klaviyo::flag_index(queue);
  return family == klaviyo::flag_index(klaviyo::kProfile.queue) ||
         family == klaviyo::flag_index(klaviyo::kConsent.queue);
}

void sort_out(ListedEvent event, Salvage& salvage) {
  if (event.state == EventState::kDead) {
    ++salvage.dead;
  } else if (is_in_order(event.record.queue)) {
    ++salvage.in_order;
  } else if (event.record.payload.empty()) {
    ++salvage.unreadable;  // encrypted with a key that is not set
  } else {
    ++salvage.meant;
    salvage.page.push_back(std::move(event.record));
  }
}

// Reads on behind what cannot be read, up to a thousand places. `take` is called for each page.
template <class Take>
Result<void> read_all(Outbox& from, Salvage& salvage, Take take) {
  constexpr std::uint64_t kMostUnreadable = 1'000;
  EventHandle after{0};
  for (std::size_t most = kPage;;) {
    auto events = from.list(after, most);
    if (!events && events.error().code != ErrorCode::kOutboxCorrupt) return events.error();
    if (!events && most > 1) {
      most = 1;
      continue;
    }
    if (!events) {
      if (++salvage.unreadable >= kMostUnreadable) return {};
      after = EventHandle{static_cast<std::int64_t>(after) + 1};
      continue;
    }
    if (events->empty()) return {};
    after = events->back().handle;
    most = kPage;
    for (ListedEvent& event : *events) sort_out(std::move(event), salvage);
    if (const Result<void> taken = take(); !taken) return taken;
    salvage.page.clear();
  }
}

Result<std::shared_ptr<Outbox>> open_aside(const std::string& file, const Account& account) {
  std::error_code failed;
  if (std::filesystem::equivalent(file, account.outbox.file().value_or(""), failed)) {
    return Error{ErrorCode::kInvalidArgument,
                 "FILE: '" + file + "' is the outbox itself; expected a file that was moved aside"};
  }
  OutboxOptions options = account.config.engine.outbox;
  options.url = "sqlite:" + std::filesystem::absolute(file, failed).string();
  return open_outbox(options, system_clock());
}

Result<Salvage> look(Outbox& from) {
  Salvage salvage;
  const auto stats = from.stats();
  if (!stats && stats.error().code != ErrorCode::kOutboxCorrupt) return stats.error();
  if (stats) salvage.timers = stats->timers_pending;
  const auto read = read_all(from, salvage, []() -> Result<void> { return {}; });
  if (!read) return read.error();
  return salvage;
}

Result<void> put_back(Outbox& from, const klaviyo::Config& config, Salvage& salvage) {
  const auto valid = config.engine.validate();
  if (!valid) return valid.error();
  const auto to = open_outbox((*valid)->outbox, system_clock());
  if (!to) return to.error();
  Salvage again;  // counts anew
  return read_all(from, again, [&]() -> Result<void> {
    if (again.page.empty()) return {};
    const auto appended = (*to)->append(again.page);
    if (!appended) return appended.error();
    salvage.put_back += appended->inserted;
    salvage.duplicates += appended->duplicates;
    return {};
  });
}

void write(const Salvage& salvage, const SalvageArguments& arguments, std::ostream& out) {
  const Json json = {{"meant", salvage.meant},
                     {"put_back", salvage.put_back},
                     {"duplicates", salvage.duplicates},
                     {"left_dead", salvage.dead},
                     {"left_profiles_and_consent", salvage.in_order},
                     {"left_timers", salvage.timers},
                     {"unreadable", salvage.unreadable},
                     {"dry_run", arguments.approval.dry_run}};
  if (arguments.account.json) return write_json(out, json);
  write_members(out, json);
}

int run_salvage(const SalvageArguments& arguments, Console& console) {
  const auto account = open_account(arguments.account);
  if (!account) return fail(console, account.error());
  const auto from = open_aside(arguments.file, *account);
  if (!from) {
    fail(console, from.error());
    return kWrongUse;
  }
  auto salvage = look(**from);
  if (!salvage) return fail(console, salvage.error());
  const Decision decision =
      salvage->meant == 0 ? Decision::kDryRun
                          : decide(arguments.approval,
                                   "Put " + counted(salvage->meant, "event") + " back?", console);
  if (decision == Decision::kCannotAsk) return kWrongUse;
  if (decision == Decision::kGo) {
    const auto done = put_back(**from, account->config, *salvage);
    if (!done) return fail(console, done.error());
  }
  write(*salvage, arguments, console.out);
  return salvage->unreadable == 0 ? kDone : kProblem;
}

}  // namespace

void add_salvage(CLI::App& app, Run& run) {
  const auto arguments = std::make_shared<SalvageArguments>();
  CLI::App* command =
      app.add_subcommand("salvage", "Put back what a file that was moved aside holds");
  command->footer(
      "For a file such as postbox.db.removed-… or postbox.db.damaged-…, beside a running server.\n"
      "Events are put back with their keys: one that waits already is a duplicate, and one that "
      "was\n"
      "delivered meanwhile counts once. Dead letters, timers of carts, updates of profiles and\n"
      "consent are left, since newer ones may have been sent: run a command on the file itself, "
      "with\n"
      "POSTBOX_OUTBOX=sqlite:FILE in front of it, to see them.\n"
      "Exit code: 1 when a part of the file could not be read.\n"
      "Example:\n"
      "  postbox salvage postbox.db.removed-20261127T100000Z --yes");
  add_account_options(*command, arguments->account);
  command->add_option("FILE", arguments->file, "The file that was moved aside")
      ->required()
      ->check(CLI::ExistingFile);
  add_approval(*command, arguments->approval);
  command->callback([arguments, &run] {
    run = [arguments](Console& console) { return run_salvage(*arguments, console); };
  });
}

}  // namespace postbox::cli
