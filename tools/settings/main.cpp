// settings_reference writes .env.example and docs/configuration.md of a source folder from the
// tables of settings, Config::settings(), and docs/data-flow.md from the tables of fields. With
// --check it writes nothing, and fails when they differ.
#include <fstream>
#include <iostream>
#include <iterator>
#include <klaviyo/config.hpp>
#include <postbox/config.hpp>
#include <postbox/settings.hpp>
#include <regex>
#include <sstream>
#include <string>
#include <string_view>
#include <stripe/config.hpp>
#include <vector>

#include "data_flow.hpp"

namespace {

using postbox::Setting;

constexpr std::string_view kEnvHead =
    R"(# Everything that Postbox reads from the environment, or from a file of this form named .env in the
# working directory. A variable of the process wins over the file. Lines with '#' show the defaults, or
# an example where there is none. Lines that are no NAME=VALUE are left to other programs, with one
# warning. Nothing is expanded.
# Each secret may stand in a file of its own, as Docker and Kubernetes mount it: then set the variable
# with _FILE behind its name, such as KLAVIYO_API_KEY_FILE=/run/secrets/klaviyo, and not the other.
# A flag with N% is stable: a profile keeps its side. A family of your own has its own flag,
# KLAVIYO_<FAMILY>_EVENTS_ENABLED (docs/custom-events.md).
# Written by settings_reference from the tables of settings, as docs/configuration.md is.
)";

constexpr std::string_view kPageHead = R"(# Configuration

This page is written by `settings_reference` from the tables of settings, as
[.env.example](../.env.example) is: change `Config::settings()` of the integration or the engine, then
run `build/release/bin/settings_reference .`.

- Variables come from the process's environment, or from a file `.env` in the working directory; the
  process wins. `from_env()` names every value that it cannot use, in one error with a line for each.
- A line of the file that is no `NAME=VALUE` is skipped with a warning. Blanks, line ends and quotes around
  a value are taken off; nothing is expanded.
- A secret may stand in a file instead, as Docker and Kubernetes mount it: that of the variable with
  `_FILE` behind its name. No log shows a secret.
- `Tracker::reload()` and `Webhook::reload()` read everything again and apply what says `reload()` below.
  What says "restart" is applied at the next start; until then each `reload()` logs "set, but needs a
  restart".
- The first line of a start shows what is in force, another one what has changed since the last start.
- A flag with N% is stable: a profile keeps its side. A family of your own has its own flag,
  `KLAVIYO_<FAMILY>_EVENTS_ENABLED` ([custom-events.md](custom-events.md)).
- Every other setting is a field of `klaviyo::Config`, `stripe::Config` or `postbox::Config`.
)";

template <class Config>
void add(const std::vector<postbox::BoundSetting<Config>>& table, std::vector<Setting>& settings) {
  for (const auto& row : table) {
    if (!row.setting().section.empty()) settings.push_back(row.setting());
  }
}

std::vector<Setting> every_setting() {
  std::vector<Setting> settings;
  add(klaviyo::Config::settings(), settings);
  add(stripe::Config::settings(), settings);
  add(postbox::Config::settings(), settings);
  return settings;
}

// As comments of at most 100 bytes a line.
std::string commented(const std::string& text) {
  constexpr std::size_t kWidth = 100;
  std::istringstream words(text);
  std::string comment;
  std::string line = "#";
  for (std::string word; words >> word; line += " " + word) {
    if (line.size() + 1 + word.size() <= kWidth) continue;
    comment += line + "\n";
    line = "#";
  }
  return comment + line + "\n";
}

std::string env_example(const std::vector<Setting>& settings) {
  constexpr std::size_t kWidth = 100;
  std::string text(kEnvHead);
  std::string_view section;
  for (const Setting& setting : settings) {
    if (setting.section != section) {
      section = setting.section;
      std::string line = "\n# --- " + std::string(section) + " ";
      text += line.append(kWidth + 1 - line.size(), '-') + "\n";
    }
    const bool has_default = !setting.default_value.empty();
    text +=
        "\n" + commented(std::string(setting.about) + " Accepts " + std::string(setting.accepted) +
                         "." + (setting.is_reloadable ? "" : " Needs a restart."));
    text += setting.is_essential ? "" : "#";
    text += std::string(setting.variable) + "=" +
            std::string(has_default ? setting.default_value : setting.example) + "\n";
  }
  return text;
}

std::string code(std::string_view text) { return "`" + std::string(text) + "`"; }

// "docs/stripe.md" as a link of a page that stands beside it.
std::string linked(std::string_view text) {
  static const std::regex kPage(R"(\bdocs/([a-z-]+\.md))");
  return std::regex_replace(std::string(text), kPage, "[$&]($1)");
}

std::string page(const std::vector<Setting>& settings) {
  std::string text(kPageHead);
  std::string_view section;
  for (const Setting& setting : settings) {
    if (setting.section != section) {
      section = setting.section;
      text += "\n## " + std::string(section) + "\n\n" +
              "| variable | meaning | accepts | default | applied by |\n|---|---|---|---|---|\n";
    }
    const std::string variable(setting.variable);
    const std::string_view value = setting.default_value;
    text += "| " + code(variable) + (setting.is_secret ? " or " + code(variable + "_FILE") : "") +
            " | " + linked(setting.about) + " | " + std::string(setting.accepted) + " | " +
            (value.empty() ? "none" : code(value)) + " | " +
            (setting.is_reloadable ? "`reload()`" : "restart") + " |\n";
  }
  return text;
}

// Whether the file is as it should be now.
bool write_or_check(const std::string& file, const std::string& text, bool check) {
  if (!check) return static_cast<bool>(std::ofstream(file, std::ios::binary) << text << std::flush);
  std::ifstream stream(file, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(stream), {}) == text;
}

}  // namespace

int main(int count, char** arguments) {
  const std::vector<std::string> words(arguments + 1, arguments + count);
  const bool check = words.size() == 2 && words[0] == "--check";
  if (!check && words.size() != 1) {
    std::cerr << "usage: settings_reference [--check] FOLDER\n";
    return 2;
  }
  const std::string& folder = words.back();
  const std::vector<Setting> settings = every_setting();
  int failures = 0;
  for (const auto& [name, text] : {std::pair(".env.example", env_example(settings)),
                                   std::pair("docs/configuration.md", page(settings)),
                                   std::pair("docs/data-flow.md", postbox::data_flow_page())}) {
    if (write_or_check(folder + "/" + name, text, check)) continue;
    ++failures;
    std::cerr << name
              << (check ? " differs from the tables; write it anew with "
                          "build/release/bin/settings_reference .\n"
                        : " cannot be written\n");
  }
  return failures == 0 ? 0 : 1;
}
