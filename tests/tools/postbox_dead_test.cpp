// The command `postbox dead`: list, show, replay, purge.

#include "command_shop.hpp"

namespace postbox::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class DeadCommand : public CommandShop {
 protected:
  // Two orders of two events each, an hour apart, the newer one an hour old.
  void SetUp() override {
    start();
    refuse();
    buy("1001");
    work();
    buy("1002");
    work();
    answer(202);
  }

  [[nodiscard]] std::size_t dead() { return run_json({"dead", "list"})["events"].size(); }
  std::int64_t first_id() { return run_json({"dead", "list"})["events"][0]["id"]; }
};

TEST_F(DeadCommand, ListIsATableForPeople) {
  const CommandRun list = run({"dead", "list"});
  EXPECT_EQ(list.code, cli::kDone) << list.err;
  EXPECT_THAT(list.out, HasSubstr("family    metric"));
  EXPECT_THAT(list.out, HasSubstr("purchase  Placed Order"));
  EXPECT_THAT(list.out, HasSubstr("1001"));
  EXPECT_THAT(list.out, HasSubstr("HTTP 400"));
}

TEST_F(DeadCommand, ListFilters) {
  const auto listed = [this](std::vector<std::string> filter) {
    std::vector<std::string> arguments = {"dead", "list"};
    arguments.insert(arguments.end(), filter.begin(), filter.end());
    return run_json(arguments)["events"];
  };
  EXPECT_THAT(listed({}), SizeIs(4));
  EXPECT_THAT(listed({"--metric", "Placed Order"}), SizeIs(2));
  EXPECT_THAT(listed({"--family", "purchase"}), SizeIs(4));
  EXPECT_THAT(listed({"--family", "cart"}), IsEmpty());
  EXPECT_THAT(listed({"--family", "purchase history"}), IsEmpty());
  EXPECT_THAT(listed({"--reason", "HTTP 400"}), SizeIs(4));
  EXPECT_THAT(listed({"--reason", "HTTP 413"}), IsEmpty());
  EXPECT_THAT(listed({"--older-than", "30m"}), SizeIs(4));
  EXPECT_THAT(listed({"--older-than", "2h"}), IsEmpty());
  EXPECT_THAT(listed({"--id", std::to_string(first_id())}), SizeIs(1));
  EXPECT_EQ(run_json({"dead", "list", "--max", "3"})["more"], true);
  EXPECT_EQ(run_json({"dead", "list", "--max", "4"})["more"], false);
  EXPECT_THAT(run({"dead", "list", "--max", "1"}).out, HasSubstr("… and more"));
  EXPECT_THAT(run({"dead", "list", "--family", "cart"}).out, HasSubstr("no dead letter is meant"));
}

TEST_F(DeadCommand, ShowHasTheStructureAndNothingPersonal) {
  const auto id = std::to_string(first_id());
  const auto letter = run_json({"dead", "show", id});
  EXPECT_EQ(letter["metric"], "Placed Order");
  EXPECT_EQ(letter["key"], "1001");
  EXPECT_EQ(letter["http_status"], 400);
  EXPECT_EQ(letter["pointer"], "/data/attributes/profile");
  const auto& event = letter["event"];
  EXPECT_EQ(event["profile"]["email"], "[masked]");
  EXPECT_EQ(event["properties"]["OrderId"], "1001");
  EXPECT_EQ(event["properties"]["Items"][0]["ProductName"], "Tea");
  EXPECT_EQ(event["properties"]["ShippingAddress"]["Address1"], "[masked]");
  EXPECT_EQ(event["value"], 12.5);
  EXPECT_THAT(run({"dead", "show", id}).out, HasSubstr("\"email\": \"[masked]\""));
}

TEST_F(DeadCommand, ShowRevealsWhenItIsAsked) {
  const auto letter = run_json({"dead", "show", std::to_string(first_id()), "--reveal"});
  EXPECT_EQ(letter["event"]["profile"]["email"], "ines@goldenacre.example");
  EXPECT_EQ(letter["event"]["properties"]["ShippingAddress"]["Address1"], "Rue Verte 1");
}

TEST_F(DeadCommand, WhatAShopAddsOfItsOwnIsMasked) {
  klaviyo::Order own = order("1003");
  own.properties = {{"Gift note", "For Marlowe"}, {"ines@goldenacre.example", 49170123456789}};
  refuse();
  (void)tracker_->track(klaviyo::order_placed(own));
  work();
  const auto list = run_json({"dead", "list"});
  for (const auto& letter : list["events"]) {
    const CommandRun show = run({"dead", "show", std::to_string(letter["id"].get<int>())});
    EXPECT_EQ(show.code, cli::kDone);
    EXPECT_THAT(show.out, Not(HasSubstr("49170")));
  }
}

