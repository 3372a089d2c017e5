// How a shop tests its own use of Postbox: no network, no disk, no threads, no waiting.
#include <klaviyo/klaviyo.hpp>
#include <postbox/testing/expect_tracked.hpp>
#include <postbox/testing/manual_clock.hpp>
#include <postbox/testing/scripted_http_client.hpp>

#include <cstdio>

int main() {
  auto http = std::make_shared<postbox::testing::ScriptedHttpClient>();
  klaviyo::Config config;
  config.api_key = "pk_for_tests";
  config.engine.outbox.url = "memory:";
  config.set(klaviyo::kPurchase, postbox::Flag::on());
  auto tracker = klaviyo::start(
      config,
      {.http = http, .clock = std::make_shared<postbox::testing::ManualClock>(), .threads = false});
  if (!tracker) return 1;

  klaviyo::Order order;
  order.order_id = "1001";
  order.currency = "EUR";
  order.customer.email = "ines@goldenacre.example";
  order.items.push_back({.product_id = "P1", .name = "Tea", .quantity = 2, .unit_price = {1250}});
  tracker->track(klaviyo::order_placed(order));
  tracker->run_once();  // to the outbox, and out
  tracker->run_once();  // the answer comes in

  const auto sent = postbox::testing::expect_tracked<klaviyo::PlacedOrder>(*http, 1);
  if (!sent) std::printf("%s\n", sent.error().message.c_str());
  return sent && tracker->stats().delivered == 2 ? 0 : 1;
}
