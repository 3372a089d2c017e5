// An account's own names for metrics.

#include <gtest/gtest.h>

#include <klaviyo/metric_names.hpp>
#include <postbox/environment.hpp>
#include <postbox/event.hpp>
#include <postbox/testing/expect_tracked.hpp>
#include <postbox/testing/manual_clock.hpp>

#include "support/klaviyo_test_data.hpp"

namespace {

using klaviyo_test::order;
using postbox::TypeNames;

std::string error_of(const TypeNames& names) {
  const auto checked = klaviyo::check_metric_names(names);
  return checked ? std::string() : checked.error().message;
}

TEST(MetricNames, AreAppliedToWhatIsSentAndToItsKey) {
  const auto http = std::make_shared<postbox::testing::ScriptedHttpClient>();
  klaviyo::Config config;
  config.api_key = "pk_0123456789abcdef";
  config.engine.outbox.url = "memory:";
  config.engine.log_level = postbox::LogLevel::kOff;
  config.set(klaviyo::kPurchase, postbox::Flag::on());
  config.metric_names = {{"Cancelled Order", "Canceled Order"}, {"Placed Order", "Bestellung ü"}};
  auto tracker = klaviyo::start(
      config, {.http = http,
               .clock = std::make_shared<postbox::testing::ManualClock>(klaviyo_test::now()),
               .threads = false});
  ASSERT_TRUE(tracker) << tracker.error().message;
  EXPECT_TRUE(tracker->track(klaviyo::order_cancelled(order())));
  EXPECT_TRUE(tracker->track(klaviyo::order_placed(order())));
  ASSERT_TRUE(tracker->flush(std::chrono::seconds(10)));
  using postbox::testing::expect_tracked;
  EXPECT_TRUE(expect_tracked(*http, "Canceled Order", 1));
  EXPECT_TRUE(expect_tracked(*http, "Cancelled Order", 0));
  EXPECT_TRUE(expect_tracked(*http, "Bestellung ü", 1));
  EXPECT_TRUE(expect_tracked(*http, "Ordered Product", 2));
}

TEST(DisabledMetrics, AreNotSentAndEndCartsAllTheSame) {
  const auto http = std::make_shared<postbox::testing::ScriptedHttpClient>();
  const auto clock = std::make_shared<postbox::testing::ManualClock>(klaviyo_test::now());
  klaviyo::Config config;
  config.api_key = "pk_0123456789abcdef";
  config.engine.outbox.url = "memory:";
  config.engine.log_level = postbox::LogLevel::kOff;
  config.set(klaviyo::kPurchase, postbox::Flag::on()).set(klaviyo::kCart, postbox::Flag::on());
  config.metric_names = {{"Placed Order", "Bestellung"}};
  config.disabled_metrics = {"Placed Order", "Started Checkout"};
  auto tracker = klaviyo::start(config, {.http = http, .clock = clock, .threads = false});
  ASSERT_TRUE(tracker) << tracker.error().message;

  klaviyo::Cart cart = klaviyo_test::cart();
  EXPECT_EQ(tracker->track(klaviyo::checkout_started(cart)).status(),
            postbox::TrackStatus::kDisabled);
  tracker->run_once();
  EXPECT_EQ(tracker->stats().timers_pending, 1U) << "its clock runs all the same";
  klaviyo::Order order = klaviyo_test::order();
  order.cart_id = cart.cart_id;
  EXPECT_EQ(tracker->track(klaviyo::order_placed(order)).status(), postbox::TrackStatus::kAccepted)
      << "its lines are sent";
  ASSERT_TRUE(tracker->flush(std::chrono::seconds(10)));

  using postbox::testing::expect_tracked;
  EXPECT_TRUE(expect_tracked(*http, "Bestellung", 0));
  EXPECT_TRUE(expect_tracked(*http, "Placed Order", 0));
  EXPECT_TRUE(expect_tracked(*http, "Started Checkout", 0));
  EXPECT_TRUE(expect_tracked(*http, "Ordered Product", 2));
  const postbox::Stats stats = tracker->stats();
  EXPECT_EQ(stats.timers_pending, 0U) << "the order has ended the cart";
  EXPECT_EQ(stats.disabled, 2U);
  EXPECT_EQ(stats.offered, 4U);
  EXPECT_TRUE(stats.conserved());
}

TEST(DisabledMetrics, AnAbandonmentThatIsDisabledStartsNoClock) {
  const auto http = std::make_shared<postbox::testing::ScriptedHttpClient>();
  klaviyo::Config config;
  config.api_key = "pk_0123456789abcdef";
  config.engine.outbox.url = "memory:";
  config.engine.log_level = postbox::LogLevel::kOff;
  config.set(klaviyo::kCart, postbox::Flag::on());
  config.disabled_metrics = {"Abandoned Checkout"};
  auto tracker = klaviyo::start(
      config, {.http = http,
               .clock = std::make_shared<postbox::testing::ManualClock>(klaviyo_test::now()),
               .threads = false});
  ASSERT_TRUE(tracker) << tracker.error().message;
  EXPECT_EQ(tracker->track(klaviyo::checkout_started(klaviyo_test::cart())).status(),
            postbox::TrackStatus::kAccepted);
  ASSERT_TRUE(tracker->flush(std::chrono::seconds(10)));
  EXPECT_EQ(tracker->stats().timers_pending, 0U);
  EXPECT_TRUE(postbox::testing::expect_tracked(*http, "Started Checkout", 1));
}

TEST(DisabledMetrics, AreReadAndCheckedByName) {
  EXPECT_EQ(*klaviyo::parse_metrics("Ordered Product , Started Checkout"),
            (std::vector<std::string>{"Ordered Product", "Started Checkout"}));
  EXPECT_EQ(*klaviyo::parse_metrics("\"Ordered Product\",\r\n\u00a0 'Started Checkout'\n"),
            (std::vector<std::string>{"Ordered Product", "Started Checkout"}));
  const auto bad = klaviyo::parse_metrics("ordered product");
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().message.find("'ordered product' is no metric"), std::string::npos);
  EXPECT_NE(bad.error().message.find("Ordered Product"), std::string::npos);
}

