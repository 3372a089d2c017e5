// ServedCheckout: the example server on a port of loopback, without a thread of the tracker's: it
// keeps events in memory and sends nothing.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <postbox/services.hpp>

#include "../examples/checkout_server/http_server.hpp"

namespace checkout {

class ServedCheckout : public ::testing::Test {
 protected:
  void serve(klaviyo::Config config, std::vector<std::string> recovery_secrets,
             std::vector<std::string> webhook_secrets = {}) {
    using postbox::LogLevel;
    config.engine.outbox.url = "memory:";
    config.engine.log = [](LogLevel, std::string_view) {};
    auto started = klaviyo::start(config, {.threads = false});
    ASSERT_TRUE(started) << started.error().message;
    tracker_.emplace(*std::move(started));
    stripe::Config webhooks;
    webhooks.log = config.engine.log;
    webhooks.secrets = std::move(webhook_secrets);
    auto listening = stripe::Webhook::start(std::move(webhooks), *tracker_);
    ASSERT_TRUE(listening) << listening.error().message;
    webhook_.emplace(*std::move(listening));
    routes_.emplace(*tracker_, *webhook_, metrics_, postbox::LogSink(),
                    std::move(recovery_secrets));
    server_.emplace(*routes_);
    const auto port = server_->start(0);
    ASSERT_TRUE(port) << "no port";
    client.emplace("127.0.0.1", *port);
    client->set_keep_alive(false);
    client->set_read_timeout(300);
  }
  void TearDown() override {
    if (!server_) return;
    server_->stop();
    EXPECT_TRUE(server_->wait(std::chrono::steady_clock::now() + std::chrono::seconds(10)));
  }

  // The answer's status and body.
  static std::pair<int, nlohmann::json> read(const httplib::Result& answer) {
    if (!answer) return {0, {}};
    return {answer->status, nlohmann::json::parse(answer->body, nullptr, false)};
  }

  std::optional<httplib::Client> client;

 private:
  Metrics metrics_;
  std::optional<postbox::Tracker> tracker_;
  std::optional<stripe::Webhook> webhook_;
  std::optional<Routes> routes_;
  std::optional<HttpServer> server_;
};

}  // namespace checkout
