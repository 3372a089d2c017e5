#include "status_command.hpp"

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <ostream>
#include <sstream>
#include <string>
#include <utility>

#include "account.hpp"
#include "duration_option.hpp"
#include "metrics_reader.hpp"
#include "rates.hpp"
#include "status.hpp"

namespace postbox::cli {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks = std::chrono::seconds(2);
constexpr std::chrono::milliseconds kForRates = std::chrono::seconds(1);

struct StatusArguments {
  AccountOptions account;
  std::optional<std::chrono::milliseconds> max_wait{std::chrono::minutes(15)};
  bool watch = false;
  std::string metrics{};  // the address of the server's, if any
};

// The result of a look; `before` is that of the one before it.
struct Found {
  Look look;
  Status status;
  std::optional<ServerMetrics> server{};
};

Result<Found> look_at(const Account& account, MetricsReader* reader,
                      std::chrono::milliseconds max_wait) {
  const auto stats = account.outbox.status();
  if (!stats) return stats.error();
  Found found{
      .look = {std::chrono::steady_clock::now(), stats->totals},
      .status = status_of(account.config, account.outbox.file().value_or(""), *stats, max_wait)};
  if (reader == nullptr) return found;
  auto server = reader->read();
  if (server) {
    found.server = *std::move(server);
  } else {
    found.status.problems.push_back(server.error().message);
  }
  return found;
}

const ServerMetrics* server_of(const std::optional<Found>& found) {
  return found && found->server ? &*found->server : nullptr;
}

Json json_of(const Found& now, const std::optional<Found>& before, const ServerMetrics* since) {
  Json json = cli::json_of(now.status);
  if (before) json["rates"] = cli::json_of(rates_between(before->look, now.look));
  if (now.server) json["server"] = cli::json_of(*now.server, since);
  return json;
}

void write_rates(const Rates& rates, std::ostream& out) {
  std::ostringstream line;
  line.precision(1);
  line << std::fixed << "rates   " << rates.accepted << " accepted and " << rates.delivered
       << " delivered a second\n";
  out << line.str();
}

// With --watch latencies are those since the look before, and else those since the server's start.
void write_look(const Found& now, const std::optional<Found>& before,
                const StatusArguments& arguments, Console& console) {
  const ServerMetrics* since = arguments.watch ? server_of(before) : nullptr;
  if (arguments.account.json) {
    const Json json = json_of(now, before, since);
    if (!arguments.watch) return write_json(console.out, json);
    console.out << json.dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl;
    return;
  }
  if (arguments.watch && console.is_terminal) console.out << "\x1b[H\x1b[2J";
  if (before) write_rates(rates_between(before->look, now.look), console.out);
  write(now.status, console.out);
  if (now.server) write(*now.server, since, console.out);
  if (arguments.watch && !console.is_terminal) console.out << '\n';
  console.out.flush();
}

int run_status(const StatusArguments& arguments, Console& console) {
  const auto account = open_account(arguments.account);
  if (!account) return fail(console, account.error());
  std::unique_ptr<MetricsReader> reader;
  if (!arguments.metrics.empty()) {
    auto opened = MetricsReader::open(arguments.metrics);
    if (!opened) return fail(console, opened.error());
    reader = *std::move(opened);
  }
  if (arguments.watch && console.pause) (void)console.pause({});
  // Rates need two looks: with the server's figures there is a second one.
  const bool is_double = reader && !arguments.watch && console.pause;
  std::optional<Found> before;
  for (;;) {
    auto now = look_at(*account, reader.get(), *arguments.max_wait);
    if (!now) return fail(console, now.error());
    const bool is_first_of_two = is_double && !before;
    if (!is_first_of_two) write_look(*now, before, arguments, console);
    before = *std::move(now);
    const bool goes_on = arguments.watch || is_first_of_two;
    const auto pause = is_first_of_two ? kForRates : kBetweenLooks;
    if (!goes_on || !console.pause || !console.pause(pause)) {
      return before->status.problems.empty() ? kDone : kProblem;
    }
  }
}

}  // namespace

void add_status(CLI::App& app, Run& run) {
  const auto arguments = std::make_shared<StatusArguments>();
  CLI::App* command = app.add_subcommand("status", "Show where the events are");
  command->footer(
      "The flags are those of this environment. The outbox's file has the counts, and --watch the\n"
      "rates from one look to the next; latencies, quota windows and what failed are known to the\n"
      "running server alone: --metrics asks it, and takes a second for the rates. Latencies are\n"
      "those since the server's start, with --watch those since the look before.\n"
      "Exit code: 1 when there are dead letters, when an event that is no history waits for "
      "longer\n"
      "than --max-wait, when the outbox is full to nine tenths, when its counts do not add up, or\n"
      "when --metrics cannot be read.\n"
      "Example:\n"
      "  postbox status --env-file /etc/shop/shop.env");
  add_account_options(*command, arguments->account);
  command->add_flag("--watch", arguments->watch, "Look again every two seconds, until Ctrl-C");
  add_metrics_option(*command, arguments->metrics);
  add_duration(*command, "--max-wait", arguments->max_wait,
               "How long an event may wait before that is a problem; 15m unless set");
  command->callback([arguments, &run] {
    run = [arguments](Console& console) { return run_status(*arguments, console); };
  });
}

}  // namespace postbox::cli
