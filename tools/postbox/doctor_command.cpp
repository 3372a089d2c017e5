#include "doctor_command.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>
#include <klaviyo/probe.hpp>
#include <memory>
#include <optional>
#include <ostream>
#include <postbox/clock.hpp>
#include <postbox/http_client.hpp>
#include <string>

#include "account_options.hpp"
#include "doctor_config.hpp"
#include "doctor_outbox.hpp"
#include "doctor_settings.hpp"
#include "doctor_stripe.hpp"
#include "output.hpp"
#include "selection.hpp"

namespace postbox::cli {
namespace {

using Level = FindingLevel;

struct DoctorArguments {
  AccountOptions account;
  bool offline = false;
};

void append(std::vector<Finding>& findings, std::vector<Finding> more) {
  std::ranges::move(more, std::back_inserter(findings));
}

// A proxy's address may hold a password: its variable is named alone. Plain http goes to this
// machine, and through http_proxy all the same.
void add_proxy(const klaviyo::Config& config, std::vector<Finding>& findings) {
  const bool is_plain = config.api_url.starts_with("http://");
  const bool is_reached = std::ranges::none_of(findings, [](const Finding& finding) {
    return finding.topic == "network" && finding.level >= Level::kWarning;
  });
  for (const char* name : {is_plain ? "http_proxy" : "https_proxy",
                           is_plain ? "all_proxy" : "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    findings.push_back(
        {is_reached ? Level::kOk : Level::kNote, "network",
         std::string(name) +
             " is set: requests go through that proxy unless no_proxy names the host",
         is_reached ? "" : "unset it, or name the host in no_proxy, to go without"});
    return;
  }
}

// Nothing is asked with settings that are not those of the server.
bool can_ask(const SettingsDiagnosis& settings) {
  return !settings.config.api_key.empty() &&
         std::ranges::all_of(
             std::array{"KLAVIYO_API_KEY", "KLAVIYO_API_URL", "KLAVIYO_REVISION",
                        "POSTBOX_CA_FILE"},
             [&settings](const char* variable) { return settings.can_use(variable); });
}

klaviyo::ProbeReport ask_klaviyo(const klaviyo::Config& config) {
  const auto http = curl_http_client(config.engine.http);
  if (!http) {
    return {.findings = {{Level::kProblem, "network", http.error().message,
                          "POSTBOX_CA_FILE names a file of PEM certificates"}},
            .account = {}};
  }
  klaviyo::ProbeReport report = klaviyo::probe(config, **http, *system_clock());
  add_proxy(config, report.findings);
  return report;
}

struct Diagnosis {
  std::vector<SettingRow> settings;
  std::optional<klaviyo::ProbedAccount> account;
  std::vector<Finding> findings;
};

Diagnosis diagnose(const DoctorArguments& arguments) {
  SettingsDiagnosis settings = diagnose_settings(arguments.account);
  std::vector<Finding> findings = std::move(settings.findings);
  append(findings, switch_findings(settings));
  append(findings, link_findings(settings));
  klaviyo::ProbeReport report;
  if (!arguments.offline && can_ask(settings)) report = ask_klaviyo(settings.config);
  append(findings, std::move(report.findings));
  append(findings, stripe_findings(settings, report.account));
  if (settings.can_use("POSTBOX_OUTBOX")) {
    append(findings, outbox_findings(settings.config));
    if (settings.uses_stripe) append(findings, stripe_store_findings(settings.config));
    if (settings.can_use("POSTBOX_ENCRYPTION_KEY")) {
      append(findings, encryption_findings(settings.config));
    }
  }
  return {std::move(settings.rows), std::move(report.account), std::move(findings)};
}

std::size_t count(const std::vector<Finding>& findings, Level level) {
  return static_cast<std::size_t>(std::ranges::count(findings, level, &Finding::level));
}

void write_as_json(const Diagnosis& diagnosis, std::ostream& out) {
  Json settings = Json::array();
  for (const SettingRow& row : diagnosis.settings) {
    settings.push_back({{"name", row.name}, {"value", row.value}, {"from", row.origin}});
  }
  Json findings = Json::array();
  for (const Finding& finding : diagnosis.findings) {
    findings.push_back({{"level", name_of(finding.level)},
                        {"topic", finding.topic},
                        {"what", finding.what},
                        {"advice", finding.advice}});
  }
  Json account;
  if (diagnosis.account) {
    account = {{"id", diagnosis.account->id},
               {"name", diagnosis.account->name},
               {"currency", diagnosis.account->currency},
               {"test", diagnosis.account->is_test}};
  }
  write_json(out, {{"settings", std::move(settings)},
                   {"account", std::move(account)},
                   {"findings", std::move(findings)},
                   {"problems", count(diagnosis.findings, Level::kProblem)},
                   {"warnings", count(diagnosis.findings, Level::kWarning)}});
}

void write_as_text(const Diagnosis& diagnosis, std::ostream& out) {
  Table settings({"setting", "value", "from"});
  for (const SettingRow& row : diagnosis.settings) {
    settings.add({row.name, printable(row.value), printable(row.origin)});
  }
  settings.write(out);
  out << '\n';
  for (const Finding& finding : diagnosis.findings) {
    const std::string level(name_of(finding.level));
    out << level << std::string(9 - level.size(), ' ') << finding.topic << ": "
        << printable(finding.what) << '\n';
    if (!finding.advice.empty()) out << "         -> " << printable(finding.advice) << '\n';
  }
  out << '\n'
      << counted(count(diagnosis.findings, Level::kProblem), "problem") << ", "
      << counted(count(diagnosis.findings, Level::kWarning), "warning") << '\n';
}

int run_doctor(const DoctorArguments& arguments, Console& console) {
  const Diagnosis diagnosis = diagnose(arguments);
  if (arguments.account.json) {
    write_as_json(diagnosis, console.out);
  } else {
    write_as_text(diagnosis, console.out);
  }
  return count(diagnosis.findings, Level::kProblem) > 0 ? kProblem : kDone;
}

}  // namespace

void add_doctor(CLI::App& app, Run& run) {
  const auto arguments = std::make_shared<DoctorArguments>();
  CLI::App* command =
      app.add_subcommand("doctor", "Find what is wrong with a set-up, and say what to do");
  command->footer(
      "Asks Klaviyo what the key may do, and leaves nothing behind there; looks at the outbox\n"
      "beside a running server. Exit code 1 when there is a problem.\n"
      "Example:\n"
      "  postbox doctor --env-file /srv/shop/.env");
  add_account_options(*command, arguments->account);
  command->add_flag("--offline", arguments->offline, "Leave the network out");
  command->callback([arguments, &run] {
    run = [arguments](Console& console) { return run_doctor(*arguments, console); };
  });
}

}  // namespace postbox::cli
