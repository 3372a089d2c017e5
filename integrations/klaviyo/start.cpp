#include <algorithm>
#include <klaviyo/api_url.hpp>
#include <klaviyo/cart_timers.hpp>
#include <klaviyo/config.hpp>
#include <klaviyo/destination.hpp>
#include <klaviyo/hash.hpp>
#include <klaviyo/settings.hpp>
#include <memory>
#include <postbox/version.hpp>
#include <string>
#include <utility>

namespace klaviyo {
namespace {

using postbox::Reloaded;
using postbox::Result;
using postbox::Services;

Connection connection_of(const Config& config) {
  return {config.api_key, config.api_url, config.revision, config.quota_share.per_mille};
}

std::vector<std::pair<postbox::QueueId, postbox::Flag>> flags_of(const Config& config) {
  std::vector<std::pair<postbox::QueueId, postbox::Flag>> flags;
  for (const postbox::Family& queue : every_queue(config.own_families)) {
    flags.emplace_back(queue.queue, config.flag(queue));
  }
  return flags;
}

// For whoever asks later why an event did or did not go.
void say_settings(const Config& config) {
  if (!config.engine.log || config.engine.log_level > postbox::LogLevel::kInfo) return;
  try {
    config.engine.log(postbox::LogLevel::kInfo, "Klaviyo starts with Postbox " +
                                                    std::string(postbox::kVersion) + ": " +
                                                    in_a_line(settings_of(config)));
  } catch (...) {
    // As below.
  }
}

// An application whose events go nowhere should know it from its log, once.
void say_if_inert(const Config& config) {
  if (!config.engine.log || config.engine.log_level > postbox::LogLevel::kWarn) return;
  const bool all_off = std::ranges::all_of(config.flags, &postbox::Flag::is_off);
  try {
    if (config.api_key.empty()) {
      config.engine.log(postbox::LogLevel::kWarn,
                        "Klaviyo is off: KLAVIYO_API_KEY is not set; no event is kept or sent");
    } else if (all_off) {
      config.engine.log(postbox::LogLevel::kWarn,
                        "Klaviyo is off: no flag is on, see KLAVIYO_PURCHASE_EVENTS_ENABLED and "
                        "the others; no event is kept or sent");
    }
  } catch (...) {
    // A sink that throws is the host's affair; the tracker counts the next ones.
  }
}

// Without a link, the mail about an abandoned cart leads nowhere.
void say_if_without_links(const Config& config) {
  if (!config.engine.log || config.engine.log_level > postbox::LogLevel::kWarn) return;
  if (config.api_key.empty() || config.flag(kCart).is_off()) return;
  const char* missing = config.app_url.empty()            ? "VITE_APP_URL"
                        : config.recovery_secrets.empty() ? "KLAVIYO_RECOVERY_SECRET"
                                                          : nullptr;
  if (missing == nullptr) return;
  try {
    config.engine.log(postbox::LogLevel::kWarn, "Abandoned carts have no recovery link: " +
                                                    std::string(missing) + " is not set");
  } catch (...) {
    // As above.
  }
}

// Called by one thread at a time, as Services::reload promises; hence no lock around `config_`.
class Reloader {
 public:
  Reloader(Config config, std::shared_ptr<Destination> destination, CartTimersPointer timers)
      : config_(std::move(config)),
        as_read_(config_.as_read ? *config_.as_read : config_),
        destination_(std::move(destination)),
        timers_(std::move(timers)) {}

  Result<Reloaded> reload() {
    using Missing = postbox::Environment::Missing;
    const auto missing = config_.needs_environment_file ? Missing::kIsError : Missing::kIsEmpty;
    auto next = Config::from_env(*config_.environment_file, config_.own_families, missing);
    if (!next) return next.error();
    const auto settings = settings_of(*next);
    Reloaded reloaded{flags_of(*next), next->engine.log_level,
                      changes_between(settings_of(config_), settings, false),
                      changes_between(settings_of(as_read_), settings, true)};
    if (connection_of(*next) != connection_of(config_)) destination_->apply(connection_of(*next));
    timers_->switch_to(!next->flag(kCart).is_off());
    config_ = *std::move(next);
    return reloaded;
  }

 private:
  Config config_;         // as of the last reload
  const Config as_read_;  // by the start
  std::shared_ptr<Destination> destination_;
  CartTimersPointer timers_;
};

}  // namespace

Result<postbox::Tracker> start(Config config, Services overrides) {
  if (auto ok = config.validate(); !ok) return ok.error();
  const auto engine = config.engine.validate();
  if (!engine) return engine.error();
  config.api_url = parse_api_url(config.api_url).value_or(config.api_url);

  config.app_url = parse_app_url(config.app_url).value_or(config.app_url);

  Config in_force = config;
  in_force.engine = **engine;  // with absolute names
  say_settings(in_force);
  say_if_inert(config);
  say_if_without_links(config);
  (void)hash_key({});  // OpenSSL takes locks at the first one: not at a fork() in a busy process
  auto destination = std::make_shared<Destination>(connection_of(config), config.own_families);
  Services services = std::move(overrides);
  services.destination = destination;
  services.flags = flags_of(config);
  services.type_names = config.metric_names;
  const auto timers = std::make_shared<CartTimers>(config);
  services.settings = timers;
  services.change_prefix = "Klaviyo configuration changed";
  services.failure_prefix = "Klaviyo worker queue error";
  services.reload = nullptr;
  if (config.environment_file) {
    auto reloader = std::make_shared<Reloader>(std::move(config), std::move(destination), timers);
    services.reload = [reloader] { return reloader->reload(); };
  }
  return postbox::Tracker::start(*engine, std::move(services));
}

Result<postbox::Tracker> start(Result<Config> config, Services overrides) {
  if (!config) return config.error();
  return start(*std::move(config), std::move(overrides));
}

}  // namespace klaviyo
