// The examples of docs/commands.md and docs/import.md, executed from the first to the last.

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "command_klaviyo.hpp"

namespace postbox::testing {
namespace {

// The snippets of a page that begin with ```kind.
std::vector<std::string> snippets(const std::string& page, const std::string& kind) {
  std::ifstream file(POSTBOX_SOURCE_DIR "/docs/" + page);
  std::vector<std::string> found;
  bool is_inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("```")) {
      is_inside = line == "```" + kind;
      if (is_inside) found.emplace_back();
    } else if (is_inside) {
      found.back() += line + '\n';
    }
  }
  return found;
}

// The lines of a page's shell snippets that begin with `postbox`.
std::vector<std::string> examples(const std::string& page) {
  std::vector<std::string> found;
  for (const std::string& snippet : snippets(page, "sh")) {
    std::istringstream lines(snippet);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("postbox ")) found.push_back(line);
    }
  }
  return found;
}

// An example's words behind `postbox`; double quotes hold blanks together, "#" begins a comment.
std::vector<std::string> words_of(const std::string& example) {
  std::vector<std::string> words;
  std::istringstream line(example.substr(0, example.find(" #")));
  for (std::string word; line >> std::quoted(word);) words.push_back(word);
  words.erase(words.begin());
  return words;
}

// A line of a shop's file.
constexpr const char* kNeverReported =
    R"({"order_id": "1990", "placed_at": "2025-11-03T10:00:00Z", "currency": "EUR", )"
    R"("customer": {"email": "ines@goldenacre.example"}, "items": [{"product_id": "P1", )"
    R"("name": "Tea", "quantity": 1, "unit_price": 1250}]})";

class CommandsPage : public CommandKlaviyo {
 protected:
  void SetUp() override {
    std::filesystem::current_path(folder_.path());
    set("POSTBOX_ENCRYPTION_KEY", std::string(64, '7'));
    start();
    buy("1000");
    work();
    stop();
    write_dotenv();
  }

  // What an example needs besides: dead letters 3 and 4, then held events 5 and 6.
  void prepare(const std::string& command) {
    if (!prepared_.insert(command).second) return;
    if (command == "dead") {
      start();
      refuse();
      buy("1001");
      work();
      stop();
    }
    if (command == "report" && !std::filesystem::exists("orders.jsonl")) {
      std::ofstream("orders.jsonl") << kNeverReported;
    }
    if (command == "salvage") put_aside("postbox.db.removed-20261127T100000Z");
    if (command == "held") {
      start();
      http_->hang(true);
      buy("1002");
      work();
      stop();
      set("KLAVIYO_PURCHASE_EVENTS_ENABLED", "false");
      write_dotenv();
    }
  }
  void expect_examples(const std::string& page) {
    ASSERT_FALSE(examples(page).empty());
    for (const std::string& example : examples(page)) {
      const auto words = words_of(example);
      prepare(words.front());
      // A longer wait, such as that of `serve`, is one for Ctrl-C.
      const CommandRun run =
          run_postbox(words, {}, false, [](std::chrono::milliseconds time) { return time < 1h; });
      const int expected = example.ends_with("# exit code 1") ? cli::kProblem : cli::kDone;
      EXPECT_EQ(run.code, expected) << example << '\n' << run.out << run.err;
    }
  }
  void put_aside(const std::string& name) {
    EXPECT_EQ(run_postbox({"backup", name}).code, cli::kDone);
  }
  void write_dotenv() {
    std::ofstream file(folder_.file(".env"));
    for (const auto& [variable, value] : settings_) file << variable << '=' << value << '\n';
  }
  void TearDown() override { std::filesystem::current_path(before_); }

  std::set<std::string> prepared_;
  std::filesystem::path before_ = std::filesystem::current_path();
};

TEST_F(CommandsPage, EveryExampleDoesWhatItSays) { expect_examples("commands.md"); }

TEST_F(CommandsPage, EveryExampleOfAnImportDoesWhatItSays) {
  const auto csv = snippets("import.md", "csv");
  const auto mapped = snippets("import.md", "csv export");
  const auto json = snippets("import.md", "json");
  ASSERT_EQ(csv.size() + mapped.size() + json.size(), 3U);
  std::ofstream("orders.csv") << csv.front();
  std::ofstream("export.csv") << mapped.front();
  std::ofstream("orders.jsonl") << json.front();
  expect_examples("import.md");
  EXPECT_EQ(run_postbox({"import", "orders.jsonl"}).code, cli::kDone);
  const auto counts = klaviyo_.simulator().stats().events;
  // Order 1001 is in both files, and the lines of each are events of their own.
  EXPECT_EQ(counts.recorded, 3U + 4U);
  EXPECT_EQ(counts.duplicates, 2U);
}

}  // namespace
}  // namespace postbox::testing
