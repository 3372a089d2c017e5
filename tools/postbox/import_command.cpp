#include "import_command.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <filesystem>
#include <fstream>
#include <klaviyo/request.hpp>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>

#include "account.hpp"
#include "file_options.hpp"
#include "history_record.hpp"
#include "import_progress.hpp"
#include "import_state.hpp"
#include "importer.hpp"
#include "output.hpp"
#include "selection.hpp"

namespace postbox::cli {
namespace {

namespace fs = std::filesystem;

struct ImportArguments {
  AccountOptions account;
  std::string file;
  FileOptions options;
  std::string refused;
  bool dry_run = false;
  bool restart = false;
};

Error wrong(const std::string& what) { return {ErrorCode::kInvalidArgument, what}; }

Result<ImportFile> file_of(const ImportArguments& arguments) {
  if (!fs::is_regular_file(arguments.file)) {
    return wrong("FILE: '" + printable(arguments.file) +
                 "' is no regular file; an import looks through the whole of it first");
  }
  auto csv = csv_options(arguments.options);
  if (!csv) return csv.error();
  ImportFile file{.name = fs::canonical(arguments.file).string(),
                  .type = arguments.options.type,
                  .refused = arguments.refused,
                  .csv = *std::move(csv)};
  if (file.refused.empty()) file.refused = arguments.file + ".rejected";
  return file;
}

// One import of a file at a time: its process has the file's lock until it ends.
class FileLock {
 public:
  explicit FileLock(const std::string& file)
      : descriptor_(::open(file.c_str(), O_RDONLY | O_CLOEXEC)),
        has_it_(descriptor_ >= 0 && ::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) {}
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  [[nodiscard]] bool has_it() const noexcept { return has_it_; }

 private:
  const int descriptor_;
  const bool has_it_;
};

// The result of a look through the whole file.
struct LookedThrough {
  std::uint64_t records = 0;
  std::uint64_t refused = 0;
  bool is_whole = true;  // false: a signal has ended it
};

// The first records as they would be sent, so that amounts and times can be seen to be right.
void show(const SourceRecord& source, const HistoryRecord& record, const Tracker& tracker,
          const klaviyo::Config& config, Console& console) {
  const auto event = record.events(tracker.context(), config.metric_names).front();
  const auto sent = Json::parse(klaviyo::single_body(event))["data"]["attributes"];
  const auto text = [&sent](const char* member) {
    const auto found = sent.find(member);
    if (found == sent.end()) return std::string("-");
    return found->is_string() ? found->get<std::string>() : found->dump();
  };
  console.out << "line " << source.line << ": "
              << sent["metric"]["data"]["attributes"]["name"].get<std::string>() << ' '
              << printable(text("unique_id")) << ", " << text("value") << ' '
              << text("value_currency") << ", " << text("time") << '\n';
}

// Before anything is kept: what makes a file useless as a whole is found here. Of a dry run each
// record is checked, too.
class FirstLook {
 public:
  FirstLook(const ImportArguments& arguments, const klaviyo::Config& config, const Tracker& tracker,
            ImportProgress& progress, Console& console)
      : arguments_(arguments),
        config_(config),
        tracker_(tracker),
        progress_(progress),
        console_(console) {}

  Result<LookedThrough> run(const ImportFile& file) {
    std::ifstream in(file.name, std::ios::binary);
    const auto source = open_source(in, file.type, file.csv);
    if (!source) return wrong("'" + file.name + "': " + source.error().message);
    for (const std::string& note : (*source)->notes()) {
      console_.err << "postbox: " << printable(note) << '\n';
    }
    progress_.begin(arguments_.dry_run ? "checking" : "looking through", {});
    LookedThrough found;
    for (SourceRecord record;;) {
      const auto read = (*source)->next(record);
      if (!read) return wrong("'" + file.name + "': " + read.error().message);
      if (!*read) break;
      ++found.records;
      if (arguments_.dry_run) check(record, found);
      constexpr std::uint64_t kBetweenLooks = 256;
      if (found.records % kBetweenLooks != 0) continue;
      progress_.show({.bytes_read = (*source)->bytes_read(),
                      .records = found.records,
                      .refused = found.refused});
      found.is_whole = wait(console_, std::chrono::milliseconds(0));
      if (!found.is_whole) break;
    }
    progress_.clear();
    return found;
  }

 private:
  void check(const SourceRecord& record, LookedThrough& found) {
    constexpr std::uint64_t kShown = 3;
    const HistoryRead read = read_history(record, tracker_.context());
    if (read.record) {
      if (found.records - found.refused <= kShown && !arguments_.account.json) {
        progress_.clear();
        show(record, *read.record, tracker_, config_, console_);
      }
      return;
    }
    ++found.refused;
    if (arguments_.account.json) return;
    progress_.clear();
    for (const Violation& violation : read.violations) {
      console_.out << "line " << record.line << ": " << printable(violation.path) << ' '
                   << printable(violation.rule) << '\n';
    }
  }

