#include "metrics_reader.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <variant>

namespace postbox::cli {
namespace {

Result<ServerMetrics> answer_of(const HttpCompletion& done) {
  if (const auto* failure = std::get_if<TransportFailure>(&done.outcome)) {
    return Error{ErrorCode::kTransport,
                 std::string(name_of(failure->fault)) + ": " + failure->detail};
  }
  const auto& response = std::get<HttpResponse>(done.outcome);
  if (response.status != 200) {
    return Error{ErrorCode::kTransport, "HTTP " + std::to_string(response.status)};
  }
  return server_metrics_of(response.body);
}

std::string check_url(const std::string& url) {
  const std::size_t scheme = url.starts_with("http://") ? 7 : url.starts_with("https://") ? 8 : 0;
  const std::string host = url.substr(scheme, url.find_first_of("/?#", scheme) - scheme);
  const bool is_plain = std::ranges::all_of(url, [](char c) { return c > ' ' && c < 0x7F; });
  if (scheme != 0 && !host.empty() && is_plain && host.find('@') == std::string::npos) return {};
  return "expected the address of the server's GET /metrics, such as "
         "http://127.0.0.1:8080/metrics, without user and password";
}

}  // namespace

void add_metrics_option(CLI::App& command, std::string& url) {
  command
      .add_option("--metrics", url,
                  "The address of the running server's GET /metrics, such as "
                  "http://127.0.0.1:8080/metrics")
      ->type_name("URL")
      ->check(check_url);
}

Result<std::unique_ptr<MetricsReader>> MetricsReader::open(std::string url) {
  constexpr std::chrono::seconds kLongest{2};
  auto http = curl_http_client(
      {.connect_timeout = kLongest, .total_timeout = kLongest, .max_response = mebibytes(4)});
  if (!http) return http.error();
  return std::unique_ptr<MetricsReader>(new MetricsReader(std::move(url), *std::move(http)));
}

Result<ServerMetrics> MetricsReader::read() {
  const std::scoped_lock lock(mutex_);
  auto metrics = [&]() -> Result<ServerMetrics> {
    // A connection that stays open would hold a thread of many a server.
    const auto started = http_->start({.url = url_,
                                       .headers = {"Accept: text/plain", "Connection: close"},
                                       .body = {},
                                       .method = HttpMethod::kGet});
    if (!started) return started.error();
    for (;;) {
      const auto finished = http_->poll(std::chrono::seconds(1));
      if (!finished.empty()) return answer_of(finished.front());
    }
  }();
  if (metrics) return metrics;
  return Error{metrics.error().code, "--metrics " + shown_url() + ": " + metrics.error().message};
}

}  // namespace postbox::cli
