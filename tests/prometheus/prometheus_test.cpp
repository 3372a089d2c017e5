// <postbox/prometheus.hpp>: the metrics of a tracker as prometheus-cpp shows them.
#include <gmock/gmock.h>
#include <prometheus/text_serializer.h>

#include <klaviyo/klaviyo.hpp>
#include <postbox/prometheus.hpp>

namespace postbox {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

std::string text_of(const std::vector<::prometheus::MetricFamily>& families) {
  return ::prometheus::TextSerializer().Serialize(families);
}

TEST(Prometheus, EachCountOfStatsHasALine) {
  const std::string page = text_of(prometheus_families(Metrics{}));
  for (const StatsField& field : kStatsFields) {
    const std::string name(field.name);
    EXPECT_THAT(page,
                HasSubstr(field.counts_events ? "postbox_events_total{state=\"" + name + "\"} 0\n"
                                              : "\npostbox_" + name + "_total 0\n"));
  }
  EXPECT_THAT(page, HasSubstr("\npostbox_stats_complete 1\n"));
}

TEST(Prometheus, AHistogramAddsUpToItsCount) {
  Metrics metrics;
  metrics.in_call.counts[0] = 3;  // at most 2 us
  metrics.in_call.counts[8] = 1;  // at most 1 ms
  metrics.in_call.counts.back() = 1;
  metrics.in_call.sum = 1500ms;
  const std::string page = text_of(prometheus_families(metrics));
  for (const char* line :
       {"# TYPE postbox_call_seconds histogram\n", "postbox_call_seconds_bucket{le=\"2e-06\"} 3\n",
        "postbox_call_seconds_bucket{le=\"0.0005\"} 3\n",
        "postbox_call_seconds_bucket{le=\"0.001\"} 4\n",
        "postbox_call_seconds_bucket{le=\"+Inf\"} 5\n", "postbox_call_seconds_sum 1.5\n",
        "postbox_call_seconds_count 5\n"}) {
    EXPECT_THAT(page, HasSubstr(line));
  }
}

// increase() does not see the first count of a metric that has only now appeared.
TEST(Prometheus, OutcomesOfAFamilyAreThereBeforeTheyOccur) {
  Metrics metrics;
  FamilyMetrics& cart = metrics.families.emplace_back();
  cart.family = "cart";
  cart.queue = QueueId{3};
  const std::string dead =
      R"(postbox_family_outcomes_total{family="cart",queue="3",outcome="dead"} )";
  EXPECT_THAT(text_of(prometheus_families(metrics)), HasSubstr(dead + "0\n"));
  OutcomeCount row;
  row.queue = QueueId{3};
  row.outcome = EventOutcome::kDead;
  row.events = 2;
  metrics.outcomes = {row, row};
  metrics.outcomes.back().type = "another";
  EXPECT_THAT(text_of(prometheus_families(metrics)), HasSubstr(dead + "4\n"));
}

TEST(Prometheus, ALabelOfTheAccountStandsOnEachMetricAndNoneBreaksALine) {
  Metrics metrics;
  OutcomeCount& row = metrics.outcomes.emplace_back();
  row.family = "custom";
  row.type = "a\"b\nc";
  const std::string page = text_of(prometheus_families(metrics, {{"account", "us"}}));
  EXPECT_THAT(page, HasSubstr("postbox_conserved{account=\"us\"} 1\n"));
  EXPECT_THAT(page, HasSubstr(R"(account="us",family="custom",queue="0",type="a\"b\nc",)"));
}

TEST(Prometheus, ACollectorShowsARunningTracker) {
  klaviyo::Config config;
  config.engine.outbox.url = "memory:";
  config.engine.log = [](LogLevel, std::string_view) {};
  auto tracker = klaviyo::start(config);
  ASSERT_TRUE(tracker);
  tracker->track(klaviyo::product_viewed({}));
  const postbox::PrometheusCollector collector(*tracker);
  const std::string page = prometheus::TextSerializer().Serialize(collector.Collect());
  EXPECT_THAT(page, HasSubstr("postbox_events_total{state=\"disabled\"} 1\n")) << "no key is set";
  EXPECT_THAT(page, Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace postbox