  const ImportArguments& arguments_;
  const klaviyo::Config& config_;
  const Tracker& tracker_;
  ImportProgress& progress_;
  Console& console_;
};

int write_counts(const LookedThrough& found, const ImportArguments& arguments, Console& console) {
  Json json{{"records", found.records}, {"refused", found.refused}};
  if (arguments.account.json) {
    write_json(console.out, json);
  } else {
    write_members(console.out, json);
  }
  return found.refused == 0 && found.is_whole ? kDone : kProblem;
}

int write_end(const Importer& importer, const ImportEnd& end, const ImportFile& file,
              const ImportArguments& arguments, Console& console) {
  const ImportState& state = importer.state();
  const bool is_done = end.by == ImportEnd::By::kAllLeft;
  if (end.by == ImportEnd::By::kSignal) {
    console.err << "postbox: interrupted; the same command goes on from there\n";
  }
  if (!end.why.empty()) console.err << "postbox: " << end.why << '\n';
  Json json{{"records", state.records},      {"imported", state.records - state.refused},
            {"refused", state.refused},      {"records_of_this_run", importer.records_now()},
            {"waiting", importer.waiting()}, {"held", importer.held()},
            {"dead", importer.dead()},       {"done", is_done}};
  if (state.refused > 0) json["refused_file"] = file.refused;
  if (arguments.account.json) {
    write_json(console.out, json);
  } else {
    write_members(console.out, json);
  }
  const bool is_good = is_done && state.refused == 0 && importer.dead() == 0;
  return is_good ? kDone : kProblem;
}

Result<int> import_into(Account& account, Tracker& tracker, const ImportFile& file,
                        const ImportArguments& arguments, ImportProgress& progress,
                        Console& console) {
  std::optional<ImportState> state;
  if (!arguments.restart) {
    auto kept = read_state(tracker, file.name);
    if (!kept) return kept.error();
    state = *kept;
  }
  auto refused =
      RefusedFile::open(file.refused, state ? std::optional(state->refused_bytes) : std::nullopt);
  if (!refused) return refused.error();
  if (!state) {
    // The file of the refused is this import's from here on, whenever it is killed.
    state.emplace();
    if (auto ok = keep_state(tracker, file.name, *state); !ok) return ok.error();
  }
  Importer importer(file, account.config, tracker, account.outbox, *state, *std::move(refused),
                    progress, console);
  const auto end = importer.run();
  progress.clear();
  if (!end) return end.error();
  tracker.stop(std::chrono::seconds(5));
  return write_end(importer, *end, file, arguments, console);
}

Result<int> dry_run(const ImportArguments& arguments, const ImportFile& file, Console& console) {
  auto config = read_config(arguments.account);
  if (!config) return config.error();
  const auto tracker = tracker_for_reading(*config);
  if (!tracker) return tracker.error();
  ImportProgress progress(console, std::make_shared<std::mutex>(), fs::file_size(file.name));
  const auto found = FirstLook(arguments, *config, *tracker, progress, console).run(file);
  if (!found) return found.error();
  return write_counts(*found, arguments, console);
}

Result<int> import(const ImportArguments& arguments, const ImportFile& file, Console& console) {
  auto account = open_account_with_key(arguments.account);
  if (!account) return account.error();
  const FileLock lock(file.name);
  if (!lock.has_it()) {
    return wrong("'" + file.name + "' cannot be opened, or another import of it is running");
  }
  const auto writing = std::make_shared<std::mutex>();
  account->config.engine.log = warnings_to(console.err, writing);
  auto tracker = klaviyo::start(account->config);
  if (!tracker) return tracker.error();
  ImportProgress progress(console, writing, fs::file_size(file.name));
  const auto found = FirstLook(arguments, account->config, *tracker, progress, console).run(file);
  if (!found) return found.error();
  if (!found->is_whole) return kProblem;
  return import_into(*account, *tracker, file, arguments, progress, console);
}

int run_import(const ImportArguments& arguments, Console& console) {
  const auto file = file_of(arguments);
  if (!file) {
    (void)fail(console, file.error());
    return kWrongUse;
  }
  if (console.pause) (void)console.pause({});  // from now on a signal ends it cleanly
  const auto code =
      arguments.dry_run ? dry_run(arguments, *file, console) : import(arguments, *file, console);
  return code ? *code : fail(console, code.error());
}

}  // namespace

void add_import(CLI::App& app, Run& run) {
  const auto arguments = std::make_shared<ImportArguments>();
  CLI::App* command =
      app.add_subcommand("import", "Import the orders and subscriptions of a file as history");
  command->footer(
      "FILE has one record in each line as JSON (docs/json.md has their members), or is CSV with "
      "a\n"
      "heading, where amounts are written as 12.50 and the rows of an order stand together. They\n"
      "are recorded at their own time, no flow starts for them, and they go behind everything "
      "else\n"
      "at the bulk limit: from this process, or by the server that sends from the same outbox.\n"
      "The same command goes on where an import was interrupted or killed. What is refused is in\n"
      "FILE.rejected, with line and reason.\n"
      "Exit code: 1 when something was refused or is dead, and when the import did not end.\n"
      "Example:\n"
      "  postbox import orders.csv --map 'Order no=order_id' --set currency=EUR --dry-run");
  add_account_options(*command, arguments->account);
  command->add_option("FILE", arguments->file, "A file of JSON lines or CSV")
      ->required()
      ->check(CLI::ExistingFile);
  add_file_options(*command, arguments->options);
  command->add_option("--utc-offset", arguments->options.csv.utc_offset,
                      "The zone of times that have none, such as +01:00");
  command->add_option("--rejected", arguments->refused,
                      "The file for what is refused; FILE.rejected unless set");
  command->add_flag("--dry-run", arguments->dry_run,
                    "Check the file, show its first records, and keep nothing");
  command->add_flag("--restart", arguments->restart,
                    "Import all of it again; Klaviyo counts each once");
  command->callback([arguments, &run] {
    run = [arguments](Console& console) { return run_import(*arguments, console); };
  });
}

}  // namespace postbox::cli
