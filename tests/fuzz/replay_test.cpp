// Every fuzz target without libFuzzer, in every build: its corpus, and a fixed number of mutations
// of it from a seed. The long run is scripts/fuzz.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <random>
#include <string>
#include <vector>

// POSTBOX_FUZZ_TARGETS is X(environment) X(headers) …
#define X(name) extern "C" int name##_fuzz(const std::uint8_t* data, std::size_t size);
POSTBOX_FUZZ_TARGETS
#undef X

namespace postbox::fuzz {
namespace {

struct Target {
  const char* name;
  int (*run)(const std::uint8_t*, std::size_t);

  friend void PrintTo(const Target& target, std::ostream* out) { *out << target.name; }
};

constexpr std::array kTargets = {
#define X(name) Target{#name, &name##_fuzz},
    POSTBOX_FUZZ_TARGETS
#undef X
};

std::vector<std::string> corpus_of(const std::string& target) {
  std::vector<std::string> corpus;
  const std::string folder = POSTBOX_SOURCE_DIR "/tests/fuzz/corpus/" + target;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  std::sort(corpus.begin(), corpus.end());  // the folder's order is not the same everywhere
  return corpus;
}

class Mutator {
 public:
  explicit Mutator(std::vector<std::string> corpus) : corpus_(std::move(corpus)) {}

  std::string next() {
    std::string input = corpus_[random_() % corpus_.size()];
    for (auto steps = 1 + random_() % 6; steps > 0; --steps) mutate(input);
    return input;
  }

 private:
  void mutate(std::string& input) {
    const std::size_t at = random_() % (input.size() + 1);
    const auto any = static_cast<char>(random_());
    switch (random_() % 5) {
      case 0:
        input.insert(at, 1, any);
        break;
      case 1:
        if (at < input.size()) input[at] = any;
        break;
      case 2:
        input.erase(at, random_() % 8);
        break;
      case 3:  // again what was there already
        input.insert(at, input.substr(random_() % (input.size() + 1), random_() % 64));
        break;
      default: {
        const std::string& other = corpus_[random_() % corpus_.size()];
        input.replace(at, std::string::npos, other.substr(std::min(at, other.size())));
      }
    }
  }

  const std::vector<std::string> corpus_;
  std::mt19937 random_{1};
};

class Replay : public ::testing::TestWithParam<Target> {
 protected:
  void run(const std::string& input) {
    GetParam().run(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
  }
};

TEST_P(Replay, TakesItsCorpusAndWhatIsNearIt) {
  const auto corpus = corpus_of(GetParam().name);
  ASSERT_FALSE(corpus.empty());
  for (const std::string& input : corpus) run(input);
  run("");
  const bool opens_files = std::string_view(GetParam().name) == "outbox";
  Mutator mutator(corpus);
  for (int i = opens_files ? 60 : 5'000; i > 0; --i) run(mutator.next());
}

INSTANTIATE_TEST_SUITE_P(Fuzz, Replay, ::testing::ValuesIn(kTargets),
                         [](const auto& target) { return std::string(target.param.name); });

}  // namespace
}  // namespace postbox::fuzz
