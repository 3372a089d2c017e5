// The commands `postbox drain` and `postbox held release`, which deliver to a simulated Klaviyo.

#include "command_klaviyo.hpp"

namespace postbox::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class DrainCommand : public CommandKlaviyo {
 protected:
  // Two orders wait in the outbox, and no server runs any more.
  void SetUp() override {
    start();
    http_->hang(true);
    buy("1001");
    buy("1002");
    work();
    stop();
  }
};

TEST_F(DrainCommand, DeliversWhatWaits) {
  const auto end = run_json({"drain"});
  EXPECT_EQ(end["delivered"], 4);
  EXPECT_EQ(end["waiting"], 0);
  EXPECT_EQ(end["ended_by"], "nothing waits");
  EXPECT_EQ(run_json({"status"})["totals"]["delivered"], 4);
  EXPECT_THAT(run({"drain", "--timeout", "1m"}).out, HasSubstr("delivered  0\n"));
}

TEST_F(DrainCommand, LeavesNoTraceInTheHistoryOfSettings) {
  EXPECT_EQ(run({"drain"}).code, cli::kDone);
  EXPECT_THAT(run_json({"config", "history"})["history"], IsEmpty());
}

TEST_F(DrainCommand, AtTheTimeoutSomethingWaits) {
  klaviyo_.stop();
  const auto end = run_json({"drain", "--timeout", "1s"}, cli::kProblem);
  EXPECT_EQ(end["waiting"], 4);
  EXPECT_EQ(end["ended_by"], "the timeout");
  EXPECT_THAT(run({"drain", "--timeout", "1s"}).err, HasSubstr("0 delivered, 4 to go"));
}

TEST_F(DrainCommand, WhereAServerSendsItSaysSo) {
  start();
  work();
  const CommandRun drain = run({"drain"});
  EXPECT_EQ(drain.code, cli::kProblem);
  EXPECT_THAT(drain.err, HasSubstr("another process is the sender of this outbox"));
  EXPECT_THAT(drain.out, IsEmpty());
}

TEST_F(DrainCommand, NeedsTheKey) {
  set("KLAVIYO_API_KEY", "");
  const CommandRun drain = run({"drain"});
  EXPECT_EQ(drain.code, cli::kProblem);
  EXPECT_THAT(drain.err, HasSubstr("PBT_KLAVIYO_API_KEY: is not set"));
}

TEST_F(DrainCommand, ASignalEndsIt) {
  klaviyo_.stop();
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  int pauses = 0;
  cli::Console console{.in = in, .out = out, .err = err, .pause = [&](std::chrono::milliseconds) {
                         return ++pauses < 3;
                       }};
  EXPECT_EQ(cli::run_command_line(
                {"drain", "--json", "--env-file", env_file(), "--prefix", kPrefix}, console),
            cli::kProblem);
  EXPECT_EQ(nlohmann::json::parse(out.str())["ended_by"], "a signal");
}

TEST_F(DrainCommand, BadInputNamesTheOptionAndWhatIsAccepted) {
  const CommandRun drain = run({"drain", "--timeout", "long"});
  EXPECT_EQ(drain.code, cli::kWrongUse);
  EXPECT_THAT(drain.err, HasSubstr("--timeout: 'long' is not accepted"));
}

TEST_F(DrainCommand, HeldEventsAreReleasedAlthoughTheirFamilyIsOff) {
  set("KLAVIYO_PURCHASE_EVENTS_ENABLED", "false");
  EXPECT_EQ(run_json({"drain"})["held"], 4) << "a drain leaves them";
  EXPECT_EQ(run({"held", "release"}).code, cli::kWrongUse) << "nobody can be asked";
  EXPECT_EQ(run_json({"held", "release", "--dry-run"})["meant"], 4);
  const auto end = run_json({"held", "release", "--metric", "Placed Order", "--yes"});
  EXPECT_EQ(end["released"], 2);
  EXPECT_EQ(end["delivered"], 2);
  EXPECT_EQ(end["held"], 2);
  EXPECT_THAT(run_json({"held", "list"})["events"], SizeIs(2));
}

TEST_F(DrainCommand, AServerWouldHoldThemAgainSoThatNoneIsReleasedBesideIt) {
  set("KLAVIYO_PURCHASE_EVENTS_ENABLED", "false");
  start();
  work();
  const CommandRun release = run({"held", "release", "--yes"});
  EXPECT_EQ(release.code, cli::kProblem);
  EXPECT_THAT(release.err, HasSubstr("another process is the sender"));
  EXPECT_THAT(run_json({"held", "list"})["events"], SizeIs(4));
}

}  // namespace
}  // namespace postbox::testing
