// The webhook bodies and signatures that were collected from Stripe and others, with the result
// that each must have; absent on machines that have no copy of them.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <klaviyo/encode.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <stripe/stripe.hpp>
#include <vector>

namespace postbox::tests {

using Json = nlohmann::json;

inline std::filesystem::path stripe_folder() {
  const char* shared = std::getenv("POSTBOX_SHARED_DIR");
  const std::filesystem::path folder = shared != nullptr ? shared : POSTBOX_SOURCE_DIR "/../shared";
  return folder / "stripe";
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// By the file's name.
inline std::map<std::string, std::string> stripe_bodies() {
  std::map<std::string, std::string> bodies;
  if (!std::filesystem::exists(stripe_folder() / "fixtures")) return bodies;
  for (const auto& entry : std::filesystem::directory_iterator(stripe_folder() / "fixtures")) {
    bodies[entry.path().filename().string()] = read_file(entry.path());
  }
  return bodies;
}

// An event as it would be sent: {"properties", "metric", "time", "value", …, "profile"}.
inline std::vector<Json> written(const stripe::Event& event, std::vector<Violation>& violations) {
  using std::chrono::sys_days;
  EventBatch batch{WallTime(sys_days(std::chrono::year(2026) / 11 / 24))};
  std::visit([&](const auto& typed) { typed.encode(batch); }, event);
  violations = batch.violations();
  std::vector<Json> all;
  for (const EventRecord& record : batch.records()) {
    const auto payload = klaviyo::decode(record.payload).value();
    Json json = Json::parse("{" + std::string(payload.members) + "}");
    json["profile"] = Json::parse(payload.profile)["attributes"];
    all.push_back(std::move(json));
  }
  return all;
}

}  // namespace postbox::tests
