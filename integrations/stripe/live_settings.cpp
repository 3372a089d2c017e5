#include <stripe/live_settings.hpp>
#include <utility>

#include "base/fork_gate.hpp"
#include "base/setting_text.hpp"

namespace stripe {
namespace {

using postbox::Environment;
using postbox::Error;
using postbox::ErrorCode;
using postbox::LogLevel;
using postbox::Result;

std::vector<postbox::SettingInForce> settings_of(const Config& config) {
  std::vector<postbox::SettingInForce> in_force;
  postbox::add_in_force(Config::settings(), config, in_force);
  return in_force;
}

// Returns `to` with the settings of `from` that reload() applies.
Config with_live(const Config& from, Config to) {
  for (const auto& row : Config::settings()) {
    if (row.setting().is_reloadable) row.copy(from, to);
  }
  return to;
}

}  // namespace

LiveSettings::LiveSettings(const Config& config)
    : file_(config.environment_file),
      as_read_(config.as_read),
      needs_file_(config.needs_environment_file) {
  put_in_force(with_live(config, {}));
}

void LiveSettings::put_in_force(Config values) {
  all_.push_back(std::make_unique<const Config>(std::move(values)));
  now_ = all_.back().get();
}

Result<void> LiveSettings::reload(WebhookLog& log) {
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
  const auto after = settings_of(*config);
  const auto changes = postbox::changes_between(settings_of(now()), after, false);
  for (const std::string& change : changes) {
    log.write(LogLevel::kInfo, "Stripe configuration changed: " + change);
  }
  for (const std::string& change :
       postbox::changes_between(settings_of(as_read_ ? *as_read_ : *config), after, true)) {
    log.write(LogLevel::kWarn, "set, but needs a restart: " + change);
  }
  if (!changes.empty()) put_in_force(with_live(*config, {}));
  return {};
}

std::string LiveSettings::to_string() const {
  auto in_force = settings_of(now());
  std::erase_if(in_force, [](const auto& setting) { return setting.needs_restart; });
  return postbox::in_a_line(in_force);
}

Config LiveSettings::applied_to(Config config) const {
  config = with_live(now(), std::move(config));
  config.needs_environment_file = needs_file_;
  return config;
}

}  // namespace stripe
