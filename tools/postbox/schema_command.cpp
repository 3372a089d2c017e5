#include "schema_command.hpp"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <ostream>
#include <string>

#include "json_schema.hpp"
#include "page.hpp"

namespace postbox::cli {
namespace {

struct SchemaArguments {
  std::string metric;
  std::string pages;
};

bool write(const std::filesystem::path& path, const std::string& text, Console& console) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  if (file.flush()) return true;
  console.err << "postbox: cannot write " << path.string() << '\n';
  return false;
}

int write_pages(const std::string& directory, Console& console) {
  const auto types = klaviyo::every_event_type();
  const std::filesystem::path folder(directory);
  if (!write(folder / "README.md", index_of(types), console)) return kProblem;
  for (const klaviyo::EventType& type : types) {
    if (!write(folder / file_of(type), page_of(type), console)) return kProblem;
  }
  return kDone;
}

int run_schema(const SchemaArguments& arguments, Console& console) {
  if (!arguments.pages.empty()) return write_pages(arguments.pages, console);
  const auto types = klaviyo::every_event_type();
  if (arguments.metric.empty()) {
    console.out << schema_of(types).dump(2) << '\n';
    return kDone;
  }
  for (const klaviyo::EventType& type : types) {
    if (type.metric != arguments.metric) continue;
    console.out << schema_of(type).dump(2) << '\n';
    return kDone;
  }
  console.err << "postbox: there is no event '" << arguments.metric << "'; there are:\n";
  for (const klaviyo::EventType& type : types) console.err << "  " << type.metric << '\n';
  return kProblem;
}

}  // namespace

void add_schema(CLI::App& app, Run& run) {
  const auto arguments = std::make_shared<SchemaArguments>();
  CLI::App* command = app.add_subcommand("schema", "Print the JSON Schema of the events");
  command->footer(
      "The schema is of what Klaviyo gets as an event's attributes.\n"
      "Example:\n"
      "  postbox schema \"Placed Order\" > placed-order.schema.json");
  auto* metric =
      command->add_option("METRIC", arguments->metric, "Only this event, such as \"Placed Order\"");
  command
      ->add_option("--pages", arguments->pages,
                   "Write a page of documentation for each event into this folder instead")
      ->check(CLI::ExistingDirectory)
      ->excludes(metric);
  command->callback([arguments, &run] {
    run = [arguments](Console& console) { return run_schema(*arguments, console); };
  });
}

}  // namespace postbox::cli
