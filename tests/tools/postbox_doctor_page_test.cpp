// The examples of docs/doctor.md, executed.

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <iomanip>
#include <sstream>

#include "doctor_setup.hpp"

namespace postbox::testing {
namespace {

using ::testing::HasSubstr;

// The blocks of the page that begin with `fence`.
std::vector<std::string> blocks(const std::string& fence) {
  std::ifstream page(POSTBOX_SOURCE_DIR "/docs/doctor.md");
  std::vector<std::string> found;
  bool is_open = false;    // some block
  bool is_wanted = false;  // this one
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("```")) {
      is_wanted = !is_open && line == fence;
      is_open = !is_open;
      if (is_wanted) found.emplace_back();
    } else if (is_wanted) {
      found.back() += line + '\n';
    }
  }
  return found;
}

// The words behind `postbox`; what stands behind " #" is a comment.
std::vector<std::string> words_of(const std::string& example) {
  std::vector<std::string> words;
  std::istringstream line(example.substr(0, example.find(" #")));
  for (std::string word; line >> std::quoted(word);) words.push_back(word);
  words.erase(words.begin());
  return words;
}

TEST(DoctorPage, EveryExampleDoesWhatItSays) {
  DoctorSetUp shop;
  (void)shop.examine();  // writes the settings
  shop.write("orders.jsonl", blocks("```json").at(0));
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(shop.path(""));
  std::filesystem::rename("shop.env", ".env");
  int count = 0;
  for (const std::string& block : blocks("```sh")) {
    std::istringstream lines(block);
    for (std::string example; std::getline(lines, example); ++count) {
      const CommandRun run = run_postbox(words_of(example));
      const int expected = example.ends_with("# exit code 1") ? cli::kProblem : cli::kDone;
      EXPECT_EQ(run.code, expected) << example << '\n' << run.out << run.err;
      if (example.starts_with("postbox validate orders.jsonl #")) {
        EXPECT_EQ(run.out, blocks("```").at(0));
      }
    }
  }
  std::filesystem::current_path(before);
  EXPECT_GE(count, 6);
}

}  // namespace
}  // namespace postbox::testing
