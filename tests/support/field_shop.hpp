// FieldShop: the real server in a folder of its own, with the environment of the case, before a
// simulated Klaviyo; what Klaviyo has recorded, with its profiles.
#pragma once

#include <chrono>
#include <fstream>
#include <stripe/signature.hpp>

#include "field_cases.hpp"
#include "shop.hpp"

namespace postbox::tests {

class FieldShop : public Shop {
 protected:
  static constexpr const char* kSecret = "whsec_fieldtest";

  // Starts the server anew on an empty disk, with `file` as its .env and what `own` adds to the
  // process's environment or, where it is null, takes from it. Klaviyo has forgotten everything.
  // False: the server has refused to start.
  bool serve(const Json& own = Json::object(), const std::string& file = {}) {
    server.reset();
    klaviyo.simulator().reset();
    home = folder.file("shop-" + std::to_string(++shops_));
    std::filesystem::create_directories(home);
    std::ofstream(home / ".env", std::ios::binary) << file;
    auto settings = variables();
    settings.erase("POSTBOX_OUTBOX");
    settings.erase("POSTBOX_LOG_LEVEL");
    settings["STRIPE_WEBHOOK_SECRET"] = kSecret;
    for (const auto& [name, value] : own.items()) {
      settings.erase(name);
      if (value.is_string()) settings[name] = value.get<std::string>();
    }
    server = std::make_unique<Program>("checkout_server", std::vector<std::string>{"--port", "0"},
                                       settings, home.string(), Streams{.error = home / "log"});
    return server->port() != 0;
  }

  // What the server has written to standard error.
  [[nodiscard]] std::string log() const {
    std::ifstream file(home / "log");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  // The status of the answer to a webhook, as Stripe signs it.
  int deliver(const std::string& body, const std::string& secret = kSecret) const {
    const auto now =
        std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    const httplib::Headers headers{{"Stripe-Signature", stripe::sign(body, secret, now)}};
    const auto answer = client().Post("/webhooks/stripe", headers, body, "application/json");
    return answer ? answer->status : 0;
  }

  // The status and body of the answer to an order, as its JSON stands there.
  std::pair<int, Json> buy(const std::string& body) const {
    const auto answer = client().Post("/checkout/complete", body, "application/json");
    return answer ? std::pair(answer->status, Json::parse(answer->body)) : std::pair(0, Json());
  }

  // What Klaviyo has recorded when nothing waits: {"metric", "properties", "email"}.
  std::vector<Json> events() {
    wait_until_settled();
    const Json page = get("/api/events?include=metric,profile&page%5Bsize%5D=1000");
    std::map<std::string, Json> included;
    for (const Json& item : page.value("included", Json::array())) {
      included[item["id"]] = item["attributes"];
    }
    std::vector<Json> events;
    for (const Json& event : page["data"]) {
      const Json& links = event["relationships"];
      events.push_back(
          {{"metric", included[links["metric"]["data"]["id"]]["name"]},
           {"properties", event["attributes"]["event_properties"]},
           {"email", included[links["profile"]["data"]["id"]].value("email", Json())}});
    }
    return events;
  }

  // The addresses of the profiles that Klaviyo knows.
  std::multiset<std::string> addresses() {
    std::multiset<std::string> all;
    const Json page = get("/api/profiles?page%5Bsize%5D=100");
    for (const Json& profile : page["data"]) {
      const Json& email = profile["attributes"]["email"];
      all.insert(email.is_string() ? email.get<std::string>() : std::string("none"));
    }
    return all;
  }

  std::filesystem::path home;

 private:
  Json get(const std::string& path) const {
    httplib::Client http("127.0.0.1", klaviyo_port);
    http.set_read_timeout(300);
    const auto answer = http.Get(path.c_str(), {{"Authorization", "Klaviyo-API-Key pk_for_tests"},
                                                {"revision", "2026-10-15"}});
    EXPECT_TRUE(answer && answer->status == 200) << path;
    return answer ? Json::parse(answer->body) : Json();
  }

  int shops_ = 0;
};

}  // namespace postbox::tests
