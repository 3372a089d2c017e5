#include "duration_option.hpp"

#include <CLI/CLI.hpp>
#include <postbox/config.hpp>

namespace postbox::cli {

void add_duration(CLI::App& command, const std::string& name,
                  std::optional<std::chrono::milliseconds>& duration, const std::string& help) {
  command
      .add_option_function<std::string>(
          name, [&duration](const std::string& text) { duration = parse_duration(text).value(); },
          help)
      ->type_name("DURATION")
      ->check([](const std::string& text) {
        const auto parsed = parse_duration(text);
        return parsed ? std::string() : parsed.error().message;
      });
}

}  // namespace postbox::cli
