#include <gtest/gtest.h>

#include "klaviyo_test_data.hpp"

namespace {

using klaviyo::subscription_started;
using klaviyo_test::attributes_of;
using klaviyo_test::Json;
using klaviyo_test::records_of;
using klaviyo_test::rule_at;
using klaviyo_test::subscription;
using klaviyo_test::violations_of;

TEST(SubscriptionStarted, HasItsPriceAsAPropertyAndNoValue) {
  const auto records = records_of(subscription_started(subscription()));
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].queue, klaviyo::kSubscription.queue);
  const Json got = attributes_of(records[0]);
  EXPECT_EQ(got["metric"]["data"]["attributes"]["name"], "Subscription Started");
  EXPECT_EQ(got["unique_id"], "sub_1_started");
  EXPECT_FALSE(got.contains("value"));
  EXPECT_FALSE(got.contains("value_currency"));
  EXPECT_EQ(got["properties"], Json::parse(R"({"SubscriptionId": "sub_1", "PlanId": "gold",
    "PlanName": "Gold", "Amount": 19.99, "Currency": "EUR", "Interval": "month", "IntervalCount": 1,
    "Quantity": 1, "Status": "active", "StartedAt": "2026-11-22T10:00:00Z", "IsTrial": false})"));
}

TEST(SubscriptionStarted, ATrialIsSaidSo) {
  auto trial = subscription();
  trial.trial_end = klaviyo_test::now() + std::chrono::days(14);
  const Json got = attributes_of(records_of(subscription_started(trial))[0]);
  EXPECT_EQ(got["properties"]["IsTrial"], true);
  EXPECT_EQ(got["properties"]["TrialEnd"], "2026-12-06T10:00:00Z");
}

TEST(SubscriptionRules, EveryBrokenRuleIsReportedWithItsPath) {
  klaviyo::Subscription bad;
  bad.price = {-1, "eur"};
  bad.quantity = 0;
  bad.interval_count = 0;
  bad.properties = {{"PlanId", true}};
  const auto violations = violations_of(subscription_started(bad));
  EXPECT_EQ(rule_at(violations, "subscription_id"), "is required");
  EXPECT_EQ(rule_at(violations, "plan_id"), "is required");
  EXPECT_EQ(rule_at(violations, "price"), "must be at least 0, found -1");
  EXPECT_NE(rule_at(violations, "price.currency").find("\"eur\""), std::string::npos);
  EXPECT_EQ(rule_at(violations, "quantity"), "must be at least 1, found 0");
  EXPECT_EQ(rule_at(violations, "interval_count"), "must be at least 1, found 0");
  EXPECT_FALSE(rule_at(violations, "customer").empty());
  EXPECT_FALSE(rule_at(violations, "properties[0].name").empty());
}

TEST(SubscriptionRules, IntervalsParseAsTheyAreWritten) {
  for (const char* name : {"day", "week", "month", "year"}) {
    const auto interval = klaviyo::parse_interval(name);
    ASSERT_TRUE(interval);
    EXPECT_EQ(klaviyo::to_string(*interval), name);
  }
  EXPECT_FALSE(klaviyo::parse_interval("Month"));
}

}  // namespace
