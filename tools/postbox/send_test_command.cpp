#include "send_test_command.hpp"

#include <CLI/CLI.hpp>
#include <klaviyo/probe.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <ostream>
#include <postbox/clock.hpp>
#include <postbox/services.hpp>
#include <string>
#include <utility>

#include "account_options.hpp"
#include "api.hpp"
#include "duration_option.hpp"
#include "output.hpp"
#include "steps.hpp"
#include "test_event.hpp"

namespace postbox::cli {
namespace {

using std::chrono::milliseconds;

// Klaviyo says that an event may take some minutes (Events API overview).
constexpr milliseconds kTimeout{std::chrono::minutes(3)};
constexpr milliseconds kBetweenLooks{1'000};

struct SendTestArguments {
  AccountOptions account;
  std::string email;
  std::string kind = "purchase";
  std::optional<milliseconds> timeout;
};

// The last line of a tracker's log that says what is wrong.
class Troubles {
 public:
  [[nodiscard]] LogSink sink() {
    return [this](LogLevel level, std::string_view line) {
      if (level < LogLevel::kError) return;
      const std::lock_guard lock(mutex_);
      last_ = line;
    };
  }

  [[nodiscard]] std::string last() const {
    const std::lock_guard lock(mutex_);
    return last_;
  }

 private:
  mutable std::mutex mutex_;
  std::string last_;  // guarded by mutex_
};

// Names the account, and finds out what a test event need not.
std::optional<klaviyo::Finding> greet(const klaviyo::Config& config, HttpClient& http,
                                      Steps& steps) {
  const klaviyo::ProbeAnswer answer = ask(http, klaviyo::account_request(config));
  if (auto fault = klaviyo::connection_fault(answer)) return fault;
  const auto account = klaviyo::account_of(std::get<HttpResponse>(answer));
  steps.add("reached", account ? "reached the account " + account->name + " (" + account->id +
                                     "), " + (account->is_test ? "a test account" : "a live one")
                               : "reached Klaviyo; the key may not say which account it is of "
                                 "(accounts:read)");
  return std::nullopt;
}

enum class Delivery : std::uint8_t { kDelivered, kRefused, kLate };

// Waits until the event is delivered or dead, an error is in the log, or the time is over.
Delivery await_delivery(Tracker& tracker, const Troubles& troubles, milliseconds timeout) {
  constexpr milliseconds kSlice{100};
  for (milliseconds waited{0}; waited <= timeout; waited += kSlice) {
    const bool is_over = tracker.flush(kSlice);
    const Stats stats = tracker.stats();
    if (stats.delivered > 0) return Delivery::kDelivered;
    if (stats.dead > 0 || (!is_over && !troubles.last().empty())) return Delivery::kRefused;
  }
  return Delivery::kLate;
}

enum class Lookup : std::uint8_t { kFound, kForbidden, kLate };

// `last` is set to what the last look found.
Lookup look_up(const TestEvent& event, const klaviyo::Config& config, HttpClient& http,
               milliseconds timeout, Console& console, std::string& last) {
  for (milliseconds waited{0};; waited += kBetweenLooks) {
    const auto answer = ask(http, lookup_request(event, config));
    last = in_short(answer);
    if (const auto* response = std::get_if<HttpResponse>(&answer)) {
      if (response->status == 403) return Lookup::kForbidden;
      if (find_in(*response, event)) return Lookup::kFound;
    }
    const bool is_over = waited + kBetweenLooks > timeout;
    if (is_over || !console.pause || !console.pause(kBetweenLooks)) return Lookup::kLate;
  }
}

int follow(const TestEvent& event, const klaviyo::Config& config, HttpClient& http,
           milliseconds timeout, Steps& steps, Console& console) {
  std::string last;
  switch (look_up(event, config, http, timeout, console, last)) {
    case Lookup::kFound:
      steps.add("readable", "readable through the API");
      break;
    case Lookup::kForbidden:
      steps.say(
          "The key lacks events:read: whether the event was recorded is to be seen in the "
          "account, Analytics > Metrics.");
      break;
    case Lookup::kLate:
      return steps.give_up(
          "Klaviyo has accepted the event, and did not show it within " + in_words(timeout) +
              " (last answer: " + last + ")",
          "look at the metric in the account later, or wait longer with --timeout. What Klaviyo "
          "drops behind its 202: addresses that it suppresses, and accounts that were closed");
  }
  steps.say(
      "It has no amount, so that no revenue is counted; it counts as one event, and flows "
      "that begin with this metric have begun for this address.");
  return kDone;
}

int send(const TestEvent& event, const klaviyo::Config& config, HttpClient& http,
         milliseconds timeout, Steps& steps, Console& console) {
  Troubles troubles;
  klaviyo::Config own = for_test(config);
  own.engine.log = troubles.sink();
  auto tracker = klaviyo::start(std::move(own));
  if (!tracker) return fail(console, tracker.error());
  const TrackResult tracked = track(event, *tracker, std::chrono::seconds(5));
  if (tracked.status() != TrackStatus::kAccepted) {
    (void)steps.give_up("the event was not taken: " + tracked.to_string(), "");
    return tracked.status() == TrackStatus::kRejected ? kWrongUse : kProblem;
  }
  steps.add("stored", "checked and stored: " + metric_of(event, config) + " " + event.id);
  switch (await_delivery(*tracker, troubles, timeout)) {
    case Delivery::kDelivered:
      steps.add("accepted", "accepted by Klaviyo");
      break;
    case Delivery::kRefused:
      return steps.give_up(troubles.last(),
                           "this event is given up; postbox doctor says what is wrong");
    case Delivery::kLate:
      return steps.give_up("the event was not delivered within " + in_words(timeout),
                           "this event is given up; postbox doctor says what is wrong");
  }
  return follow(event, config, http, timeout, steps, console);
}

int run_with(const TestEvent& event, const klaviyo::Config& config, milliseconds timeout,
             Steps& steps, Console& console) {
  if (config.api_key.empty()) {
    return steps.give_up("KLAVIYO_API_KEY is not set", "postbox doctor says what to set it to");
  }
  const auto http = client_for(config);
  if (!http) return fail(console, http.error());
  if (const auto fault = greet(config, **http, steps)) {
    return steps.give_up(fault->what, fault->advice);
  }
  return send(event, config, **http, timeout, steps, console);
}

int run_send_test(const SendTestArguments& arguments, Console& console) {
  const auto config = read_config(arguments.account);
  if (!config) return fail(console, config.error());
  Steps steps(console, arguments.account.json);
  const TestEvent event = test_event(arguments.kind, arguments.email, system_clock()->wall_now());
  const int code = run_with(event, *config, arguments.timeout.value_or(kTimeout), steps, console);
  if (arguments.account.json) {
    write_json(console.out, {{"metric", metric_of(event, *config)},
                             {"id", event.id},
                             {"done", code == kDone},
                             {"steps", steps.done()}});
  }
  return code;
}

}  // namespace

void add_send_test(CLI::App& app, Run& run) {
  const auto arguments = std::make_shared<SendTestArguments>();
  CLI::App* command = app.add_subcommand(
      "send-test", "Send one marked event to Klaviyo, and follow it until it can be read there");
  command->footer(
      "The event is real: it is in the profile of this address, flows that begin with its metric\n"
      "begin, and it counts as one order, subscription or cart. Its amount is zero. Its property\n"
      "PostboxTest has its id. Needs no flag that is on, and leaves the server's outbox alone.\n"
      "To read the event the key needs events:read, beside events:write.\n"
      "Example:\n"
      "  postbox send-test --email you@your-shop.example");
  add_account_options(*command, arguments->account);
  command->add_option("--email", arguments->email, "An address of your own, whose profile gets it")
      ->required();
  command->add_option("--event", arguments->kind, "purchase, subscription or cart")
      ->check(CLI::IsMember({"purchase", "subscription", "cart"}))
      ->capture_default_str();
  add_duration(*command, "--timeout", arguments->timeout,
               "How long each of delivery and reading may take; 3m unless set");
  command->callback([arguments, &run] {
    run = [arguments](Console& console) { return run_send_test(*arguments, console); };
  });
}

}  // namespace postbox::cli
