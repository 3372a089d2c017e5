// MetricsReader asks a running server for its GET /metrics.
#pragma once

#include <memory>
#include <mutex>
#include <postbox/http_client.hpp>
#include <postbox/result.hpp>
#include <string>
#include <utility>

#include "server_metrics.hpp"

namespace CLI {
class App;
}

namespace postbox::cli {

// Adds --metrics, the address of GET /metrics. `url` must live as long as `command`.
void add_metrics_option(CLI::App& command, std::string& url);

// Asks each time anew, for two seconds at the most. Threads: read() may be called from several
// threads at once.
class MetricsReader {
 public:
  [[nodiscard]] static Result<std::unique_ptr<MetricsReader>> open(std::string url);

  // The error names the address, and what is wrong.
  [[nodiscard]] Result<ServerMetrics> read();

  // The address without its query, which may hold a secret.
  [[nodiscard]] std::string shown_url() const { return url_.substr(0, url_.find('?')); }

 private:
  MetricsReader(std::string url, std::shared_ptr<HttpClient> http)
      : url_(std::move(url)), http_(std::move(http)) {}

  const std::string url_;
  std::mutex mutex_;
  std::shared_ptr<HttpClient> http_;  // guarded by mutex_
};

}  // namespace postbox::cli
