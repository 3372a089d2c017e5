// Api asks Klaviyo for a command: one request at a time, and again while Klaviyo is busy.
//
// Place:     under commands that read or change what Klaviyo has.
// Threads:   the command's.
// Lifetime:  borrows the console.
// Failure:   an answer of whatever kind; nothing throws. No text holds the key or an address.
#pragma once

#include <chrono>
#include <klaviyo/config.hpp>
#include <klaviyo/probe.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <postbox/clock.hpp>
#include <postbox/http_client.hpp>
#include <string>
#include <string_view>

#include "command.hpp"

namespace postbox::cli {

using klaviyo::ProbeAnswer;

class Api {
 public:
  // `timeout` is for all that wait() waits, and for the requests between.
  [[nodiscard]] static Result<Api> open(const klaviyo::Config& config,
                                        std::chrono::milliseconds timeout, Console& console);

  // Asks again while Klaviyo is busy, in trouble or, once it has answered, not reached; as long as
  // wait() lets it. `target` is path and query, as it is to stand in the URL.
  [[nodiscard]] ProbeAnswer get_patiently(const std::string& target);
  [[nodiscard]] ProbeAnswer post_patiently(std::string_view path, const nlohmann::json& body);

  // False, at once or after a part of the time, when the timeout is over or the program is to end.
  bool wait(std::chrono::milliseconds time);
  [[nodiscard]] bool is_interrupted() const noexcept { return is_interrupted_; }

 private:
  Api(const klaviyo::Config& config, std::shared_ptr<HttpClient> http,
      std::chrono::milliseconds timeout, Console& console);

  [[nodiscard]] HttpRequest request(std::string_view target) const;
  [[nodiscard]] ProbeAnswer ask(HttpRequest request);
  [[nodiscard]] ProbeAnswer ask_patiently(const HttpRequest& request);

  std::string url_;
  std::vector<std::string> headers_;
  std::shared_ptr<HttpClient> http_;
  std::chrono::milliseconds timeout_;
  Console* console_;
  std::shared_ptr<Clock> clock_ = system_clock();
  SteadyTime begin_ = clock_->now();
  std::chrono::milliseconds waited_{0};
  bool was_reached_ = false;
  bool is_interrupted_ = false;
};

// The client of a server with this configuration, for answers of up to 64 MiB.
[[nodiscard]] Result<std::shared_ptr<HttpClient>> client_for(const klaviyo::Config& config);

// Waits for the answer.
[[nodiscard]] ProbeAnswer ask(HttpClient& http, HttpRequest request);

// "HTTP 503", "no answer: time-out".
[[nodiscard]] std::string in_short(const ProbeAnswer& answer);

// The response if it is a success of the API's own; null otherwise.
[[nodiscard]] const HttpResponse* success(const ProbeAnswer& answer);

// True when the API says that the key lacks a scope.
[[nodiscard]] bool is_forbidden(const ProbeAnswer& answer);

// The fault of an answer that is no success, and what to do. `scopes` are those
// that it needs.
[[nodiscard]] klaviyo::Finding refusal_of(const ProbeAnswer& answer, std::string_view scopes);

// Every byte that is not a letter, a digit or one of "-._~" as %XX.
[[nodiscard]] std::string percent_encoded(std::string_view text);

// `text` in double quotes, as a filter takes it.
[[nodiscard]] std::string in_quotes(std::string_view text);

}  // namespace postbox::cli
