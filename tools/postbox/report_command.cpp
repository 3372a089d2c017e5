#include "report_command.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <klaviyo/catalogue.hpp>
#include <klaviyo/request.hpp>
#include <memory>
#include <optional>
#include <ostream>
#include <postbox/rfc3339.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "account_options.hpp"
#include "comparison.hpp"
#include "duration_option.hpp"
#include "file_options.hpp"
#include "history_record.hpp"
#include "output.hpp"
#include "recorded_events.hpp"
#include "report_output.hpp"
#include "steps.hpp"

namespace postbox::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTimeout{std::chrono::hours(1)};
constexpr std::size_t kShownRecords = 10;  // of those that cannot be read

struct ReportArguments {
  AccountOptions account;
  std::string file;
  FileOptions options;
  std::string from;
  std::string to;
  std::vector<std::string> metrics;
  std::size_t max = 20;
  std::optional<milliseconds> timeout;
};

Error wrong(const std::string& what) { return {ErrorCode::kInvalidArgument, what}; }

// "+01:00", by the reader of times.
std::optional<std::chrono::minutes> offset_of(const std::string& text) {
  const auto midnight = parse_rfc3339("2026-01-01T00:00:00Z");
  const auto there = parse_rfc3339("2026-01-01T00:00:00" + text);
  if (!there) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::minutes>(*midnight - *there);
}

Result<Period> period_of(const ReportArguments& arguments) {
  const auto first = parse_day(arguments.from);
  const auto last = parse_day(arguments.to);
  for (const auto& [option, text, day] :
       {std::tuple("--from", arguments.from, first), std::tuple("--to", arguments.to, last)}) {
    if (day) continue;
    return wrong(std::string(option) + ": '" + typed(text) +
                 "' is not accepted; expected a day such as 2026-11-27");
  }
  if (*last < *first) return wrong("--to: must not be before --from");
  const std::string& named = arguments.options.csv.utc_offset;
  const auto offset = offset_of(named.empty() ? "Z" : named);
  if (!offset) {
    return wrong("--utc-offset: '" + typed(named) +
                 "' is not accepted; expected an offset such as +01:00");
  }
  return Period{.first = *first, .last = *last, .utc_offset = *offset};
}

// The metric as the account calls it.
std::string account_name(std::string_view own, const klaviyo::Config& config) {
  const auto renamed = std::ranges::find(config.metric_names, own, &TypeNames::value_type::first);
  return renamed == config.metric_names.end() ? std::string(own) : renamed->second;
}

// The parts of a report.
struct Report {
  const ReportArguments& arguments;
  Console& console;
  klaviyo::Config config;
  Period period;
  CsvOptions csv;
  Comparison comparison;
  Steps steps;
  std::optional<klaviyo::ProbedAccount> account{};
  std::vector<KnownMetric> known{};
  std::set<std::string> metrics{};  // that are compared, as the account calls them
  std::uint64_t records = 0;        // of the file, that can be read
  std::uint64_t outside = 0;        // … of other days
  std::uint64_t unreadable = 0;
};

// Of those that are not sent, and not asked for, nothing is compared.
bool is_compared(const std::string& metric, const Report& report) {
  const auto& asked = report.arguments.metrics;
  if (!asked.empty() && std::ranges::find(asked, metric) == asked.end()) return false;
  return std::ranges::none_of(report.config.disabled_metrics, [&](const std::string& own) {
    return account_name(own, report.config) == metric;
  });
}

// The event as it is sent.
std::optional<std::pair<SideEvent, std::chrono::sys_seconds>> side_event(const EventRecord& event,
                                                                         const Period& period) {
  const auto body = nlohmann::json::parse(klaviyo::single_body(event), nullptr, false);
  if (body.is_discarded()) return std::nullopt;
  const auto& sent = body["data"]["attributes"];
  const auto time = parse_rfc3339(sent.value("time", ""));
  if (!time) return std::nullopt;
  const auto second = std::chrono::floor<std::chrono::seconds>(*time);
  SideEvent side{.metric = sent["metric"]["data"]["attributes"].value("name", ""),
                 .id = sent.value("unique_id", ""),
                 .day = period.day_of(second),
                 .currency = klaviyo::Currency(sent.value("value_currency", ""))};
  if (sent.contains("value")) {
    side.value = Amount::parse(sent["value"].dump()).value_or(Amount());
  }
  return std::pair(std::move(side), second);
}

