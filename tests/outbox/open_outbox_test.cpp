#include <gtest/gtest.h>

#include <postbox/clock.hpp>
#include <postbox/config.hpp>
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
  EXPECT_NE(refused.error().message.find("'postgres'"), std::string::npos);
  EXPECT_EQ(refused.error().message.find("secret"), std::string::npos);
}

// A store of a program's own is a value like SQLite's.
TEST(OpenOutbox, ABackendOfTheProgramsOwnIsFoundByItsScheme) {
  OutboxBackend backend = memory_backend();
  backend.scheme = "cluster";
  backend.accepted = "cluster:NAME";
  backend.check = [](std::string_view place) -> Result<void> {
    if (place == "shop") return {};
    return Error{ErrorCode::kInvalidConfig, "there is no such cluster"};
  };
  backend.resolve = [](std::string_view place) -> Result<std::string> {
    return std::string(place);
  };
  Config config;
  config.outbox.backends.push_back(&backend);
  config.outbox.url = "cluster:shop";
  const auto valid = config.validate();
  ASSERT_TRUE(valid) << valid.error().message;
  EXPECT_EQ((*valid)->outbox.url, "cluster:shop");
  EXPECT_TRUE(open_outbox((*valid)->outbox, system_clock()).value()->stats());
  config.outbox.url = "cluster:else";
  EXPECT_EQ(config.validate().error().message, "POSTBOX_OUTBOX: there is no such cluster");
  config.outbox.url = "nothing:shop";
  EXPECT_EQ(config.validate().error().message,
            "POSTBOX_OUTBOX: 'nothing' is not accepted; expected sqlite:PATH or memory: or "
            "cluster:NAME");
}

TEST(OpenOutbox, AStoreOnTheNetworkIsSaidToNeedItsLibrary) {
  Config config;
  config.outbox.url = "postgres://shop:geheim@db/shop";
  const std::string message = config.validate().error().message;
  EXPECT_TRUE(
      message.starts_with("POSTBOX_OUTBOX: 'postgres' is not accepted; expected sqlite:PATH"
                          " or memory:; "))
      << message;
  EXPECT_NE(message.find("postbox::postgres, and"), std::string::npos) << message;
  EXPECT_NE(message.find("backends.push_back(&postbox::postgres_backend())"), std::string::npos);
  EXPECT_EQ(message.find("geheim"), std::string::npos) << message;
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
