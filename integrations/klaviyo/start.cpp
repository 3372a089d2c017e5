#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <klaviyo/api_url.hpp>
#include <klaviyo/cart_timers.hpp>
#include <klaviyo/config.hpp>
#include <klaviyo/destination.hpp>
#include <klaviyo/hash.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
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

std::string level_name(postbox::LogLevel level) {
  constexpr std::array<const char*, 5> kNames = {"debug", "info", "warn", "error", "off"};
  const auto index = static_cast<std::size_t>(level);
  return index < kNames.size() ? kNames[index] : "unknown";
}

// "NAME old -> new" for each that differs.
class Changes {
 public:
  void note(std::string_view name, const std::string& before, const std::string& after) {
    if (before != after) lines_.push_back(std::string(name) + " " + before + " -> " + after);
  }
  // A secret, or a value too long for a line.
  void note_hidden(std::string_view name, bool differs) {
    if (differs) lines_.push_back(std::string(name) + " (old) -> (new)");
  }
  [[nodiscard]] std::vector<std::string> take() { return std::move(lines_); }

 private:
  std::vector<std::string> lines_;
};

std::string or_none(const std::string& text) { return text.empty() ? "none" : text; }
std::string in_ms(std::chrono::milliseconds time) { return std::to_string(time.count()) + "ms"; }
std::string in_bytes(postbox::Bytes size) { return std::to_string(size.count) + "B"; }

// The scheme alone where what follows may hold a password.
std::string shown_url(const std::string& url) {
  return url.starts_with("sqlite:") ? url : url.substr(0, url.find(':') + 1);
}

std::vector<std::string> changes_between(const Config& old, const Config& now) {
  Changes changes;
  if (old.api_key != now.api_key) {
    const std::string before = masked_key(old.api_key);
    const std::string after = masked_key(now.api_key);
    changes.note("KLAVIYO_API_KEY", before, before == after ? after + " (another)" : after);
  }
  changes.note("KLAVIYO_API_URL", old.api_url, now.api_url);
  changes.note("KLAVIYO_REVISION", old.revision, now.revision);
  changes.note("KLAVIYO_QUOTA_SHARE", old.quota_share.to_string(), now.quota_share.to_string());
  for (const postbox::Family& queue : every_queue(old.own_families)) {
    if (queue.queue == backfill_queue(queue.queue)) continue;
    changes.note(queue.variable, old.flag(queue).to_string(), now.flag(queue).to_string());
  }
  changes.note("POSTBOX_LOG_LEVEL", level_name(old.engine.log_level),
               level_name(now.engine.log_level));
  return changes.take();
}

// The settings that a tracker takes over at its start only.
std::vector<std::string> changes_for_a_restart(const Config& old, const Config& now) {
  Changes changes;
  changes.note("POSTBOX_OUTBOX", shown_url(old.engine.outbox.url),
               shown_url(now.engine.outbox.url));
  changes.note("POSTBOX_MAX_DISK", in_bytes(old.engine.outbox.max_disk),
               in_bytes(now.engine.outbox.max_disk));
  changes.note("POSTBOX_MAX_MEMORY", in_bytes(old.engine.max_queued_bytes),
               in_bytes(now.engine.max_queued_bytes));
  changes.note("POSTBOX_GIVE_UP_AFTER", in_ms(old.engine.give_up_after),
               in_ms(now.engine.give_up_after));
  changes.note("POSTBOX_RETENTION", in_ms(old.engine.retention), in_ms(now.engine.retention));
  changes.note("POSTBOX_CA_FILE", or_none(old.engine.http.ca_file),
               or_none(now.engine.http.ca_file));
  changes.note_hidden("KLAVIYO_METRIC_NAMES", old.metric_names != now.metric_names);
  changes.note("VITE_APP_URL", or_none(old.app_url), or_none(now.app_url));
  changes.note("KLAVIYO_CART_ABANDONED_AFTER", in_ms(old.cart_abandoned_after),
               in_ms(now.cart_abandoned_after));
  changes.note("KLAVIYO_CART_QUIET_TIME", in_ms(old.cart_quiet_time), in_ms(now.cart_quiet_time));
  changes.note_hidden("KLAVIYO_RECOVERY_SECRET", old.recovery_secrets != now.recovery_secrets);
  return changes.take();
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

void say(const Config& config, postbox::LogLevel level, const std::string& line) {
  if (!config.engine.log || config.engine.log_level > level) return;
  try {
    config.engine.log(level, line);
  } catch (...) {
    // As above.
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

// Called by one thread at a time, as Services::reload promises; hence no lock around `config_`.
class Reloader {
 public:
  Reloader(Config config, std::shared_ptr<Destination> destination, CartTimersPointer timers)
      : config_(std::move(config)),
        as_read_(config_.as_read ? *config_.as_read : config_),
        destination_(std::move(destination)),
        timers_(std::move(timers)) {}

  Result<Reloaded> reload() {
    auto next = read_again();
    if (!next) return next.error();
    Reloaded reloaded{flags_of(*next), next->engine.log_level, changes_between(config_, *next),
                      changes_for_a_restart(as_read_, *next)};
    if (next->warnings != config_.warnings) reloaded.warnings = next->warnings;
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
    const auto environment = Environment::load(*config_.environment_file, missing);
    if (!environment) return environment.error();
    auto next = Config::from(*environment, config_.own_families);
    if (!next) return next;
    next->environment_file = config_.environment_file;
    next->needs_environment_file = environment->has_file();
    return next;
  }

  Config config_;         // as of the last reload
  const Config as_read_;  // by the start
  std::shared_ptr<Destination> destination_;
  CartTimersPointer timers_;
};

}  // namespace

Result<postbox::Tracker> start(Config config, Services overrides) {
  if (auto ok = config.validate(); !ok) return ok.error();
  if (!config.api_key.empty() && !overrides.outbox) {
    if (auto ok = config.engine.check_outbox(); !ok) return ok.error();
  }
  const auto engine = config.engine.validate();
  if (!engine) return engine.error();
  config.api_url = parse_api_url(config.api_url).value_or(config.api_url);

  config.app_url = parse_app_url(config.app_url).value_or(config.app_url);

  for (const std::string& warning : config.warnings) {
    say(config, postbox::LogLevel::kWarn, warning);
  }
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
    auto reloader = std::make_shared<Reloader>(config, std::move(destination), timers);
    services.reload = [reloader] { return reloader->reload(); };
  }
  auto tracker = postbox::Tracker::start(*engine, std::move(services));
  if (tracker) use_kept_secret(config, *tracker, *timers);
  return tracker;
}

std::vector<std::string> recovery_secrets(const Config& config, const postbox::Tracker& tracker) {
  std::vector<std::string> secrets = config.recovery_secrets;
  const auto kept = tracker.keep(kKeptSecret, {});
  if (kept && !kept->empty()) secrets.push_back(*kept);
  return secrets;
}

Result<postbox::Tracker> start(Result<Config> config, Services overrides) {
  if (!config) return config.error();
  return start(*std::move(config), std::move(overrides));
}

}  // namespace klaviyo
