#include "forget_command.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <istream>
#include <klaviyo/events/profile.hpp>
#include <klaviyo/phone.hpp>
#include <limits>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "account.hpp"
#include "deletion.hpp"
#include "duration_option.hpp"
#include "output.hpp"
#include "selection.hpp"
#include "steps.hpp"
#include "stripe_store.hpp"

namespace postbox::cli {
namespace {

namespace fs = std::filesystem;

using std::chrono::milliseconds;

constexpr milliseconds kTimeout{std::chrono::minutes(10)};

struct ForgetArguments {
  AccountOptions account;
  std::string email;
  std::string phone;
  std::string external_id;
  std::string stripe_store;
  bool at_klaviyo = false;
  std::optional<milliseconds> timeout;
  Approval approval;
};

struct Forgotten {
  std::size_t events = 0;
  std::size_t waiting = 0;            // of them; a server may have them in its hands
  std::optional<std::size_t> stripe;  // unset: there is no store
  std::vector<std::string> to_do;
};

// "-" is the next line of standard input: what stands in the command line, others can see.
void read_input(std::string& text, Console& console) {
  if (text == "-") std::getline(console.in, text);
}

Result<klaviyo::Profile> person_of(ForgetArguments arguments, const std::string& country,
                                   Console& console) {
  const auto fail = [](const std::string& what) {
    return Error{ErrorCode::kInvalidArgument, what};  // without the value, which is personal
  };
  read_input(arguments.email, console);
  read_input(arguments.phone, console);
  read_input(arguments.external_id, console);
  klaviyo::Profile person;
  person.email = arguments.email;
  person.phone = arguments.phone;
  person.external_id = arguments.external_id;
  std::vector<Violation> unheard;
  klaviyo::normalize(person, country, {}, unheard);
  if (!arguments.email.empty() && !klaviyo::is_email(person.email)) {
    return fail(
        "EMAIL: is no e-mail address; expected one such as name@shop.example, or - to read "
        "it from standard input");
  }
  if (!arguments.phone.empty() && !klaviyo::is_e164(person.phone)) {
    return fail(
        "--phone: is no phone number with its country; expected one such as +491701234567, or - "
        "to read it from standard input");
  }
  if (person.email.empty() && person.phone.empty() && person.external_id.empty()) {
    return fail("nobody is named; expected EMAIL, --phone or --external-id");
  }
  return person;
}

// Counts what waits of the person. Reads the whole outbox.
Result<Forgotten> count_events(const Account& account, const klaviyo::Profile& person) {
  constexpr std::size_t kPage = 500;
  const auto keys = klaviyo::keys_of(person, account.config.default_country);
  Forgotten found;
  EventHandle after{std::numeric_limits<std::int64_t>::min()};
  for (;;) {
    const auto page = account.outbox.events(after, kPage);
    if (!page) return page.error();
    if (page->empty()) return found;
    after = page->back().handle;
    for (const TypedEvent& event : *page) {
      if (std::ranges::find(keys, event.record.profile_key) == keys.end()) continue;
      ++found.events;
      const bool is_waiting =
          event.state == EventState::kReady || event.state == EventState::kLeased;
      if (is_waiting) ++found.waiting;
    }
  }
}

// Webhooks keep addresses in a store of their own.
Result<std::optional<std::size_t>> forget_in_stripe(const Account& account,
                                                    const std::string& named,
                                                    const std::string& email) {
  const auto store = open_stripe_store(account, named);
  if (!store) return store.error();
  if (*store == nullptr) return std::optional<std::size_t>();
  if (email.empty()) return std::optional<std::size_t>(0);
  const auto removed = (*store)->forget(email);
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

std::string klaviyo_to_do(const Deletion* deletion) {
  if (deletion == nullptr) {
    return "what Klaviyo has: --at-klaviyo asks for its deletion by Klaviyo's data privacy API "
           "(POST /api/data-privacy-deletion-jobs), which cannot be undone; by hand it is Delete "
           "profile, on the profile's page";
  }
  return "what Klaviyo has: it is not known to be gone, see above";
}

std::vector<std::string> to_do_after(const Forgotten& done, const Deletion* deletion,
                                     const std::string& outbox) {
  std::vector<std::string> to_do;
  const bool is_gone = deletion != nullptr && deletion->is_gone().value_or(false);
  if (!is_gone) to_do.push_back(klaviyo_to_do(deletion));
  to_do.emplace_back("what the shop may still report: keep it from doing so");
  to_do.emplace_back("copies and backups of the outbox");
  for (const std::string& file : files_aside(outbox)) to_do.push_back("the file '" + file + "'");
  if (!done.stripe) {
    to_do.emplace_back(
        "what Stripe's webhooks have told, if the shop takes any: no store of theirs was found, "
        "see --stripe-store");
  }
  return to_do;
}

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

// An errand is one person who is to be forgotten.
struct Errand {
  const ForgetArguments& arguments;
  Console& console;
  Account account;
  klaviyo::Profile person;
  Steps steps;
  std::optional<Api> api{};
  std::optional<Deletion> deletion{};  // unset without --at-klaviyo

  [[nodiscard]] std::string outbox() const { return account.outbox.file().value_or(""); }
};

int write_end(const Errand& errand, const Forgotten& done, int code) {
  std::ostream& out = errand.console.out;
  if (errand.arguments.account.json) {
    Json json = {{"events", done.events},
                 {"waiting", done.waiting},
                 {"stripe", or_null(done.stripe)},
                 {"klaviyo", nullptr},
                 {"to_do", done.to_do}};
    if (errand.deletion) {
      json["klaviyo"] = {{"profiles", or_null(errand.deletion->found())},
                         {"gone", or_null(errand.deletion->is_gone())},
                         {"steps", errand.steps.done()}};
    }
    write_json(out, json);
    return code;
  }
  out << "\nWhat remains to be done:\n";
  for (const std::string& what : done.to_do) out << "- " << printable(what) << '\n';
  return code;
}

// Adds to `done` what was removed from the outbox and from Stripe's store.
Result<void> remove_here(Errand& errand, Forgotten& done) {
  const auto counted = count_events(errand.account, errand.person);
  if (!counted) return counted.error();
  done.waiting += counted->waiting;
  const auto events =
      klaviyo::forget(errand.account.outbox, errand.person, errand.account.config.default_country);
  if (!events) return events.error();
  done.events += *events;
  const auto stripe =
      forget_in_stripe(errand.account, errand.arguments.stripe_store, errand.person.email);
  if (!stripe) return stripe.error();
  if (*stripe) done.stripe = done.stripe.value_or(0) + **stripe;
  return {};
}

void say_removed(const Errand& errand, const Forgotten& done) {
  if (errand.arguments.account.json) return;
  std::ostream& out = errand.console.out;
  out << "removed " << counted(done.events, "event") << " and timers from the outbox\n";
  if (done.waiting > 0) {
    out << done.waiting << " of them waited to be sent; one that was under way is not recalled\n";
  }
  if (done.stripe) {
    out << "removed " << counted(*done.stripe, "record")
        << " from the store of Stripe's webhooks\n";
  }
  out << std::flush;
}

// Events that a running server had in its hands, or was told meanwhile, may have come to the outbox
// and to Klaviyo.
int finish_at_klaviyo(Errand& errand, Forgotten& done) {
  Deletion& deletion = *errand.deletion;
  if (const int code = deletion.remove(); code != kDone) return code;
  const std::size_t before = done.events;
  if (const auto ok = remove_here(errand, done); !ok) return fail(errand.console, ok.error());
  const bool was_there = deletion.found().value_or(0) > 0 || done.events > 0;
  const int code = was_there ? deletion.look_again() : kDone;
  if (done.events > before) {
    errand.steps.say("Meanwhile " + counted(done.events - before, "event") +
                     " of this person had come to the outbox and was removed, too: the shop still "
                     "reports them.");
  }
  return code;
}

int carry_out(Errand& errand) {
  Forgotten done;
  if (const auto ok = remove_here(errand, done); !ok) return fail(errand.console, ok.error());
  say_removed(errand, done);
  const int code = errand.deletion ? finish_at_klaviyo(errand, done) : kDone;
  const Deletion* deletion = errand.deletion ? &*errand.deletion : nullptr;
  done.to_do = to_do_after(done, deletion, errand.outbox());
  return write_end(errand, done, code);
}

int only_say(Errand& errand) {
  auto found = count_events(errand.account, errand.person);
  if (!found) return fail(errand.console, found.error());
  if (!errand.arguments.account.json) {
    errand.console.out << "would remove " << counted(found->events, "event")
                       << " and timers from the outbox, and what Stripe's webhooks have told\n";
  }
  const Deletion* deletion = errand.deletion ? &*errand.deletion : nullptr;
  if (deletion != nullptr && deletion->found() != 0U && !errand.arguments.account.json) {
    errand.console.out << "would ask Klaviyo to delete the profile, for good\n";
  }
  found->to_do = to_do_after(*found, deletion, errand.outbox());
  return write_end(errand, *found, kDone);
}

// Opens the way to Klaviyo, and looks who is there.
int prepare_deletion(Errand& errand) {
  const ForgetArguments& arguments = errand.arguments;
  if (errand.account.config.api_key.empty()) {
    return errand.steps.give_up(
        arguments.account.prefix + "KLAVIYO_API_KEY is not set, and --at-klaviyo needs it",
        "set a key that has data-privacy:write and profiles:read");
  }
  auto api = Api::open(errand.account.config, arguments.timeout.value_or(kTimeout), errand.console);
  if (!api) return fail(errand.console, api.error());
  errand.api = *std::move(api);
  errand.deletion.emplace(*errand.api, errand.steps, errand.person);
  return errand.deletion->find();
}

int run_forget(const ForgetArguments& arguments, Console& console) {
  auto account = open_account(arguments.account);
  if (!account) return fail(console, account.error());
  auto person = person_of(arguments, account->config.default_country, console);
  if (!person) {
    (void)fail(console, person.error());
    return kWrongUse;
  }
  Errand errand{.arguments = arguments,
                .console = console,
                .account = *std::move(account),
                .person = *std::move(person),
                .steps = Steps(console, arguments.account.json)};
  if (arguments.at_klaviyo) {
    if (const int code = prepare_deletion(errand); code != kDone) return code;
  }
  const std::string what = arguments.at_klaviyo ? " and their profile at Klaviyo" : "";
  const Decision decision =
      decide(arguments.approval, "Remove what waits of this person" + what + " for good?", console);
  if (decision == Decision::kDryRun) return only_say(errand);
  if (decision == Decision::kCannotAsk) return kWrongUse;
  return decision == Decision::kGo ? carry_out(errand) : kDone;
}

}  // namespace

void add_forget(CLI::App& app, Run& run) {
  const auto arguments = std::make_shared<ForgetArguments>();
  CLI::App* command = app.add_subcommand("forget", "Remove what waits of a person");
  command->footer(
      "Removes events in whatever state, timers of carts, and what Stripe's webhooks have told, "
      "and\n"
      "says what remains to be done. With --at-klaviyo it then has Klaviyo delete the profile, "
      "waits\n"
      "until that is gone, and looks again: the key needs data-privacy:write and profiles:read.\n"
      "Others can see the command line: give - and write the address to standard input.\n"
      "Exit code: 1 when the deletion at Klaviyo was refused or is not known to be done.\n"
      "Example:\n"
      "  postbox forget - --at-klaviyo --yes < address.txt");
  add_account_options(*command, arguments->account);
  command->add_option("EMAIL", arguments->email, "The address, or - for standard input");
  command->add_option("--phone", arguments->phone, "The phone number, or -");
  command->add_option("--external-id", arguments->external_id, "The shop's own id, or -");
  add_stripe_store(*command, arguments->stripe_store);
  command->add_flag("--at-klaviyo", arguments->at_klaviyo,
                    "Have Klaviyo delete the profile, too, which cannot be undone");
  add_duration(*command, "--timeout", arguments->timeout,
               "How long to wait for Klaviyo; 10m unless set");
  add_approval(*command, arguments->approval);
  command->callback([arguments, &run] {
    run = [arguments](Console& console) { return run_forget(*arguments, console); };
  });
}

}  // namespace postbox::cli
