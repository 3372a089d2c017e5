// Simulation runs lives, one after the other, and keeps what was measured in them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "support/temporary_folder.hpp"
#include "world.hpp"

namespace postbox::simulation {

inline std::optional<std::uint64_t> number_from(const char* variable) {
  const char* text = std::getenv(variable);
  return text == nullptr ? std::nullopt : std::optional(std::strtoull(text, nullptr, 10));
}

class Simulation : public ::testing::Test {
 protected:
  void SetUp() override { MemoryDisk::instance().install(); }

  std::vector<std::string> live(std::uint64_t seed, Sabotage sabotage = Sabotage::kNone) {
    constexpr int kSteps = 120;
    World world(seed, folder_.file(""), sabotage);
    try {
      world.live(kSteps);
    } catch (const std::exception& failure) {
      return {failure.what()};
    }
    promised_ += world.promised();
    longest_wait_ = std::max(longest_wait_, world.longest_wait());
    most_takes_ = std::max(most_takes_, world.most_takes());
    return world.problems();
  }

  [[nodiscard]] std::size_t promised() const noexcept { return promised_; }

  // Of an event that nothing hindered.
  [[nodiscard]] SteadyTime::duration longest_wait() const noexcept { return longest_wait_; }

  // How often the vendor took one and the same event.
  [[nodiscard]] std::size_t most_takes() const noexcept { return most_takes_; }

 private:
  tests::TemporaryFolder folder_;
  std::size_t promised_ = 0;
  SteadyTime::duration longest_wait_{};
  std::size_t most_takes_ = 0;
};

}  // namespace postbox::simulation
