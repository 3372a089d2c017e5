#include <openssl/rand.h>

#include <algorithm>
#include <klaviyo/cart_timers.hpp>
#include <klaviyo/config.hpp>
#include <klaviyo/destination.hpp>
#include <klaviyo/field_filter.hpp>
#include <klaviyo/settings.hpp>
#include <klaviyo/settings_history.hpp>
#include <memory>
#include <optional>
#include <postbox/environment.hpp>
#include <postbox/flag_set.hpp>
#include <postbox/operator.hpp>
#include <postbox/services.hpp>
#include <postbox/tracker.hpp>
#include <postbox/version.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "base/http_url.hpp"
#include "base/kept_list.hpp"
#include "base/setting_text.hpp"

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

void say(const Config& config, postbox::LogLevel level, const std::string& line) {
  if (!config.engine.log || config.engine.log_level > level) return;
  try {
    config.engine.log(level, line);
  } catch (...) {
    // A sink that throws is the host's affair; the tracker counts the next ones.
  }
}

// For whoever asks later why an event did or did not go.
void say_settings(const Config& config, const std::vector<Setting>& in_force) {
  say(config, postbox::LogLevel::kInfo,
      "Klaviyo starts with Postbox " + std::string(postbox::kVersion) + ": " +
          postbox::in_a_line(in_force));
}

constexpr std::string_view kChanged = "Klaviyo configuration changed";

// The settings that are compared at the next start.
std::string kept_form_of(std::vector<Setting> in_force) {
  in_force.insert(in_force.begin(), Setting{"Postbox", std::string(postbox::kVersion)});
  return kept_form(in_force);
}

// In one line. Without a key no event needs the outbox, and nobody need hear of its troubles.
void say_what_changed(const Config& config, const std::vector<Setting>& in_force,
                      const postbox::Tracker& tracker, postbox::WallTime now) {
  const std::string kept = kept_form_of(in_force);
  const auto before = tracker.exchange(kKeptSettings, kept);
  if (!before) {
    if (config.api_key.empty()) return;
    return say(config, postbox::LogLevel::kWarn,
               "What has changed since the last start is not known: the settings cannot be kept in "
               "the outbox: " +
                   before.error().message);
  }
  const std::vector<std::string> changed = changes_since(*before, kept);
  if (changed.empty()) return;
  std::string changes;
  for (const std::string& change : changed) changes += (changes.empty() ? "" : "; ") + change;
  // The line says what is missing from the history, should the disk fail just now.
  (void)postbox::add_to_kept(tracker, kKeptHistory, history_lines(now, changed));
  say(config, postbox::LogLevel::kInfo,
      std::string(kChanged) + ": " + changes + " (since the last start)");
}

// An application whose events go nowhere should know it from its log, once.
void say_if_inert(const Config& config) {
  if (config.api_key.empty()) {
    say(config, postbox::LogLevel::kWarn,
        "Klaviyo is off: KLAVIYO_API_KEY is not set; no event is kept or sent");
  } else if (std::ranges::all_of(config.flags, &postbox::Flag::is_off)) {
    say(config, postbox::LogLevel::kWarn,
        "Klaviyo is off: no flag is on, see KLAVIYO_PURCHASE_EVENTS_ENABLED and the others; no "
        "event is kept or sent");
  }
}

// Without a link, the mail about an abandoned cart leads nowhere.
void say_if_without_links(const Config& config) {
  if (config.api_key.empty() || config.flag(kCart).is_off() || !config.app_url.empty()) return;
  say(config, postbox::LogLevel::kWarn,
      "Abandoned carts have no recovery link: VITE_APP_URL is not set");
}

// On disk: do not change.
constexpr std::string_view kKeptSecret = "recovery_secret";

// In hexadecimal; nothing when OpenSSL has no random numbers.
std::optional<std::string> make_secret() {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::array<unsigned char, 32> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) return std::nullopt;
  std::string text;
  for (const unsigned char byte : bytes) {
    text += kHex[byte >> 4U];
    text += kHex[byte & 15U];
  }
  return text;
}

// Where no secret is set, links are signed with one that belongs to the outbox. `timers` are nobody
// else's yet.
void use_kept_secret(const Config& config, const postbox::Tracker& tracker, CartTimers& timers) {
  if (config.api_key.empty() || config.app_url.empty() || !config.recovery_secrets.empty()) return;
  const auto made = make_secret();
  const auto kept = made ? tracker.keep(kKeptSecret, *made)
                         : Result<std::string>(postbox::Error{postbox::ErrorCode::kInternal,
                                                              "OpenSSL has no random numbers"});
  if (!kept) {
    return say(
        config, postbox::LogLevel::kWarn,
        "Abandoned carts have no recovery link: KLAVIYO_RECOVERY_SECRET is not set, and none "
        "can be kept in the outbox: " +
            kept.error().message);
  }
  timers.key.emplace(*kept);
  if (config.flag(kCart).is_off()) return;
  say(config, postbox::LogLevel::kInfo,
      "Recovery links are signed with a secret that was made for this outbox and is kept in it; "
      "where servers have an outbox each, set KLAVIYO_RECOVERY_SECRET to the same value on each");
}

