// The commands `postbox flags` and `postbox config history`.

#include "command_shop.hpp"

namespace postbox::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class ConfigCommand : public CommandShop {
 protected:
  nlohmann::json flag(const nlohmann::json& flags, const std::string& family) {
    for (const auto& one : flags["flags"]) {
      if (one["family"] == family) return one;
    }
    return {};
  }
};

TEST_F(ConfigCommand, FlagsSayWhatIsOnAndWhatItGoverns) {
  start();
  const auto flags = run_json({"flags"});
  const auto purchase = flag(flags, "purchase");
  EXPECT_EQ(purchase["variable"], "PBT_KLAVIYO_PURCHASE_EVENTS_ENABLED");
  EXPECT_EQ(purchase["here"], "true");
  EXPECT_EQ(purchase["server"], "true");
  EXPECT_THAT(purchase["metrics"], Contains("Placed Order"));
  EXPECT_EQ(flag(flags, "consent")["here"], "false");
  EXPECT_THAT(flags["history"], IsEmpty());
  EXPECT_THAT(run({"flags"}).out, HasSubstr("purchase: Placed Order, Ordered Product"));
}

TEST_F(ConfigCommand, AFlagThatTheServerHasNotAppliedIsAProblem) {
  start();
  set("KLAVIYO_PURCHASE_EVENTS_ENABLED", "25%");
  const CommandRun before = run({"flags"});
  EXPECT_EQ(before.code, cli::kProblem);
  EXPECT_THAT(before.out, HasSubstr("problem: PBT_KLAVIYO_PURCHASE_EVENTS_ENABLED is 25% here, and "
                                    "the server has true: reload the server"));
  ASSERT_TRUE(tracker_->reload());
  const auto after = run_json({"flags"});
  EXPECT_EQ(flag(after, "purchase")["server"], "25%");
  ASSERT_THAT(after["history"], SizeIs(1));
  EXPECT_EQ(after["history"][0]["change"], "true -> 25%");
}

TEST_F(ConfigCommand, HistoryHasWhatStartsAndReloadsHaveApplied) {
  start();
  EXPECT_EQ(run({"config", "history"}).out, "no change is known of\n");
  set("KLAVIYO_PURCHASE_EVENTS_ENABLED", "false");
  ASSERT_TRUE(tracker_->reload());
  clock_->advance(1h);
  set("POSTBOX_MAX_DISK", "1GiB");
  set("KLAVIYO_API_KEY", "pk_fedcba9876543210");
  start();
  const auto history = run_json({"config", "history"})["history"];
  ASSERT_THAT(history, SizeIs(3));
  EXPECT_EQ(history[0]["name"], "KLAVIYO_PURCHASE_EVENTS_ENABLED");
  EXPECT_EQ(history[0]["change"], "true -> false");
  EXPECT_EQ(history[1]["name"], "KLAVIYO_API_KEY");
  EXPECT_EQ(history[1]["change"], "pk_…cdef -> pk_…3210");
  EXPECT_EQ(history[2]["name"], "POSTBOX_MAX_DISK");
  EXPECT_LT(history[0]["time"], history[2]["time"]);
  const std::string text = run({"config", "history"}).out;
  EXPECT_THAT(text, HasSubstr("2147483648B -> 1073741824B"));
  EXPECT_THAT(text, Not(HasSubstr("9876543210")));
}

TEST_F(ConfigCommand, OnlyTheLastChangesAreKept) {
  start();
  for (int i = 0; i < 200; ++i) {
    set("KLAVIYO_PURCHASE_EVENTS_ENABLED", i % 2 == 0 ? "false" : "true");
    set("KLAVIYO_CART_ABANDONED_ENABLED", std::to_string(1 + i % 90) + "%");
    ASSERT_TRUE(tracker_->reload());
  }
  const auto history = run_json({"config", "history"})["history"];
  EXPECT_GT(history.size(), 150U);
  EXPECT_LT(history.size(), 400U);
  EXPECT_EQ(history.back()["change"], "19% -> 20%");
  EXPECT_EQ(history.front()["time"].get<std::string>().size(),
            std::string("2026-11-27T16:00:00Z").size())
      << "lines are kept whole";
}

TEST_F(ConfigCommand, BadUseNamesWhatThereIs) {
  EXPECT_EQ(run({"config"}).code, cli::kWrongUse);
  EXPECT_EQ(run({"flags", "--own-family", "x"}).code, cli::kWrongUse);
}

}  // namespace
}  // namespace postbox::testing
