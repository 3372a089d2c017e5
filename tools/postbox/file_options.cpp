#include "file_options.hpp"

#include <CLI/CLI.hpp>
#include <utility>

#include "output.hpp"

namespace postbox::cli {
namespace {

// "Order no=order_id", split at the last '=' of a map (a heading may have one), and at the first of
// a value.
Result<std::vector<std::pair<std::string, std::string>>> pairs_of(
    const std::vector<std::string>& options, const std::string& option, bool at_last) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& text : options) {
    const std::size_t place = at_last ? text.rfind('=') : text.find('=');
    if (place == std::string::npos || place == 0) {
      return Error{ErrorCode::kInvalidArgument, option + ": '" + typed(text) +
                                                    "' has no '='; expected " +
                                                    (at_last ? "HEADING=MEMBER" : "MEMBER=VALUE")};
    }
    pairs.emplace_back(text.substr(0, place), text.substr(place + 1));
  }
  return pairs;
}

}  // namespace

void add_file_options(CLI::App& command, FileOptions& options) {
  command.add_option("--type", options.type, "What each record is; told by its members unless set")
      ->check(CLI::IsMember({"order", "subscription"}));
  command
      .add_option("--map", options.map,
                  "The member that a column is, as HEADING=MEMBER; HEADING= leaves it out")
      ->allow_extra_args(false);
  command
      .add_option("--set", options.set, "A member that is the same in all records, MEMBER=VALUE")
      ->allow_extra_args(false);
  command.add_option("--delimiter", options.csv.delimiter,
                     "What separates cells; told by the heading unless set");
  command.add_option("--time-format", options.csv.time_format,
                     "How times are written, as strptime() has it: '%d.%m.%Y %H:%M'");
}

Result<CsvOptions> csv_options(const FileOptions& options) {
  auto map = pairs_of(options.map, "--map", /*at_last=*/true);
  if (!map) return map.error();
  auto set = pairs_of(options.set, "--set", /*at_last=*/false);
  if (!set) return set.error();
  CsvOptions csv = options.csv;
  csv.map = *std::move(map);
  csv.set = *std::move(set);
  return csv;
}

}  // namespace postbox::cli
