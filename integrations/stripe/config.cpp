#include <algorithm>
#include <optional>
#include <stripe/config.hpp>

#include "base/http_url.hpp"
#include "base/not_accepted.hpp"

namespace stripe {
namespace {

using postbox::Environment;
using postbox::Error;
using postbox::ErrorCode;
using postbox::Result;

Error invalid(std::string message) { return {ErrorCode::kInvalidConfig, std::move(message)}; }

// The words of the families' flags, but no percentage.
Result<bool> parse_switch(std::string_view text) {
  const auto flag = postbox::Flag::parse(text);
  if (flag && (flag->is_on() || flag->is_off()) && !text.ends_with('%')) return flag->is_on();
  return postbox::not_accepted(text, "true or false");
}

// A key that can do more than read is accepted, since it works.
Result<std::string> parse_api_key(std::string_view text) {
  const bool is_plain = std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
  const bool is_key = text.starts_with("rk_") || text.starts_with("sk_");
  if (is_plain && is_key) return std::string(text);
  return invalid(std::string(is_key ? "a key has a blank, a control character or a letter beyond "
                                      "ASCII in it"
                                    : "a key of " + std::to_string(text.size()) +
                                          " characters does not begin with rk_ or sk_") +
                 "; expected a restricted key (rk_…) that may read events");
}

Result<std::string> parse_file(std::string_view text) { return std::string(text); }

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
  note(set(environment.read_secret("STRIPE_API_KEY"), "STRIPE_API_KEY", &parse_api_key,
           config.api_key));
  note(set(environment.read("STRIPE_API_URL"), "STRIPE_API_URL", &postbox::parse_api_url,
           config.api_url));
  note(set(environment.read("POSTBOX_CA_FILE"), "POSTBOX_CA_FILE", &parse_file, config.ca_file));
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
  if (!api_key.empty()) {
    if (const auto key = parse_api_key(api_key); !key) return key.error().with_context("api_key");
  }
  if (const auto url = postbox::parse_api_url(api_url); !url) {
    return url.error().with_context("api_url");
  }
  if (patience.count() < 0) return invalid("patience: must not be negative");
  return {};
}

}  // namespace stripe
