#include <algorithm>
#include <array>
#include <klaviyo/ascii.hpp>
#include <klaviyo/phone.hpp>
#include <klaviyo/setting_values.hpp>
#include <postbox/config.hpp>
#include <postbox/environment.hpp>

#include "base/not_accepted.hpp"
#include "base/setting_text.hpp"

namespace klaviyo {
namespace {

using postbox::Error;
using postbox::Result;

struct Foreign {
  std::string_view prefix;
  std::string_view what;
};

// Other values that stand beside the key on a page or in a file, and are taken for it.
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

}  // namespace

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

Result<std::chrono::milliseconds> parse_quiet_time(std::string_view text) {
  auto duration = postbox::parse_duration(text);
  if (duration && *duration > std::chrono::hours(1))
    return postbox::not_accepted(text, "at most 1h");
  return duration;
}

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
  std::vector<std::string> secrets = postbox::split_list(text);
  if (auto ok = check_secrets(secrets); !ok) return ok.error();
  return secrets;
}

Result<std::vector<std::string>> parse_property_names(std::string_view text) {
  std::vector<std::string> names = postbox::split_list(text);
  const auto is_wrong = [](const std::string& name) {
    return name.empty() || std::ranges::any_of(name, [](char c) {
             return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
           });
  };
  if (std::ranges::none_of(names, is_wrong)) return names;
  return postbox::not_accepted(text.substr(0, 40), "names of properties, separated by commas");
}

std::string show_list(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : ", ") + text;
  return postbox::or_none(all);
}

std::string show_metric_names(const postbox::TypeNames& names) {
  std::vector<std::string> pairs;
  for (const auto& [from, to] : names) pairs.push_back(from + "=" + to);
  return show_list(pairs);
}

}  // namespace klaviyo
