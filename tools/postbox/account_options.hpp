// AccountOptions say which account a command is about: the settings that its server runs with.
#pragma once

#include <klaviyo/config.hpp>
#include <postbox/result.hpp>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace postbox::cli {

struct AccountOptions {
  std::string env_file = ".env";
  std::string prefix{};                     // of an account's variables, such as "US_"
  std::vector<std::string> own_families{};  // each "loyalty=8"
  bool json = false;
  bool reveal = false;
};

// Adds --env-file, --prefix, --own-family and --json. `options` must live as long as `command`.
void add_account_options(CLI::App& command, AccountOptions& options);

// Adds --reveal, to a command whose output may hold personal data.
void add_reveal(CLI::App& command, AccountOptions& options);

// The families of --own-family. Not for two threads at once.
[[nodiscard]] std::vector<Family> own_families(const AccountOptions& options);

// Reads the process's environment and the file. The error has a line for each setting that cannot
// be used. Not for two threads at once.
[[nodiscard]] Result<klaviyo::Config> read_config(const AccountOptions& options);

// Hands over the stores that are libraries of their own, and that this program was built with.
void add_backends(klaviyo::Config& config);

}  // namespace postbox::cli
