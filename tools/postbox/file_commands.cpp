#include "file_commands.hpp"

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <system_error>
#include <vector>

#include "account.hpp"
#include "output.hpp"
#include "selection.hpp"
#include "stripe_store.hpp"

namespace postbox::cli {
namespace {

std::vector<std::string> problems_of(const Checked& checked) {
  std::vector<std::string> problems = checked.problems;
  if (checked.damaged_count == 0) return problems;
  std::string ids;
  for (const EventHandle handle : checked.damaged) {
    ids += (ids.empty() ? "" : ", ") + std::to_string(static_cast<std::int64_t>(handle));
  }
  if (checked.damaged.size() < checked.damaged_count) ids += " and more";
  problems.push_back("bytes of " + counted(checked.damaged_count, "event") +
                     " have changed on the disk since they were accepted; such an event is never "
                     "sent: " +
                     ids);
  return problems;
}

int run_fsck(const AccountOptions& options, Console& console) {
  const auto account = open_account(options);
  if (!account) return fail(console, account.error());
  const auto checked = account->outbox.check();
  if (!checked) return fail(console, checked.error());
  const std::vector<std::string> problems = problems_of(*checked);
  if (options.json) {
    Json damaged = Json::array();
    for (const EventHandle handle : checked->damaged) {
      damaged.push_back(static_cast<std::int64_t>(handle));
    }
    write_json(console.out, {{"events", checked->events},
                             {"damaged_events", checked->damaged_count},
                             {"damaged_ids", std::move(damaged)},
                             {"problems", problems}});
  } else {
    console.out << "looked at " << counted(checked->events, "event") << '\n';
    for (const std::string& problem : problems) {
      console.out << "problem: " << printable(problem) << '\n';
    }
    if (problems.empty()) console.out << "no problem was found\n";
  }
  return problems.empty() ? kDone : kProblem;
}

struct ResealArguments {
  AccountOptions account;
  std::string stripe_store;
};

// The number of events and records, of the outbox and of Stripe's store.
struct ResealedFiles {
  Resealed outbox;
  std::optional<stripe::ResealedFacts> stripe{};  // unset: there is no store
};

Result<ResealedFiles> reseal(Account& account, const std::string& stripe_store) {
  const auto outbox = account.outbox.reseal();
  if (!outbox) return outbox.error();
  ResealedFiles resealed{*outbox};
  const auto store = open_stripe_store(account, stripe_store);
  if (!store) return store.error();
  if (*store == nullptr) return resealed;
  const auto stripe = (*store)->reseal();
  if (!stripe) return stripe.error();
  resealed.stripe = *stripe;
  return resealed;
}

void write_resealed(const ResealedFiles& resealed, bool json, std::ostream& out) {
  if (json) {
    Json all = {{"encrypted", resealed.outbox.events},
                {"locked", resealed.outbox.locked},
                {"stripe", nullptr}};
    if (resealed.stripe) {
      all["stripe"] = {{"encrypted", resealed.stripe->records},
                       {"locked", resealed.stripe->locked}};
    }
    return write_json(out, all);
  }
  out << "encrypted " << counted(resealed.outbox.events, "event") << '\n';
  if (resealed.stripe) {
    out << "encrypted " << counted(resealed.stripe->records, "record")
        << " of the store of Stripe's webhooks\n";
  }
}

int run_reseal(const ResealArguments& arguments, Console& console) {
  auto account = open_account(arguments.account);
  if (!account) return fail(console, account.error());
  if (account->config.engine.outbox.encryption_keys.empty()) {
    return fail(console, {ErrorCode::kInvalidConfig,
                          "POSTBOX_ENCRYPTION_KEY is not set: there is nothing to encrypt with"});
  }
  const auto resealed = reseal(*account, arguments.stripe_store);
  if (!resealed) return fail(console, resealed.error());
  write_resealed(*resealed, arguments.account.json, console.out);
  const std::size_t records = resealed->stripe ? resealed->stripe->locked : 0;
  if (resealed->outbox.locked == 0 && records == 0) return kDone;
  std::string locked = counted(resealed->outbox.locked, "event");
  if (records > 0) locked += " and " + counted(records, "record") + " of Stripe's store";
  return fail(console, {ErrorCode::kInvalidConfig,
                        locked + " were encrypted with a key that is not set: put it behind the "
                                 "first one in POSTBOX_ENCRYPTION_KEY"});
}

struct BackupArguments {
  AccountOptions account;
  std::string file;
};

int run_backup(const BackupArguments& arguments, Console& console) {
  const auto account = open_account(arguments.account);
  if (!account) return fail(console, account.error());
  if (const auto done = account->outbox.back_up(arguments.file); !done) {
    fail(console, done.error());
    return done.error().code == ErrorCode::kInvalidArgument ? kWrongUse : kProblem;
  }
  std::error_code failed;
  const auto size = std::filesystem::file_size(arguments.file, failed);
  const std::string stripe = account->outbox.file().value_or("") + "-stripe";
  const bool has_stripe = std::filesystem::exists(stripe, failed);
  if (arguments.account.json) {
    Json json = {{"file", arguments.file}, {"bytes", size}, {"not_copied", Json::array()}};
    if (has_stripe) json["not_copied"].push_back(stripe);
    write_json(console.out, json);
    return kDone;
  }
  console.out << "wrote " << printable(arguments.file) << ", " << in_size(size) << '\n';
  if (has_stripe) {
    console.out << "not copied: " << printable(stripe)
                << ", the store of Stripe's webhooks, is a file of its own\n";
  }
  return kDone;
}

}  // namespace

void add_fsck(CLI::App& app, Run& run) {
  const auto options = std::make_shared<AccountOptions>();
  CLI::App* command = app.add_subcommand("fsck", "Check the outbox's file, event by event");
  command->footer(
      "Looks whether SQLite finds the file sound, whether every event is what was accepted, and\n"
      "whether the counts add up. Reads everything, and changes nothing: a server mends a damaged\n"
      "file by itself. Exit code: 1 when something is wrong.\n"
      "Example:\n"
      "  postbox fsck");
  add_account_options(*command, *options);
  command->callback([options, &run] {
    run = [options](Console& console) { return run_fsck(*options, console); };
  });
}

void add_reseal(CLI::App& app, Run& run) {
  const auto arguments = std::make_shared<ResealArguments>();
  CLI::App* command = app.add_subcommand("reseal", "Encrypt what waits with the newest key");
  command->footer(
      "With the first key of POSTBOX_ENCRYPTION_KEY, what is plain or encrypted with another of\n"
      "them, in the outbox and in the store of Stripe's webhooks; also while a server runs with "
      "the\n"
      "same keys. Then the others may be removed.\n"
      "Example:\n"
      "  postbox reseal");
  add_account_options(*command, arguments->account);
  add_stripe_store(*command, arguments->stripe_store);
  command->callback([arguments, &run] {
    run = [arguments](Console& console) { return run_reseal(*arguments, console); };
  });
}

void add_backup(CLI::App& app, Run& run) {
  const auto arguments = std::make_shared<BackupArguments>();
  CLI::App* command = app.add_subcommand("backup", "Write a copy of the outbox to a new file");
  command->footer(
      "The copy is of one moment, also while a server runs, has mode 0600, and holds personal "
      "data.\n"
      "A copy that goes into service sends again what was delivered since: with the same ids, "
      "which\n"
      "Klaviyo counts once.\n"
      "Example:\n"
      "  postbox backup /var/backups/postbox.db");
  add_account_options(*command, arguments->account);
  command->add_option("FILE", arguments->file, "The file to write, which must not be there")
      ->required();
  command->callback([arguments, &run] {
    run = [arguments](Console& console) { return run_backup(*arguments, console); };
  });
}

}  // namespace postbox::cli
