// The example server's way back to a cart: GET /cart/recover.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "../examples/checkout_server/http_server.hpp"

namespace checkout {
namespace {

using namespace std::chrono_literals;

const std::vector<std::string> kSecrets = {"a secret of the shop's own"};

// Without a key the tracker is inert; the links do not need it.
class CartRecovery : public ::testing::Test {
 protected:
  void SetUp() override {
    klaviyo::Config config;
    config.engine.outbox.url = "memory:";
    auto started = klaviyo::start(config);
    ASSERT_TRUE(started) << started.error().message;
    tracker.emplace(*std::move(started));
    auto listening = stripe::Webhook::start(stripe::Config{}, *tracker);
    ASSERT_TRUE(listening) << listening.error().message;
    webhook.emplace(*std::move(listening));
    routes.emplace(*tracker, *webhook, metrics, postbox::LogSink(), kSecrets);
    server.emplace(*routes);
    port = server->start(0).value_or(0);
    ASSERT_NE(port, 0);
  }
  void TearDown() override {
    if (!server) return;
    server->stop();
    EXPECT_TRUE(server->wait(std::chrono::steady_clock::now() + 10s));
  }

  // The answer's status and body.
  std::pair<int, nlohmann::json> get(const std::string& path) const {
    httplib::Client client("127.0.0.1", port);
    client.set_keep_alive(false);
    const auto answer = client.Get(path);
    if (!answer) return {0, {}};
    return {answer->status, nlohmann::json::parse(answer->body, nullptr, false)};
  }
  static std::string token(std::chrono::minutes life,
                           const std::string& secret = kSecrets.front()) {
    const auto now =
        std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    return klaviyo::make_recovery_token("c-7", now + life, klaviyo::RecoveryKey(secret));
  }

  Metrics metrics;
  std::optional<postbox::Tracker> tracker;
  std::optional<stripe::Webhook> webhook;
  std::optional<Routes> routes;
  std::optional<HttpServer> server;
  int port = 0;
};

TEST_F(CartRecovery, AGoodLinkLeadsToItsCart) {
  const auto [status, body] = get("/cart/recover?token=" + token(60min));
  EXPECT_EQ(status, 200);
  EXPECT_EQ(body, nlohmann::json({{"cart_id", "c-7"}}));
}

TEST_F(CartRecovery, ABadLinkSaysWhatIsWrong) {
  const auto expect = [this](const std::string& path, int status, const std::string& reason) {
    const auto [got, body] = get(path);
    EXPECT_EQ(got, status) << path;
    EXPECT_NE(body.value("error", "").find(reason), std::string::npos) << body;
  };
  const std::string good = token(60min);
  expect("/cart/recover?token=" + token(-1min), 410, "has expired");
  expect("/cart/recover?token=" + token(60min, "a secret of another shop's"), 400,
         "a key that is not in KLAVIYO_RECOVERY_SECRET");
  expect("/cart/recover?token=" + good.substr(0, 30), 400, "cut off");
  expect("/cart/recover", 400, "cut off");
  expect("/cart/recover?token=" + good.substr(0, 21) + "AAAA" + good.substr(25), 400, "changed");
  expect("/cart/recover?token=a%20b", 400, "no recovery token");
}

}  // namespace
}  // namespace checkout
