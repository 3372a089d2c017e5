#include <algorithm>
#include <stripe/config.hpp>

#include "base/http_url.hpp"
#include "base/not_accepted.hpp"
#include "base/setting_text.hpp"

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

// A secret is used as it is: white space around it would make every signature wrong.
Result<void> check_secrets(const std::vector<std::string>& secrets) {
  const auto is_bad = [](const std::string& secret) {
    return secret.empty() || std::ranges::any_of(secret, [](char c) {
             return static_cast<unsigned char>(c) <= ' ' || c == 0x7f || c == ',';
           });
  };
  if (std::ranges::none_of(secrets, is_bad)) return {};
  return invalid("a secret is empty, or has a blank, a control character or a comma in it");
}

Result<void> check_api_key(const std::string& key) {
  if (key.empty()) return {};
  if (const auto parsed = parse_api_key(key); !parsed) return parsed.error();
  return {};
}

Result<void> check_api_url(const std::string& url) {
  if (const auto parsed = postbox::parse_api_url(url); !parsed) return parsed.error();
  return {};
}

Result<std::string> parse_file(std::string_view text) { return std::string(text); }

std::string show_secrets(const std::vector<std::string>& secrets) {
  if (secrets.empty()) return "none";
  return "(" + std::to_string(secrets.size()) + (secrets.size() == 1 ? " secret)" : " secrets)");
}

std::string show_switch(bool on) { return on ? "true" : "false"; }
std::string show_api_key(const std::string& key) { return key.empty() ? "none" : "(set)"; }

}  // namespace

std::vector<postbox::BoundSetting<Config>> Config::settings() {
  constexpr std::string_view kSection = "Stripe";
  return {
      {{.variable = "STRIPE_WEBHOOK_SECRET",
        .section = kSection,
        .about = "The signing secrets of the webhook endpoints. Without one every webhook is "
                 "answered with 503, and Stripe keeps it.",
        .accepted = "secrets (whsec_…), separated by commas",
        .is_secret = true,
        .is_reloadable = true,
        .is_essential = true},
       &Config::secrets,
       &parse_secrets,
       &show_secrets,
       &check_secrets},
      {{.variable = "STRIPE_TEST_MODE",
        .section = kSection,
        .about = "Whether to accept Stripe's test mode (livemode: false), too.",
        .accepted = "true or false",
        .default_value = "false",
        .is_reloadable = true},
       &Config::test_mode,
       &parse_switch,
       &show_switch},
      {{.variable = "STRIPE_EVENTS",
        .section = kSection,
        .about = "The reports of Stripe that become events (docs/stripe.md). A shop that reports "
                 "its orders and carts itself leaves out checkout and abandoned.",
        .accepted = "checkout, invoices, subscriptions, refunds, disputes, abandoned, "
                    "payment_intents; all; none",
        .default_value = "checkout, invoices, subscriptions, refunds, disputes, abandoned",
        .is_reloadable = true},
       &Config::reports,
       &Reports::parse,
       [](Reports value) { return value.to_string(); }},
      {{.variable = "STRIPE_API_KEY",
        .section = kSection,
        .about = "Fetches thin events: a restricted key that may read events and their objects. "
                 "Without it thin events are refused with 400; snapshot events need no key.",
        .accepted = "a restricted key (rk_…)",
        .is_secret = true,
        .is_reloadable = true},
       &Config::api_key,
       &parse_api_key,
       &show_api_key,
       &check_api_key},
      {{.variable = "STRIPE_API_URL",
        .section = kSection,
        .about = "Where to fetch them, for tests.",
        .accepted = "https:// and any host, or http:// and this machine",
        .default_value = "https://api.stripe.com"},
       &Config::api_url,
       &postbox::parse_api_url,
       &postbox::as_it_is,
       &check_api_url},
      {{.variable = "POSTBOX_CA_FILE"}, &Config::ca_file, &parse_file, &postbox::or_none},
  };
}

Result<Config> Config::from_env(const std::string& file) {
  auto absolute = Environment::absolute(file);
  if (!absolute) return absolute.error();
  const auto environment = Environment::load(*absolute);
  if (!environment) return environment.error();
  auto config = from(*environment);
  if (!config) return config;
  config->environment_file = *std::move(absolute);
  config->needs_environment_file = environment->has_file();
  config->as_read = std::make_shared<const Config>(*config);
  return config;
}

Result<Config> Config::from(const Environment& environment) {
  Config config;
  std::vector<Error> errors;
  postbox::read_settings(settings(), environment, config, errors);
  if (!errors.empty()) return postbox::joined(errors);
  return config;
}

Result<void> Config::validate() const {
  std::vector<Error> errors;
  postbox::check_settings(settings(), *this, errors);
  const auto check = [&errors](bool ok, const char* message) {
    if (!ok) errors.push_back(invalid(message));
  };
  check(!tolerance || tolerance->count() > 0, "tolerance: must be more than 0 s");
  check(max_body.count > 0, "max_body: must be at least one byte");
  check(remember_for.count() > 0, "remember_for: must be more than 0 ms");
  check(patience.count() >= 0, "patience: must not be negative");
  check(disk_deadline.count() > 0, "disk_deadline: must be more than 0 ms");
  if (!errors.empty()) return postbox::joined(errors);
  return {};
}

}  // namespace stripe
