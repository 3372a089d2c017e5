// The commands about the outbox's file: `postbox fsck`, `backup`, `salvage`.

#include <filesystem>
#include <stripe/fact_store.hpp>

#include "command_shop.hpp"

namespace postbox::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class FileCommand : public CommandShop {
 protected:
  // Two orders of two events each wait beside a running server.
  void SetUp() override {
    start();
    http_->hang(true);
    buy("1001");
    buy("1002");
    work();
  }
  // The server's file is put aside, and it begins a new one.
  std::string put_aside() {
    stop();
    std::string aside = outbox_file() + ".removed-20261127T100000Z";
    fs::rename(outbox_file(), aside);
    start();
    work();
    return aside;
  }
};

TEST_F(FileCommand, FsckFindsNothingInASoundFile) {
  const auto checked = run_json({"fsck"});
  EXPECT_EQ(checked["events"], 4);
  EXPECT_THAT(checked["problems"], IsEmpty());
  EXPECT_EQ(run({"fsck"}).out, "looked at 4 events\nno problem was found\n");
}

TEST_F(FileCommand, ResealEncryptsWhatIsPlainAndNamesWhatItCannotRead) {
  EXPECT_THAT(run({"reseal"}).err, HasSubstr("POSTBOX_ENCRYPTION_KEY is not set"));
  set("POSTBOX_ENCRYPTION_KEY", std::string(64, '1'));
  EXPECT_EQ(run({"reseal"}).out, "encrypted 4 events\n");
  EXPECT_EQ(run_json({"reseal"})["encrypted"], 0);
  set("POSTBOX_ENCRYPTION_KEY", std::string(64, '2'));
  const CommandRun locked = run({"reseal"});
  EXPECT_EQ(locked.code, cli::kProblem);
  EXPECT_THAT(locked.err, HasSubstr("4 events were encrypted with a key that is not set"));
  EXPECT_THAT(run_json({"fsck"})["problems"], IsEmpty());
  set("POSTBOX_ENCRYPTION_KEY", std::string(64, '2') + "," + std::string(64, '1'));
  EXPECT_EQ(run({"reseal"}).out, "encrypted 4 events\n");
}

