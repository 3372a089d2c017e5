// FileOptions say what a shop's file of orders or subscriptions holds.
#pragma once

#include <postbox/result.hpp>
#include <string>
#include <vector>

#include "record_source.hpp"

namespace CLI {
class App;
}

namespace postbox::cli {

struct FileOptions {
  std::string type{};              // of every record; empty: each tells its own
  std::vector<std::string> map{};  // each "HEADING=MEMBER"
  std::vector<std::string> set{};  // each "MEMBER=VALUE"
  CsvOptions csv{};                // without the two
};

// Adds --type, --map, --set, --delimiter and --time-format. `options` must live as long as
// `command`.
void add_file_options(CLI::App& command, FileOptions& options);

// The whole of `csv`. The error names the option that is not accepted.
[[nodiscard]] Result<CsvOptions> csv_options(const FileOptions& options);

}  // namespace postbox::cli
