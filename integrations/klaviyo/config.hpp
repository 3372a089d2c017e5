// Config is everything that an app may set about sending to Klaviyo; start() makes a tracker of it.
//
// Place:     read once, at start, on the caller's thread; again by Tracker::reload().
// Threads:   a plain value.
// Lifetime:  a plain value; nothing keeps a reference.
// Failure:   kInvalidConfig names the variable or field, the value (never a secret) and what is
//            accepted.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <klaviyo/before_store.hpp>
#include <klaviyo/families.hpp>
#include <optional>
#include <postbox/config.hpp>
#include <postbox/flags.hpp>
#include <postbox/result.hpp>
#include <postbox/tracker.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace klaviyo {

// The share of the account's rate limit that this process group may use, in thousandths.
struct QuotaShare {
  std::uint16_t per_mille = 900;

  // Accepts "0.001" to "1", with at most three decimals.
  [[nodiscard]] static postbox::Result<QuotaShare> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;  // "0.9"

  friend constexpr bool operator==(QuotaShare, QuotaShare) = default;
};

struct Config {
  // Outbox, network, limits, log. POSTBOX_….
  postbox::Config engine;

  // The private key. KLAVIYO_API_KEY, or the file KLAVIYO_API_KEY_FILE. Defaults to none: the
  // tracker is inert.
  std::string api_key;

  // Where to send; http:// only to this machine. KLAVIYO_API_URL. Defaults to Klaviyo.
  std::string api_url = "https://a.klaviyo.com";

  // KLAVIYO_REVISION. Defaults to 2026-10-15. A revision lives for two years; Klaviyo answers a
  // retired one as the oldest that lives, or with 410 where the account has opted out.
  std::string revision = "2026-10-15";

  // KLAVIYO_QUOTA_SHARE. Defaults to 0.9.
  QuotaShare quota_share;

  // The shop's own families of events, see own_family(). Needed before their flags are read:
  // from_env() takes them. Defaults to none.
  std::vector<postbox::Family> own_families;

  // The flags of kFamilies and of own_families by flag_index(), backfills included; see set().
  // KLAVIYO_<FAMILY>_EVENTS_ENABLED. Default to off.
  std::array<postbox::Flag, kLastOwnQueue + 1> flags{};

  // The names of metrics at Klaviyo, as pairs of this library's name and the account's. Names
  // are exact and case-sensitive: a metric that flows know by another name needs that name. Applied
  // to the events of a new start; what waits keeps its name. KLAVIYO_METRIC_NAMES. Defaults to
  // none.
  postbox::TypeNames metric_names;

  // The country of phone numbers that are written without a country code, ISO 3166-1 alpha-2: with
  // "DE", 0170 1234567 is +491701234567. An order's shipping address, else its billing address,
  // goes first. Applied at a start, not by reload(). KLAVIYO_DEFAULT_COUNTRY. Defaults to none:
  // such a number is left out of an event that has another identifier.
  std::string default_country;

  // Metrics, by this library's names, that are not sent although their family is on: where another
  // integration reports them. They count as disabled, and end carts all the same. Applied at a
  // start; what waits is sent. KLAVIYO_DISABLED_METRICS. Defaults to none.
  std::vector<std::string> disabled_metrics;

  // The shop's own properties, of events and of profiles, that may be stored and sent; others are
  // left out with a warning. One that is "none" allows none. Applied at a start.
  // KLAVIYO_ALLOWED_PROPERTIES. Defaults to all.
  std::vector<std::string> allowed_properties;

  // Asked for each field before an event is stored, on the thread of track(): the event is then
  // parsed and written once more, 6 us for one of 0.8 KB. Behind the allow-list. Defaults to none:
  // everything is stored as it is.
  BeforeStore before_store;

  // The app's address, for cart recovery links. VITE_APP_URL. Defaults to none.
  std::string app_url;

  // Quiet time after which a cart counts as abandoned. KLAVIYO_CART_ABANDONED_AFTER.
  // Defaults to 60 min. This and the next three are applied at a start, not by reload().
  std::chrono::milliseconds cart_abandoned_after{std::chrono::minutes(60)};

  // Updates of a cart within this time of the first become one event, the last. Zero: each is an
  // event. KLAVIYO_CART_QUIET_TIME. Defaults to 5 s.
  std::chrono::milliseconds cart_quiet_time{std::chrono::seconds(5)};

  // The secrets that sign the links to abandoned carts, see verify_recovery_token(): at least 16
  // bytes each. The first signs, all are believed: put a new one before the old.
  // KLAVIYO_RECOVERY_SECRET, or the file KLAVIYO_RECOVERY_SECRET_FILE. Defaults to one that start()
  // makes once and keeps in the outbox: see the function of this name. Without `app_url` an
  // abandoned cart has no link.
  std::vector<std::string> recovery_secrets;

