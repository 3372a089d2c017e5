// A shop that shows its metrics with prometheus-cpp and sees nothing but the installed package.
#include <klaviyo/klaviyo.hpp>
#include <postbox/prometheus.hpp>

#include <prometheus/text_serializer.h>

int main() {
  klaviyo::Config config;
  config.engine.outbox.url = "memory:";
  const auto tracker = klaviyo::start(config);
  if (!tracker) return 1;
  const postbox::PrometheusCollector collector(*tracker);
  const std::string page = prometheus::TextSerializer().Serialize(collector.Collect());
  return page.find("postbox_events_total") == std::string::npos ? 1 : 0;
}
