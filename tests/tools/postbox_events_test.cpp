// The command `postbox events`.

#include "command_shop.hpp"

namespace postbox::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class EventsCommand : public CommandShop {
 protected:
  nlohmann::json events_of(const std::string& order, int expected = cli::kDone) {
    return run_json({"events", "--order", order}, expected)["events"];
  }
};

TEST_F(EventsCommand, SaysWhereEachEventOfAnOrderIs) {
  start();
  http_->hang(true);
  buy("1001");
  buy("1002");
  work();
  const auto events = events_of("1001");
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0]["metric"], "Placed Order");
  EXPECT_EQ(events[1]["metric"], "Ordered Product") << "which has a key of its own";
  EXPECT_EQ(events[0]["state"], "waiting");
  EXPECT_THAT(run({"events", "--order", "1001"}).out, HasSubstr("to be sent next, or under way"));
}

TEST_F(EventsCommand, WhatIsNotThereWasDeliveredOrNeverAccepted) {
  start();
  buy("1001");
  work();
  EXPECT_THAT(events_of("1001"), IsEmpty());
  const CommandRun run = this->run({"events", "--order", "1001"});
  EXPECT_EQ(run.code, cli::kDone);
  EXPECT_EQ(run.out,
            "no event of the order 1001 is in the outbox: it was delivered, or removed, or was "
            "never accepted\n");
}

TEST_F(EventsCommand, ADeadOneIsAProblemAndHasItsReason) {
  start();
  refuse();
  buy("1001");
  work();
  const auto events = events_of("1001", cli::kProblem);
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0]["state"], "dead");
  EXPECT_THAT(events[0]["reason"], HasSubstr("HTTP 400"));
}

TEST_F(EventsCommand, ADelayedOneSaysUntilWhen) {
  start();
  answer(503);
  buy("1001");
  work(30s);
  clock_->advance(-1h);  // as the command's clock sees the delay, which is the machine's
  const auto events = events_of("1001");
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0]["state"], "delayed");
  EXPECT_TRUE(events[0].contains("due_ms"));
  EXPECT_GT(events[0]["attempts"], 0);
}

TEST_F(EventsCommand, AHeldOneNamesItsFamily) {
  start();
  http_->hang(true);
  buy("1001");
  work();
  stop();
  set("KLAVIYO_PURCHASE_EVENTS_ENABLED", "false");
  EXPECT_EQ(events_of("1001")[0]["state"], "held");
  EXPECT_THAT(run({"events", "--order", "1001"}).out, HasSubstr("purchase is switched off"));
}

TEST_F(EventsCommand, SaysThatItCannotReadWhatIsEncryptedWithAnotherKey) {
  set("POSTBOX_ENCRYPTION_KEY", std::string(64, '1'));
  start();
  http_->hang(true);
  buy("1001");
  work();
  EXPECT_EQ(run_json({"events", "--order", "1001"})["events"].size(), 2U);
  for (const std::string& key : {std::string(), std::string(64, '2')}) {
    set("POSTBOX_ENCRYPTION_KEY", key);
    const CommandRun locked = run({"events", "--order", "1001"});
    EXPECT_EQ(locked.code, cli::kProblem);
    EXPECT_THAT(locked.err, HasSubstr("2 events cannot be read"));
  }
}

TEST_F(EventsCommand, DamagedEventsAndOtherOnesAreNoneOfAnOrder) {
  start();
  http_->hang(true);
  buy("1001");
  (void)tracker_->track(klaviyo::identify(order("1").customer));
  work();
  stop();
  damage_payloads();
  EXPECT_THAT(events_of("1001"), IsEmpty());
}

TEST_F(EventsCommand, AnAddressInPlaceOfANumberIsNotRepeated) {
  start();
  EXPECT_EQ(run({"events", "--order", "ines@goldenacre.example"}).code, cli::kDone);
}

TEST_F(EventsCommand, WantsAnOrder) {
  const CommandRun run = this->run({"events"});
  EXPECT_EQ(run.code, cli::kWrongUse);
  EXPECT_THAT(run.err, HasSubstr("--order is required"));
}

}  // namespace
}  // namespace postbox::testing
