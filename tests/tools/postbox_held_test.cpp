// The command `postbox held`: list, show, purge.

#include "command_shop.hpp"

namespace postbox::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class HeldCommand : public CommandShop {
 protected:
  // Two orders wait when their family is switched off and the server starts anew.
  void SetUp() override {
    start();
    http_->hang(true);
    buy("1001");
    buy("1002");
    work();
    stop();
    set("KLAVIYO_PURCHASE_EVENTS_ENABLED", "false");
    http_->hang(false);
    start();
    work();
  }
};

TEST_F(HeldCommand, ListsWhatIsHeldBesideARunningServer) {
  const auto held = run_json({"held", "list"})["events"];
  ASSERT_THAT(held, SizeIs(4));
  EXPECT_EQ(held[0]["family"], "purchase");
  EXPECT_EQ(held[0]["metric"], "Placed Order");
  EXPECT_EQ(held[0]["key"], "1001");
  EXPECT_THAT(run({"held", "list"}).out, HasSubstr("purchase  Placed Order"));
  EXPECT_THAT(run_json({"held", "list", "--metric", "Placed Order"})["events"], SizeIs(2));
  EXPECT_THAT(run_json({"held", "list", "--older-than", "2h"})["events"], IsEmpty());
  EXPECT_THAT(run_json({"held", "list", "--family", "cart"})["events"], IsEmpty());
}

TEST_F(HeldCommand, ShowsOneMasked) {
  const int id = run_json({"held", "list"})["events"][0]["id"];
  const auto held = run_json({"held", "show", std::to_string(id)});
  EXPECT_EQ(held["event"]["profile"]["phone_number"], "[masked]");
  EXPECT_EQ(held["event"]["properties"]["OrderId"], "1001");
  EXPECT_EQ(run_json({"held", "show", std::to_string(id), "--reveal"})["event"]["profile"]["email"],
            "ines@goldenacre.example");
  EXPECT_EQ(run({"held", "show", "999"}).code, cli::kProblem);
}

TEST_F(HeldCommand, PurgesWhatIsMeant) {
  EXPECT_EQ(run({"held", "purge"}).code, cli::kWrongUse);
  EXPECT_EQ(run_json({"held", "purge", "--dry-run"})["meant"], 4);
  EXPECT_EQ(run_json({"held", "purge", "--max", "1", "--yes"})["purged"], 1);
  EXPECT_EQ(run_json({"held", "purge", "--metric", "Ordered Product", "--yes"})["purged"], 2);
  EXPECT_EQ(run({"held", "purge", "--yes"}).out, "purged 1 of 1 held event\n");
  EXPECT_THAT(run_json({"held", "list"})["events"], IsEmpty());
  EXPECT_EQ(run_json({"status"})["totals"]["purged"], 4);
}

TEST_F(HeldCommand, BadInputNamesTheOptionAndWhatIsAccepted) {
  const CommandRun held = run({"held", "list", "--family", "carts"});
  EXPECT_EQ(held.code, cli::kWrongUse);
  EXPECT_THAT(held.err, HasSubstr("--family: 'carts' is not accepted; expected one of purchase,"));
  EXPECT_EQ(run({"held", "list", "--reason", "x"}).code, cli::kWrongUse) << "they have none";
}

TEST_F(HeldCommand, AFamilyOfTheShopsOwnIsKnownByItsName) {
  const CommandRun held = run({"held", "list", "--own-family", "loyalty=8", "--family", "loyalty"});
  EXPECT_EQ(held.code, cli::kDone) << held.err;
}

}  // namespace
}  // namespace postbox::testing
