// The example server tells its client what Klaviyo would ignore.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "../examples/checkout_server/http_server.hpp"

namespace checkout {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

// A tracker that keeps carts and sends nothing.
class Warnings : public ::testing::Test {
 protected:
  void SetUp() override {
    klaviyo::Config config;
    config.api_key = "pk_0123456789abcdef";
    config.engine.outbox.url = "memory:";
    config.engine.log = [](postbox::LogLevel, std::string_view) {};
    config.set(klaviyo::kCart, postbox::Flag::on());
    auto started = klaviyo::start(config, {.threads = false});
    ASSERT_TRUE(started) << started.error().message;
    tracker.emplace(*std::move(started));
    auto listening = stripe::Webhook::start(stripe::Config{}, *tracker);
    ASSERT_TRUE(listening) << listening.error().message;
    webhook.emplace(*std::move(listening));
    routes.emplace(*tracker, *webhook, metrics, postbox::LogSink(), std::vector<std::string>());
    server.emplace(*routes);
    port = server->start(0).value_or(0);
    ASSERT_NE(port, 0);
  }
  void TearDown() override {
    if (!server) return;
    server->stop();
    EXPECT_TRUE(server->wait(std::chrono::steady_clock::now() + 10s));
  }

  [[nodiscard]] json put_cart(const json& properties) const {
    json cart = {{"cart_id", "c-7"}, {"currency", "EUR"}, {"items", json::array()}};
    cart["properties"] = properties;
    httplib::Client client("127.0.0.1", port);
    client.set_keep_alive(false);
    const auto answer = client.Put("/cart/u-7", cart.dump(), "application/json");
    if (!answer) return nullptr;
    EXPECT_EQ(answer->status, 202);
    return json::parse(answer->body, nullptr, false);
  }

  Metrics metrics;
  std::optional<postbox::Tracker> tracker;
  std::optional<stripe::Webhook> webhook;
  std::optional<Routes> routes;
  std::optional<HttpServer> server;
  int port = 0;
};

TEST_F(Warnings, HaveThePathsOfTheBody) {
  EXPECT_EQ(put_cart({{"gift", true}}), json::parse(R"({"cart_id": "c-7", "events": "accepted"})"));
  EXPECT_EQ(put_cart({{"gift", true}, {"points", 0}}), json::parse(R"({"cart_id": "c-7",
    "events": "accepted", "warnings": [{"path": "properties.points",
    "rule": "is zero, which Klaviyo reads as never set"}]})"));
}

}  // namespace
}  // namespace checkout