// By the names under which they would be sent.
std::vector<std::string> disabled_types(const Config& config) {
  std::vector<std::string> types;
  for (const std::string& metric : config.disabled_metrics) {
    const auto renamed =
        std::ranges::find(config.metric_names, metric, &postbox::TypeNames::value_type::first);
    types.push_back(renamed == config.metric_names.end() ? metric : renamed->second);
  }
  return types;
}

// Called by one thread at a time, as Integration::reload promises; hence no lock around `config_`.
class Reloader {
 public:
  Reloader(Config config, std::vector<Setting> in_force, std::shared_ptr<Destination> destination,
           std::shared_ptr<CartTimers> timers, std::shared_ptr<postbox::Clock> clock)
      : config_(std::move(config)),
        in_force_(std::move(in_force)),
        as_read_(config_.as_read.empty() ? config_ : config_.as_read.front()),
        destination_(std::move(destination)),
        timers_(std::move(timers)),
        clock_(std::move(clock)) {}

  Result<Reloaded> reload() {
    auto next = read_again();
    if (!next) return next.error();
    const auto settings = settings_of(*next);
    Reloaded reloaded{flags_of(*next), next->engine.log_level,
                      postbox::changes_between(settings_of(config_), settings, false),
                      postbox::changes_between(settings_of(as_read_), settings, true)};
    if (next->warnings != config_.warnings) reloaded.warnings = next->warnings;
    apply_to_in_force(settings);
    reloaded.kept.emplace_back(kKeptSettings, kept_form_of(in_force_));
    reloaded.kept_lines.emplace_back(kKeptHistory,
                                     history_lines(clock_->wall_now(), reloaded.changes));
    if (connection_of(*next) != connection_of(config_)) destination_->apply(connection_of(*next));
    timers_->switch_to(!next->flag(kCart).is_off());
    config_ = *std::move(next);
    return reloaded;
  }

 private:
  // Not from_env(), which looks at the outbox's folder: a family can be switched off whatever the
  // disk does.
  [[nodiscard]] Result<Config> read_again() const {
    using postbox::Environment;
    using Missing = Environment::Missing;
    const auto missing = config_.needs_environment_file ? Missing::kIsError : Missing::kIsEmpty;
    auto environment = Environment::load(*config_.environment_file, missing);
    if (!environment) return environment.error();
    environment->set_prefix(config_.variable_prefix);
    auto next = Config::from(*environment, config_.own_families);
    if (!next) return next;
    // Those that the program brought to the start.
    next->engine.outbox.backends = config_.engine.outbox.backends;
    if (next->engine.lacks_backend()) return next->engine.validate().error();
    next->environment_file = config_.environment_file;
    next->needs_environment_file = environment->has_file();
    next->variable_prefix = config_.variable_prefix;
    return next;
  }

  void apply_to_in_force(const std::vector<Setting>& next) {
    for (Setting& setting : in_force_) {
      const auto found = std::ranges::find(next, setting.name, &Setting::name);
      if (!setting.needs_restart && found != next.end()) setting = *found;
    }
  }

  Config config_;  // as of the last reload
  std::vector<Setting> in_force_;
  const Config as_read_;  // by the start
  std::shared_ptr<Destination> destination_;
  std::shared_ptr<CartTimers> timers_;
  std::shared_ptr<postbox::Clock> clock_;
};

std::shared_ptr<postbox::Clock> clock_of(const Services& services) {
  return services.clock ? services.clock : postbox::system_clock();
}

// The parts that an account is started from, and what is done once it has.
struct Beginning {
  Config config;
  std::vector<Setting> settings;
  std::shared_ptr<CartTimers> timers;
  postbox::Account account;
};

