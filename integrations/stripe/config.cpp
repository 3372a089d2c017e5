#include <algorithm>
#include <stripe/config.hpp>

namespace stripe {
namespace {

using postbox::Environment;
using postbox::Error;
using postbox::ErrorCode;
using postbox::Result;

Error invalid(std::string message) { return {ErrorCode::kInvalidConfig, std::move(message)}; }

// The outbox's file with -stripe behind it; nothing where the outbox is no file.
std::string memory_path_of(std::string_view outbox) {
  constexpr std::string_view kFile = "sqlite:";
  if (!outbox.starts_with(kFile)) return {};
  return std::string(outbox.substr(kFile.size())) + "-stripe";
}

}  // namespace

Result<Config> Config::from_env(const std::string& file) {
  const auto environment = Environment::load(file);
  if (!environment) return environment.error();
  return from(*environment);
}

Result<Config> Config::from(const Environment& environment) {
  Config config;
  if (const auto text = environment.get("STRIPE_WEBHOOK_SECRET")) {
    auto secrets = parse_secrets(*text);
    if (!secrets) return secrets.error().with_context("STRIPE_WEBHOOK_SECRET");
    config.secrets = *std::move(secrets);
  }
  if (const auto text = environment.get("STRIPE_TEST_MODE")) {
    if (*text != "true" && *text != "false") {
      return invalid("STRIPE_TEST_MODE: '" + *text + "' is not accepted; expected true or false");
    }
    config.test_mode = *text == "true";
  }
  if (const auto outbox = environment.get("POSTBOX_OUTBOX")) {
    config.memory_path = memory_path_of(*outbox);
  }
  return config;
}

Result<void> Config::validate() const {
  // A secret is used as it is: white space around it would make every signature wrong.
  const auto is_bad = [](const std::string& secret) {
    return secret.empty() || std::ranges::any_of(secret, [](char c) {
             return static_cast<unsigned char>(c) <= ' ' || c == 0x7f || c == ',';
           });
  };
  if (std::ranges::any_of(secrets, is_bad)) {
    return invalid("secrets: one is empty, or has a blank, a control character or a comma in it");
  }
  if (tolerance && tolerance->count() <= 0) return invalid("tolerance: must be more than 0 s");
  if (max_body.count == 0) return invalid("max_body: must be at least one byte");
  for (const auto& [value, name] :
       {std::pair(remember_for, "remember_for"), std::pair(disk_deadline, "disk_deadline")}) {
    if (value.count() <= 0) return invalid(std::string(name) + ": must be more than 0 ms");
  }
  if (patience.count() < 0) return invalid("patience: must not be negative");
  return {};
}

}  // namespace stripe
