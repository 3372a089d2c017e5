#include "doctor_settings.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <postbox/environment.hpp>
#include <postbox/settings.hpp>
#include <regex>
#include <sstream>
#include <utility>

namespace postbox::cli {
namespace {

using Level = FindingLevel;

constexpr std::string_view kTopic = "settings";
constexpr const char* kReference = "docs/configuration.md describes every setting";

// The variables of the process and of the file alone, and what both are together.
struct Sources {
  Environment process;
  Environment file_alone;
  Environment all;
  std::string file;

  void set_prefix(const std::string& prefix) {
    for (Environment* each : {&process, &file_alone, &all}) each->set_prefix(prefix);
  }

  // True when the process has another value than the file, which then counts for nothing.
  [[nodiscard]] bool is_overruled(const std::string& variable) const {
    const auto in_file = file_alone.get(variable);
    return in_file && all.get(variable) != in_file;
  }

  [[nodiscard]] std::string origin_of(const std::string& variable) const {
    if (process.get(variable)) return "environment";
    return all.get(variable) ? file : std::string();
  }

  // Empty when neither the variable nor that of a secret's file is set.
  [[nodiscard]] std::string origin_of(const Setting& setting) const {
    const std::string variable(setting.variable);
    if (std::string origin = origin_of(variable); !origin.empty()) return origin;
    if (!setting.is_secret) return {};
    std::string origin = origin_of(variable + "_FILE");
    if (!origin.empty()) origin += ", by " + all.variable(variable + "_FILE");
    return origin;
  }
};

std::string absolute(const std::string& file) { return Environment::absolute(file).value_or(file); }

std::string text_of(const std::string& file) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) return {};
  std::ifstream text(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(text), {}};
}

// A file that cannot be read leaves the process's variables.
Sources read_sources(const AccountOptions& options, SettingsDiagnosis& diagnosis) {
  std::vector<Finding>& findings = diagnosis.findings;
  Sources sources;
  sources.file = absolute(options.env_file);
  sources.process = Environment::load("/dev/null").value_or(Environment());
  auto all = Environment::load(sources.file);
  if (!all) {
    findings.push_back({Level::kProblem, kTopic, all.error().message,
                        "mend the file: NAME=VALUE in lines of UTF-8, readable by this user"});
    diagnosis.unusable = {"KLAVIYO_API_KEY", "POSTBOX_OUTBOX"};  // what is meant is in the file
    sources.all = sources.process;
    return sources;
  }
  for (const std::string& warning : all->warnings()) {
    findings.push_back({Level::kWarning, kTopic, warning, "mend these lines, or remove them"});
  }
  std::error_code ignored;
  if (!std::filesystem::exists(sources.file, ignored)) {
    findings.push_back({Level::kNote, kTopic,
                        "There is no " + sources.file + ": only the process's environment counts",
                        "name the server's file with --env-file, or run where the server runs"});
  }
  sources.all = *std::move(all);
  sources.file_alone = Environment::parse(text_of(sources.file)).value_or(Environment());
  return sources;
}

// A value that is empty in the process is seldom meant: a container's file of settings passes on
// what its own environment has not.
void find_overruled(const Setting& setting, const Sources& sources,
                    std::vector<Finding>& findings) {
  const std::string variable(setting.variable);
  if (!sources.is_overruled(variable)) return;
  const bool is_empty = !sources.all.get(variable);
  findings.push_back({is_empty ? Level::kWarning : Level::kNote, kTopic,
                      sources.all.variable(variable) + " is set in " + sources.file + " and " +
                          (is_empty ? "empty" : "has another value") +
                          " in the environment, which counts",
                      "unset it in one of the two places"});
}

template <class Config>
void read_table(const std::vector<BoundSetting<Config>>& table, const Sources& sources,
                Config& config, SettingsDiagnosis& diagnosis) {
  for (const auto& row : table) {
    const Setting& setting = row.setting();
    if (setting.section.empty()) continue;  // another table's
    const std::string name = sources.all.variable(setting.variable);
    find_overruled(setting, sources, diagnosis.findings);
    std::string origin = sources.origin_of(setting);
    const auto read = row.read(sources.all, config);
    if (!read) {
      diagnosis.unusable.emplace(setting.variable);
      diagnosis.findings.push_back(
          {Level::kProblem, kTopic, read.error().message,
           name + " takes " + std::string(setting.accepted) + "; " + kReference});
      diagnosis.rows.push_back({name, "(not usable)", origin.empty() ? sources.file : origin});
      continue;
    }
    const bool is_default = origin.empty() && !setting.default_value.empty();
    diagnosis.rows.push_back(
        {name, is_default ? std::string(setting.default_value) : row.in_force(config).shown,
         origin.empty() ? "default" : std::move(origin)});
  }
}

