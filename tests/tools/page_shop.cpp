// page_shop FOLDER: a shop that works when it is told to, for the test of the page in a browser.
//
// It writes FOLDER/shop.env, prints the port of its GET /metrics, and takes a JSON object a line:
//   {"do": "order", "id": "1001"}           a customer buys
//   {"do": "custom", "name": "Quiz Done"}   an event of the shop's own
//   {"do": "answer", "status": 400, "body": "…"}   what Klaviyo answers from now on
//   {"do": "set", "name": "…", "value": "…"}       a setting; the server starts anew
//   {"do": "measure", "lines": "…"}         what stands in GET /metrics besides
//   {"do": "work"}                          nothing else
// After each the server has worked for two seconds of its own clock, and a line says "done".

#include <httplib.h>
#include <prometheus/text_serializer.h>

#include <iostream>
#include <mutex>
#include <postbox/prometheus.hpp>
#include <thread>

#include "command_shop.hpp"

namespace postbox::testing {
namespace {

using Json = nlohmann::json;

class PageShop : public CommandShop {
 public:
  explicit PageShop(const std::string& folder) : place_(folder) {
    set("POSTBOX_OUTBOX", "sqlite:" + folder + "/<img src=x onerror=alert(1)>.db");
    set("KLAVIYO_CUSTOM_EVENTS_ENABLED", "true");
    begin();
  }

  void obey(const Json& order) {
    const std::scoped_lock lock(mutex_);
    const std::string what = order.at("do");
    if (what == "order") buy(order.at("id"));
    if (what == "custom") {
      klaviyo::Profile customer{.email = "ines@goldenacre.example"};
      (void)tracker_->track(
          klaviyo::custom_event(order.at("name").get<std::string>(), customer, {{"Score", 7}}));
    }
    if (what == "answer") answer(order.at("status"), order.at("body"));
    if (what == "measure") more_metrics_ = order.at("lines");
    if (what == "set") {
      set(order.at("name"), order.at("value"));
      begin();
    }
    work();
  }

  std::string metrics() {
    const std::scoped_lock lock(mutex_);
    return prometheus::TextSerializer().Serialize(PrometheusCollector(*tracker_).Collect()) +
           more_metrics_;
  }

  void TestBody() override {}

 private:
  void begin() {
    std::filesystem::copy_file(env_file(), place_ + "/shop.env",
                               std::filesystem::copy_options::overwrite_existing);
    start();
  }

  const std::string place_;
  std::mutex mutex_;  // guards the tracker and what follows
  std::string more_metrics_;
};

int run(const std::string& folder) {
  PageShop shop(folder);
  httplib::Server server;
  server.Get("/metrics", [&](const httplib::Request&, httplib::Response& response) {
    response.set_content(shop.metrics(), "text/plain; version=0.0.4");
  });
  const int port = server.bind_to_any_port("127.0.0.1");
  std::thread thread([&] { server.listen_after_bind(); });
  while (!server.is_running()) std::this_thread::yield();
  std::cout << port << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    shop.obey(Json::parse(line));
    std::cout << "done" << std::endl;
  }
  server.stop();
  thread.join();
  return 0;
}

}  // namespace
}  // namespace postbox::testing

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  return postbox::testing::run(argv[1]);
}
