// An option that takes a duration, as the settings do: 30s, 15m, 24h, 7d.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace postbox::cli {

// `duration` must live as long as `command`.
void add_duration(CLI::App& command, const std::string& name,
                  std::optional<std::chrono::milliseconds>& duration, const std::string& help);

}  // namespace postbox::cli
