#include <algorithm>
#include <array>
#include <charconv>
#include <klaviyo/ascii.hpp>
#include <klaviyo/config.hpp>
#include <klaviyo/metric_names.hpp>
#include <klaviyo/setting_values.hpp>
#include <optional>
#include <postbox/environment.hpp>
#include <postbox/schema.hpp>
#include <postbox/settings.hpp>
#include <string>

#include "base/http_url.hpp"
#include "base/not_accepted.hpp"
#include "base/setting_text.hpp"

namespace klaviyo {
namespace {

using postbox::Environment;
using postbox::Error;
using postbox::Result;

// Two families with one number would share a queue, and with one name a flag.
Result<void> check_families(const std::vector<postbox::Family>& own) {
  std::vector<postbox::Family> seen(kFamilies.begin(), kFamilies.end());
  for (const postbox::Family& family : own) {
    const auto number = static_cast<std::uint32_t>(family.queue);
    const std::string what = "own_families: '" + std::string(family.name) + "' ";
    if (number < kFirstOwnQueue || number > kLastOwnQueue) {
      return Error{postbox::ErrorCode::kInvalidConfig,
                   what + "has the queue " + std::to_string(number) + "; expected " +
                       std::to_string(kFirstOwnQueue) + " to " + std::to_string(kLastOwnQueue)};
    }
    for (const postbox::Family& other : seen) {
      if (other.queue != family.queue && other.name != family.name &&
          other.variable != family.variable) {
        continue;
      }
      return Error{postbox::ErrorCode::kInvalidConfig,
                   what + "has the name, the queue or the flag of '" + std::string(other.name) +
                       "'; expected others"};
    }
    seen.push_back(family);
  }
  return {};
}

// The check of a value that must be what `parse` takes.
template <class Parse>
auto accepted_by(Parse parse) {
  return [parse](const std::string& text) -> Result<void> {
    if (const auto value = parse(text); !value) return value.error();
    return {};
  };
}

// The same of a value that may be empty, which stands for none.
template <class Parse>
auto empty_or(Parse parse) {
  return [parse](const std::string& text) -> Result<void> {
    if (text.empty()) return {};
    return accepted_by(parse)(text);
  };
}

Result<void> check_quota_share(QuotaShare share) {
  return accepted_by(&QuotaShare::parse)(share.to_string());
}

// A setting that cannot be used has its default, and an error in `errors`.
Config read_all(const Environment& environment, std::vector<postbox::Family> own_families,
                std::vector<Error>& errors) {
  const auto add_error = [&errors](const Result<void>& step) {
    if (!step) errors.push_back(step.error());
  };
  Config config;
  config.warnings = environment.warnings();
  add_error(check_families(own_families));
  if (!errors.empty()) return config;
  config.own_families = std::move(own_families);
  add_error(config.engine.apply(environment));
  postbox::read_settings(Config::settings(config.own_families), environment, config, errors);
  Config checked = config;  // what did not parse has its default
  if (config.engine.lacks_backend()) {
    checked.engine.outbox.url = postbox::OutboxOptions{}.url;
    checked.engine.outbox.spill.clear();
  }
  add_error(checked.validate());
  return config;
}

}  // namespace

Result<QuotaShare> QuotaShare::parse(std::string_view text) {
  constexpr std::string_view kAccepted = "a share from 0.001 to 1, with at most three decimals";
  constexpr std::size_t kDecimals = 3;
  const std::size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  const std::string_view part = point == std::string_view::npos ? "0" : text.substr(point + 1);
  if ((whole != "0" && whole != "1") || part.empty() || part.size() > kDecimals ||
      !std::all_of(part.begin(), part.end(), is_digit)) {
    return postbox::not_accepted(text, kAccepted);
  }
  int thousandths = 0;
  for (std::size_t i = 0; i < kDecimals; ++i) {
    thousandths = thousandths * 10 + (i < part.size() ? part[i] - '0' : 0);
  }
  thousandths += whole == "1" ? 1'000 : 0;
  if (thousandths == 0 || thousandths > 1'000) return postbox::not_accepted(text, kAccepted);
  return QuotaShare{static_cast<std::uint16_t>(thousandths)};
}

std::string QuotaShare::to_string() const {
  std::string text;
  postbox::append_decimal(per_mille, 3, text);
  while (text.ends_with('0')) text.pop_back();
  if (text.ends_with('.')) text.pop_back();
  return text;
}

Result<Config> Config::from_env(std::string file, std::vector<postbox::Family> own_families) {
  return from_env(std::move(file), std::move(own_families), Environment::Missing::kIsEmpty);
}

Result<Config> Config::from_env(std::string file, std::vector<postbox::Family> own_families,
                                Environment::Missing missing) {
  return read_env({}, std::move(file), std::move(own_families), missing);
}

Result<Config> Config::from_env_of(std::string prefix, std::string file,
                                   std::vector<postbox::Family> own_families) {
  return read_env(std::move(prefix), std::move(file), std::move(own_families),
                  Environment::Missing::kIsEmpty);
}

Result<Config> Config::read_env(std::string prefix, std::string file,
                                std::vector<postbox::Family> own_families,
                                Environment::Missing missing) {
  auto absolute = Environment::absolute(file);
  if (!absolute) return absolute.error();
  auto environment = Environment::load(*absolute, missing);
  if (!environment) return environment.error();
  environment->set_prefix(prefix);
  std::vector<Error> errors;
  Config config = read_all(*environment, std::move(own_families), errors);
  // Without a key nothing is kept: an app must run on a machine that has no such folder.
  if (!config.api_key.empty()) {
    if (const auto ok = config.engine.check_outbox(); !ok) errors.push_back(ok.error());
  }
  if (!errors.empty()) return postbox::joined(errors);
  config.environment_file = *std::move(absolute);
  config.variable_prefix = std::move(prefix);
  config.needs_environment_file = environment->has_file();
  config.as_read = {config};
  return config;
}

Result<Config> Config::from(const Environment& environment,
                            std::vector<postbox::Family> own_families) {
  std::vector<Error> errors;
  Config config = read_all(environment, std::move(own_families), errors);
  if (!errors.empty()) return postbox::joined(errors);
  return config;
}

std::vector<postbox::BoundSetting<Config>> Config::settings(
    const std::vector<postbox::Family>& own_families) {
  constexpr std::string_view kSection = "Klaviyo";
  std::vector<postbox::BoundSetting<Config>> table;
  table.push_back({{.variable = "KLAVIYO_API_KEY",
                    .section = kSection,
                    .about = "Private key with the scope events:write. Without it nothing is kept "
                             "and nothing is sent.",
                    .accepted = "a private key (pk_…)",
                    .is_secret = true,
                    .is_reloadable = true,
                    .is_essential = true},
                   &Config::api_key,
                   &parse_key,
                   &masked_key,
                   empty_or(&parse_key)});
  for (const postbox::Family& family : every_queue(own_families)) {
    if (family.queue == backfill_queue(family.queue)) continue;  // they have its flag
    const std::size_t index = flag_index(family.queue);
    table.push_back({{.variable = family.variable,
                      .section = kSection,
                      .about = family.about,
                      .accepted = "true, false, or N% of the profiles",
                      .default_value = "false",
                      .is_reloadable = true,
                      .is_essential = true},
                     [index](auto& config) -> decltype(auto) { return (config.flags[index]); },
                     &postbox::Flag::parse,
                     [](postbox::Flag flag) { return flag.to_string(); }});
  }
  table.insert(
      table.end(),
      {
          {{.variable = "KLAVIYO_API_URL",
            .section = kSection,
            .about = "Where to send; for tests, klaviyo-sim's address.",
            .accepted = "https:// and any host, or http:// and this machine",
            .default_value = "https://a.klaviyo.com",
            .is_reloadable = true},
           &Config::api_url,
           &postbox::parse_api_url,
           &postbox::as_it_is,
           accepted_by(&postbox::parse_api_url)},
          {{.variable = "KLAVIYO_REVISION",
            .section = kSection,
            .about = "The API's revision. A retired one is answered as the oldest that lives "
                     "(docs/operations.md).",
            .accepted = "a date, perhaps with a suffix such as .pre",
            .default_value = "2026-10-15",
            .is_reloadable = true},
           &Config::revision,
           &parse_revision,
           &postbox::as_it_is,
           accepted_by(&parse_revision)},
          {{.variable = "KLAVIYO_QUOTA_SHARE",
            .section = kSection,
            .about = "The share of the account's rate limit that these processes may use.",
            .accepted = "0.001 to 1, with three decimals at most",
            .default_value = "0.9",
            .is_reloadable = true},
           &Config::quota_share,
           &QuotaShare::parse,
           [](QuotaShare share) { return share.to_string(); },
           &check_quota_share},
          {{.variable = "KLAVIYO_METRIC_NAMES",
            .section = kSection,
            .about = "What metrics are called in this account, where that is not the library's "
                     "name.",
            .accepted = "pairs of the library's name and the account's, separated by commas",
            .example = "Cancelled Order=Canceled Order, Fulfilled Order=Shipped Order"},
           &Config::metric_names,
           &parse_metric_names,
           &show_metric_names,
           &check_metric_names},
          {{.variable = "KLAVIYO_DISABLED_METRICS",
            .section = kSection,
            .about = "Metrics that are not sent although their family is on: where another "
                     "integration reports them. They end carts all the same.",
            .accepted = "the library's names, separated by commas",
            .example = "Ordered Product, Started Checkout"},
           &Config::disabled_metrics,
           &parse_metrics,
           &show_list,
           &check_metrics},
          {{.variable = "KLAVIYO_ALLOWED_PROPERTIES",
            .section = kSection,
            .about = "The shop's own properties, of events and profiles, that may be stored and "
                     "sent; others are left out with a warning. Without it all may.",
            .accepted = "names of properties, separated by commas, or none",
            .example = "gift, channel"},
           &Config::allowed_properties,
           &parse_property_names,
           &show_list},
          {{.variable = "KLAVIYO_DEFAULT_COUNTRY",
            .section = kSection,
            .about = "The country of phone numbers that are written without a country code, where "
                     "the order's addresses name none: 0170 1234567 is +491701234567 with DE. "
                     "Without it such a number is left out.",
            .accepted = "a country of ISO 3166-1 alpha-2",
            .example = "DE"},
           &Config::default_country,
           &parse_country,
           &postbox::or_none,
           empty_or(&parse_country)},
          {{.variable = "VITE_APP_URL",
            .section = kSection,
            .about = "The app's address, for the links that bring a customer back to a cart. "
                     "Without it an abandoned cart has no link.",
            .accepted = "an address that begins with https:// or http://",
            .example = "https://shop.example.org"},
           &Config::app_url,
           &postbox::parse_app_url,
           &postbox::or_none,
           empty_or(&postbox::parse_app_url)},
          {{.variable = "KLAVIYO_CART_ABANDONED_AFTER",
            .section = kSection,
            .about = "The quiet time after which a cart counts as abandoned.",
            .accepted = "a duration of 1m or more, such as 90m",
            .default_value = "60m"},
           &Config::cart_abandoned_after,
           &parse_abandoned_after,
           &postbox::in_ms},
          {{.variable = "KLAVIYO_CART_QUIET_TIME",
            .section = kSection,
            .about = "Updates of a cart within this time of the first become one event, the last; "
                     "with 0s each is one.",
            .accepted = "a duration of 1h at most, such as 10s",
            .default_value = "5s"},
           &Config::cart_quiet_time,
           &parse_quiet_time,
           &postbox::in_ms},
          {{.variable = "KLAVIYO_RECOVERY_SECRET",
            .section = kSection,
            .about = "Signs the links that bring a customer back to a cart. Of several the first "
                     "signs, and all are believed. Without it a secret is made once and kept in "
                     "the outbox: set it to the same value on each server where these have an "
                     "outbox each.",
            .accepted = "secrets of 16 bytes or more, such as from `openssl rand -hex 32`, "
                        "separated by commas",
            .is_secret = true},
           &Config::recovery_secrets,
           &parse_secrets,
           &postbox::in_number,
           &check_secrets},
      });
  return table;
}

Config& Config::set(const postbox::Family& family, postbox::Flag flag) {
  for (const postbox::Family& queue : every_queue(own_families)) {
    if (queue.queue == family.queue) flags[flag_index(queue.queue)] = flag;
  }
  return *this;
}

postbox::Flag Config::flag(const postbox::Family& family) const {
  return flags[flag_index(family.queue)];
}

Result<void> Config::validate() const {
  std::vector<Error> errors;
  postbox::check_settings(settings(own_families), *this, errors);
  if (const auto ok = check_families(own_families); !ok) errors.push_back(ok.error());
  if (const auto valid = engine.validate(); !valid) errors.push_back(valid.error());
  if (!errors.empty()) return postbox::joined(errors);
  return {};
}

std::string masked_key(std::string_view key) {
  // The end of a short key would be most of it.
  constexpr std::size_t kLongEnough = 12;
  constexpr std::size_t kShown = 4;
  if (key.empty()) return "none";
  std::string text = "pk_…";
  if (key.size() >= kLongEnough) text += key.substr(key.size() - kShown);
  return text;
}

}  // namespace klaviyo
