#include <gtest/gtest.h>

#include <set>

#include "support/klaviyo_test_data.hpp"

namespace {

using klaviyo::Subscription;
using klaviyo::subscription_started;
using klaviyo::SubscriptionEvent;
using klaviyo_test::attributes_of;
using klaviyo_test::Json;
using klaviyo_test::now;
using klaviyo_test::payment;
using klaviyo_test::records_of;
using klaviyo_test::rule_at;
using klaviyo_test::subscription;
using klaviyo_test::violations_of;

const auto kMonth = std::chrono::days(30);

// What an event says beside what every subscription event says.
template <class Event>
Json details_of(const Event& event) {
  Json properties = attributes_of(records_of(event)[0])["properties"];
  const Json common = Json::parse(R"({"SubscriptionId": "sub_1", "PlanId": "gold",
    "PlanName": "Gold", "Amount": 19.99, "Currency": "EUR", "Interval": "month", "IntervalCount": 1,
    "Quantity": 1, "Status": "active", "StartedAt": "2026-11-22T10:00:00Z"})");
  for (const auto& [name, value] : common.items()) {
    EXPECT_EQ(properties[name], value) << name;
    properties.erase(name);
  }
  return properties;
}

template <class Event>
std::string unique_id_of(const Event& event) {
  return attributes_of(records_of(event)[0])["unique_id"];
}

std::vector<SubscriptionEvent> every_kind() {
  Subscription in_trial = subscription();
  in_trial.trial_end = now() + kMonth;
  return {subscription_started(subscription()),       subscription_renewed(subscription()),
          subscription_upgraded(subscription()),      subscription_downgraded(subscription()),
          subscription_changed(subscription()),       subscription_cancelled(subscription()),
          subscription_ended(subscription()),         subscription_reactivated(subscription()),
          subscription_paused(subscription()),        subscription_resumed(subscription()),
          subscription_trial_started(subscription()), subscription_trial_ending(in_trial)};
}

TEST(SubscriptionEvents, EveryKindHasItsMetricItsLogLineAndNoValue) {
  const auto events = every_kind();
  ASSERT_EQ(events.size(), klaviyo::kSubscriptionMetrics.size());
  std::set<std::string> unique_ids;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const auto& metric = klaviyo::kSubscriptionMetrics[i];
    ASSERT_EQ(violations_of(events[i]), std::vector<postbox::Violation>());
    const auto records = records_of(events[i]);
    ASSERT_EQ(records.size(), 1U);
    EXPECT_EQ(records[0].queue, klaviyo::kSubscription.queue);
    const Json got = attributes_of(records[0]);
    EXPECT_EQ(got["metric"]["data"]["attributes"]["name"], metric.name);
    EXPECT_FALSE(got.contains("value")) << metric.name;
    EXPECT_FALSE(got.contains("value_currency")) << metric.name;
    const auto line = klaviyo_test::destination().log_line(
        records[0], {.kind = postbox::VerdictKind::kDelivered, .http_status = 202});
    EXPECT_EQ(line.text, "Klaviyo " + std::string(metric.log_name) + " event sent successfully");
    unique_ids.insert(got["unique_id"]);
  }
  EXPECT_EQ(unique_ids.size(), events.size());
}

TEST(SubscriptionEvents, AnIdOfTheCallersOwnReplacesTheirUniqueId) {
  Subscription adapted = subscription();
  adapted.unique_id = "stripe:sub_1:started";
  EXPECT_EQ(unique_id_of(subscription_started(adapted)), "stripe:sub_1:started");
  adapted.unique_id.assign(256, 'x');
  EXPECT_EQ(rule_at(violations_of(subscription_started(adapted)), "unique_id"),
            "must have at most 255 characters, found 256");
}

