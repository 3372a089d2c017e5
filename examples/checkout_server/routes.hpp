// Routes is what the shop's own code would be: each handler hands an event to the tracker and
// answers.
//
// Place:     between the HTTP server and the tracker.
// Threads:   handlers run on every thread of the server at once.
// Lifetime:  must outlive the server; the tracker, the webhook and the metrics must outlive it.
// Failure:   nothing leaves a handler: 400 with every violation, 503 with Retry-After when the
// event
//            could not be kept.
//
//   POST /checkout/complete   201 once the order's events are on disk
//   PUT  /cart/{user}         202 once the cart's event is queued
//   GET  /cart/recover?token= 200 with the cart's id; 400 or 410 says what is wrong with the link
//   POST /subscriptions       201 once the subscription's event is on disk
//   POST /consent             201 once what a person says about marketing is on disk
//   POST /webhooks/stripe     200 once what Stripe reports is on disk
//   GET  /healthz             200
//   GET  /metrics             200
#pragma once

#include <httplib.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <klaviyo/klaviyo.hpp>
#include <string>
#include <stripe/stripe.hpp>
#include <vector>

#include "metrics.hpp"

namespace checkout {

class Routes {
 public:
  // `secrets` are those of the links, klaviyo::recovery_secrets().
  Routes(postbox::Tracker& tracker, stripe::Webhook& webhook, Metrics& metrics,
         postbox::LogSink log, std::vector<std::string> secrets)
      : tracker_(tracker),
        webhook_(webhook),
        metrics_(metrics),
        log_(std::move(log)),
        secrets_(std::move(secrets)) {}

  void install(httplib::Server& server);

  // How many handlers are running.
  [[nodiscard]] int running() const noexcept { return running_.load(); }

 private:
  using Handle = void (Routes::*)(const httplib::Request&, httplib::Response&);

  // `handle`, timed and counted.
  httplib::Server::Handler timed(Handler handler, Handle handle);

  void complete_checkout(const httplib::Request& request, httplib::Response& response);
  void update_cart(const httplib::Request& request, httplib::Response& response);
  void recover_cart(const httplib::Request& request, httplib::Response& response);
  void start_subscription(const httplib::Request& request, httplib::Response& response);
  void take_consent(const httplib::Request& request, httplib::Response& response);
  void take_webhook(const httplib::Request& request, httplib::Response& response);

  postbox::Tracker& tracker_;
  stripe::Webhook& webhook_;
  Metrics& metrics_;
  postbox::LogSink log_;
  const std::vector<std::string> secrets_;
  std::atomic<int> running_{0};
};

}  // namespace checkout