void say_unreadable(Report& report, const SourceRecord& source, const HistoryRead& read) {
  if (++report.unreadable > kShownRecords) return;
  const Violation& first = read.violations.front();
  report.steps.note("line " + std::to_string(source.line) + " is not compared: " + first.path +
                    ' ' + first.rule);
}

void take_record(Report& report, const HistoryRecord& record, const Tracker& tracker) {
  ++report.records;
  bool is_outside = true;
  for (const EventRecord& event : record.events(tracker.context(), report.config.metric_names)) {
    const auto side = side_event(event, report.period);
    if (!side || !is_compared(side->first.metric, report)) continue;
    report.metrics.insert(side->first.metric);
    if (side->second < report.period.begin() || side->second >= report.period.end()) continue;
    is_outside = false;
    report.comparison.add_shop(side->first);
  }
  if (is_outside) ++report.outside;
}

Result<void> read_file(Report& report) {
  const std::string& name = report.arguments.file;
  std::ifstream in(name, std::ios::binary);
  const auto source = open_source(in, report.arguments.options.type, report.csv);
  if (!source) return wrong("'" + name + "': " + source.error().message);
  for (const std::string& note : (*source)->notes()) report.steps.note(note);
  const auto tracker = tracker_for_reading(report.config);
  if (!tracker) return tracker.error();
  for (SourceRecord record;;) {
    const auto more = (*source)->next(record);
    if (!more) return wrong("'" + name + "': " + more.error().message);
    if (!*more) break;
    const HistoryRead read = read_history(record, tracker->context());
    if (read.record) {
      take_record(report, *read.record, *tracker);
    } else {
      say_unreadable(report, record, read);
    }
  }
  if (report.records > 0) return {};
  return wrong("'" + name + "' has no record that can be read; postbox validate says why");
}

// Without a file: all that this library reports, and what was asked for.
void choose_metrics(Report& report) {
  report.metrics.insert(report.arguments.metrics.begin(), report.arguments.metrics.end());
  for (const klaviyo::EventType& type : klaviyo::every_event_type()) {
    const std::string metric = account_name(type.metric, report.config);
    if (is_compared(metric, report)) report.metrics.insert(metric);
  }
}

// Those of Postbox and its like come by the API. Another integration's of the same name are named.
std::vector<KnownMetric> chosen_metrics(const Report& report) {
  std::vector<KnownMetric> chosen;
  for (const KnownMetric& metric : report.known) {
    if (!report.metrics.contains(metric.name)) continue;
    if (metric.integration == "API") {
      chosen.push_back(metric);
    } else {
      report.steps.note("the account has another metric " + metric.name + ", by " +
                        metric.integration + ", which is not compared");
    }
  }
  return chosen;
}

int give_up(const klaviyo::Finding& finding, const Report& report) {
  return report.steps.give_up(finding.what, finding.advice);
}

// Before the file is read: whether the key is good for this.
int read_account(Report& report, Api& api) {
  const ProbeAnswer answer = api.get_patiently("/api/accounts");
  if (success(answer) != nullptr) {
    report.account = klaviyo::account_of(*success(answer));
  } else if (!is_forbidden(answer)) {
    return give_up(refusal_of(answer, "accounts:read"), report);
  }
  const auto fault = RecordedEvents(api).read_metrics(report.known);
  return fault ? give_up(*fault, report) : kDone;
}

int read_events(Report& report, Api& api) {
  const klaviyo::Currency currency(report.account ? report.account->currency : "");
  for (const KnownMetric& metric : chosen_metrics(report)) {
    const auto fault = RecordedEvents(api).read(
        metric, report.period,
        [&](SideEvent event) { report.comparison.add_klaviyo(std::move(event), currency); },
        [&](std::uint64_t count) {
          report.steps.note(metric.name + ": " + std::to_string(count) + " events so far");
        });
    if (fault) return give_up(*fault, report);
  }
  return kDone;
}

