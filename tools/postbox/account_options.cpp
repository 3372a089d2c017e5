#include "account_options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <list>
#include <optional>
#include <utility>

#ifdef POSTBOX_WITH_POSTGRES
#include <postbox/postgres_backend.hpp>
#endif

namespace postbox::cli {
namespace {

struct OwnFamily {
  std::string name;
  std::uint32_t queue = 0;
};

std::optional<OwnFamily> parse_own_family(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos) return std::nullopt;
  OwnFamily family{.name = text.substr(0, equals)};
  const bool is_plain =
      std::ranges::all_of(family.name, [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
  const char* end = text.data() + text.size();
  const auto [rest, failed] = std::from_chars(text.data() + equals + 1, end, family.queue);
  const bool is_own =
      family.queue >= klaviyo::kFirstOwnQueue && family.queue <= klaviyo::kLastOwnQueue;
  if (!is_plain || failed != std::errc{} || rest != end || !is_own) return std::nullopt;
  return family;
}

// The texts of a Family are constants of the program: these stay to its end.
std::string_view constant(std::string text) {
  static std::list<std::string> texts;
  return texts.emplace_back(std::move(text));
}

std::string variable_of(const std::string& name) {
  std::string upper = name;
  for (char& c : upper) {
    if (c != '_') c = static_cast<char>(c - 'a' + 'A');
  }
  return "KLAVIYO_" + upper + "_EVENTS_ENABLED";
}

}  // namespace

void add_account_options(CLI::App& command, AccountOptions& options) {
  command
      .add_option("--env-file", options.env_file,
                  "The environment file of the server, beside the environment of this process")
      ->check(CLI::ExistingFile)
      ->capture_default_str();
  command.add_option("--prefix", options.prefix,
                     "What the account's variables begin with, such as US_");
  command
      .add_option("--own-family", options.own_families,
                  "A family of the shop's own by its name and queue, such as loyalty=8")
      ->check([](const std::string& text) {
        return parse_own_family(text) ? std::string()
                                      : "'" + text +
                                            "' is not accepted; expected NAME=NUMBER, such as "
                                            "loyalty=8, with a number from 8 to 15";
      });
  command.add_flag("--json", options.json, "Write JSON");
}

void add_reveal(CLI::App& command, AccountOptions& options) {
  command.add_flag("--reveal", options.reveal, "Show personal data");
}

std::vector<Family> own_families(const AccountOptions& options) {
  std::vector<Family> families;
  for (const std::string& text : options.own_families) {
    const auto own = parse_own_family(text);
    if (!own) continue;  // CLI11 has checked them
    families.push_back(
        {QueueId{own->queue}, constant(own->name), constant(variable_of(own->name))});
  }
  return families;
}

Result<klaviyo::Config> read_config(const AccountOptions& options) {
  auto config =
      klaviyo::Config::from_env_of(options.prefix, options.env_file, own_families(options));
  if (config) add_backends(*config);
  return config;
}

void add_backends([[maybe_unused]] klaviyo::Config& config) {
#ifdef POSTBOX_WITH_POSTGRES
  config.engine.outbox.backends.push_back(&postgres_backend());
#endif
}

}  // namespace postbox::cli
