#include "sqlite/store_file.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "sqlite/database.hpp"
#include "support/temporary_folder.hpp"

namespace postbox::sqlite {
namespace {

namespace fs = std::filesystem;

void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class StoreFile : public ::testing::Test {
 protected:
  const tests::TemporaryFolder folder_;
  const std::string path_ = folder_.file("a.db");
};

TEST_F(StoreFile, ANameAsideIsFree) {
  const std::string first = name_aside(path_, "damaged");
  EXPECT_TRUE(first.starts_with(path_ + ".damaged-")) << first;
  // Within one second, or the next one.
  write(first, "1");
  EXPECT_NE(name_aside(path_, "damaged"), first);
}

TEST_F(StoreFile, GoesAsideTogetherWithItsLog) {
  write(path_, "rows");
  write(path_ + "-wal", "newest rows");
  set_aside(path_, path_ + ".aside");
  EXPECT_FALSE(fs::exists(path_));
  EXPECT_EQ(text_of(path_ + ".aside"), "rows");
  EXPECT_EQ(text_of(path_ + ".aside-wal"), "newest rows");
}

TEST_F(StoreFile, WithoutALogGoesAsideAlone) {
  write(path_, "rows");
  set_aside(path_, path_ + ".aside");
  EXPECT_EQ(text_of(path_ + ".aside"), "rows");
  EXPECT_FALSE(fs::exists(path_ + ".aside-wal"));
}

TEST_F(StoreFile, WhatCannotGoAsideStaysAndIsAnError) {
  EXPECT_THROW(set_aside(path_, path_ + ".aside"), Failure);
  write(path_, "rows");
  EXPECT_THROW(set_aside(path_, folder_.file("missing/aside")), Failure);
  EXPECT_EQ(text_of(path_), "rows");
}

TEST_F(StoreFile, ACompleteReplacementTakesTheNameWithoutTheOldLog) {
  write(replacement_of(path_), "new");
  write(path_ + "-wal", "of the old one");
  finish_replacement(path_);
  EXPECT_EQ(text_of(path_), "new");
  EXPECT_FALSE(fs::exists(path_ + "-wal"));
  EXPECT_FALSE(fs::exists(replacement_of(path_)));
}

TEST_F(StoreFile, AReplacementThatIsNotCompleteOrNotNeededStays) {
  write(replacement_of(path_), "new");
  write(replacement_of(path_) + "-wal", "not moved yet");
  finish_replacement(path_);
  EXPECT_FALSE(fs::exists(path_));
  remove_file(replacement_of(path_) + "-wal");
  write(path_, "old");
  finish_replacement(path_);
  EXPECT_EQ(text_of(path_), "old");
  EXPECT_TRUE(fs::exists(replacement_of(path_)));
}

}  // namespace
}  // namespace postbox::sqlite
