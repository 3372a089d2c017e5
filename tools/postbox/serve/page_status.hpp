// PageStatus is what the page shows without being asked: one look at the outbox and at the server
// serves whoever asks within a second, and the last looks make the plots.
//
// Threads: look() may be called from several threads at once.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "metrics_reader.hpp"
#include "rates.hpp"
#include "serve/account_source.hpp"

namespace postbox::cli {

class PageStatus {
 public:
  // `max_wait`: see status_of(). `reader` may be null.
  PageStatus(std::chrono::milliseconds max_wait, std::unique_ptr<MetricsReader> reader)
      : max_wait_(max_wait), reader_(std::move(reader)) {}

  [[nodiscard]] Result<Json> look(const Account& account);

 private:
  // The rates and latencies between two looks.
  struct Point {
    std::chrono::steady_clock::time_point at;
    Rates rates;
    Json latencies;  // of the events of that time; null without the server's figures
  };
  // Nothing when there is nobody to ask, or no answer, which is a problem then.
  [[nodiscard]] std::optional<ServerMetrics> ask_server(std::vector<std::string>& problems);
  void add_point(const Look& now, const std::optional<ServerMetrics>& server);
  [[nodiscard]] Json history(std::chrono::steady_clock::time_point now) const;
  [[nodiscard]] Result<Json> look_anew(const Account& account);

  const std::chrono::milliseconds max_wait_;
  const std::unique_ptr<MetricsReader> reader_;
  std::mutex mutex_;  // guards what follows
  std::optional<Look> last_;
  std::optional<ServerMetrics> last_server_;
  std::deque<Point> points_;  // the oldest first
  Json answer_;
};

}  // namespace postbox::cli