  // How long such a link is good, after the cart was abandoned. Defaults to 30 days.
  std::chrono::milliseconds recovery_link_life{std::chrono::days(30)};

  // The file that Tracker::reload() reads again, together with the process's environment: an
  // absolute name.
  // Set by from_env(). Defaults to none: reload() fails, so that it never undoes what was set in
  // code.
  std::optional<std::string> environment_file;

  // Whether it had something in it: then reload() fails when it is missing or empty, for it is
  // being replaced or was lost, and every family would be switched off. Set by from_env().
  bool needs_environment_file = false;

  // The prefix of its variables there; see from_env_of(). Defaults to nothing.
  std::string variable_prefix;

  // The result of from_env(), whatever was changed in code since: reload() tells by it which
  // setting was changed in the environment and needs a restart. One, or none.
  std::vector<Config> as_read;

  // Remarks of from_env() on the file, such as lines that it left out: start() logs them.
  std::vector<std::string> warnings;

  // The table of the settings that have a variable, but for the engine's: a flag for each family of
  // kFamilies and of `own_families` among them.
  [[nodiscard]] static std::vector<postbox::BoundSetting<Config>> settings(
      const std::vector<postbox::Family>& own_families = {});

  // Set what the process's environment and `file` say; the former wins. With an API key, the
  // outbox's folder must be there and writable, too. A missing file is an empty
  // one, unless `missing` says otherwise. Fails with kInvalidConfig, and a line for each variable
  // whose value cannot be used.
  [[nodiscard]] static postbox::Result<Config> from_env(
      std::string file = ".env", std::vector<postbox::Family> own_families = {});
  [[nodiscard]] static postbox::Result<Config> from_env(std::string file,
                                                        std::vector<postbox::Family> own_families,
                                                        postbox::MissingFile missing);

  // The same for one of several accounts of a process: every variable has `prefix` in front, such
  // as US_KLAVIYO_API_KEY, and none counts without it, so that no account gets another's key or
  // outbox.
  [[nodiscard]] static postbox::Result<Config> from_env_of(
      std::string prefix, std::string file = ".env",
      std::vector<postbox::Family> own_families = {});

  // The same, from variables that were read already.
  [[nodiscard]] static postbox::Result<Config> from(const postbox::Environment& environment,
                                                    std::vector<postbox::Family> own_families = {});

  // Switch a family on, off or to a percentage. Ignores a family whose queue is none of kFamilies'
  // and own_families'.
  Config& set(const postbox::Family& family, postbox::Flag flag);
  [[nodiscard]] postbox::Flag flag(const postbox::Family& family) const;

  // Check this part and the engine's.
  [[nodiscard]] postbox::Result<void> validate() const;

 private:
  [[nodiscard]] static postbox::Result<Config> read_env(std::string prefix, std::string file,
                                                        std::vector<postbox::Family> own_families,
                                                        postbox::MissingFile missing);
};

// "pk_…1234", or "none". The only form in which a key may be shown.
[[nodiscard]] std::string masked_key(std::string_view key);

// The secrets that a link may be signed with, for verify_recovery_token(): those of `config`, and
// the one that the tracker's outbox keeps, if there is one. Reads the outbox; on a server that
// takes links once, after start().
[[nodiscard]] std::vector<std::string> recovery_secrets(const Config& config,
                                                        const postbox::Tracker& tracker);

// Check, connect the parts and start the workers. Parts that are set in `overrides` replace the
// real ones.
[[nodiscard]] postbox::Result<postbox::Tracker> start(Config config);
[[nodiscard]] postbox::Result<postbox::Tracker> start(Config config, postbox::Services overrides);

// The same, passing on the error of Config::from_env().
[[nodiscard]] postbox::Result<postbox::Tracker> start(postbox::Result<Config> config);
[[nodiscard]] postbox::Result<postbox::Tracker> start(postbox::Result<Config> config,
                                                      postbox::Services overrides);

// Start several accounts, a tracker for each in their order, on one engine: see
// Tracker::start_all(). Fails with kInvalidConfig, and starts none, also when two have the same
// key.
[[nodiscard]] postbox::Result<std::vector<postbox::Tracker>> start(std::vector<Config> accounts);
[[nodiscard]] postbox::Result<std::vector<postbox::Tracker>> start(std::vector<Config> accounts,
                                                                   postbox::Services shared);
[[nodiscard]] postbox::Result<std::vector<postbox::Tracker>> start(
    std::vector<postbox::Result<Config>> accounts);
[[nodiscard]] postbox::Result<std::vector<postbox::Tracker>> start(
    std::vector<postbox::Result<Config>> accounts, postbox::Services shared);

// Open what an account has on disk for people's questions: no key is needed, nothing is sent, and a
// server may be running on it. Fails with kInvalidConfig.
[[nodiscard]] postbox::Result<postbox::Operator> open_operator(const Config& config);

}  // namespace klaviyo
