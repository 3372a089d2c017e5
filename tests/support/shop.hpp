// Shop: the real example server against a simulated Klaviyo, over real HTTP. The simulator runs in
// this process, or as the program that users start.
#pragma once

#include <gtest/gtest.h>
#include <httplib.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>

#include "http_server.hpp"
#include "program.hpp"

namespace postbox::tests {

using Json = nlohmann::json;

// What Klaviyo recorded: (metric, unique_id) of every event, and their values in minor units.
struct Recorded {
  std::multiset<std::pair<std::string, std::string>> events;
  std::map<std::string, long long> cents;  // by metric
  std::set<long long> times;               // when they happened, in seconds since 1970

  [[nodiscard]] std::size_t count(const std::string& metric) const {
    return static_cast<std::size_t>(std::count_if(
        events.begin(), events.end(), [&](const auto& event) { return event.first == metric; }));
  }
  // How often the one that was recorded most often was.
  [[nodiscard]] std::size_t most() const {
    std::size_t most = 0;
    for (const auto& event : events) most = std::max(most, events.count(event));
    return most;
  }
};

class Shop : public ::testing::Test {
 protected:
  void SetUp() override {
    klaviyo_port = klaviyo.start(
        {.port = 0, .simulator = {.keys = {}, .limits = false, .now = {}, .wait = {}}});
    ASSERT_NE(klaviyo_port, 0);
  }

  Program::Variables variables(const std::string& flag = "true") const {
    return {{"KLAVIYO_API_KEY", "pk_for_tests"},
            {"KLAVIYO_API_URL", "http://127.0.0.1:" + std::to_string(klaviyo_port)},
            {"KLAVIYO_PURCHASE_EVENTS_ENABLED", flag},
            {"KLAVIYO_SUBSCRIPTION_EVENTS_ENABLED", flag},
            {"KLAVIYO_CART_ABANDONED_ENABLED", flag},
            {"POSTBOX_LOG_LEVEL", "error"},
            {"POSTBOX_OUTBOX", "sqlite:" + folder.file("outbox.db")}};
  }

  std::unique_ptr<Program> start_server(const std::string& flag = "true") const {
    return std::make_unique<Program>("checkout_server", std::vector<std::string>{"--port", "0"},
                                     variables(flag));
  }

  void open_shop(const std::string& flag = "true") {
    server = start_server(flag);
    ASSERT_NE(server->port(), 0);
  }

  void set_faults(const std::string& script) {
    const auto answer =
        httplib::Client("127.0.0.1", klaviyo_port).Put("/sim/faults", script, "application/json");
    ASSERT_TRUE(answer && answer->status / 100 == 2) << script;
  }

  static Json order(const std::string& id, int lines = 1) {
    Json items = Json::array();
    for (int i = 0; i < lines; ++i) {
      items.push_back({{"product_id", "P" + std::to_string(i)},
                       {"name", "Thé vert"},
                       {"quantity", 1 + i},
                       {"unit_price", 1250}});
    }
    return {{"order_id", id},
            {"currency", "EUR"},
            {"customer", {{"email", "customer-" + id + "@goldenacre.example"}}},
            {"items", items}};
  }

  int post_order(httplib::Client& client, const Json& body) {
    const auto answer = client.Post("/checkout/complete", body.dump(), "application/json");
    return answer ? answer->status : 0;
  }

  httplib::Client client() const { return client_of(*server); }

  static httplib::Client client_of(const Program& program) {
    httplib::Client result("127.0.0.1", program.port());
    result.set_keep_alive(true);
    result.set_tcp_nodelay(true);
    result.set_read_timeout(300);
    return result;
  }

  // One instant. Figures that belong together are read from one text: a probe claims every event,
  // gives back all but one, and between two questions none waits and then none is in flight.
  std::string metrics() const {
    const auto answer = client().Get("/metrics");
    return answer ? answer->body : "";
  }

  static double figure(const std::string& text, const std::string& name) {
    const auto at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
  }

  double metric(const std::string& name) const { return figure(metrics(), name); }

  static std::string state(const std::string& name) {
    return "postbox_events_total{state=\"" + name + "\"}";
  }

  // Asks the server until nothing is waiting or in flight. Each question takes the server's own
  // time; there is no sleep and no assertion about how long it takes, only a bound against a hang.
  void wait_until_settled() {
    for (int question = 0; question < 200'000; ++question) {
      const std::string now = metrics();
      if (figure(now, state("waiting")) == 0 && figure(now, state("in_flight")) == 0) return;
      std::this_thread::yield();
    }
    FAIL() << "events are still waiting: " << metric(state("waiting"));
  }

  void expect_conservation() const { EXPECT_EQ(metric("postbox_conserved"), 1); }

  Recorded recorded(const std::string& key = "pk_for_tests") {
    Recorded all;
    httplib::Client http("127.0.0.1", klaviyo_port);
    http.set_read_timeout(300);  // a page of a thousand events, under a sanitizer
    const httplib::Headers headers{{"Authorization", "Klaviyo-API-Key " + key},
                                   {"revision", "2026-10-15"}};
    std::string path = "/api/events?include=metric&page%5Bsize%5D=1000";
    while (!path.empty()) {
      const auto answer = http.Get(path.c_str(), headers);
      EXPECT_TRUE(answer && answer->status == 200) << path;
      if (!answer || answer->status != 200) return all;
      const Json page = Json::parse(answer->body);
      std::map<std::string, std::string> metrics;
      for (const Json& item : page.value("included", Json::array())) {
        if (item["type"] == "metric") metrics[item["id"]] = item["attributes"]["name"];
      }
      for (const Json& event : page["data"]) {
        const Json& properties = event["attributes"]["event_properties"];
        const std::string name = metrics[event["relationships"]["metric"]["data"]["id"]];
        all.events.emplace(name, properties["$event_id"]);
        all.times.insert(event["attributes"]["timestamp"].get<long long>());
        all.cents[name] += std::llround(properties.value("$value", 0.0) * 100);
      }
      const Json& next = page["links"]["next"];
      path = next.is_string() ? next.get<std::string>() : "";
      if (const auto api = path.find("/api/"); api != std::string::npos) path.erase(0, api);
    }
    return all;
  }

  TemporaryFolder folder;
  sim::Server klaviyo;
  int klaviyo_port = 0;
  std::unique_ptr<Program> server;
};

}  // namespace postbox::tests
