#include <algorithm>
#include <stripe/config.hpp>

namespace stripe {
namespace {

using postbox::Environment;
using postbox::Error;
using postbox::ErrorCode;
using postbox::Result;

Error invalid(std::string message) { return {ErrorCode::kInvalidConfig, std::move(message)}; }

}  // namespace

Result<Config> Config::from_env(const std::string& file) {
  const auto environment = Environment::load(file);
  if (!environment) return environment.error();
  return from(*environment);
}

Result<Config> Config::from(const Environment& environment) {
  Config config;
  std::vector<Error> errors;
  if (const auto text = environment.get("STRIPE_WEBHOOK_SECRET")) {
    auto secrets = parse_secrets(*text);
    if (secrets) config.secrets = *std::move(secrets);
    if (!secrets) errors.push_back(secrets.error().with_context("STRIPE_WEBHOOK_SECRET"));
  }
  if (const auto text = environment.get("STRIPE_TEST_MODE")) {
    config.test_mode = *text == "true";
    if (!config.test_mode && *text != "false") {
      errors.push_back(
          invalid("STRIPE_TEST_MODE: '" + *text + "' is not accepted; expected true or false"));
    }
  }
  if (const auto text = environment.get("STRIPE_EVENTS")) {
    const auto reports = Reports::parse(*text);
    if (reports) config.reports = *reports;
    if (!reports) errors.push_back(reports.error().with_context("STRIPE_EVENTS"));
  }
  if (!errors.empty()) return postbox::joined(errors);
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
