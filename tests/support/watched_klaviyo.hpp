// WatchedKlaviyo: a simulated Klaviyo, and Stripe's API beside it, that keep what everybody on the
// way could see of each request.
//
// Place:     tests that look for what must not be seen.
// Threads:   seen() from any thread; the rest from the test's.
// Lifetime:  the destructor ends the server.
// Failure:   an ordinary test failure.
#pragma once

#include <gtest/gtest.h>
#include <httplib.h>

#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "request_target.hpp"
#include "simulator.hpp"

namespace postbox::tests {

class WatchedKlaviyo {
 public:
  explicit WatchedKlaviyo(std::vector<std::string> keys)
      : simulator_({.keys = std::move(keys), .limits = false, .now = {}, .wait = {}}) {
    // A connection occupies a thread while it lasts, idle or not.
    server_.new_task_queue = [] { return new httplib::ThreadPool(64); };
    server_.set_tcp_nodelay(true);
    const auto all = [this](const httplib::Request& request, httplib::Response& response) {
      answer(request, response);
    };
    server_.Get(".*", all).Post(".*", all);
    port_ = server_.bind_to_any_port("127.0.0.1");
    EXPECT_GT(port_, 0);
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  WatchedKlaviyo(const WatchedKlaviyo&) = delete;
  WatchedKlaviyo& operator=(const WatchedKlaviyo&) = delete;
  ~WatchedKlaviyo() {
    server_.stop();
    thread_.join();
  }

  struct Seen {
    std::string heads;  // addresses and headers, without those that carry the keys
    std::string bodies;
    std::size_t of_stripe = 0;  // how many requests came to Stripe's API
  };
  [[nodiscard]] Seen seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

  void set_faults(const std::string& script) { EXPECT_FALSE(simulator_.set_faults(script)); }
  // Stripe's next answers.
  void let_stripe_answer(int status, std::string body) {
    const std::lock_guard lock(mutex_);
    stripe_status_ = status;
    stripe_body_ = std::move(body);
  }
  [[nodiscard]] sim::Stats stats() const { return simulator_.stats(); }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  void answer(const httplib::Request& request, httplib::Response& response) {
    note(request);
    if (!request.path.starts_with("/api/")) return answer_as_stripe(response);
    sim::Request asked;
    asked.method = request.method;
    asked.body = request.body;
    sim::set_target(asked, request.target);
    for (const auto& [name, value] : request.headers) asked.headers[lower(name)] = value;
    const sim::Response answer = simulator_.handle(asked);
    response.status = answer.status;
    for (const auto& [name, value] : answer.headers) response.set_header(name, value);
    response.set_content(answer.body,
                         answer.content_type.empty() ? "text/plain" : answer.content_type.c_str());
  }

  void note(const httplib::Request& request) {
    const std::lock_guard lock(mutex_);
    seen_.of_stripe += request.path.starts_with("/api/") ? 0U : 1U;
    seen_.heads += request.method + ' ' + request.target + '\n';
    for (const auto& [name, value] : request.headers) {
      if (lower(name) != "authorization")
        seen_.heads.append(name).append(": ").append(value) += '\n';
    }
    seen_.bodies += request.body + '\n';
  }

  void answer_as_stripe(httplib::Response& response) {
    const std::lock_guard lock(mutex_);
    response.status = stripe_status_;
    response.set_content(stripe_body_, "application/json");
  }

  static std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
  }

  sim::Simulator simulator_;
  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
  mutable std::mutex mutex_;
  Seen seen_;
  int stripe_status_ = 500;
  std::string stripe_body_;
};

}  // namespace postbox::tests
