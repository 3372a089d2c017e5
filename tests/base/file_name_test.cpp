#include "base/file_name.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/temporary_folder.hpp"

namespace postbox {
namespace {

namespace fs = std::filesystem;

class FileName : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(real) << "content";
    fs::create_directory(folder.file("inner"));
  }

  tests::TemporaryFolder folder;
  const std::string real = fs::canonical(folder.path()).string() + "/real.db";
};

TEST_F(FileName, IsTheSameByWhateverSpellingOrLinkItIsReached) {
  fs::create_symlink("real.db", folder.file("link.db"));
  fs::create_symlink(folder.file("link.db"), folder.file("second.db"));
  fs::create_directory_symlink(folder.path(), folder.file("inner/back"));
  for (const char* name : {"real.db", "inner/../real.db", "./real.db", "link.db", "second.db",
                           "inner/back/real.db", "inner/back/link.db"}) {
    EXPECT_EQ(resolved_name(folder.file(name)).value(), real) << name;
  }
}

TEST_F(FileName, OfAFileThatDoesNotExistYetIsResolvedAsWell) {
  fs::create_symlink("later.db", folder.file("link.db"));
  EXPECT_EQ(resolved_name(folder.file("link.db")).value(),
            fs::canonical(folder.path()).string() + "/later.db");
  EXPECT_EQ(resolved_name("no folder/x.db").value(),
            (fs::current_path() / "no folder/x.db").string());
}

TEST_F(FileName, LinksThatLeadInACircleAreAnErrorThatNamesThem) {
  fs::create_symlink("b.db", folder.file("a.db"));
  fs::create_symlink("a.db", folder.file("b.db"));
  const auto resolved = resolved_name(folder.file("a.db"));
  ASSERT_FALSE(resolved);
  EXPECT_EQ(resolved.error().code, ErrorCode::kInvalidConfig);
  EXPECT_NE(resolved.error().message.find("a.db"), std::string::npos);
}

TEST_F(FileName, ASecondHardLinkIsRefusedAndSaysWhatToDo) {
  EXPECT_TRUE(check_only_name(real));
  fs::create_hard_link(real, folder.file("other.db"));
  const auto checked = check_only_name(real);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, ErrorCode::kOutboxUnavailable);
  EXPECT_NE(checked.error().message.find("hard links"), std::string::npos);
  EXPECT_TRUE(check_only_name(folder.file("missing.db"))) << "opening it says what is wrong";
}

}  // namespace
}  // namespace postbox
