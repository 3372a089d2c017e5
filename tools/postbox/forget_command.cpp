#include "forget_command.hpp"

#include <algorithm>
#include <filesystem>
#include <istream>
#include <klaviyo/email.hpp>
#include <klaviyo/events/profile.hpp>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <stripe/fact_store.hpp>
#include <system_error>
#include <vector>

#include "account.hpp"
#include "output.hpp"
#include "selection.hpp"

namespace postbox::cli {
namespace {

namespace fs = std::filesystem;

struct ForgetArguments {
  AccountOptions account;
  std::string email;
  std::string phone;
  std::string external_id;
  std::string stripe_store;
  Approval approval;
};

struct Forgotten {
  std::size_t events = 0;
  std::optional<std::size_t> stripe;  // unset: there is no store
  std::vector<std::string> to_do;
};

// "-" is the next line of standard input: what stands in the command line, others can see.
void read_input(std::string& text, Console& console) {
  if (text == "-") std::getline(console.in, text);
}

Result<klaviyo::Profile> person_of(ForgetArguments arguments, Console& console) {
  const auto fail = [](const std::string& what) {
    return Error{ErrorCode::kInvalidArgument, what};  // without the value, which is personal
  };
  read_input(arguments.email, console);
  read_input(arguments.phone, console);
  read_input(arguments.external_id, console);
  klaviyo::Profile person;
  person.email = klaviyo::clean_email(arguments.email).address;
  person.phone = arguments.phone;
  person.external_id = arguments.external_id;
  const std::size_t at = person.email.find('@');
  const bool is_address = at != std::string::npos && at > 0 && at + 1 < person.email.size();
  if (!arguments.email.empty() && !is_address) {
    return fail(
        "EMAIL: is no e-mail address; expected one such as name@shop.example, or - to read "
        "it from standard input");
  }
  if (person.email.empty() && person.phone.empty() && person.external_id.empty()) {
    return fail("nobody is named; expected EMAIL, --phone or --external-id");
  }
  return person;
}

// Webhooks keep addresses in a file of their own.
Result<std::optional<std::size_t>> forget_in_stripe(const std::string& store,
                                                    const std::string& email) {
  std::error_code failed;
  if (!fs::exists(store, failed)) return std::optional<std::size_t>();
  if (email.empty()) return std::optional<std::size_t>(0);
  const auto removed = stripe::sqlite_fact_store(store)->forget(email);
  if (!removed) return removed.error();
  return std::optional(*removed);
}

// Files beside the outbox that were moved aside, and may have the person's events.
std::vector<std::string> files_aside(const std::string& file) {
  const fs::path path(file);
  std::vector<std::string> found;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(path.parent_path(), failed)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(path.filename().string())) continue;
    const bool is_aside =
        name.find(".damaged-") != std::string::npos || name.find(".removed-") != std::string::npos;
    if (is_aside) found.push_back(entry.path().string());
  }
  std::ranges::sort(found);
  return found;
}

std::vector<std::string> to_do_after(const Forgotten& done, const std::string& outbox) {
  std::vector<std::string> to_do = {
      "what Klaviyo has: ask for its deletion in Klaviyo, or by its data privacy API "
      "(POST /api/data-privacy-deletion-jobs)",
      "what the shop may still report: keep it from doing so", "copies and backups of the outbox"};
  for (const std::string& file : files_aside(outbox)) to_do.push_back("the file '" + file + "'");
  if (!done.stripe) {
    to_do.emplace_back(
        "what Stripe's webhooks have told, if the shop takes any: no store of theirs was found, "
        "see --stripe-store");
  }
  return to_do;
}

void write(const Forgotten& done, bool as_json, std::ostream& out) {
  if (as_json) {
    Json json = {{"events", done.events}, {"stripe", nullptr}, {"to_do", done.to_do}};
    if (done.stripe) json["stripe"] = *done.stripe;
    return write_json(out, json);
  }
  out << "removed " << counted(done.events, "event") << " and timers from the outbox\n";
  if (done.stripe) {
    out << "removed " << counted(*done.stripe, "record")
        << " from the store of Stripe's webhooks\n";
  }
  out << "\nWhat remains to be done:\n";
  for (const std::string& what : done.to_do) out << "- " << printable(what) << '\n';
}

int run_forget(const ForgetArguments& arguments, Console& console) {
  const auto person = person_of(arguments, console);
  if (!person) {
    fail(console, person.error());
    return kWrongUse;
  }
  auto account = open_account(arguments.account);
  if (!account) return fail(console, account.error());
  const Decision decision =
      decide(arguments.approval, "Remove what waits of this person for good?", console);
  if (decision == Decision::kCannotAsk) return kWrongUse;
  if (decision != Decision::kGo) return kDone;

  const std::string outbox = account->outbox.file().value_or("");
  Forgotten done;
  const auto events = klaviyo::forget(account->outbox, *person, account->config.default_country);
  if (!events) return fail(console, events.error());
  done.events = *events;
  const std::string& named = arguments.stripe_store;
  const auto stripe = forget_in_stripe(named.empty() ? outbox + "-stripe" : named, person->email);
  if (!stripe) return fail(console, stripe.error());
  done.stripe = *stripe;
  done.to_do = to_do_after(done, outbox);
  write(done, arguments.account.json, console.out);
  return kDone;
}

}  // namespace

void add_forget(CLI::App& app, Run& run) {
  const auto arguments = std::make_shared<ForgetArguments>();
  CLI::App* command = app.add_subcommand("forget", "Remove what waits of a person");
  command->footer(
      "Removes events in whatever state, timers of carts, and what Stripe's webhooks have told, "
      "and\n"
      "says what remains to be done. Others can see the command line: give - and write the "
      "address\n"
      "to standard input.\n"
      "Example:\n"
      "  postbox forget - --yes < address.txt");
  add_account_options(*command, arguments->account);
  command->add_option("EMAIL", arguments->email, "The address, or - for standard input");
  command->add_option("--phone", arguments->phone, "The phone number, or -");
  command->add_option("--external-id", arguments->external_id, "The shop's own id, or -");
  command
      ->add_option("--stripe-store", arguments->stripe_store,
                   "The file of Stripe's webhooks; the outbox's name with -stripe unless set")
      ->check(CLI::ExistingFile);
  command->add_flag("--yes", arguments->approval.yes, "Do not ask");
  command->callback([arguments, &run] {
    run = [arguments](Console& console) { return run_forget(*arguments, console); };
  });
}

}  // namespace postbox::cli