TEST_F(DeadCommand, ShowOfWhatIsNotThereIsAProblem) {
  const CommandRun show = run({"dead", "show", "999"});
  EXPECT_EQ(show.code, cli::kProblem);
  EXPECT_THAT(show.err, HasSubstr("there is no dead letter with the id 999"));
}

TEST_F(DeadCommand, ReplaySendsThemByTheServer) {
  const auto replayed = run_json({"dead", "replay", "--metric", "Placed Order", "--yes"});
  EXPECT_EQ(replayed["meant"], 2);
  EXPECT_EQ(replayed["replayed"], 2);
  const std::size_t before = http_->requests().size();
  work(10s);
  EXPECT_EQ(http_->requests().size(), before + 2);
  EXPECT_EQ(dead(), 2U);
  EXPECT_EQ(run_json({"dead", "replay", "--max", "1", "--yes"})["replayed"], 1);
}

TEST_F(DeadCommand, ReplayAsHistory) {
  EXPECT_EQ(run({"dead", "replay", "--backfill", "--yes"}).out, "replayed 4 of 4 dead letters\n");
  work(10s);
  EXPECT_THAT(http_->requests().back().body, HasSubstr("\"backfill\":true"));
}

TEST_F(DeadCommand, ADryRunChangesNothing) {
  EXPECT_EQ(run({"dead", "replay", "--dry-run"}).out,
            "replayed 0 of 4 dead letters: this was a dry run\n");
  EXPECT_EQ(run_json({"dead", "purge", "--dry-run"})["meant"], 4);
  EXPECT_EQ(dead(), 4U);
}

TEST_F(DeadCommand, PurgeRemovesWhatIsMeant) {
  EXPECT_EQ(run_json({"dead", "purge", "--max", "1", "--yes"})["purged"], 1);
  EXPECT_EQ(run_json({"dead", "purge", "--metric", "Ordered Product", "--yes"})["purged"], 2);
  EXPECT_EQ(dead(), 1U);
  EXPECT_EQ(run_json({"dead", "purge", "--yes"})["purged"], 1);
  EXPECT_EQ(run({"dead", "purge"}).out, "purged 0 of 0 dead letters\n") << "nothing to ask";
}

TEST_F(DeadCommand, WhereNobodyCanBeAskedItWantsAWord) {
  const CommandRun purge = run({"dead", "purge"});
  EXPECT_EQ(purge.code, cli::kWrongUse);
  EXPECT_THAT(purge.err, HasSubstr("Remove 4 dead letters? Nobody can be asked here: add --yes"));
  EXPECT_EQ(dead(), 4U);
}

TEST_F(DeadCommand, AtATerminalItAsks) {
  const auto ask = [this](const std::string& answer) {
    return run({"dead", "purge", "--max", "1"}, answer + "\n", true);
  };
  const CommandRun no = ask("");
  EXPECT_EQ(no.code, cli::kDone);
  EXPECT_EQ(no.err, "Remove 1 dead letter? [y/N] ");
  EXPECT_EQ(dead(), 4U);
  EXPECT_EQ(ask("y").out, "purged 1 of 1 dead letter\n");
  EXPECT_EQ(dead(), 3U);
}

TEST_F(DeadCommand, BadInputNamesTheOptionAndWhatIsAccepted) {
  const CommandRun family = run({"dead", "list", "--family", "purchases"});
  EXPECT_EQ(family.code, cli::kWrongUse);
  EXPECT_THAT(family.err,
              HasSubstr("--family: 'purchases' is not accepted; expected one of purchase,"));
  const CommandRun age = run({"dead", "purge", "--older-than", "24"});
  EXPECT_EQ(age.code, cli::kWrongUse);
  EXPECT_THAT(age.err, HasSubstr("--older-than: '24' is not accepted"));
  EXPECT_EQ(run({"dead", "list", "--max", "0"}).code, cli::kWrongUse);
  EXPECT_EQ(run({"dead", "show", "x"}).code, cli::kWrongUse);
  EXPECT_EQ(run({"dead"}).code, cli::kWrongUse);
}

TEST_F(DeadCommand, ADamagedEventIsShownAsThat) {
  stop();
  const auto id = std::to_string(first_id());
  damage_payloads();
  const CommandRun show = run({"dead", "show", id});
  EXPECT_THAT(show.out, HasSubstr("the stored event is damaged"));
  EXPECT_TRUE(run_json({"dead", "show", id})["event"].is_null());
}

}  // namespace
}  // namespace postbox::testing
