// A shop that sees nothing but the installed package. Without a key the tracker is inert.
#include <klaviyo/klaviyo.hpp>

#include <cstdio>

int main() {
  klaviyo::Config config;
  config.engine.outbox.url = "memory:";
  auto tracker = klaviyo::start(config);
  if (!tracker) {
    std::fprintf(stderr, "%s\n", tracker.error().message.c_str());
    return 1;
  }
  klaviyo::Order order;
  order.order_id = "1001";
  const auto result = tracker->track(klaviyo::order_placed(order));
  std::printf("%s\n", result.to_string().c_str());
  return result.status() == postbox::TrackStatus::kDisabled ? 0 : 1;
}
