#include <algorithm>
#include <array>
#include <charconv>
#include <klaviyo/config.hpp>
#include <klaviyo/metric_names.hpp>
#include <klaviyo/phone.hpp>
#include <optional>
#include <postbox/schema.hpp>
#include <string>

#include "base/http_url.hpp"
#include "base/not_accepted.hpp"

namespace klaviyo {
namespace {

using postbox::Environment;
using postbox::Error;
using postbox::Result;

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

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

template <class T>
Result<void> read(const Environment& environment, std::string_view name,
                  Result<T> (*parse)(std::string_view), T& target) {
  return set(environment.read(name), name, parse, target);
}

template <class T>
Result<void> read_secret(const Environment& environment, std::string_view name,
                         Result<T> (*parse)(std::string_view), T& target) {
  return set(environment.read_secret(name), name, parse, target);
}

struct Foreign {
  std::string_view prefix;
  std::string_view what;
};

// What stands beside the key on a page or in a file, and is taken for it.
constexpr std::array<Foreign, 8> kForeign{
    {{"pk_live_", "Stripe's publishable keys do"},
     {"pk_test_", "Stripe's publishable keys do"},
     {"sk_", "Stripe's API keys do"},
     {"rk_", "Stripe's restricted keys do"},
     {"whsec_", "the signing secrets of Stripe's webhooks do"},
     {"Klaviyo-API-Key", "the header does in which a key is sent"},
     {"KLAVIYO_API_KEY", "a line of an environment file does"},
     {"Bearer ", "the header of another kind of key does"}}};

// The public key of an account, which scripts in a shop's pages have.
bool is_site_id(std::string_view key) {
  constexpr std::size_t kSize = 6;
  return key.size() == kSize && std::all_of(key.begin(), key.end(), [](char c) {
           return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
         });
}

// The value is a secret, so that the messages describe it instead of showing it.
Result<std::string> parse_key(std::string_view key) {
  constexpr std::size_t kMaxKey = 200;
  const auto fail = [](std::string what) {
    return Error{postbox::ErrorCode::kInvalidConfig, std::move(what)};
  };
  constexpr std::string_view kExpected =
      "; expected a private key of Klaviyo, which begins with pk_";
  for (const Foreign& foreign : kForeign) {
    if (key.starts_with(foreign.prefix)) {
      return fail("begins with " + std::string(foreign.prefix) + ", as " +
                  std::string(foreign.what) + std::string(kExpected));
    }
  }
  const bool printable =
      std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (!printable) {
    return fail("holds a blank, a control character or a letter beyond ASCII" +
                std::string(kExpected));
  }
  if (key.find_first_of(",;\"'`") != std::string_view::npos) {
    return fail("holds a quote, a comma or a semicolon; expected one private key of Klaviyo alone");
  }
  if (is_site_id(key)) {
    return fail(
        "has 6 characters, as the public key (site id) of an account; expected a private "
        "key, which begins with pk_: Settings > API keys > Private API keys");
  }
  if (!key.starts_with("pk_") || key.size() < 4 || key.size() > kMaxKey) {
    return fail("a value of " + std::to_string(key.size()) + " characters is not accepted" +
                std::string(kExpected));
  }
  return std::string(key);
}

// "2026-10-15", or with a suffix: "2026-10-15.pre".
Result<std::string> parse_revision(std::string_view text) {
  constexpr std::string_view kShape = "dddd-dd-dd";
  constexpr std::size_t kMaxRevision = 20;
  bool ok = text.size() >= kShape.size() && text.size() <= kMaxRevision;
  for (std::size_t i = 0; ok && i < kShape.size(); ++i) {
    ok = kShape[i] == 'd' ? is_digit(text[i]) : text[i] == kShape[i];
  }
  const std::string_view suffix = ok ? text.substr(kShape.size()) : std::string_view();
  ok = ok && (suffix.empty() || suffix.starts_with('.')) &&
       std::all_of(suffix.begin(), suffix.end(),
                   [](char c) { return c == '.' || is_digit(c) || (c >= 'a' && c <= 'z'); });
  if (!ok) return postbox::not_accepted(text.substr(0, 40), "a date such as 2026-10-15");
  return std::string(text);
}

Result<std::string> parse_country(std::string_view text) {
  std::string code = country_code(text);
  if (code.empty())
    return postbox::not_accepted(text.substr(0, 40), "a country of ISO 3166-1 such as DE");
  return code;
}

Result<std::chrono::milliseconds> parse_abandoned_after(std::string_view text) {
  auto duration = postbox::parse_duration(text);
  if (duration && *duration < std::chrono::minutes(1))
    return postbox::not_accepted(text, "at least 1m");
  return duration;
}

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

Result<std::chrono::milliseconds> parse_quiet_time(std::string_view text) {
  auto duration = postbox::parse_duration(text);
  if (duration && *duration > std::chrono::hours(1))
    return postbox::not_accepted(text, "at most 1h");
  return duration;
}

// Secrets, so that the messages describe them instead of showing them.
Result<void> check_secrets(const std::vector<std::string>& secrets) {
  constexpr std::size_t kLeast = 16;
  for (const std::string& secret : secrets) {
    if (secret.size() >= kLeast) continue;
    return Error{postbox::ErrorCode::kInvalidConfig,
                 "a secret of " + std::to_string(secret.size()) +
                     " bytes is not accepted; expected at least 16, several separated by commas"};
  }
  return {};
}

Result<std::vector<std::string>> parse_secrets(std::string_view text) {
  std::vector<std::string> secrets;
  for (bool more = true; more;) {
    const std::size_t comma = text.find(',');
    secrets.emplace_back(postbox::unwrapped(text.substr(0, comma)));
    more = comma != std::string_view::npos;
    if (more) text.remove_prefix(comma + 1);
  }
  if (auto ok = check_secrets(secrets); !ok) return ok.error();
  return secrets;
}

// What cannot be used has its default, and an error in `errors`.
Config read_all(const Environment& environment, std::vector<postbox::Family> own_families,
                std::vector<Error>& errors) {
  const auto note = [&errors](const Result<void>& step) {
    if (!step) errors.push_back(step.error());
  };
  Config config;
  config.warnings = environment.warnings();
  note(check_families(own_families));
  if (!errors.empty()) return config;
  config.own_families = std::move(own_families);
  note(config.engine.apply(environment));
  for (const Result<void>& step :
       {read_secret(environment, "KLAVIYO_API_KEY", &parse_key, config.api_key),
        read(environment, "KLAVIYO_API_URL", &postbox::parse_api_url, config.api_url),
        read(environment, "KLAVIYO_REVISION", &parse_revision, config.revision),
        read(environment, "KLAVIYO_QUOTA_SHARE", &QuotaShare::parse, config.quota_share),
        read(environment, "KLAVIYO_METRIC_NAMES", &parse_metric_names, config.metric_names),
        read(environment, "KLAVIYO_DISABLED_METRICS", &parse_metrics, config.disabled_metrics),
        read(environment, "KLAVIYO_DEFAULT_COUNTRY", &parse_country, config.default_country),
        read(environment, "VITE_APP_URL", &postbox::parse_app_url, config.app_url),
        read(environment, "KLAVIYO_CART_ABANDONED_AFTER", &parse_abandoned_after,
             config.cart_abandoned_after),
        read(environment, "KLAVIYO_CART_QUIET_TIME", &parse_quiet_time, config.cart_quiet_time),
        read_secret(environment, "KLAVIYO_RECOVERY_SECRET", &parse_secrets,
                    config.recovery_secrets)}) {
    note(step);
  }
  for (const postbox::Family& queue : every_queue(config.own_families)) {
    const auto flag = read(environment, queue.variable, &postbox::Flag::parse,
                           config.flags[flag_index(queue.queue)]);
    if (queue.queue != backfill_queue(queue.queue)) note(flag);  // they have one variable
  }
  note(config.validate());  // what did not parse has its default
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

Result<Config> Config::from_env(std::string file, std::vector<postbox::Family> own_families,
                                Environment::Missing missing) {
  auto absolute = Environment::absolute(file);
  if (!absolute) return absolute.error();
  auto environment = Environment::load(*absolute, missing);
  if (!environment) return environment.error();
  std::vector<Error> errors;
  Config config = read_all(*environment, std::move(own_families), errors);
  // Without a key nothing is kept: an app must run on a machine that has no such folder.
  if (!config.api_key.empty()) {
    if (const auto ok = config.engine.check_outbox(); !ok) errors.push_back(ok.error());
  }
  if (!errors.empty()) return postbox::joined(errors);
  config.environment_file = *std::move(absolute);
  config.needs_environment_file = environment->has_file();
  config.as_read = std::make_shared<const Config>(config);
  return config;
}

Result<Config> Config::from(const Environment& environment,
                            std::vector<postbox::Family> own_families) {
  std::vector<Error> errors;
  Config config = read_all(environment, std::move(own_families), errors);
  if (!errors.empty()) return postbox::joined(errors);
  return config;
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
  const auto check = [&errors](const auto& result, std::string_view name) {
    if (!result) errors.push_back(result.error().with_context(name));
  };
  if (!api_key.empty()) check(parse_key(api_key), "KLAVIYO_API_KEY");
  check(postbox::parse_api_url(api_url), "KLAVIYO_API_URL");
  check(parse_revision(revision), "KLAVIYO_REVISION");
  check(QuotaShare::parse(quota_share.to_string()), "KLAVIYO_QUOTA_SHARE");
  if (!default_country.empty()) check(parse_country(default_country), "KLAVIYO_DEFAULT_COUNTRY");
  if (!app_url.empty()) check(postbox::parse_app_url(app_url), "VITE_APP_URL");
  if (const auto ok = check_families(own_families); !ok) errors.push_back(ok.error());
  check(check_secrets(recovery_secrets), "KLAVIYO_RECOVERY_SECRET");
  check(check_metric_names(metric_names), "KLAVIYO_METRIC_NAMES");
  check(check_metrics(disabled_metrics), "KLAVIYO_DISABLED_METRICS");
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
