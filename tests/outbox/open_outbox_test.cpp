#include <gtest/gtest.h>

#include <postbox/clock.hpp>
#include <postbox/outbox.hpp>
#include <string>

#include "support/temporary_folder.hpp"

namespace postbox {
namespace {

TEST(OpenOutbox, OnlyKnownUrlsAreOpened) {
  for (const char* url : {"", "sqlite:", "sqlite::memory:", "memory", "outbox.db"}) {
    const auto refused = open_outbox({.url = url}, system_clock());
    ASSERT_FALSE(refused) << url;
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidConfig) << url;
    EXPECT_NE(refused.error().message.find("sqlite:PATH"), std::string::npos) << url;
  }
}

TEST(OpenOutbox, AnUnknownUrlIsNamedByItsSchemeAlone) {
  const auto refused = open_outbox({.url = "postgres://user:secret@host/db"}, system_clock());
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("postgres:"), std::string::npos);
  EXPECT_EQ(refused.error().message.find("secret"), std::string::npos);
}

TEST(OpenOutbox, NeedsAClock) {
  EXPECT_EQ(open_outbox({.url = "memory:"}, nullptr).error().code, ErrorCode::kInvalidArgument);
}

TEST(OpenOutbox, AFileIsKnownByItsAbsoluteNameAndMadeAtTheFirstUse) {
  const tests::TemporaryFolder folder;
  const auto outbox = open_outbox({.url = "sqlite:" + folder.file("a.db")}, system_clock());
  ASSERT_TRUE(outbox);
  EXPECT_EQ((*outbox)->file(), folder.file("a.db"));
  EXPECT_FALSE(std::filesystem::exists(folder.file("a.db")));
  EXPECT_TRUE((*outbox)->stats());
  EXPECT_TRUE(std::filesystem::exists(folder.file("a.db")));
}

}  // namespace
}  // namespace postbox