int write_report(const Report& report) {
  const std::string& named = report.arguments.options.csv.utc_offset;
  const ReportResult result{.from = report.arguments.from,
                            .to = report.arguments.to,
                            .utc_offset = named.empty() ? "+00:00" : named,
                            .has_file = !report.arguments.file.empty(),
                            .account = report.account,
                            .unreadable = report.unreadable,
                            .outside = report.outside,
                            .max = report.arguments.max,
                            .lines = report.comparison.lines(),
                            .differences = report.comparison.differences()};
  if (report.arguments.account.json) {
    write_for_machines(result, report.console.out);
  } else {
    write_for_people(result, report.console.out);
  }
  return result.is_same() ? kDone : kProblem;
}

int compare(Report& report) {
  if (report.config.api_key.empty()) {
    return report.steps.give_up(
        report.arguments.account.prefix + "KLAVIYO_API_KEY is not set",
        "set a key that has metrics:read and events:read, and accounts:read if it may");
  }
  auto api = Api::open(report.config, report.arguments.timeout.value_or(kTimeout), report.console);
  if (!api) return fail(report.console, api.error());
  if (const int code = read_account(report, *api); code != kDone) return code;
  if (report.arguments.file.empty()) {
    choose_metrics(report);
  } else if (const auto ok = read_file(report); !ok) {
    return fail(report.console, ok.error());
  }
  if (const int code = read_events(report, *api); code != kDone) return code;
  return write_report(report);
}

int run_report(const ReportArguments& arguments, Console& console) {
  const auto period = period_of(arguments);
  const auto csv = csv_options(arguments.options);
  if (!period || !csv) {
    (void)fail(console, period ? csv.error() : period.error());
    return kWrongUse;
  }
  auto config = read_config(arguments.account);
  if (!config) return fail(console, config.error());
  Report report{.arguments = arguments,
                .console = console,
                .config = *std::move(config),
                .period = *period,
                .csv = *csv,
                .comparison = Comparison(!arguments.file.empty()),
                .steps = Steps(console, arguments.account.json)};
  return compare(report);
}

}  // namespace

void add_report(CLI::App& app, Run& run) {
  const auto arguments = std::make_shared<ReportArguments>();
  CLI::App* command =
      app.add_subcommand("report", "Compare what Klaviyo has recorded with the orders of a file");
  command->footer(
      "Counts and values by day, metric and currency, and by name what is on one side alone, is\n"
      "another one there, or stands twice. Without FILE Klaviyo's side alone. The key needs\n"
      "metrics:read and events:read. Memory grows with the events of the period: some 160 bytes "
      "each.\n"
      "Exit code: 1 when the two differ, and when not all could be read.\n"
      "Example:\n"
      "  postbox report --from 2026-11-01 --to 2026-11-30 orders.jsonl");
  add_account_options(*command, arguments->account);
  command->add_option("FILE", arguments->file, "A file of JSON lines or CSV")
      ->check(CLI::ExistingFile);
  add_file_options(*command, arguments->options);
  command->add_option("--from", arguments->from, "The first day, such as 2026-11-01")->required();
  command->add_option("--to", arguments->to, "The last day, with all of it")->required();
  command->add_option("--utc-offset", arguments->options.csv.utc_offset,
                      "By which clock days begin, and times of the file that have no zone, such as "
                      "+01:00; UTC unless set");
  command
      ->add_option("--metric", arguments->metrics,
                   "Only this metric, as the account calls it; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--max", arguments->max, "How many differences of a kind are named")
      ->capture_default_str();
  add_duration(*command, "--timeout", arguments->timeout,
               "How long reading may take; 1h unless set");
  command->callback([arguments, &run] {
    run = [arguments](Console& console) { return run_report(*arguments, console); };
  });
}

}  // namespace postbox::cli
