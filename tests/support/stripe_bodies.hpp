// The webhook bodies and signatures that were collected from Stripe and others, with the result
// that each must have; absent on machines that have no copy of them.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <stripe/stripe.hpp>

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

}  // namespace postbox::tests
