// A server's GET /metrics: the text, the numbers that are read from it, and `postbox status
// --metrics`.

#include <httplib.h>
#include <prometheus/text_serializer.h>

#include <cmath>
#include <metrics_reader.hpp>
#include <postbox/prometheus.hpp>
#include <prometheus_text.hpp>
#include <thread>

#include "serve_page.hpp"

namespace postbox::testing {
namespace {

using nlohmann::json;
using ::testing::DoubleNear;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

TEST(PrometheusText, ReadsSamplesAndSkipsTheRest) {
  const auto samples = cli::parse_prometheus(
      "# HELP a b\n# TYPE a counter\n\na 1\na{x=\"y\"} +Inf\n  a { x = \"q\\\"\\\\\\n\" , z=\"\",} "
      "2.5e3 "
      "1700000000000\r\nc:d_1 NaN\ne -Inf\nf 0x\n");
  ASSERT_FALSE(samples);
  EXPECT_THAT(samples.error().message, HasSubstr("line 9"));
  const auto good = cli::parse_prometheus(
      "# HELP a b\n\na 1\na{x=\"y\"} +Inf\n  a { x = \"q\\\"\\\\\\n\" , z=\"\",} 2.5e3 "
      "1700000000000\r\nc:d_1 NaN\ne -Inf");
  ASSERT_TRUE(good) << good.error().message;
  ASSERT_THAT(*good, SizeIs(5));
  EXPECT_EQ((*good)[0].value, 1);
  EXPECT_TRUE(std::isinf((*good)[1].value));
  EXPECT_EQ((*good)[2].labels.at("x"), "q\"\\\n");
  EXPECT_EQ((*good)[2].value, 2500);
  EXPECT_TRUE(std::isnan((*good)[3].value));
  EXPECT_LT((*good)[4].value, 0);
}

TEST(PrometheusText, WhatIsNoneNamesTheLineAndNotItsText) {
  for (const char* bad :
       {"secret", "secret{", "secret{a} 1", "secret{a=1} 1", "secret{a=\"} 1", "secret{a=\"b\" 1",
        "secret{a=\"b\"c=\"d\"} 1", "secret 1 2 3", "secret one", "secret +", "{a=\"b\"} 1",
        "<html>secret</html>", "secret{a=\"\\", "secret 1e999999"}) {
    const auto samples = cli::parse_prometheus(std::string("a 1\n") + bad + "\na 2\n");
    ASSERT_FALSE(samples) << bad;
    EXPECT_THAT(samples.error().message, HasSubstr("line 2")) << bad;
    EXPECT_THAT(samples.error().message, Not(HasSubstr("secret"))) << bad;
  }
}

TEST(ServerMetrics, QuantilesAreInProportionBetweenTwoBounds) {
  const auto of = [](std::vector<cli::Latency::Bucket> buckets) {
    return cli::Latency{.name = "x", .buckets = std::move(buckets)};
  };
  EXPECT_FALSE(of({}).quantile(0.5));
  EXPECT_FALSE(of({{1, 0}, {HUGE_VAL, 0}}).quantile(0.5));
  const auto some = of({{1, 10}, {2, 20}, {HUGE_VAL, 20}});
  EXPECT_THAT(*some.quantile(0.5), DoubleNear(1, 1e-9));
  EXPECT_THAT(*some.quantile(0.75), DoubleNear(1.5, 1e-9));
  EXPECT_THAT(*some.quantile(0.25), DoubleNear(0.5, 1e-9));
  EXPECT_EQ(of({{1, 0}, {HUGE_VAL, 5}}).quantile(0.5), 1) << "beyond the last bound";
  const auto later = of({{1, 10}, {2, 30}, {HUGE_VAL, 30}});
  EXPECT_EQ(later.since(some).count(), 10);
  EXPECT_THAT(*later.since(some).quantile(0.5), DoubleNear(1.5, 1e-9));
  EXPECT_EQ(some.since(later).count(), 20) << "the server has started anew";
}

TEST(ServerMetrics, AnotherProgramsMetricsAreNone) {
  for (const char* text : {"", "go_goroutines 7\n", "# nothing\n"}) {
    const auto metrics = cli::server_metrics_of(text);
    ASSERT_FALSE(metrics);
    EXPECT_THAT(metrics.error().message, HasSubstr("none of Postbox's metrics"));
  }
}

TEST(ServerMetrics, LanesOfSeveralAccountsAreApart) {
  const auto metrics = cli::server_metrics_of(
      "postbox_lane_window_left{account=\"us\",lane=\"events\"} 5\n"
      "postbox_lane_window_left{account=\"de\",lane=\"events\"} 7\n");
  ASSERT_TRUE(metrics);
  ASSERT_THAT(metrics->lanes, SizeIs(2));
  EXPECT_EQ(metrics->lanes[0].lane, "events (us)");
  EXPECT_EQ(metrics->lanes[1].window_left, 7);
}

// A shop's server with a route that shows its metrics.
class MetricsOption : public ServePage {
 protected:
  void SetUp() override {
    start();
    server_.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(text_, "text/plain");
    });
    server_.Get("/html", [](const httplib::Request&, httplib::Response& response) {
      response.set_content("<html>", "text/html");
    });
    metrics_port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  void TearDown() override {
    server_.stop();
    thread_.join();
  }
  void measure() {
    text_ = prometheus::TextSerializer().Serialize(PrometheusCollector(*tracker_).Collect());
  }
  [[nodiscard]] std::string url(const std::string& path = "/metrics") const {
    return "http://127.0.0.1:" + std::to_string(metrics_port_) + path;
  }

