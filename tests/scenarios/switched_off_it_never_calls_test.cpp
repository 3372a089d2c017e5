#include "support/shop.hpp"

namespace postbox::tests {
namespace {

using SwitchedOff = Shop;

TEST_F(SwitchedOff, NoConnectionToTheApiIsOpened) {
  open_shop("false");
  auto http = client();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(post_order(http, order(std::to_string(i))), 201);
  EXPECT_EQ(metric(state("disabled")), 40);
  EXPECT_EQ(server->end(SIGTERM), 0);
  EXPECT_EQ(klaviyo.simulator().stats().connections, 0U);
  EXPECT_EQ(klaviyo.simulator().stats().requests, 0U);
}

TEST_F(SwitchedOff, AFlagOfZeroPercentIsOffAndOneOfAHundredIsOn) {
  open_shop("0%");
  auto http = client();
  EXPECT_EQ(post_order(http, order("1")), 201);
  EXPECT_EQ(server->end(SIGTERM), 0);
  EXPECT_EQ(klaviyo.simulator().stats().connections, 0U);
  open_shop("100%");
  auto again = client();
  EXPECT_EQ(post_order(again, order("2")), 201);
  wait_until_settled();
  EXPECT_EQ(recorded().count("Placed Order"), 1U);
  expect_conservation();
}

TEST_F(SwitchedOff, HalfOfTheProfilesAreHalf) {
  open_shop("50%");
  auto http = client();
  for (int i = 0; i < 200; ++i) EXPECT_EQ(post_order(http, order(std::to_string(i))), 201);
  wait_until_settled();
  const auto sent = recorded().count("Placed Order");
  EXPECT_GT(sent, 60U);
  EXPECT_LT(sent, 140U);
  expect_conservation();
}

TEST_F(SwitchedOff, WithoutAKeyTheServerServes) {
  auto settings = variables();
  settings.erase("KLAVIYO_API_KEY");
  server = std::make_unique<Program>("checkout_server", std::vector<std::string>{"--port", "0"},
                                     settings);
  auto http = client();
  EXPECT_EQ(post_order(http, order("1")), 201);
  EXPECT_EQ(http.Get("/healthz")->status, 200);
  EXPECT_EQ(server->end(SIGTERM), 0);
  EXPECT_EQ(klaviyo.simulator().stats().connections, 0U);
}

}  // namespace
}  // namespace postbox::tests
