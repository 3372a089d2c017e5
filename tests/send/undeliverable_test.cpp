#include "send/undeliverable.hpp"

#include <gmock/gmock.h>

#include <postbox/testing/manual_clock.hpp>

#include "support/fake_vendor.hpp"

namespace postbox {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class UndeliverableTest : public ::testing::Test {
 protected:
  static std::vector<Violation> broken(std::size_t rules) {
    std::vector<Violation> violations;
    for (std::size_t i = 0; i < rules; ++i) {
      violations.push_back({"items[" + std::to_string(i) + "].name", "is required"});
    }
    return violations;
  }
  [[nodiscard]] bool reject(std::string_view key, const std::vector<Violation>& violations) {
    return undeliverable.rejected({"Placed Order", "purchase event", key}, violations);
  }

  tests::FakeVendor vendor;
  std::vector<std::string> lines;
  std::vector<std::string> told;
  std::function<void(std::string_view key)> host = [](std::string_view) {};
  Logger logger{[this](LogLevel, std::string_view line) { lines.emplace_back(line); },
                LogLevel::kInfo, std::make_shared<testing::ManualClock>()};
  Undeliverable undeliverable{
      [this](std::string_view type, std::string_view key, std::string_view reason) {
        told.push_back(std::string(type) + " " + std::string(key) + ": " + std::string(reason));
        host(key);
      },
      vendor, logger};
};

TEST_F(UndeliverableTest, TheFirstThatWaitsWakesTheSenderAndNoOther) {
  EXPECT_TRUE(reject("1", broken(1)));
  EXPECT_FALSE(reject("2", broken(1)));
  EXPECT_THAT(told, IsEmpty()) << "nothing on the caller's thread";
  undeliverable.report_rejected();
  EXPECT_THAT(told, SizeIs(2));
  EXPECT_TRUE(reject("3", broken(1)));
  undeliverable.report_rejected();
  undeliverable.report_rejected();
  EXPECT_THAT(told, SizeIs(3)) << "each once";
}

TEST_F(UndeliverableTest, FiveRulesAreNamedAndTheOthersCounted) {
  (void)reject("1", broken(5));
  (void)reject("2", broken(7));
  undeliverable.report_rejected();
  ASSERT_THAT(told, SizeIs(2));
  EXPECT_THAT(told[0], ::testing::EndsWith("items[4].name is required"));
  EXPECT_THAT(told[1], ::testing::EndsWith("items[4].name is required; and 2 more"));
}

TEST_F(UndeliverableTest, TheSameFieldsInOtherLinesOfAnOrderAreOneKind) {
  (void)reject("1", {{"items[3].name", "is required"}});
  (void)reject("2", {{"items[12].name", "is required"}});
  (void)reject("3", {{"items[3].name", "is required"}, {"currency", "is required"}});
  undeliverable.report_rejected();
  EXPECT_THAT(lines, SizeIs(2));
  EXPECT_THAT(told, SizeIs(3)) << "the host hears of each";
}

TEST_F(UndeliverableTest, WhatGoesBeyondAThousandIsCountedOnce) {
  for (int i = 0; i < 1'003; ++i) EXPECT_EQ(reject(std::to_string(i), broken(1)), i == 0);
  undeliverable.report_rejected();
  EXPECT_THAT(told, SizeIs(1'000));
  EXPECT_THAT(lines.back(), HasSubstr("3 more events were rejected"));
  EXPECT_TRUE(reject("again", broken(1)));
  undeliverable.report_rejected();
  EXPECT_THAT(told, SizeIs(1'001));
}

TEST_F(UndeliverableTest, TheHostMayReportEventsFromItsFunction) {
  bool wakes = false;
  host = [&](std::string_view key) {
    if (key == "1") wakes = reject("of 1", broken(1));
  };
  (void)reject("1", broken(1));
  undeliverable.report_rejected();
  EXPECT_TRUE(wakes);
  EXPECT_THAT(told, SizeIs(1));
  undeliverable.report_rejected();
  EXPECT_THAT(told.back(), HasSubstr("of 1: rejected: "));
}

TEST_F(UndeliverableTest, AHostThatThrowsHearsOfTheNextAllTheSame) {
  host = [](std::string_view key) {
    if (key == "1") throw std::runtime_error("the host's");
  };
  (void)reject("1", broken(1));
  (void)reject("2", broken(1));
  undeliverable.report_rejected();
  EXPECT_THAT(told, SizeIs(2));
  EXPECT_THAT(lines, ::testing::Contains(HasSubstr("has thrown an exception")));
  host = [](std::string_view) { throw 42; };
  undeliverable.tell("Placed Order", "3", "status 400");
  EXPECT_THAT(told, SizeIs(3));
}

TEST_F(UndeliverableTest, WithoutAFunctionTheLogIsAll) {
  Undeliverable alone({}, vendor, logger);
  EXPECT_TRUE(alone.rejected({"Placed Order", "purchase event", "1"}, broken(1)));
  alone.report_rejected();
  alone.tell("Placed Order", "1", "status 400");
  EXPECT_THAT(lines, ElementsAre(HasSubstr("rejected: items[0].name is required")));
}

}  // namespace
}  // namespace postbox
