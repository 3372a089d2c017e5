#include "api.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <klaviyo/probe_faults.hpp>
#include <klaviyo/reason.hpp>
#include <klaviyo/retry_after.hpp>
#include <memory>
#include <new>
#include <optional>
#include <utility>

namespace postbox::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstWait{1'000};
constexpr milliseconds kLongestWait{30'000};

bool is_busy(const ProbeAnswer& answer, bool was_reached) {
  const auto* response = std::get_if<HttpResponse>(&answer);
  if (response == nullptr) return was_reached;
  return response->status == 429 || response->status >= 500;
}

// The wait that the answer asks for, else `otherwise`.
milliseconds wait_after(const ProbeAnswer& answer, WallTime now, milliseconds otherwise) {
  const auto* response = std::get_if<HttpResponse>(&answer);
  if (response == nullptr) return otherwise;
  const auto asked =
      klaviyo::parse_retry_after(klaviyo::find_header(*response, "retry-after"), now);
  return asked ? std::max(*asked, kFirstWait) : otherwise;
}

}  // namespace

Result<Api> Api::open(const klaviyo::Config& config, milliseconds timeout, Console& console) {
  auto http = client_for(config);
  if (!http) return http.error();
  if (console.pause) (void)console.pause({});  // from now on a signal ends waits
  return Api(config, *std::move(http), timeout, console);
}

Api::Api(const klaviyo::Config& config, std::shared_ptr<HttpClient> http, milliseconds timeout,
         Console& console)
    : url_(config.api_url),
      headers_{"Authorization: Klaviyo-API-Key " + config.api_key, "revision: " + config.revision,
               "Accept: application/vnd.api+json", "Content-Type: application/vnd.api+json"},
      http_(std::move(http)),
      timeout_(timeout),
      console_(&console) {}

HttpRequest Api::request(std::string_view target) const {
  return {.url = url_ + std::string(target), .headers = headers_, .body = {}};
}

ProbeAnswer Api::ask(HttpRequest request) {
  ProbeAnswer answer = cli::ask(*http_, std::move(request));
  was_reached_ = was_reached_ || std::holds_alternative<HttpResponse>(answer);
  return answer;
}

ProbeAnswer Api::ask_patiently(const HttpRequest& request) {
  milliseconds wait_time = kFirstWait;
  for (;;) {
    ProbeAnswer answer = ask(request);
    if (!is_busy(answer, was_reached_)) return answer;
    if (!wait(wait_after(answer, clock_->wall_now(), wait_time))) return answer;
    wait_time = std::min(wait_time * 2, kLongestWait);
  }
}

ProbeAnswer Api::get_patiently(const std::string& target) {
  HttpRequest get = request(target);
  get.method = HttpMethod::kGet;
  return ask_patiently(get);
}

ProbeAnswer Api::post_patiently(std::string_view path, const nlohmann::json& body) {
  HttpRequest post = request(path);
  post.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return ask_patiently(post);
}

bool Api::wait(milliseconds time) {
  const auto elapsed = std::chrono::floor<milliseconds>(clock_->now() - begin_);
  const milliseconds left = timeout_ - std::max(waited_, elapsed);
  if (left <= milliseconds(0) || is_interrupted_) return false;
  const milliseconds slice = std::min(time, left);
  is_interrupted_ = !console_->pause || !console_->pause(slice);
  waited_ += slice;
  return !is_interrupted_ && slice == time;
}

Result<std::shared_ptr<HttpClient>> client_for(const klaviyo::Config& config) {
  HttpOptions options = config.engine.http;
  options.max_response = mebibytes(64);  // a page of events with long orders
  return curl_http_client(options);
}

ProbeAnswer ask(HttpClient& http, HttpRequest request) {
  const auto started = http.start(std::move(request));
  if (!started) return TransportFailure{TransportFault::kOther, started.error().message};
  for (;;) {
    for (HttpCompletion& done : http.poll(std::chrono::seconds(1))) return std::move(done.outcome);
  }
}

std::string in_short(const ProbeAnswer& answer) {
  const auto* response = std::get_if<HttpResponse>(&answer);
  if (response != nullptr) return klaviyo::status_of(*response);
  return "no answer: " + std::string(name_of(std::get<TransportFailure>(answer).fault));
}

const HttpResponse* success(const ProbeAnswer& answer) {
  const auto* response = std::get_if<HttpResponse>(&answer);
  return response != nullptr && klaviyo::is_success(*response) ? response : nullptr;
}

bool is_forbidden(const ProbeAnswer& answer) {
  const auto* response = std::get_if<HttpResponse>(&answer);
  return response != nullptr && response->status == 403 && !klaviyo::is_foreign(*response);
}

klaviyo::Finding refusal_of(const ProbeAnswer& answer, std::string_view scopes) {
  using Level = klaviyo::FindingLevel;
  if (is_forbidden(answer)) {
    return {Level::kProblem, "scope", "The key lacks " + std::string(scopes),
            "make a private key that also has " + std::string(scopes) +
                " (Settings > API keys), set KLAVIYO_API_KEY, and run this again; a key's scopes "
                "cannot be changed"};
  }
  const auto* response = std::get_if<HttpResponse>(&answer);
  if (response != nullptr && response->status == 429) {
    return {Level::kProblem, "scope", "The account's rate limit is used up (HTTP 429)",
            "run this again in a minute, or with a longer --timeout"};
  }
  const bool is_of_request = response != nullptr && response->status == 400 &&
                             !klaviyo::is_foreign(*response) &&
                             !klaviyo::read_refusal(*response).blames_key;
  const auto fault = is_of_request ? std::nullopt : klaviyo::connection_fault(answer);
  if (fault) return *fault;
  return {Level::kProblem, "request",
          "Klaviyo refuses this: " + klaviyo::read_refusal(*response).reason,
          "look at the place that it names; postbox doctor says whether key and revision are good"};
}

std::string percent_encoded(std::string_view text) {
  if (text.empty()) return {};  // of length 0 curl takes the whole string
  const std::unique_ptr<char, decltype(&curl_free)> encoded(
      curl_easy_escape(nullptr, text.data(), static_cast<int>(text.size())), &curl_free);
  if (!encoded) throw std::bad_alloc();
  return encoded.get();
}

std::string in_quotes(std::string_view text) {
  std::string filter = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') filter += '\\';
    filter += c;
  }
  return filter + '"';
}

}  // namespace postbox::cli