TEST(SubscriptionStarted, HasItsPriceAsAPropertyAndOneIdForAlways) {
  EXPECT_EQ(details_of(subscription_started(subscription())),
            Json::parse(R"({"IsTrial": false, "ConvertedFromTrial": false})"));
  EXPECT_EQ(unique_id_of(subscription_started(subscription())), "sub_1_started");
  auto at = subscription();
  at.occurred_at = now() + std::chrono::hours(1);
  const Json got = attributes_of(records_of(subscription_started(at))[0]);
  EXPECT_EQ(got["time"], "2026-11-22T11:00:00Z");
  EXPECT_EQ(got["unique_id"], "sub_1_started");
}

TEST(SubscriptionStarted, ATrialIsSaidSo) {
  auto trial = subscription();
  trial.trial_end = now() + std::chrono::days(14);
  EXPECT_EQ(details_of(subscription_started(trial)), Json::parse(R"({"IsTrial": true,
    "TrialEnd": "2026-12-06T10:00:00Z", "ConvertedFromTrial": false})"));
  EXPECT_EQ(details_of(subscription_started(subscription(), {.converted_from_trial = true})),
            Json::parse(R"({"IsTrial": false, "ConvertedFromTrial": true})"));
}

TEST(SubscriptionRenewed, NeedsNoPlanAndIsKeyedByItsPeriod) {
  Subscription of_an_invoice;
  of_an_invoice.subscription_id = "sub_1";
  of_an_invoice.price.currency = "JPY";
  of_an_invoice.customer.external_id = "cus_1";
  const auto event = subscription_renewed(of_an_invoice, {.amount = klaviyo::MinorUnits{0},
                                                          .total = klaviyo::MinorUnits{1980},
                                                          .period_start = now(),
                                                          .period_end = now() + kMonth,
                                                          .recovered = true});
  const Json got = attributes_of(records_of(event)[0]);
  EXPECT_EQ(got["unique_id"], "sub_1_renewed_1795341600");
  EXPECT_EQ(got["properties"], Json::parse(R"({"SubscriptionId": "sub_1", "Currency": "JPY",
    "Amount": 0, "Total": 1980, "PeriodStart": "2026-11-22T10:00:00Z",
    "PeriodEnd": "2026-12-22T10:00:00Z", "Recovered": true})"));
}

TEST(SubscriptionRenewed, WasPaidForAllUnitsUnlessSaidOtherwise) {
  auto three = subscription();
  three.quantity = 3;
  const auto amount = [](const SubscriptionEvent& event) {
    return attributes_of(records_of(event)[0])["properties"].value("Amount", -1.0);
  };
  EXPECT_DOUBLE_EQ(amount(subscription_renewed(three)), 59.97);
  EXPECT_DOUBLE_EQ(amount(subscription_renewed(three, {.amount = klaviyo::MinorUnits{1}})), 0.01);
  three.metered = true;
  EXPECT_DOUBLE_EQ(amount(subscription_renewed(three)), -1.0);
}

TEST(SubscriptionChanges, SayWhatWasBefore) {
  const klaviyo::PlanChange change{.previous_plan_id = "silver",
                                   .previous_price = klaviyo::MinorUnits{999},
                                   .previous_quantity = 2};
  const Json before =
      Json::parse(R"({"PreviousPlanId": "silver", "PreviousAmount": 9.99, "PreviousQuantity": 2})");
  EXPECT_EQ(details_of(subscription_upgraded(subscription(), change)), before);
  EXPECT_EQ(details_of(subscription_downgraded(subscription(), change)), before);
  EXPECT_EQ(details_of(subscription_changed(subscription(), change)), before);
  auto at = subscription();
  at.occurred_at = now() + std::chrono::seconds(5);
  EXPECT_EQ(unique_id_of(subscription_upgraded(at, change)), "sub_1_upgraded_1795341605");
}

