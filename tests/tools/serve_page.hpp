// ServePage is a shop with the page of `postbox serve` beside it, and a client that knows its
// token.
#pragma once

#include <httplib.h>

#include <memory>
#include <optional>
#include <serve/page_server.hpp>
#include <string>

#include "command_shop.hpp"

namespace postbox::testing {

class ServePage : public CommandShop {
 protected:
  // The shop must have an outbox.
  void serve(const std::string& metrics_url = {}, bool reveal = false) {
    std::unique_ptr<cli::MetricsReader> reader;
    if (!metrics_url.empty()) {
      auto opened = cli::MetricsReader::open(metrics_url);
      ASSERT_TRUE(opened) << opened.error().message;
      reader = *std::move(opened);
    }
    accounts_.emplace(cli::AccountOptions{.env_file = env_file(), .prefix = kPrefix});
    status_.emplace(2h, std::move(reader));
    server_.emplace(cli::PageParts{.accounts = *accounts_,
                                   .status = *status_,
                                   .requests = {.reveal = reveal},
                                   .token = kToken});
    const auto port = server_->start(0);
    ASSERT_TRUE(port);
    port_ = *port;
    reveals_ = reveal;
  }

  [[nodiscard]] httplib::Client client() const {
    httplib::Client client("127.0.0.1", port_);
    client.set_read_timeout(60);
    return client;
  }
  [[nodiscard]] std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] static httplib::Headers allowed() {
    return {{"Authorization", std::string("Bearer ") + kToken}};
  }

  // The JSON that came, which has nothing personal unless the page reveals it.
  nlohmann::json read(const httplib::Result& result, int expected) {
    if (!result) {
      ADD_FAILURE() << "there is no answer: " << httplib::to_string(result.error());
      return {};
    }
    EXPECT_EQ(result->status, expected) << result->body;
    for (const char* personal : kPersonal) {
      if (reveals_) break;
      EXPECT_EQ(result->body.find(personal), std::string::npos) << result->body;
    }
    return nlohmann::json::parse(result->body, nullptr, false);
  }
  nlohmann::json status(int expected = 200) {
    return read(client().Get("/api/status", allowed()), expected);
  }
  nlohmann::json ask(const std::string& what, const nlohmann::json& asked, int expected = 200) {
    return read(client().Post("/api/" + what, allowed(), asked.dump(), "application/json"),
                expected);
  }

  static constexpr const char* kToken =
      "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
  int port_ = 0;

 private:
  bool reveals_ = false;
  std::optional<cli::AccountSource> accounts_;
  std::optional<cli::PageStatus> status_;
  std::optional<cli::PageServer> server_;
};

}  // namespace postbox::testing