TEST(MetricNames, AreTheTypeAndPartOfTheKey) {
  const TypeNames names = {{"Cancelled Order", "Canceled Order"}};
  postbox::EventBatch batch(klaviyo_test::now(), &names);
  order_cancelled(order()).encode(batch);
  ASSERT_EQ(batch.records().size(), 1U);
  EXPECT_EQ(klaviyo_test::destination().type_of(batch.records()[0]), "Canceled Order");
  EXPECT_NE(batch.records()[0].dedup_key,
            klaviyo_test::records_of(order_cancelled(order()))[0].dedup_key);
}

TEST(MetricNames, AreReadAsPairs) {
  const auto names =
      klaviyo::parse_metric_names("Cancelled Order=Canceled Order , Placed Order=Order");
  ASSERT_TRUE(names) << names.error().message;
  EXPECT_EQ(*names, (TypeNames{{"Cancelled Order", "Canceled Order"}, {"Placed Order", "Order"}}));
  EXPECT_EQ(*klaviyo::parse_metric_names("Cancelled Order = \"Canceled Order\",\n"
                                         "Placed Order=Order\u200b"),
            *names);
  EXPECT_EQ(klaviyo::parse_metric_names("")->size(), 0U);
  const auto bad = klaviyo::parse_metric_names("Canceled Order");
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().message.find("'Canceled Order' is not accepted"), std::string::npos);
}

TEST(MetricNames, HaveOneTo127PlainCharacters) {
  std::string name;
  for (int i = 0; i < 127; ++i) name += "ü";
  EXPECT_EQ(error_of({{"Placed Order", name}}), "");
  EXPECT_EQ(error_of({{"Placed Order", name + "x"}}),
            "the name of 'Placed Order' must have 1 to 127 characters, found 128");
  EXPECT_EQ(error_of({{"Placed Order", ""}}),
            "the name of 'Placed Order' must have 1 to 127 characters, found 0");
  for (const char* bad : {"a\nb", "a\x7f", "a\"b", "a\\b", "a\xff"}) {
    EXPECT_EQ(error_of({{"Placed Order", bad}}),
              "the name of 'Placed Order' must be UTF-8 without control characters, quotation "
              "marks and backslashes");
  }
}

TEST(MetricNames, StayApart) {
  EXPECT_EQ(error_of({{"Refunded Order", "Cancelled Order"}}),
            "two metrics would be called 'Cancelled Order'");
  EXPECT_EQ(error_of({{"Refunded Order", "x"}, {"Cancelled Order", "x"}}),
            "two metrics would be called 'x'");
  EXPECT_EQ(error_of({{"Refunded Order", "Cancelled Order"}, {"Cancelled Order", "x"}}), "");
  EXPECT_EQ(error_of({{"Refunded Order", "x"}, {"Refunded Order", "y"}}),
            "'Refunded Order' stands twice");
  EXPECT_EQ(error_of({{"Canceled Order", "x"}}),
            "'Canceled Order' is no metric that is sent; expected one such as 'Cancelled Order'");
}

TEST(MetricNames, AreCheckedByTheConfigurationUnderTheirVariable) {
  klaviyo::Config config;
  config.metric_names = {{"Placed Order", ""}};
  const auto checked = config.validate();
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().message.find("KLAVIYO_METRIC_NAMES: "), 0U) << checked.error().message;
  const auto read = klaviyo::Config::from(
      *postbox::Environment::parse("KLAVIYO_METRIC_NAMES=\"Cancelled Order=Canceled Order\""));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->metric_names, (TypeNames{{"Cancelled Order", "Canceled Order"}}));
}

}  // namespace
