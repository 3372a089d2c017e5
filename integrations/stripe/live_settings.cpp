#include <stripe/live_settings.hpp>
#include <utility>

#include "base/fork_gate.hpp"

namespace stripe {
namespace {

using postbox::Environment;
using postbox::Error;
using postbox::ErrorCode;
using postbox::LogLevel;
using postbox::Result;

LiveSettings::Values values_of(Config config) {
  return {std::move(config.secrets), config.test_mode, config.reports, std::move(config.api_key)};
}

struct Setting {
  std::string_view name;
  std::string shown;     // never a secret
  std::string identity;  // differs where the value does
};

std::string joined(const std::vector<std::string>& secrets) {
  std::string all;
  for (const std::string& secret : secrets) all += secret + ',';
  return all;
}

std::vector<Setting> settings_of(const LiveSettings::Values& values) {
  const std::size_t secrets = values.secrets.size();
  const std::string mode = values.test_mode ? "true" : "false";
  const std::string reports = values.reports.to_string();
  return {{"STRIPE_WEBHOOK_SECRET",
           secrets == 0   ? "none"
           : secrets == 1 ? "(1 secret)"
                          : "(" + std::to_string(secrets) + " secrets)",
           joined(values.secrets)},
          {"STRIPE_TEST_MODE", mode, mode},
          {"STRIPE_EVENTS", reports, reports},
          {"STRIPE_API_KEY", values.api_key.empty() ? "none" : "(set)", values.api_key}};
}

}  // namespace

LiveSettings::LiveSettings(const Config& config)
    : file_(config.environment_file), needs_file_(config.needs_environment_file) {
  put(values_of(config));
}

void LiveSettings::put(Values values) {
  all_.push_back(std::make_unique<const Values>(std::move(values)));
  now_ = all_.back().get();
}

Result<void> LiveSettings::reload(WebhookLog& log) try {
  const postbox::NoFork no_fork;  // a child begins with what this leaves in force
  const std::lock_guard lock(reloading_);
  if (!file_) {
    return Error{ErrorCode::kInvalidArgument, "this webhook has no configuration to read again"};
  }
  const auto environment = Environment::load(
      *file_, needs_file_ ? Environment::Missing::kIsError : Environment::Missing::kIsEmpty);
  if (!environment) return environment.error();
  auto config = Config::from(*environment);
  if (!config) return config.error();
  needs_file_ = environment->has_file();
  Values next = values_of(*std::move(config));
  if (next == now()) return {};
  const auto before = settings_of(now());
  const auto after = settings_of(next);
  for (std::size_t i = 0; i < after.size(); ++i) {
    if (before[i].identity == after[i].identity) continue;
    log.write(LogLevel::kInfo, "Stripe configuration changed: " + std::string(after[i].name) + " " +
                                   before[i].shown + " -> " + after[i].shown);
  }
  put(std::move(next));
  return {};
} catch (const std::exception& failure) {
  return Error{ErrorCode::kInternal, std::string("cannot reload: ") + failure.what()};
}

std::string LiveSettings::to_string() const {
  std::string text;
  for (const Setting& setting : settings_of(now())) {
    text += (text.empty() ? "" : ", ") + std::string(setting.name) + "=" + setting.shown;
  }
  return text;
}

Config LiveSettings::in(Config config) const {
  const Values& values = now();
  config.secrets = values.secrets;
  config.test_mode = values.test_mode;
  config.reports = values.reports;
  config.api_key = values.api_key;
  config.needs_environment_file = needs_file_;
  return config;
}

}  // namespace stripe
