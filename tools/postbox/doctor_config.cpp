#include "doctor_config.hpp"

#include <algorithm>
#include <string>
#include <string_view>

namespace postbox::cli {
namespace {

using Level = FindingLevel;

constexpr std::string_view kSwitch = "switch";
constexpr std::string_view kLinks = "links";
constexpr std::string_view kStripe = "stripe";

std::string_view host_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find('/'));
  if (url.starts_with('[')) return url.substr(0, url.find(']') + 1);
  return url.substr(0, url.rfind(':'));
}

bool is_test_key(std::string_view key) {
  return key.starts_with("rk_test_") || key.starts_with("sk_test_");
}

// A key of Stripe's that belongs to the other mode.
std::optional<Finding> wrong_mode(const stripe::Config& config) {
  if (config.api_key.empty() || is_test_key(config.api_key) == config.test_mode) {
    return std::nullopt;
  }
  if (config.test_mode) {
    return Finding{Level::kNote, kStripe,
                   "STRIPE_API_KEY is of the live mode, and STRIPE_TEST_MODE takes the test mode's "
                   "webhooks, too",
                   "thin events of the test mode need a key of it (rk_test_…)"};
  }
  return Finding{Level::kWarning, kStripe,
                 "STRIPE_API_KEY is of Stripe's test mode, and STRIPE_TEST_MODE is off",
                 "set a restricted key of the live mode (rk_live_…)"};
}

Finding test_mode_finding(const std::optional<klaviyo::ProbedAccount>& account) {
  const bool is_live = account && !account->is_test;
  return {is_live ? Level::kWarning : Level::kNote, kStripe,
          std::string("STRIPE_TEST_MODE is on: purchases that nobody paid for become events") +
              (is_live ? " in a live account" : ""),
          "set it to false in production"};
}

}  // namespace

bool is_loopback(const std::string& url) {
  const std::string_view host = host_of(url);
  return host == "localhost" || host.starts_with("127.") || host == "[::1]" || host == "0.0.0.0";
}

std::vector<Finding> switch_findings(const SettingsDiagnosis& settings) {
  const klaviyo::Config& config = settings.config;
  std::vector<Finding> findings;
  const bool is_on = !std::ranges::all_of(config.flags, &Flag::is_off);
  if (config.api_key.empty() && settings.can_use("KLAVIYO_API_KEY")) {
    findings.push_back({is_on ? Level::kProblem : Level::kWarning, kSwitch,
                        "KLAVIYO_API_KEY is not set: no event is kept or sent",
                        "set it to a private key (pk_…) with the scope events:write: Klaviyo, "
                        "Settings > API keys > Private API keys"});
  }
  if (!is_on) {
    findings.push_back({Level::kNote, kSwitch, "Every family is off: no event is kept or sent",
                        "switch one on, KLAVIYO_PURCHASE_EVENTS_ENABLED=true or =5% to begin "
                        "with, and reload or restart the server"});
  }
  if (config.api_url != klaviyo::Config().api_url) {
    findings.push_back({Level::kNote, kSwitch,
                        "Events go to " + config.api_url + " and not to Klaviyo",
                        "unset KLAVIYO_API_URL in production"});
  }
  if (is_on && !config.api_key.empty()) {
    findings.push_back({Level::kNote, kSwitch,
                        "Flows know a metric by its exact name, such as Cancelled Order, and it "
                        "counts for lifetime value and predictions only once it is mapped",
                        "compare the names with those in the account (KLAVIYO_METRIC_NAMES gives "
                        "others), and map Placed Order and its like in Settings > Mapped metrics, "
                        "once (docs/operations.md)"});
  }
  return findings;
}

std::vector<Finding> link_findings(const SettingsDiagnosis& settings) {
  const klaviyo::Config& config = settings.config;
  if (config.flag(klaviyo::kCart).is_off() || !settings.can_use("VITE_APP_URL")) return {};
  const std::string advice =
      "set VITE_APP_URL to the address that customers use, such as https://shop.example.org";
  if (config.app_url.empty()) {
    return {{Level::kWarning, kLinks,
             "Abandoned carts have no recovery link: VITE_APP_URL is not set", advice}};
  }
  if (is_loopback(config.app_url)) {
    return {{Level::kWarning, kLinks,
             "The links to abandoned carts lead to the reader's own machine: VITE_APP_URL is " +
                 config.app_url,
             advice}};
  }
  if (!config.app_url.starts_with("https://")) {
    return {{Level::kWarning, kLinks,
             "The links to abandoned carts are not encrypted: VITE_APP_URL is " + config.app_url,
             advice}};
  }
  return {{Level::kOk, kLinks, "The links to abandoned carts lead to " + config.app_url}};
}

std::vector<Finding> stripe_findings(const SettingsDiagnosis& settings,
                                     const std::optional<klaviyo::ProbedAccount>& account) {
  if (!settings.uses_stripe) return {};
  const stripe::Config& config = settings.stripe;
  std::vector<Finding> findings;
  if (!settings.can_use("STRIPE_WEBHOOK_SECRET")) {
    // The settings' finding says why.
  } else if (config.secrets.empty()) {
    findings.push_back({Level::kWarning, kStripe,
                        "STRIPE_WEBHOOK_SECRET is not set: every webhook is answered with 503",
                        "copy the signing secret (whsec_…) of the endpoint from Stripe, "
                        "Developers > Webhooks"});
  } else {
    const std::string count = std::to_string(config.secrets.size());
    findings.push_back({Level::kOk, kStripe,
                        "Webhooks are checked with " + count +
                            (config.secrets.size() == 1 ? " secret" : " secrets")});
  }
  if (auto wrong = wrong_mode(config); wrong && settings.can_use("STRIPE_TEST_MODE"))
    findings.push_back(*std::move(wrong));
  if (config.test_mode) findings.push_back(test_mode_finding(account));
  return findings;
}

}  // namespace postbox::cli
