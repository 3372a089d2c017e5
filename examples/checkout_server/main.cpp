// checkout_server: a shop's server that reports what happens in it to Klaviyo.

#include <pthread.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <klaviyo/klaviyo.hpp>
#ifdef POSTBOX_POSTGRES
#include <postbox/postgres_backend.hpp>
#include <stripe_postgres/fact_store.hpp>
#endif
#include <postbox/spdlog.hpp>
#include <stripe/stripe.hpp>

#include "http_server.hpp"
#include "metrics.hpp"
#include "routes.hpp"

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr int kProblem = 1;
constexpr int kWrongUse = 2;

// Two seconds in all, with a reserve for the way out.
constexpr auto kHandlersEnd = 600ms;
constexpr auto kTrackerStops = 800ms;
constexpr auto kAllEnds = 1'800ms;

// Signals are waited for, not handled: every thread made later inherits the mask.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

void log_to_stderr() {
  auto logger = spdlog::stderr_logger_mt("checkout_server");
  logger->set_level(spdlog::level::trace);  // Postbox leaves out what is below its own level
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
}

postbox::Result<klaviyo::Config> read_config(const postbox::LogSink& log) {
  auto config = klaviyo::Config::from_env();
  if (!config) return config;
  config->engine.log = log;
#ifdef POSTBOX_POSTGRES
  config->engine.outbox.backends.push_back(&postbox::postgres_backend());
#endif
  return config;
}

// `outbox` is a URL: where it is a database, any server may get any webhook.
postbox::Result<stripe::Config> read_webhook_config(const postbox::LogSink& log,
                                                    [[maybe_unused]] const std::string& outbox) {
  auto config = stripe::Config::from_env();
  if (!config) return config;
  config->log = log;
#ifdef POSTBOX_POSTGRES
  if (outbox.starts_with("postgres:")) {
    const auto store = stripe::postgres_fact_store(outbox);
    if (!store) return store.error();
    config->fact_store = *store;
  }
#endif
  return config;
}

// Returns at the signal to stop.
void serve(const sigset_t& signals, postbox::Tracker& tracker, stripe::Webhook& webhook) {
  while (true) {
    int received = 0;
    sigwait(&signals, &received);
    if (received != SIGHUP) return;
    for (const auto& reloaded : {tracker.reload(), webhook.reload()}) {
      if (reloaded) continue;
      spdlog::error("The configuration stays as it was: {}", reloaded.error().message);
    }
  }
}

void stop(checkout::HttpServer& server, const checkout::Routes& routes, postbox::Tracker& tracker) {
  const auto start = steady_clock::now();
  server.stop();
  while (routes.running() > 0 && steady_clock::now() < start + kHandlersEnd) {
    std::this_thread::sleep_for(1ms);
  }
  const postbox::StopReport report = tracker.stop(kTrackerStops);
  if (report.in_time) {
    spdlog::info("Stopped: {} events wait on disk for the next start", report.in_outbox);
  } else {
    spdlog::warn("Stopped while a worker was busy; what it had is on disk for the next start");
  }
  if (report.in_memory > 0) spdlog::error("{} events never reached the disk", report.in_memory);
  if (server.wait(start + kAllEnds)) return;
  // A client that has sent half a request holds its thread. It was promised nothing, and everything
  // that was promised is on disk: no reason to let it hold up the end.
  std::_Exit(EXIT_SUCCESS);
}

int run(int wanted_port) {
  const sigset_t signals = block_signals();
  log_to_stderr();
  const postbox::LogSink log = postbox::log_to(spdlog::default_logger());
  const auto config = read_config(log);
  auto webhook_config = read_webhook_config(log, config ? config->engine.outbox.url : "");
  if (!config) spdlog::error("{}", config.error().message);
  if (!webhook_config) spdlog::error("{}", webhook_config.error().message);
  if (!config || !webhook_config) return kProblem;
  auto tracker = klaviyo::start(*config);
  if (!tracker) {
    spdlog::error("{}", tracker.error().message);
    return kProblem;
  }
  auto webhook = stripe::Webhook::start(*std::move(webhook_config), *tracker);
  if (!webhook) {
    spdlog::error("{}", webhook.error().message);
    return kProblem;
  }
  checkout::Metrics metrics;
  checkout::Routes routes(*tracker, *webhook, metrics, log,
                          klaviyo::recovery_secrets(*config, *tracker));
  checkout::HttpServer server(routes);
  const auto port = server.start(wanted_port);
  if (!port) {
    spdlog::error("Cannot listen on port {}", wanted_port);
    return kProblem;
  }
  std::cout << "listening on 127.0.0.1:" << *port << std::endl;
  serve(signals, *tracker, *webhook);
  stop(server, routes, *tracker);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "A shop's server that reports orders, carts, subscriptions and what Stripe tells to "
      "Klaviyo.");
  app.footer(
      "Everything else comes from the environment and ./.env; SIGHUP reads them again.\n\n"
      "Example:\n"
      "  KLAVIYO_API_KEY=pk_local KLAVIYO_API_URL=http://127.0.0.1:8080 \\\n"
      "  KLAVIYO_PURCHASE_EVENTS_ENABLED=true checkout_server --port 8081");
  int port = 0;
  app.add_option("--port", port, "Port on 127.0.0.1; 0 picks a free one")
      ->required()
      ->check(CLI::Range(0, 65535));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kWrongUse;
  }
  return run(port);
}
