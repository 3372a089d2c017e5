#include "support/shop.hpp"
#include "support/stripe_events.hpp"

#include <stripe/signature.hpp>

namespace postbox::tests {
namespace {

class StripeReports : public Shop {
 protected:
  void open_shop_with_webhooks() {
    auto settings = variables();
    settings["STRIPE_WEBHOOK_SECRET"] = "whsec_old, whsec_new";
    server = std::make_unique<Program>("checkout_server", std::vector<std::string>{"--port", "0"},
                                       settings);
    ASSERT_NE(server->port(), 0);
  }

  int post(const std::string& body, const std::string& secret = "whsec_new") {
    const auto now =
        std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    auto http = client();
    const httplib::Headers headers{{"stripe-signature", stripe::sign(body, secret, now)}};
    const auto answer = http.Post("/webhooks/stripe", headers, body, "application/json");
    return answer ? answer->status : 0;
  }
};

TEST_F(StripeReports, EachFactIsRecordedOnceWhicheverSecretHasSignedIt) {
  open_shop_with_webhooks();
  for (const Json& body : stripe_life()) {
    EXPECT_EQ(post(body.dump()), 200);
    EXPECT_EQ(post(body.dump(2), "whsec_old"), 200);
  }
  wait_until_settled();
  const Recorded events = recorded();
  EXPECT_EQ(events.count("Placed Order"), 2U);
  EXPECT_EQ(events.cents.at("Placed Order"), 2'000);
  EXPECT_EQ(events.count("Subscription Started"), 1U);
  EXPECT_EQ(events.count("Subscription Cancelled"), 1U);
  EXPECT_EQ(events.most(), 1U);
  expect_conservation();
}

TEST_F(StripeReports, WhatStripeHasNotSignedIsRefused) {
  open_shop_with_webhooks();
  const std::string body = stripe_purchase().front().dump();
  EXPECT_EQ(post(body, "whsec_of_somebody_else"), 400);
  EXPECT_EQ(post("not JSON"), 400);
  wait_until_settled();
  EXPECT_TRUE(recorded().events.empty());
  expect_conservation();
}

TEST_F(StripeReports, WithoutASecretStripeIsToldToComeAgain) {
  open_shop();
  EXPECT_EQ(post(stripe_purchase().front().dump()), 503);
  expect_conservation();
}

}  // namespace
}  // namespace postbox::tests
