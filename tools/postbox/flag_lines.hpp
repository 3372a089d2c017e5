// The flags of an account, as its environment has them and as its server has applied them.
#pragma once

#include <klaviyo/config.hpp>
#include <klaviyo/settings_history.hpp>
#include <optional>
#include <string>
#include <vector>

#include "output.hpp"

namespace postbox::cli {

struct FlagLine {
  std::string family;
  std::string variable;
  std::string here;                   // as this environment has it
  std::optional<std::string> server;  // as the last start or reload applied it
  std::vector<std::string> metrics;
};

// `kept`: what the server has left in the outbox, see klaviyo::kept_settings().
[[nodiscard]] std::vector<FlagLine> flags_of(const klaviyo::Config& config,
                                             const std::vector<klaviyo::KeptSetting>& kept);

// True when the environment was changed, and the server not reloaded.
[[nodiscard]] bool differs(const FlagLine& line);

// The fault then, and what to do.
[[nodiscard]] std::string difference(const FlagLine& line);

[[nodiscard]] Json json_of(const FlagLine& line);

}  // namespace postbox::cli