// Only a note: on many machines nobody else has an account.
void find_readers(const Sources& sources, SettingsDiagnosis& diagnosis) {
  constexpr auto kOthers = std::filesystem::perms::others_read;
  const bool has_secret =
      std::ranges::any_of(klaviyo::Config::settings(), [&sources](const auto& row) {
        return row.setting().is_secret &&
               sources.origin_of(std::string(row.setting().variable)) == sources.file;
      });
  std::error_code error;
  const auto status = std::filesystem::status(sources.file, error);
  if (!has_secret || error || (status.permissions() & kOthers) == std::filesystem::perms::none) {
    return;
  }
  diagnosis.findings.push_back({Level::kNote, kTopic,
                                sources.file + " holds a secret, and every user may read it",
                                "chmod 600 " + sources.file});
}

// Faults that a single value does not show, such as an unknown scheme.
void check_whole(SettingsDiagnosis& diagnosis) {
  const auto valid = diagnosis.config.validate();
  if (valid) return;
  std::istringstream lines(valid.error().message);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("POSTBOX_OUTBOX")) diagnosis.unusable.emplace("POSTBOX_OUTBOX");
    diagnosis.findings.push_back({Level::kProblem, kTopic, line, kReference});
  }
}

// Stripe's settings are those of the process: an account's prefix is not for them.
void read_stripe(Sources sources, SettingsDiagnosis& diagnosis) {
  sources.set_prefix({});
  const auto table = stripe::Config::settings();
  diagnosis.uses_stripe = std::ranges::any_of(table, [&](const auto& row) {
    return row.setting().variable.starts_with("STRIPE_") &&
           !sources.origin_of(row.setting()).empty();
  });
  if (diagnosis.uses_stripe) read_table(table, sources, diagnosis.stripe, diagnosis);
}

// The names that the file sets; of what has several lines, perhaps some that it does not.
void add_names_of(const std::string& file, std::set<std::string>& names) {
  static const std::regex kLine(R"(^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=.*)");
  std::ifstream text(file);
  std::smatch found;
  for (std::string line; std::getline(text, line);) {
    constexpr std::size_t kLongest = 10'000;
    if (line.size() < kLongest && std::regex_match(line, found, kLine)) names.insert(found[1]);
  }
}

std::set<std::string> names_set(const std::string& file) {
  std::set<std::string> names;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view pair(*entry);
    names.emplace(pair.substr(0, pair.find('=')));
  }
  std::error_code ignored;
  if (std::filesystem::is_regular_file(file, ignored)) add_names_of(file, names);
  return names;
}

template <class Config>
void add_known(const std::vector<BoundSetting<Config>>& table, const std::string& prefix,
               std::set<std::string>& known) {
  for (const auto& row : table) {
    const std::string name = prefix + std::string(row.setting().variable);
    known.insert(name);
    if (row.setting().is_secret) known.insert(name + "_FILE");
  }
}

std::set<std::string> known_names(const std::string& prefix,
                                  const std::vector<Family>& own_families) {
  std::set<std::string> known;
  add_known(klaviyo::Config::settings(own_families), prefix, known);
  add_known(postbox::Config::settings(), prefix, known);
  add_known(stripe::Config::settings(), {}, known);
  return known;
}

// A shop has variables of its own for the same vendors: of those that are not known only what looks
// like a slip of the pen is a warning.
void find_slips(const AccountOptions& options, const std::string& file,
                SettingsDiagnosis& diagnosis) {
  constexpr std::size_t kSlip = 2;
  const std::set<std::string> known = known_names(options.prefix, diagnosis.config.own_families);
  for (const std::string& name : names_set(file)) {
    if (known.contains(name)) continue;
    const auto nearest = std::ranges::min_element(
        known, {}, [&name](const std::string& other) { return letters_apart(name, other); });
    const bool is_ours = name.starts_with(options.prefix + "KLAVIYO_") ||
                         name.starts_with(options.prefix + "POSTBOX_");
    const bool is_slip =
        (is_ours || name.starts_with("STRIPE_")) && letters_apart(name, *nearest) <= kSlip;
    if (is_slip) {
      diagnosis.findings.push_back({Level::kWarning, kTopic, name + " is set, and nothing reads it",
                                    "is it meant to be " + *nearest + "?"});
    } else if (is_ours) {
      diagnosis.findings.push_back(
          {Level::kNote, kTopic, name + " is set, and Postbox does not read it",
           "if it is the flag of a family of the shop's own, name that with --own-family"});
    }
  }
}

}  // namespace

std::size_t letters_apart(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

SettingsDiagnosis diagnose_settings(const AccountOptions& options) {
  SettingsDiagnosis diagnosis;
  Sources sources = read_sources(options, diagnosis);
  sources.set_prefix(options.prefix);
  klaviyo::Config& config = diagnosis.config;
  config.own_families = own_families(options);
  add_backends(config);
  read_table(klaviyo::Config::settings(config.own_families), sources, config, diagnosis);
  read_table(postbox::Config::settings(), sources, config.engine, diagnosis);
  check_whole(diagnosis);
  find_readers(sources, diagnosis);
  read_stripe(sources, diagnosis);
  find_slips(options, sources.file, diagnosis);
  return diagnosis;
}

}  // namespace postbox::cli
