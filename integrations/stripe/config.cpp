#include <algorithm>
#include <optional>
#include <stripe/config.hpp>

namespace stripe {
namespace {

using postbox::Environment;
using postbox::Error;
using postbox::ErrorCode;
using postbox::Result;

Error invalid(std::string message) { return {ErrorCode::kInvalidConfig, std::move(message)}; }

Result<bool> parse_switch(std::string_view text) {
  if (text == "true" || text == "false") return text == "true";
  return invalid("'" + std::string(text) + "' is not accepted; expected true or false");
}

template <class T>
Result<void> set(const Result<std::optional<std::string>>& text, std::string_view name,
                 Result<T> (*parse)(std::string_view), T& target) {
  if (!text) return text.error();
  if (!*text) return {};
  auto value = parse(**text);
  if (!value) return value.error().with_context(name);
  target = *std::move(value);
  return {};
}

}  // namespace

Result<Config> Config::from_env(const std::string& file) {
  auto absolute = Environment::absolute(file);
  if (!absolute) return absolute.error();
  const auto environment = Environment::load(*absolute);
  if (!environment) return environment.error();
  auto config = from(*environment);
  if (!config) return config;
  config->environment_file = *std::move(absolute);
  config->needs_environment_file = environment->has_file();
  return config;
}

Result<Config> Config::from(const Environment& environment) {
  Config config;
  std::vector<Error> errors;
  const auto note = [&errors](const Result<void>& step) {
    if (!step) errors.push_back(step.error());
  };
  note(set(environment.read_secret("STRIPE_WEBHOOK_SECRET"), "STRIPE_WEBHOOK_SECRET",
           &parse_secrets, config.secrets));
  note(set(environment.read("STRIPE_TEST_MODE"), "STRIPE_TEST_MODE", &parse_switch,
           config.test_mode));
  note(set(environment.read("STRIPE_EVENTS"), "STRIPE_EVENTS", &Reports::parse, config.reports));
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
