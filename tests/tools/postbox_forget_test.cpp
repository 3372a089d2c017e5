// The command `postbox forget`.

#include <stripe/fact_store.hpp>

#include "command_shop.hpp"

namespace postbox::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class ForgetCommand : public CommandShop {
 protected:
  // Two events of one customer and two of another, all dead.
  void SetUp() override {
    start();
    refuse();
    buy("1001");
    klaviyo::Order other = order("1002");
    other.customer = {};
    other.customer.email = "ben@silverhill.example";
    (void)tracker_->track(klaviyo::order_placed(other));
    work();
  }

  std::size_t dead() { return run_json({"dead", "list"})["events"].size(); }
};

TEST_F(ForgetCommand, RemovesThePersonsEventsBesideARunningServer) {
  const CommandRun run = this->run({"forget", "-", "--yes"}, "Ines@goldenacre.example\n");
  EXPECT_EQ(run.code, cli::kDone) << run.err;
  EXPECT_THAT(run.out, HasSubstr("removed 2 events and timers from the outbox"));
  EXPECT_THAT(run.out, HasSubstr("POST /api/data-privacy-deletion-jobs"));
  EXPECT_EQ(dead(), 2U) << "the other customer's";
}

TEST_F(ForgetCommand, KnowsAPersonByThePhoneOrTheShopsIdToo) {
  klaviyo::Order by_phone = order("1003");
  by_phone.customer = {};
  by_phone.customer.phone = "+491701234567";
  (void)tracker_->track(klaviyo::order_placed(by_phone));
  work();
  EXPECT_EQ(run_json({"forget", "--phone", "+491701234567", "--yes"})["events"], 2);
  EXPECT_EQ(run_json({"forget", "ines@goldenacre.example", "--yes"})["events"], 2);
  EXPECT_EQ(run_json({"forget", "--external-id", "user-42", "--yes"})["events"], 0);
}

TEST_F(ForgetCommand, RemovesWhatStripesWebhooksHaveTold) {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  ASSERT_TRUE(stripe::sqlite_fact_store(outbox_file() + "-stripe")
                  ->put_facts({{"customer:1", "ines@goldenacre.example", now}}, now, now + 24h));
  const auto done = run_json({"forget", "ines@goldenacre.example", "--yes"});
  EXPECT_EQ(done["stripe"], 1);
  EXPECT_THAT(done["to_do"], Not(Contains(HasSubstr("--stripe-store"))));
  const auto again = run_json(
      {"forget", "ines@goldenacre.example", "--yes", "--stripe-store", outbox_file() + "-stripe"});
  EXPECT_EQ(again["stripe"], 0);
}

TEST_F(ForgetCommand, NamesTheFilesThatWereMovedAside) {
  const std::string aside = outbox_file() + ".removed-20261127T160000Z";
  std::ofstream(aside) << "x";
  const auto done = run_json({"forget", "ines@goldenacre.example", "--yes"});
  EXPECT_TRUE(done["stripe"].is_null());
  EXPECT_THAT(done["to_do"], Contains(HasSubstr(aside)));
  EXPECT_THAT(done["to_do"], Contains(HasSubstr("--stripe-store")));
}

TEST_F(ForgetCommand, AsksFirst) {
  const CommandRun run = this->run({"forget", "ines@goldenacre.example"});
  EXPECT_EQ(run.code, cli::kWrongUse);
  EXPECT_THAT(run.err, HasSubstr("add --yes"));
  EXPECT_EQ(this->run({"forget", "ines@goldenacre.example"}, "n\n", true).code, cli::kDone);
  EXPECT_EQ(dead(), 4U);
}

TEST_F(ForgetCommand, WhatIsNoAddressIsNotRepeated) {
  const CommandRun run = this->run({"forget", "ines.goldenacre.example", "--yes"});
  EXPECT_EQ(run.code, cli::kWrongUse);
  EXPECT_THAT(run.err, HasSubstr("EMAIL: is no e-mail address; expected"));
  const CommandRun nobody = this->run({"forget"});
  EXPECT_EQ(nobody.code, cli::kWrongUse);
  EXPECT_THAT(nobody.err, HasSubstr("expected EMAIL, --phone or --external-id"));
}

}  // namespace
}  // namespace postbox::testing