  std::string text_;  // changed while nobody asks

 private:
  httplib::Server server_;
  int metrics_port_ = 0;
  std::thread thread_;
};

TEST_F(MetricsOption, StatusShowsLatenciesQuotaAndWhatFailed) {
  buy("1001");
  work();
  refuse();
  buy("1002");
  work();
  measure();
  const json server = run_json({"status", "--metrics", url()}, cli::kProblem)["server"];
  ASSERT_THAT(server["latencies"], SizeIs(3));
  EXPECT_EQ(server["latencies"][0]["name"], "track()");
  EXPECT_EQ(server["latencies"][1]["count"], 4);
  EXPECT_GE(server["latencies"][2]["p99_seconds"], server["latencies"][2]["p50_seconds"]);
  EXPECT_EQ(server["lanes"][0]["lane"], "events");
  EXPECT_GT(server["lanes"][0]["window_limit"], server["lanes"][0]["window_left"]);
  ASSERT_THAT(server["troubles"], SizeIs(2));
  EXPECT_EQ(server["troubles"][0]["outcome"], "dead");
  EXPECT_EQ(server["troubles"][0]["cause"], "HTTP 400");

  const std::string out = run({"status", "--metrics", url()}).out;
  EXPECT_THAT(out, HasSubstr("\nlatency "));
  EXPECT_THAT(out, HasSubstr("\nlane "));
  EXPECT_THAT(out, HasSubstr("\nwhat failed "));
}

TEST_F(MetricsOption, StatusLooksTwiceForTheRates) {
  measure();
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  cli::Console console{.in = in, .out = out, .err = err, .pause = [&](std::chrono::milliseconds) {
                         buy("1001");
                         work();
                         measure();
                         return true;
                       }};
  EXPECT_EQ(cli::run_command_line({"status", "--metrics", url(), "--json", "--env-file", env_file(),
                                   "--prefix", kPrefix},
                                  console),
            cli::kDone)
      << err.str();
  const json shown = json::parse(out.str());
  EXPECT_GT(shown["rates"]["delivered_per_second"], 0);
  EXPECT_EQ(shown["server"]["latencies"][1]["count"], 2) << "since the server's start";
}

TEST_F(MetricsOption, WhatCannotBeReadIsAProblemAndTheRestIsShown) {
  work();
  const std::pair<std::string, const char*> bad[] = {{url("/nothing?token=s3cret"), "HTTP 404"},
                                                     {url("/html"), "line 1"},
                                                     {url(), "none of Postbox's metrics"},
                                                     {"http://127.0.0.1:1/metrics", "connect"}};
  for (const auto& [address, why] : bad) {
    const CommandRun status = run({"status", "--metrics", address});
    EXPECT_EQ(status.code, cli::kProblem);
    EXPECT_THAT(status.out, HasSubstr("purchase"));
    EXPECT_THAT(status.out,
                HasSubstr("problem: --metrics " + address.substr(0, address.find('?'))));
    EXPECT_THAT(status.out, HasSubstr(why));
    EXPECT_THAT(status.out, Not(HasSubstr("s3cret")));
  }
}

TEST_F(MetricsOption, AnAddressThatIsNoneIsWrongUse) {
  for (const char* bad :
       {"", "127.0.0.1:8080/metrics", "ftp://127.0.0.1/metrics", "http://",
        "http://user:s3cret@127.0.0.1/metrics", "http://127.0.0.1/a b", "file:///etc/passwd"}) {
    const CommandRun status = run({"status", "--metrics", bad});
    EXPECT_EQ(status.code, cli::kWrongUse) << bad;
    EXPECT_THAT(status.err, HasSubstr("expected the address of the server's GET /metrics"));
    EXPECT_THAT(status.err, Not(HasSubstr("s3cret")));
  }
}

TEST_F(MetricsOption, ThePageShowsTheSame) {
  buy("1001");
  work();
  measure();
  serve(url());
  const json shown = status();
  EXPECT_EQ(shown["metrics_url"], url());
  EXPECT_EQ(shown["server"], run_json({"status", "--metrics", url()})["server"]);
}

TEST_F(MetricsOption, HostileLabelsAreTexts) {
  (void)tracker_->track(
      klaviyo::custom_event("<script>alert(1)</script>", klaviyo::Profile{.email = "a@b.example"}));
  text_ =
      "postbox_lane_window_left{lane=\"<script>\\\"\\n\"} 5\n"
      "postbox_outcomes_total{outcome=\"dead\",family=\"<b>\",type=\"<i>\",lane=\"\",cause="
      "\"\x07\"} 1\n"
      "postbox_lane_in_flight{lane=\"a\"} NaN\npostbox_lane_window_limit{lane=\"a\"} +Inf\n";
  serve(url());
  const json server = status()["server"];
  EXPECT_EQ(server["lanes"][0]["lane"], "<script>\"\n");
  EXPECT_TRUE(server["lanes"][1]["in_flight"].is_null()) << "JSON has no such number";
  EXPECT_EQ(server["troubles"][0]["family"], "<b>");
  EXPECT_THAT(run({"status", "--metrics", url()}).out, HasSubstr("<script>\"?"));
}

}  // namespace
}  // namespace postbox::testing