TEST(SubscriptionCancelled, IsKeyedByWhenItWasAskedFor) {
  const auto event = subscription_cancelled(subscription(), {.cancelled_at = now(),
                                                             .effective_at = now() + kMonth,
                                                             .immediate = false,
                                                             .reason = "cancellation_requested",
                                                             .feedback = "too_expensive"});
  EXPECT_EQ(unique_id_of(event), "sub_1_cancelled_1795341600");
  EXPECT_EQ(details_of(event), Json::parse(R"({"CancelledAt": "2026-11-22T10:00:00Z",
    "EffectiveAt": "2026-12-22T10:00:00Z", "Immediate": false, "Reason": "cancellation_requested",
    "Feedback": "too_expensive"})"));
  const auto undone = subscription_reactivated(subscription(), {.cancelled_at = now()});
  EXPECT_EQ(unique_id_of(undone), "sub_1_reactivated_1795341600");
  EXPECT_EQ(details_of(undone), Json::parse(R"({"CancelledAt": "2026-11-22T10:00:00Z"})"));
}

TEST(SubscriptionEnded, HappensOnceAndSaysWhetherItWasWanted) {
  const auto event =
      subscription_ended(subscription(), {.involuntary = true, .reason = "payment_failed"});
  EXPECT_EQ(unique_id_of(event), "sub_1_ended");
  EXPECT_EQ(details_of(event), Json::parse(R"({"Involuntary": true, "Reason": "payment_failed"})"));
}

TEST(SubscriptionPaused, SaysHowAndUntilWhen) {
  const klaviyo::Pause pause{.kind = "keep_as_draft", .resumes_at = now() + kMonth};
  const Json expected =
      Json::parse(R"({"PauseKind": "keep_as_draft", "ResumesAt": "2026-12-22T10:00:00Z"})");
  EXPECT_EQ(details_of(subscription_paused(subscription(), pause)), expected);
  EXPECT_EQ(details_of(subscription_resumed(subscription(), pause)), expected);
}

TEST(SubscriptionTrial, IsKeyedByItsStartAndItsEnd) {
  auto trial = subscription();
  trial.trial_end = now() + kMonth;
  const auto started =
      subscription_trial_started(trial, {.started_at = now(), .existing_subscription = true});
  EXPECT_EQ(unique_id_of(started), "sub_1_trial_started_1795341600");
  EXPECT_EQ(details_of(started), Json::parse(R"({"TrialStart": "2026-11-22T10:00:00Z",
    "TrialEnd": "2026-12-22T10:00:00Z", "ExistingSubscription": true})"));
  const auto ending = subscription_trial_ending(trial);
  EXPECT_EQ(unique_id_of(ending), "sub_1_trial_ending_1797933600");
  EXPECT_EQ(details_of(ending), Json::parse(R"({"TrialEnd": "2026-12-22T10:00:00Z"})"));
  EXPECT_EQ(rule_at(violations_of(subscription_trial_ending(subscription())), "trial_end"),
            "is required");
}

TEST(SubscriptionRules, EveryBrokenRuleIsReportedWithItsPath) {
  Subscription bad;
  bad.price = {-1, "eurr"};
  bad.quantity = 0;
  bad.interval_count = 0;
  bad.occurred_at = now() + std::chrono::days(400);
  bad.properties = {{"PlanId", true}};
  const auto violations = violations_of(subscription_started(bad));
  EXPECT_EQ(rule_at(violations, "subscription_id"), "is required");
  EXPECT_EQ(rule_at(violations, "plan_id"), "is required");
  EXPECT_EQ(rule_at(violations, "price"), "must be at least 0, found -1");
  EXPECT_NE(rule_at(violations, "price.currency").find("\"eurr\""), std::string::npos);
  EXPECT_EQ(rule_at(violations, "quantity"), "must be at least 1, found 0");
  EXPECT_EQ(rule_at(violations, "interval_count"), "must be at least 1, found 0");
  EXPECT_FALSE(rule_at(violations, "customer").empty());
  EXPECT_FALSE(rule_at(violations, "occurred_at").empty());
  EXPECT_FALSE(rule_at(violations, "properties[0].name").empty());
}

TEST(SubscriptionRules, TheDetailsHaveRulesToo) {
  const klaviyo::MinorUnits negative{-5};
  const auto renewal =
      violations_of(subscription_renewed(subscription(), {.amount = negative, .total = negative}));
  EXPECT_EQ(rule_at(renewal, "renewal.amount"), "must be at least 0, found -5");
  EXPECT_EQ(rule_at(renewal, "renewal.total"), "must be at least 0, found -5");
  const auto change = violations_of(
      subscription_upgraded(subscription(), {.previous_price = negative, .previous_quantity = 0}));
  EXPECT_EQ(rule_at(change, "change.previous_price"), "must be at least 0, found -5");
  EXPECT_EQ(rule_at(change, "change.previous_quantity"), "must be at least 1, found 0");
}

