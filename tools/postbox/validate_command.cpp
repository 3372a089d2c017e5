#include "validate_command.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <istream>
#include <iterator>
#include <klaviyo/config.hpp>
#include <memory>
#include <optional>
#include <ostream>
#include <postbox/clock.hpp>
#include <postbox/json_text.hpp>
#include <postbox/schema.hpp>
#include <postbox/services.hpp>
#include <string>
#include <utility>
#include <vector>

#include "account_options.hpp"
#include "history_record.hpp"
#include "json_places.hpp"
#include "output.hpp"
#include "record_check.hpp"
#include "selection.hpp"
#include "test_event.hpp"

namespace postbox::cli {
namespace {

struct ValidateArguments {
  AccountOptions account;
  std::string file;
  std::string type;
};

// Writes what is found as it is found, and counts.
class Report {
 public:
  Report(const ValidateArguments& arguments, std::ostream& out)
      : file_(arguments.file == "-" ? "standard input" : arguments.file),
        json_(arguments.account.json),
        out_(out) {}

  void begin_record() {
    ++records_;
    is_good_ = true;
  }
  void add(const Violation& violation, std::size_t line) {
    bad_ += is_good_ ? 1 : 0;
    is_good_ = false;
    ++violations_;
    write("violation", violation, line);
  }
  void warn(const Violation& warning, std::size_t line) {
    ++warnings_;
    write("warning", warning, line);
  }

  // Returns the exit code.
  int end() {
    if (json_) {
      write_json(out_, {{"records", records_},
                        {"bad", bad_},
                        {"violations", violations_},
                        {"warnings", warnings_},
                        {"found", std::move(found_)}});
    } else {
      out_ << counted(records_, "record") << ", " << bad_ << " bad; "
           << counted(violations_, "violation") << ", " << counted(warnings_, "warning") << '\n';
    }
    return violations_ == 0 ? kDone : kProblem;
  }

 private:
  void write(const char* level, const Violation& violation, std::size_t line) {
    if (json_) {
      found_.push_back({{"level", level},
                        {"record", records_},
                        {"line", line},
                        {"path", violation.path},
                        {"rule", violation.rule}});
      return;
    }
    out_ << file_ << ':' << line << ": " << (level[0] == 'w' ? "warning: " : "")
         << printable(violation.path) << ' ' << printable(violation.rule) << '\n';
  }

  const std::string file_;
  const bool json_;
  std::ostream& out_;
  Json found_ = Json::array();
  std::size_t records_ = 0;
  std::size_t bad_ = 0;
  std::size_t violations_ = 0;
  std::size_t warnings_ = 0;
  bool is_good_ = true;
};

class Validator {
 public:
  Validator(std::string type, const EventContext* context, Report& report)
      : type_(std::move(type)), context_(context), report_(report) {}

  // `line` is the one on which the record begins.
  void check(std::string_view text, std::size_t line) {
    report_.begin_record();
    const Checked checked = check_record(text, type_, now_, context_);
    for (const Found& found : in_order(checked.violations, text)) {
      report_.add(*found.violation, line - 1 + found.line);
    }
    for (const Found& found : in_order(checked.warnings, text)) {
      report_.warn(*found.violation, line - 1 + found.line);
    }
  }

  // A list, or one record in several lines.
  void check_whole(std::string text) {
    const std::string whole = mended(std::move(text));
    try {
      const auto parsed = nlohmann::json::parse(whole);
      if (parsed.is_array()) {
        for (const JsonElement& element : elements_of(whole)) check(element.text, element.line);
      } else {
        check(whole, 1);
      }
    } catch (const nlohmann::json::parse_error& error) {
      // The error's words quote the text, which may be an address.
      report_.begin_record();
      report_.add({"body", "must be JSON, and is none from here on"},
                  line_at(whole, error.byte == 0 ? 0 : error.byte - 1));
    }
  }

  static constexpr const char* kBlanks = " \t\r\n";

 private:
  struct Found {
    std::size_t line;  // of the record's
    const Violation* violation;
  };