TEST_F(FileCommand, ResealEncryptsTheStoreOfStripesWebhooksToo) {
  const std::string file = outbox_file() + "-stripe";
  const WallTime now{std::chrono::seconds(1'780'000'000)};
  ASSERT_TRUE(stripe::sqlite_fact_store(file)->put_facts(
      {{"customer:cus_1", "anna@goldenacre.example", now}}, now, WallTime::max()));
  set("POSTBOX_ENCRYPTION_KEY", std::string(64, '1'));
  EXPECT_EQ(run({"reseal"}).out,
            "encrypted 4 events\nencrypted 1 record of the store of Stripe's webhooks\n");
  EXPECT_THAT(tests::contents(file) + tests::contents(file + "-wal"), Not(HasSubstr("anna")));
  EXPECT_EQ(run_json({"reseal", "--stripe-store", file})["stripe"]["encrypted"], 0);
  set("POSTBOX_ENCRYPTION_KEY", std::string(64, '2'));
  EXPECT_THAT(run({"reseal"}).err,
              HasSubstr("4 events and 1 record of Stripe's store were encrypted with a key"));
  EXPECT_THAT(run({"forget", "anna@goldenacre.example", "--yes"}).err,
              HasSubstr("1 record was not read"));
  set("POSTBOX_ENCRYPTION_KEY", std::string(64, '2') + "," + std::string(64, '1'));
  const CommandRun forgot = run({"forget", "anna@goldenacre.example", "--yes"});
  EXPECT_THAT(forgot.out, HasSubstr("removed 1 record from the store of Stripe's webhooks"));
}

TEST_F(FileCommand, FsckNamesEventsWhoseBytesHaveChanged) {
  stop();
  damage_payloads();
  const auto checked = run_json({"fsck"}, cli::kProblem);
  EXPECT_EQ(checked["damaged_events"], 4);
  EXPECT_THAT(checked["damaged_ids"], ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(run({"fsck"}).out, HasSubstr("problem: bytes of 4 events have changed on the disk"));
}

TEST_F(FileCommand, FsckNamesCountsThatDoNotAddUp) {
  stop();
  execute("UPDATE totals SET delivered = delivered + 2");
  const auto checked = run_json({"fsck"}, cli::kProblem);
  EXPECT_THAT(checked["problems"], ElementsAre(HasSubstr("2 are counted, and 4 are there")));
  EXPECT_THAT(run({"status", "--max-wait", "2h"}).out, HasSubstr("see postbox fsck"));
}

TEST_F(FileCommand, FsckOfAFileThatIsDamagedChangesNothing) {
  stop();
  execute("PRAGMA wal_checkpoint(TRUNCATE)");
  std::string bytes = tests::contents(outbox_file());
  for (std::size_t at = 4'096; at < bytes.size(); at += 4'096) bytes.replace(at, 64, 64, 'x');
  tests::overwrite(outbox_file(), bytes);
  const CommandRun fsck = run({"fsck"});
  EXPECT_EQ(fsck.code, cli::kProblem) << fsck.out;
  EXPECT_EQ(tests::contents(outbox_file()), bytes);
}

TEST_F(FileCommand, BackupIsACopyOfOneMoment) {
  const std::string copy = folder_.file("copy.db");
  const CommandRun backup = run({"backup", copy});
  EXPECT_EQ(backup.code, cli::kDone) << backup.err;
  EXPECT_THAT(backup.out, HasSubstr("wrote " + copy));
  EXPECT_EQ(fs::status(copy).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  buy("1003");
  work();
  set("POSTBOX_OUTBOX", "sqlite:" + copy);
  EXPECT_EQ(run_json({"fsck"})["events"], 4);
}

TEST_F(FileCommand, BackupOverwritesNothing) {
  const std::string copy = folder_.file("copy.db");
  std::ofstream(copy) << "precious";
  const CommandRun backup = run({"backup", copy});
  EXPECT_EQ(backup.code, cli::kWrongUse);
  EXPECT_THAT(backup.err, HasSubstr("'" + copy + "' is there already; expected the name of a new"));
  EXPECT_EQ(tests::contents(copy), "precious");
  EXPECT_EQ(run({"backup", folder_.file("none/copy.db")}).code, cli::kProblem);
  EXPECT_EQ(run({"backup"}).code, cli::kWrongUse);
}

TEST_F(FileCommand, BackupSaysWhatItHasNotCopied) {
  std::ofstream(outbox_file() + "-stripe") << "x";
  EXPECT_THAT(run_json({"backup", folder_.file("copy.db")})["not_copied"],
              ElementsAre(outbox_file() + "-stripe"));
}

TEST_F(FileCommand, SalvagePutsBackWhatTheFileHolds) {
  const std::string aside = put_aside();
  EXPECT_EQ(run({"salvage", aside}).code, cli::kWrongUse) << "nobody can be asked";
  EXPECT_EQ(run_json({"salvage", aside, "--dry-run"})["meant"], 4);
  const auto done = run_json({"salvage", aside, "--yes"});
  EXPECT_EQ(done["put_back"], 4);
  EXPECT_EQ(done["duplicates"], 0);
  EXPECT_EQ(run_json({"salvage", aside, "--yes"})["duplicates"], 4) << "twice does no harm";
  http_->hang(false);
  work(10s);
  EXPECT_EQ(run_json({"status"})["totals"]["delivered"], 4) << "by the server";
}

TEST_F(FileCommand, SalvageLeavesWhatANewerOneMayHaveReplaced) {
  set("KLAVIYO_PROFILE_EVENTS_ENABLED", "true");
  set("KLAVIYO_CONSENT_EVENTS_ENABLED", "true");
  start();
  (void)tracker_->track(klaviyo::identify(order("1").customer));
  (void)tracker_->track(klaviyo::subscribe(order("1").customer, {.list = "Y6nRLr"}));
  work();
  const auto done = run_json({"salvage", put_aside(), "--yes"});
  EXPECT_EQ(done["put_back"], 4);
  EXPECT_GE(done["left_profiles_and_consent"], 2);
}

TEST_F(FileCommand, SalvageTakesNoOtherFile) {
  const CommandRun itself = run({"salvage", outbox_file(), "--yes"});
  EXPECT_EQ(itself.code, cli::kWrongUse);
  EXPECT_THAT(itself.err, HasSubstr("is the outbox itself"));
  EXPECT_EQ(run({"salvage", folder_.file("none")}).code, cli::kWrongUse);
  std::ofstream(folder_.file("text")) << std::string(8'192, 'x');
  EXPECT_EQ(run({"salvage", folder_.file("text"), "--yes"}).code, cli::kProblem);
}

}  // namespace
}  // namespace postbox::testing
