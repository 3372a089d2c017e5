// Config is everything that an app can set for webhooks from Stripe.
//
// Place:     read once, at start, by Webhook::start().
// Threads:   a plain value.
// Lifetime:  a plain value; nothing keeps a reference.
// Failure:   kInvalidConfig names the variable or field and what is accepted, never a secret.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <postbox/bytes.hpp>
#include <postbox/clock.hpp>
#include <postbox/config.hpp>
#include <postbox/http_client.hpp>
#include <postbox/log.hpp>
#include <postbox/result.hpp>
#include <postbox/settings.hpp>
#include <string>
#include <string_view>
#include <stripe/fact_store.hpp>
#include <stripe/reports.hpp>
#include <stripe/signature.hpp>
#include <vector>

namespace stripe {

// Returns the e-mail address of a customer (cus_…) of the account (acct_…, empty for the app's
// own), or nothing when it is not known. Called on the webhook's own thread while an event of the
// customer waits, once for each customer. It may be slow, but the destructor of Webhook waits for
// it. An exception counts as nothing.
using Resolver =
    std::function<std::optional<std::string>(std::string_view customer, std::string_view account)>;

struct Config {
  // Signing secrets of the endpoints. STRIPE_WEBHOOK_SECRET, separated by commas, or the file
  // STRIPE_WEBHOOK_SECRET_FILE. Defaults to none: every webhook is answered with 503.
  std::vector<std::string> secrets;

  // Also take what has livemode: false. STRIPE_TEST_MODE. Defaults to false.
  bool test_mode = false;

  // The reports of Stripe that become events. The others still bring facts, and a completed
  // Checkout still ends carts. STRIPE_EVENTS. Defaults to all but PaymentIntents.
  Reports reports = kDefaultReports;

  // The key that fetches thin events: a restricted key that may read events and their objects.
  // STRIPE_API_KEY, or the file STRIPE_API_KEY_FILE. Defaults to none: thin events are refused with
  // 400.
  std::string api_key;

  // Where to fetch them. STRIPE_API_URL, for tests. Must be https, or http on loopback.
  std::string api_url = "https://api.stripe.com";

  // A file of certificates to trust in place of the system's. POSTBOX_CA_FILE.
  std::string ca_file;

  // How old, or how far in the future, a signature may be. Defaults to 300 s.
  std::optional<std::chrono::seconds> tolerance = kTolerance;

  // Larger bodies are refused. Defaults to 1 MiB; an invoice of many lines has some 200 KiB.
  postbox::Bytes max_body = postbox::mebibytes(1);

  // The file of facts and waiting bodies. Empty keeps them in memory only. Defaults to the name of
  // the tracker's outbox with -stripe behind it; to memory when the outbox is in memory; and to
  // postbox.db-stripe when the outbox is not a file.
  std::optional<std::string> fact_store_path;
  FactStoreLimits fact_store_limits;

  // A store that several servers share, such as stripe::postgres_fact_store() returns: then any of
  // them may get any webhook. Defaults to none: the file.
  std::shared_ptr<FactStore> fact_store;

  // The time for which facts and decisions are kept; who has completed a Checkout, 35 days at most.
  // Expired ones are removed from the file within an hour. Defaults to 400 days: longer than the
  // year of a subscription.
  std::chrono::milliseconds remember_for{std::chrono::hours(24 * 400)};

  // How long an event waits, from its delivery, for the customer's address or for the order that
  // was refunded. It must cover the time between the deliveries of one purchase, even if Stripe
  // delivers them late. Defaults to 5 minutes.
  std::chrono::milliseconds patience{std::chrono::minutes(5)};

  // How long the disk may take before a webhook is answered with 503. Defaults to 2 s.
  std::chrono::milliseconds disk_deadline{std::chrono::seconds(2)};

  // Returns addresses that no webhook has told. Defaults to none.
  Resolver resolver;

  // Defaults to standard error.
  postbox::LogSink log = postbox::stderr_log();

  // For tests. An unset part is made at the start. Without threads the owner calls run_once().
  std::shared_ptr<postbox::Clock> clock;
  std::shared_ptr<postbox::HttpClient> http;
  bool threads = true;

  // The file that Webhook::reload() reads again, together with the process's environment, and
  // whether it had content: then reload() fails when it is missing or empty. Set by from_env().
  // Default to none: reload() fails, so that it never undoes what was set in code.
  std::optional<std::string> environment_file;
  bool needs_environment_file = false;

  // The result of from_env(), without later changes in code: reload() compares with it to report
  // settings that have changed in the environment and need a restart.
  std::shared_ptr<const Config> as_read;

  // The table of the settings that have a variable.
  [[nodiscard]] static std::vector<postbox::BoundSetting<Config>> settings();

  // Reads the process's environment and `file`; the former wins. A missing file counts as empty.
  // Fails with kInvalidConfig.
  [[nodiscard]] static postbox::Result<Config> from_env(const std::string& file = ".env");

  // The same, from variables that were read already.
  [[nodiscard]] static postbox::Result<Config> from(const postbox::Environment& environment);

  [[nodiscard]] postbox::Result<void> validate() const;
};

}  // namespace stripe