  // Returns the violations in the order of their lines.
  static std::vector<Found> in_order(const std::vector<Violation>& violations,
                                     std::string_view text) {
    std::vector<Found> found;
    for (const Violation& violation : violations) {
      const std::string_view path = violation.path;
      found.push_back({line_of(text, path == "body" ? std::string_view() : path), &violation});
    }
    std::ranges::stable_sort(found, {}, &Found::line);
    return found;
  }

  // As parse_json() mends it, the lines being the same.
  std::string mended(std::string text) {
    if (!is_utf8(text)) {
      text = mended_utf8(text);
      report_.warn({"body", "was not UTF-8: U+FFFD took the place of what is broken"}, 1);
    }
    if (auto whole = mended_json(text)) {
      report_.warn({"body", "held half a surrogate pair: U+FFFD took its place"}, 1);
      return *std::move(whole);
    }
    return text;
  }

  const std::string type_;
  const EventContext* const context_;
  Report& report_;
  const WallTime now_ = system_clock()->wall_now();
};

bool is_blank(std::string_view line) {
  return line.find_first_not_of(Validator::kBlanks) == std::string_view::npos;
}

bool begins_list(std::string_view line) {
  const std::size_t first = line.find_first_not_of(Validator::kBlanks);
  return first != std::string_view::npos && line[first] == '[';
}

bool is_object(std::string_view line) {
  return nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false).is_object();
}

// JSON lines are those of a text whose first line is a whole object, or whose second is one behind
// a line that is broken: only one is in memory. Any other text is a list, or a record in several
// lines.
void read_all(std::istream& in, Validator& validator) {
  constexpr std::size_t kHead = 2;
  std::vector<std::string> head;
  bool has_lines = false;
  for (std::string line; !has_lines && head.size() < kHead && std::getline(in, line);) {
    if (head.empty() && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);
    has_lines = is_object(line);
    head.push_back(std::move(line));
    if (begins_list(head.front())) break;
  }
  if (!has_lines) {
    std::string whole;
    for (const std::string& line : head) whole += line + '\n';
    whole.append(std::istreambuf_iterator<char>(in), {});
    if (!is_blank(whole)) validator.check_whole(std::move(whole));
    return;
  }
  std::size_t number = 0;
  const auto check_line = [&](const std::string& line) {
    ++number;
    if (!is_blank(line)) validator.check(line, number);
  };
  for (const std::string& line : head) check_line(line);
  for (std::string line; std::getline(in, line);) check_line(line);
}

// A tracker for what events look up, such as the country of phone numbers. It keeps and sends
// nothing.
Result<Tracker> tracker_for(const AccountOptions& options) {
  auto config = read_config(options);
  if (!config) return config.error();
  return tracker_for_reading(for_test(*std::move(config)));
}

int run_validate(const ValidateArguments& arguments, Console& console) {
  const auto tracker = tracker_for(arguments.account);
  if (!tracker) return fail(console, tracker.error());
  Report report(arguments, console.out);
  Validator validator(arguments.type, tracker->context(), report);
  if (arguments.file == "-") {
    read_all(console.in, validator);
  } else {
    std::ifstream file(arguments.file, std::ios::binary);
    read_all(file, validator);
  }
  return report.end();
}

}  // namespace

void add_validate(CLI::App& app, Run& run) {
  const auto arguments = std::make_shared<ValidateArguments>();
  CLI::App* command = app.add_subcommand(
      "validate", "Check orders, carts and their like in JSON as tracking would, and send nothing");
  command->footer(
      "FILE has one record, a list of them, or one in each line (docs/json.md has their members).\n"
      "Each violation is printed with its line and path, and never with the value. Exit code 1\n"
      "when there is one; warnings say what Klaviyo would leave out.\n"
      "Example:\n"
      "  postbox validate orders.jsonl");
  add_account_options(*command, arguments->account);
  command->add_option("FILE", arguments->file, "A file of JSON, or - for standard input")
      ->required()
      ->check([](const std::string& file) {
        return file == "-" ? std::string() : CLI::ExistingFile(file);
      });
  command
      ->add_option("--type", arguments->type, "What each record is; told by its members unless set")
      ->check(CLI::IsMember(record_types()));
  command->callback([arguments, &run] {
    run = [arguments](Console& console) { return run_validate(*arguments, console); };
  });
}

}  // namespace postbox::cli
