// The examples of docs/commands.md, executed from the first to the last.

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "command_shop.hpp"
#include "http_server.hpp"

namespace postbox::testing {
namespace {

// The lines of the page's shell snippets that begin with `postbox`.
std::vector<std::string> examples() {
  std::ifstream page(POSTBOX_SOURCE_DIR "/docs/commands.md");
  std::vector<std::string> found;
  bool is_shell = false;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("```")) is_shell = line == "```sh";
    if (is_shell && line.starts_with("postbox ")) found.push_back(line);
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

class CommandsPage : public CommandShop {
 protected:
  void SetUp() override {
    std::filesystem::current_path(folder_.path());
    const int port = klaviyo_.start(
        {.port = 0, .simulator = {.keys = {}, .limits = false, .now = {}, .wait = {}}});
    set("KLAVIYO_API_URL", "http://127.0.0.1:" + std::to_string(port));
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
  void put_aside(const std::string& name) {
    EXPECT_EQ(run_postbox({"backup", name}).code, cli::kDone);
  }
  void write_dotenv() {
    std::ofstream file(folder_.file(".env"));
    for (const auto& [variable, value] : settings_) file << variable << '=' << value << '\n';
  }
  void TearDown() override { std::filesystem::current_path(before_); }

  sim::Server klaviyo_;
  std::set<std::string> prepared_;
  std::filesystem::path before_ = std::filesystem::current_path();
};

TEST_F(CommandsPage, EveryExampleDoesWhatItSays) {
  ASSERT_FALSE(examples().empty());
  for (const std::string& example : examples()) {
    const auto words = words_of(example);
    prepare(words.front());
    const CommandRun run = run_postbox(words);
    const int expected = example.ends_with("# exit code 1") ? cli::kProblem : cli::kDone;
    EXPECT_EQ(run.code, expected) << example << '\n' << run.out << run.err;
  }
}

}  // namespace
}  // namespace postbox::testing
