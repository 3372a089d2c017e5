// GET /metrics of the example server: how long handlers take; which types of webhooks nothing is
// made of.
#include <gmock/gmock.h>

#include "support/served_checkout.hpp"

#include <stripe/signature.hpp>

namespace checkout {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kSecret = "whsec_for_tests";

class MetricsPage : public ServedCheckout {
 protected:
  std::string metrics() { return client->Get("/metrics")->body; }
};

class UnhandledTypes : public MetricsPage {
 protected:
  void SetUp() override { serve({}, {}, {kSecret}); }

  int deliver(const std::string& id, const std::string& type) {
    const nlohmann::json event = {{"id", id},         {"object", "event"},
                                  {"livemode", true}, {"created", 1'780'000'000},
                                  {"type", type},     {"data", {{"object", {{"id", "x_1"}}}}}};
    const std::string body = event.dump();
    const auto now =
        std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    const httplib::Headers headers{{"Stripe-Signature", stripe::sign(body, kSecret, now)}};
    return read(client->Post("/webhooks/stripe", headers, body, "application/json")).first;
  }
};

TEST_F(UnhandledTypes, AreCountedByType) {
  EXPECT_THAT(metrics(), HasSubstr("# TYPE stripe_unhandled_webhooks_total counter\n#"));
  EXPECT_EQ(deliver("evt_1", "payout.paid"), 200);
  EXPECT_EQ(deliver("evt_2", "payout.paid"), 200);
  EXPECT_EQ(deliver("evt_3", "customer.created"), 200);
  EXPECT_THAT(metrics(), HasSubstr("\nstripe_unhandled_webhooks_total{type=\"payout.paid\"} 2\n"));
  EXPECT_THAT(metrics(), Not(HasSubstr("type=\"customer.created\"")));
}

TEST_F(UnhandledTypes, AreAHundredAtTheMostAndBreakNoLine) {
  EXPECT_EQ(deliver("evt_q", "a\"b\\c\nd"), 200);
  EXPECT_THAT(metrics(),
              HasSubstr("\nstripe_unhandled_webhooks_total{type=\"a\\\"b\\\\c\\nd\"} 1\n"));
  for (int i = 0; i < 110; ++i) {
    EXPECT_EQ(deliver("evt_" + std::to_string(i), "invented." + std::to_string(i)), 200);
  }
  EXPECT_THAT(metrics(), HasSubstr("{type=\"other\"} 11\n"));
}

// What a dashboard asks for, after one order.
TEST_F(MetricsPage, SaysWhatBecameOfAnOrderByFamily) {
  klaviyo::Config config;
  config.api_key = "pk_0123456789ab";
  config.set(klaviyo::kPurchase, postbox::Flag::on());
  serve(std::move(config), {});
  const std::string order =
      R"({"order_id": "1001", "currency": "EUR", "customer": {"email": "ines@goldenacre.example"},)"
      R"( "items": [{"product_id": "P1", "name": "Tea", "quantity": 2, "unit_price": 1250}]})";
  EXPECT_EQ(client->Post("/checkout/complete", order, "application/json")->status, 201);
  const std::string page = metrics();
  for (const char* line :
       {"\npostbox_family_events{family=\"purchase\",queue=\"1\",state=\"accepted\"} 2\n",
        "\npostbox_flag_percent{family=\"purchase\",queue=\"1\"} 100\n",
        "\npostbox_to_disk_seconds_count 2\n", "# TYPE postbox_to_delivery_seconds histogram\n",
        "# TYPE postbox_outcomes_total counter\n", "# TYPE postbox_lane_window_left gauge\n"}) {
    EXPECT_THAT(page, HasSubstr(line));
  }
  EXPECT_THAT(page, Not(HasSubstr("goldenacre")));
}

TEST(Latency, QuantilesAreExactToASixteenth) {
  Latency latency;
  EXPECT_EQ(latency.quantile(0.5), 0);
  for (int i = 1; i <= 1000; ++i) latency.record(std::chrono::microseconds(i));
  latency.record(-1ns);
  EXPECT_EQ(latency.count(), 1001U);
  EXPECT_NEAR(latency.quantile(0.5), 500e-6, 500e-6 / 16);
  EXPECT_NEAR(latency.quantile(0.99), 990e-6, 990e-6 / 16);
  latency.record(std::chrono::nanoseconds::max());
  EXPECT_GT(latency.quantile(1), 1e9);
}

}  // namespace
}  // namespace checkout
