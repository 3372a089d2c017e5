// The limits of Klaviyo on times: that of the event, and one that is a property.
#include <algorithm>
#include <chrono>

#include "support/klaviyo_limits.hpp"

namespace {

using klaviyo::custom_event;
using klaviyo_test::Answer;
using klaviyo_test::ask;
using klaviyo_test::cart;
using klaviyo_test::customer;
using klaviyo_test::Limit;
using klaviyo_test::now;
using klaviyo_test::order;
using klaviyo_test::payment;
using klaviyo_test::subscription;
using postbox::WallTime;
using namespace std::chrono_literals;

// What is asked of an event at a time.
struct Timed {
  std::string path;
  std::function<Answer(WallTime)> at;
};

std::vector<Limit> between(const std::vector<Timed>& fields, WallTime earliest, WallTime latest,
                           const std::string& rule) {
  std::vector<Limit> limits;
  for (const Timed& field : fields) {
    const auto at = field.at;
    const auto ms = [](std::size_t more) {
      return std::chrono::milliseconds(static_cast<std::int64_t>(more));
    };
    limits.push_back({"earliest " + field.path,
                      [=](std::size_t more) { return at(earliest - ms(more)); }, field.path, rule});
    limits.push_back({"latest " + field.path,
                      [=](std::size_t more) { return at(latest + ms(more)); }, field.path, rule});
  }
  return limits;
}

// An event's own time. The year 1990 itself does not count: one page of Klaviyo's says "after".
std::vector<Limit> event_times() {
  const std::vector<Timed> fields = {
      {"placed_at",
       [](WallTime time) {
         auto at = order();
         at.placed_at = time;
         return ask(klaviyo::order_placed(at));
       }},
      {"fulfillment.fulfilled_at",
       [](WallTime time) {
         return ask(klaviyo::order_fulfilled(order(), {.fulfilled_at = time}));
       }},
      {"cancellation.cancelled_at",
       [](WallTime time) {
         return ask(klaviyo::order_cancelled(order(), {.cancelled_at = time}));
       }},
      {"refund.refunded_at",
       [](WallTime time) { return ask(klaviyo::order_refunded(order(), {.refunded_at = time})); }},
      {"updated_at",
       [](WallTime time) {
         auto at = cart();
         at.updated_at = time;
         return ask(klaviyo::cart_updated(at));
       }},
      {"abandonment.abandoned_at",
       [](WallTime time) {
         return ask(klaviyo::checkout_abandoned(cart(), {.abandoned_at = time}));
       }},
      {"started_at",
       [](WallTime time) {
         auto at = subscription();
         at.started_at = time;
         return ask(klaviyo::subscription_started(at));
       }},
      {"occurred_at",
       [](WallTime time) {
         klaviyo::CustomEvent at;
         at.name = "Quiz Finished";
         at.customer = customer();
         at.occurred_at = time;
         return ask(custom_event(at));
       }},
  };
  return between(fields, std::chrono::sys_days(1991y / 1 / 1), now() + std::chrono::days(365),
                 "must be after 1990 and at most one year ahead, found ");
}

// A time that is a property.
std::vector<Limit> property_times() {
  const auto of_subscription = [](auto member) {
    return [member](WallTime time) {
      auto at = subscription();
      at.*member = time;
      return ask(klaviyo::subscription_upgraded(at));
    };
  };
  const std::vector<Timed> fields = {
      {"started_at", of_subscription(&klaviyo::Subscription::started_at)},
      {"current_period_end", of_subscription(&klaviyo::Subscription::current_period_end)},
      {"trial_end", of_subscription(&klaviyo::Subscription::trial_end)},
      {"renewal.period_start",
       [](WallTime time) {
         return ask(klaviyo::subscription_renewed(subscription(), {.period_start = time}));
       }},
      {"renewal.period_end",
       [](WallTime time) {
         return ask(klaviyo::subscription_renewed(subscription(), {.period_end = time}));
       }},
      {"cancellation.cancelled_at",
       [](WallTime time) {
         return ask(klaviyo::subscription_cancelled(subscription(), {.cancelled_at = time}));
       }},
      {"cancellation.effective_at",
       [](WallTime time) {
         return ask(klaviyo::subscription_cancelled(subscription(), {.effective_at = time}));
       }},
      {"reactivation.cancelled_at",
       [](WallTime time) {
         return ask(klaviyo::subscription_reactivated(subscription(), {.cancelled_at = time}));
       }},
      {"pause.resumes_at",
       [](WallTime time) {
         return ask(klaviyo::subscription_paused(subscription(), {.resumes_at = time}));
       }},
      {"trial.started_at",
       [](WallTime time) {
         return ask(klaviyo::subscription_trial_started(subscription(), {.started_at = time}));
       }},
      {"next_attempt",
       [](WallTime time) {
         auto at = payment();
         at.next_attempt = time;
         return ask(klaviyo::payment_failed(at));
       }},
  };
  return between(fields, std::chrono::sys_days(1y / 1 / 1),
                 std::chrono::sys_days(10000y / 1 / 1) - 1ms,
                 "must be in the years 1 to 9999, found ");
}

class KlaviyoTimeLimits : public testing::TestWithParam<Limit> {};

TEST_P(KlaviyoTimeLimits, HoldFromBothSides) { klaviyo_test::expect_to_hold(GetParam()); }

INSTANTIATE_TEST_SUITE_P(OfEvents, KlaviyoTimeLimits, testing::ValuesIn(event_times()),
                         klaviyo_test::name_of);
INSTANTIATE_TEST_SUITE_P(OfProperties, KlaviyoTimeLimits, testing::ValuesIn(property_times()),
                         klaviyo_test::name_of);

TEST(KlaviyoTimeLimit, TheFarthestTimesAreNamedInAWayThatAnyoneCanRead) {
  auto endless = subscription();
  endless.trial_end = WallTime::max();
  const auto answer = ask(klaviyo::subscription_trial_ending(endless));
  ASSERT_EQ(answer.violations.size(), 1U);
  EXPECT_EQ(answer.violations[0].path, "trial_end");
  EXPECT_EQ(answer.violations[0].rule,
            "must be in the years 1 to 9999, found 9223372036854775807 ms after 1970");
  auto at = order();
  at.placed_at = WallTime::max();
  const auto placed = ask(klaviyo::order_placed(at));
  ASSERT_EQ(placed.violations.size(), 1U);
  EXPECT_EQ(placed.violations[0].rule,
            "must be after 1990 and at most one year ahead, found a time outside the years 0 to "
            "9999");
}

}  // namespace