TEST(SubscriptionRules, AMeteredPriceIsItsCurrencyAlone) {
  auto metered = subscription();
  metered.metered = true;
  EXPECT_FALSE(
      attributes_of(records_of(subscription_started(metered))[0])["properties"].contains("Amount"));
  metered.price.currency = {};
  EXPECT_EQ(rule_at(violations_of(subscription_started(metered)), "price.currency"), "is required");
}

TEST(SubscriptionRules, IntervalsParseAsTheyAreWritten) {
  for (const char* name : {"day", "week", "month", "year"}) {
    const auto interval = klaviyo::parse_interval(name);
    ASSERT_TRUE(interval);
    EXPECT_EQ(klaviyo::to_string(*interval), name);
  }
  EXPECT_FALSE(klaviyo::parse_interval("Month"));
}

TEST(PaymentFailed, HasItsAmountAsAPropertyAndNoValue) {
  const auto records = records_of(payment_failed(payment()));
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].queue, klaviyo::kSubscription.queue);
  const Json got = attributes_of(records[0]);
  EXPECT_EQ(got["metric"]["data"]["attributes"]["name"], "Payment Failed");
  EXPECT_EQ(got["unique_id"], "in_1_failed_4");
  EXPECT_EQ(got["time"], "2026-11-22T10:00:00Z");
  EXPECT_FALSE(got.contains("value"));
  EXPECT_EQ(got["properties"], Json::parse(R"({"PaymentId": "in_1", "SubscriptionId": "sub_1",
    "Amount": 10.00, "Currency": "EUR", "AttemptCount": 4, "FinalAttempt": true,
    "BillingReason": "subscription_cycle", "FailureReason": "card_declined"})"));
}

TEST(PaymentFailed, NeedsNoSubscriptionAndNoCountOfAttempts) {
  klaviyo::PaymentAttempt checkout;
  checkout.payment_id = "cs_1";
  checkout.amount = {9900, "EUR"};
  checkout.customer.external_id = "cus_1";
  const Json failed = attributes_of(records_of(payment_failed(checkout))[0]);
  EXPECT_EQ(failed["unique_id"], "cs_1_failed");
  EXPECT_EQ(failed["properties"], Json::parse(R"({"PaymentId": "cs_1", "Amount": 99.00,
    "Currency": "EUR", "FinalAttempt": false})"));
  const Json action = attributes_of(records_of(payment_action_required(checkout))[0]);
  EXPECT_EQ(action["metric"]["data"]["attributes"]["name"], "Payment Action Required");
  EXPECT_EQ(action["unique_id"], "cs_1_action");
}

TEST(PaymentRules, EveryBrokenRuleIsReportedWithItsPath) {
  klaviyo::PaymentAttempt bad;
  bad.amount.minor = -1;
  bad.attempt = 0;
  bad.occurred_at = now() + std::chrono::days(400);
  bad.unique_id.assign(256, 'x');
  bad.properties = {{"Amount", true}};
  const auto violations = violations_of(payment_failed(bad));
  EXPECT_EQ(rule_at(violations, "payment_id"), "is required");
  EXPECT_EQ(rule_at(violations, "amount"), "must be at least 0, found -1");
  EXPECT_EQ(rule_at(violations, "amount.currency"), "is required");
  EXPECT_EQ(rule_at(violations, "attempt"), "must be at least 1, found 0");
  EXPECT_FALSE(rule_at(violations, "customer").empty());
  EXPECT_FALSE(rule_at(violations, "occurred_at").empty());
  EXPECT_FALSE(rule_at(violations, "unique_id").empty());
  EXPECT_FALSE(rule_at(violations, "properties[0].name").empty());
}

}  // namespace
