// A shop whose routes take JSON and that sees nothing but the installed package.
#include <klaviyo/klaviyo.hpp>
#include <klaviyo_json/from_json.hpp>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdio>

namespace {

using namespace std::chrono_literals;

int refuse(const std::vector<postbox::Violation>& violations) {
  for (const auto& [path, rule] : violations) std::printf("%s %s\n", path.c_str(), rule.c_str());
  return 400;
}

int complete_checkout(postbox::Tracker& tracker, std::string_view body) {
  const auto order = klaviyo::parse_json<klaviyo::Order>(body);
  if (!order) return refuse(order.violations);
  const auto result = tracker.track_durably(klaviyo::order_placed(*order), 250ms);
  return result.status() == postbox::TrackStatus::kDisabled ? 201 : 503;
}

}  // namespace

int main() {
  klaviyo::Config config;
  config.engine.outbox.url = "memory:";
  auto tracker = klaviyo::start(config);
  if (!tracker) return 1;
  if (complete_checkout(*tracker, R"({"order_id": "1001", "items": []})") != 201) return 1;
  if (complete_checkout(*tracker, R"({"order_id": 1001})") != 400) return 1;
  const nlohmann::json parsed = {{"external_id", "u-7"}};
  return klaviyo::from_json<klaviyo::Profile>(parsed)->external_id == "u-7" ? 0 : 1;
}
