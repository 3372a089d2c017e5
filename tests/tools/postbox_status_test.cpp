// The command `postbox status`.

#include "command_shop.hpp"
#include "support/program.hpp"

namespace postbox::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class StatusCommand : public CommandShop {
 protected:
  nlohmann::json family(const nlohmann::json& status, const std::string& name) {
    for (const auto& one : status["families"]) {
      if (one["family"] == name) return one;
    }
    ADD_FAILURE() << "there is no family " << name;
    return {};
  }
};

TEST_F(StatusCommand, CountsWhatWaitsBesideARunningServer) {
  start();
  http_->hang(true);
  buy("1001");
  work();
  const auto status = run_json({"status", "--max-wait", "2h"});
  EXPECT_EQ(family(status, "purchase")["waiting"], 2);
  EXPECT_EQ(family(status, "purchase")["flag"], "true");
  EXPECT_GT(family(status, "purchase")["oldest_ms"], 60'000);
  EXPECT_EQ(family(status, "subscription")["flag"], "false");
  EXPECT_EQ(status["totals"]["accepted"], 2);
  EXPECT_EQ(status["outbox"]["file"], outbox_file());
  EXPECT_GT(status["outbox"]["used_bytes"], 0);
  EXPECT_EQ(status["outbox"]["max_bytes"], 2'147'483'648);
  EXPECT_THAT(status["problems"], IsEmpty());
  http_->hang(false);
  work();
  EXPECT_EQ(run_json({"status"})["totals"]["delivered"], 2) << "the server goes on";
}

TEST_F(StatusCommand, IsATableForPeople) {
  start();
  buy("1001");
  work();
  const CommandRun status = run({"status"});
  EXPECT_EQ(status.code, cli::kDone) << status.err;
  EXPECT_THAT(status.out, HasSubstr("family        flag   waiting  delayed  held  dead  oldest\n"
                                    "purchase      true         0        0     0     0  -\n"));
  EXPECT_THAT(status.out, HasSubstr("2 accepted, 0 from timers, 2 delivered"));
  EXPECT_THAT(status.out, Not(HasSubstr("problem")));
}

TEST_F(StatusCommand, DeadLettersAreAProblem) {
  start();
  refuse();
  buy("1001");
  work();
  const auto status = run_json({"status"}, cli::kProblem);
  EXPECT_EQ(family(status, "purchase")["dead"], 2);
  EXPECT_THAT(status["problems"], ElementsAre(HasSubstr("2 dead letters")));
  EXPECT_THAT(run({"status"}).out, HasSubstr("\nproblem: 2 dead letters"));
}

TEST_F(StatusCommand, AnEventThatWaitsForLongIsAProblem) {
  start();
  http_->hang(true);
  buy("1001");
  work();
  const CommandRun status = run({"status"});
  EXPECT_EQ(status.code, cli::kProblem);
  EXPECT_THAT(status.out, HasSubstr("problem: purchase: the oldest event has waited for"));
}

TEST_F(StatusCommand, WhatWaitsInAFamilyThatIsOffIsHeld) {
  start();
  http_->hang(true);
  buy("1001");
  work();
  stop();
  set("KLAVIYO_PURCHASE_EVENTS_ENABLED", "false");
  const auto status = run_json({"status"});
  EXPECT_EQ(family(status, "purchase")["waiting"], 0);
  EXPECT_EQ(family(status, "purchase")["held"], 2);
  EXPECT_THAT(status["problems"], IsEmpty()) << "somebody has switched it off";
}

TEST_F(StatusCommand, AFullOutboxIsAProblem) {
  set("POSTBOX_MAX_DISK", "1MiB");
  start();
  http_->hang(true);
  for (int i = 0; i < 800; ++i) buy(std::to_string(i));
  work();
  EXPECT_THAT(run({"status", "--max-wait", "2h"}).out, HasSubstr("raise POSTBOX_MAX_DISK"));
}

TEST_F(StatusCommand, CountsTimers) {
  start();
  klaviyo::Cart cart;
  cart.cart_id = "c-7";
  cart.user_id = "user-42";
  cart.currency = "EUR";
  cart.items = order("1").items;
  cart.customer = order("1").customer;
  (void)tracker_->track(klaviyo::cart_updated(cart));
  work();
  EXPECT_EQ(run_json({"status"})["outbox"]["timers"], 1);
}

TEST_F(StatusCommand, WatchLooksAgainAndTellsTheRates) {
  start();
  buy("1001");
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  int pauses = 0;
  cli::Console console{
      .in = in, .out = out, .err = err, .pause = [&](std::chrono::milliseconds time) {
        if (time > 0ms) work();
        return ++pauses < 3;
      }};
  EXPECT_EQ(
      cli::run_command_line(
          {"status", "--watch", "--json", "--env-file", env_file(), "--prefix", kPrefix}, console),
      cli::kDone);
  std::istringstream lines(out.str());
  std::vector<nlohmann::json> looks;
  for (std::string line; std::getline(lines, line);) looks.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(looks.size(), 2U);
  EXPECT_FALSE(looks[0].contains("rates"));
  EXPECT_GT(looks[1]["rates"]["delivered_per_second"], 0);
}

TEST_F(StatusCommand, TheProgramEndsAtASignal) {
  start();
  std::vector<std::string> arguments = {"status",   "--watch",  "--env-file",
                                        env_file(), "--prefix", kPrefix};
  tests::Program program("postbox", arguments, {}, folder_.path(), {.error = folder_.file("log")});
  EXPECT_EQ(program.end(SIGINT), cli::kDone) << "the first line has been read";
}

TEST_F(StatusCommand, BadInputNamesTheOptionAndWhatIsAccepted) {
  const CommandRun bad = run({"status", "--max-wait", "soon"});
  EXPECT_EQ(bad.code, cli::kWrongUse);
  EXPECT_THAT(bad.err,
              HasSubstr("--max-wait: 'soon' is not accepted; expected a number with a unit"));
}

TEST_F(StatusCommand, AnOutboxThatIsNotThereIsNotMade) {
  const CommandRun status = run({"status"});
  EXPECT_EQ(status.code, cli::kProblem);
  EXPECT_THAT(status.err, HasSubstr("PBT_POSTBOX_OUTBOX: there is no outbox at"));
  EXPECT_FALSE(std::filesystem::exists(outbox_file()));
  set("POSTBOX_OUTBOX", "memory:");
  EXPECT_THAT(run({"status"}).err, HasSubstr("expected sqlite:PATH"));
}

TEST_F(StatusCommand, AllBadSettingsAreNamedAtOnce) {
  set("POSTBOX_MAX_DISK", "many");
  set("KLAVIYO_PURCHASE_EVENTS_ENABLED", "perhaps");
  const CommandRun status = run({"status"});
  EXPECT_EQ(status.code, cli::kProblem);
  EXPECT_THAT(status.out, IsEmpty());
  EXPECT_THAT(status.err, HasSubstr("'many'"));
  EXPECT_THAT(status.err, HasSubstr("'perhaps'"));
}

}  // namespace
}  // namespace postbox::testing
