#include "status_command.hpp"

#include <memory>
#include <optional>
#include <ostream>
#include <sstream>
#include <string>

#include "account.hpp"
#include "duration_option.hpp"
#include "status.hpp"

namespace postbox::cli {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks = std::chrono::seconds(2);

struct StatusArguments {
  AccountOptions account;
  std::optional<std::chrono::milliseconds> max_wait{std::chrono::minutes(15)};
  bool watch = false;
};

using Moment = std::chrono::steady_clock::time_point;

// What the totals were at a moment: the next look tells the rates since.
struct Look {
  Moment at;
  OutboxTotals totals;
};

double per_second(std::uint64_t before, std::uint64_t now, std::chrono::duration<double> time) {
  return now < before || time.count() <= 0 ? 0 : static_cast<double>(now - before) / time.count();
}

struct Rates {
  bool are_known = false;  // from the second look on
  double accepted = 0;
  double delivered = 0;
};

Rates rates_between(const Look& before, const Look& now) {
  const auto time = now.at - before.at;
  return {true, per_second(before.totals.appended, now.totals.appended, time),
          per_second(before.totals.delivered, now.totals.delivered, time)};
}

void write_look(const Status& status, const Rates& rates, const StatusArguments& arguments,
                Console& console) {
  if (arguments.account.json) {
    Json json = json_of(status);
    if (rates.are_known) {
      json["rates"] = {{"accepted_per_second", rates.accepted},
                       {"delivered_per_second", rates.delivered}};
    }
    if (!arguments.watch) return write_json(console.out, json);
    console.out << json.dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl;
    return;
  }
  if (arguments.watch && console.is_terminal) console.out << "\x1b[H\x1b[2J";
  if (rates.are_known) {
    std::ostringstream line;
    line.precision(1);
    line << std::fixed << "rates   " << rates.accepted << " accepted and " << rates.delivered
         << " delivered a second\n";
    console.out << line.str();
  }
  write(status, console.out);
  if (arguments.watch && !console.is_terminal) console.out << '\n';
  console.out.flush();
}

int run_status(const StatusArguments& arguments, Console& console) {
  const auto account = open_account(arguments.account);
  if (!account) return fail(console, account.error());
  if (arguments.watch && console.pause) (void)console.pause({});
  std::optional<Look> before;
  for (;;) {
    const auto stats = account->outbox.status();
    if (!stats) return fail(console, stats.error());
    const Look now{std::chrono::steady_clock::now(), stats->totals};
    const Status status = status_of(account->config, account->outbox.file().value_or(""), *stats,
                                    *arguments.max_wait);
    const Rates rates = before ? rates_between(*before, now) : Rates{};
    write_look(status, rates, arguments, console);
    before = now;
    if (!arguments.watch || !console.pause || !console.pause(kBetweenLooks)) {
      return status.problems.empty() ? kDone : kProblem;
    }
  }
}

}  // namespace

void add_status(CLI::App& app, Run& run) {
  const auto arguments = std::make_shared<StatusArguments>();
  CLI::App* command = app.add_subcommand("status", "Show where the events are");
  command->footer(
      "The flags are those of this environment. The outbox's file has the counts, and --watch the\n"
      "rates from one look to the next; latencies, quota windows and last errors are known to the\n"
      "running server alone: GET /metrics of the server has them.\n"
      "Exit code: 1 when there are dead letters, when an event that is no history waits for "
      "longer\n"
      "than --max-wait, when the outbox is full to nine tenths, or when its counts do not add up.\n"
      "Example:\n"
      "  postbox status --env-file /etc/shop/shop.env");
  add_account_options(*command, arguments->account);
  command->add_flag("--watch", arguments->watch, "Look again every two seconds, until Ctrl-C");
  add_duration(*command, "--max-wait", arguments->max_wait,
               "How long an event may wait before that is a problem; 15m unless set");
  command->callback([arguments, &run] {
    run = [arguments](Console& console) { return run_status(*arguments, console); };
  });
}

}  // namespace postbox::cli