// Checks the configuration and says what is in force.
Result<Beginning> begin(Config config, const Services& overrides) {
  if (auto ok = config.validate(); !ok) return ok.error();
  if (!config.api_key.empty() && !overrides.outbox) {
    if (auto ok = config.engine.check_outbox(); !ok) return ok.error();
  }
  const auto engine = config.engine.validate();
  if (!engine) return engine.error();
  config.api_url = postbox::parse_api_url(config.api_url).value_or(config.api_url);
  config.app_url = postbox::parse_app_url(config.app_url).value_or(config.app_url);

  Config in_force = config;
  in_force.engine = **engine;  // with absolute names
  std::vector<Setting> settings = settings_of(in_force);
  say_settings(config, settings);
  for (const std::string& warning : config.warnings) {
    say(config, postbox::LogLevel::kWarn, warning);
  }
  say_if_inert(config);
  say_if_without_links(config);

  auto destination = std::make_shared<Destination>(connection_of(config), config.own_families);
  auto timers = std::make_shared<CartTimers>(config);
  postbox::Integration integration{.destination = destination,
                                   .flags = flags_of(config),
                                   .type_names = config.metric_names,
                                   .disabled_types = disabled_types(config),
                                   .context = timers,
                                   .change_prefix = std::string(kChanged),
                                   .failure_prefix = "Klaviyo worker queue error"};
  if (FieldFilter::is_needed(config)) {
    const auto filter = std::make_shared<const FieldFilter>(config);
    integration.before_store = [filter](postbox::EventBatch& batch) { filter->apply(batch); };
  }
  if (config.environment_file) {
    auto reloader = std::make_shared<Reloader>(config, settings, std::move(destination), timers,
                                               clock_of(overrides));
    integration.reload = [reloader] { return reloader->reload(); };
  }
  return Beginning{
      std::move(config), std::move(settings), std::move(timers), {*engine, std::move(integration)}};
}

// Two would send to the same lists of customers, each with the whole quota.
Result<void> check_keys(const std::vector<Config>& accounts) {
  std::vector<std::string_view> keys;
  for (const Config& account : accounts) {
    if (account.api_key.empty()) continue;
    if (std::ranges::find(keys, account.api_key) != keys.end()) {
      return postbox::Error{postbox::ErrorCode::kInvalidConfig,
                            "two accounts have the same KLAVIYO_API_KEY, " +
                                masked_key(account.api_key) + ": start one of them only"};
    }
    keys.push_back(account.api_key);
  }
  return {};
}

}  // namespace

Result<std::vector<postbox::Tracker>> start(std::vector<Config> accounts, Services shared) {
  if (auto ok = check_keys(accounts); !ok) return ok.error();
  std::vector<Beginning> beginnings;
  std::vector<postbox::Account> engine_accounts;
  for (Config& account : accounts) {
    auto beginning = begin(std::move(account), shared);
    if (!beginning) return beginning.error();
    engine_accounts.push_back(std::move(beginning->account));
    beginnings.push_back(*std::move(beginning));
  }
  const auto clock = clock_of(shared);
  auto trackers = postbox::Tracker::start_all(std::move(engine_accounts), std::move(shared));
  if (!trackers) return trackers;
  for (std::size_t i = 0; i < trackers->size(); ++i) {
    const Beginning& beginning = beginnings[i];
    use_kept_secret(beginning.config, (*trackers)[i], *beginning.timers);
    say_what_changed(beginning.config, beginning.settings, (*trackers)[i], clock->wall_now());
  }
  return trackers;
}

Result<std::vector<postbox::Tracker>> start(std::vector<Result<Config>> accounts, Services shared) {
  std::vector<Config> configs;
  std::vector<postbox::Error> errors;
  for (Result<Config>& account : accounts) {
    account ? configs.push_back(*std::move(account)) : errors.push_back(account.error());
  }
  if (!errors.empty()) return postbox::joined(errors);
  return start(std::move(configs), std::move(shared));
}

Result<postbox::Tracker> start(Config config, Services overrides) {
  std::vector<Config> one;
  one.push_back(std::move(config));
  auto trackers = start(std::move(one), std::move(overrides));
  if (!trackers) return trackers.error();
  return std::move(trackers->front());
}

Result<postbox::Tracker> start(Config config) { return start(std::move(config), Services{}); }

Result<postbox::Tracker> start(Result<Config> config) {
  return start(std::move(config), Services{});
}

Result<std::vector<postbox::Tracker>> start(std::vector<Config> accounts) {
  return start(std::move(accounts), Services{});
}

Result<std::vector<postbox::Tracker>> start(std::vector<Result<Config>> accounts) {
  return start(std::move(accounts), Services{});
}

Result<postbox::Tracker> start(Result<Config> config, Services overrides) {
  if (!config) return config.error();
  return start(*std::move(config), std::move(overrides));
}

Result<postbox::Operator> open_operator(const Config& config) {
  if (auto ok = config.engine.check_outbox(); !ok) return ok.error();
  const auto engine = config.engine.validate();
  if (!engine) return engine.error();
  auto outbox = postbox::open_outbox((*engine)->outbox, postbox::system_clock());
  if (!outbox) return outbox.error();
  auto flags = std::make_shared<postbox::FlagSet>();
  for (const auto& [queue, flag] : flags_of(config)) flags->set(queue, flag);
  return postbox::Operator(
      *std::move(outbox), std::make_shared<Destination>(connection_of(config), config.own_families),
      std::move(flags));
}

std::vector<std::string> recovery_secrets(const Config& config, const postbox::Tracker& tracker) {
  std::vector<std::string> secrets = config.recovery_secrets;
  const auto kept = tracker.keep(kKeptSecret, {});
  if (kept && !kept->empty()) secrets.push_back(*kept);
  return secrets;
}

}  // namespace klaviyo
