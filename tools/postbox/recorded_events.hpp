// RecordedEvents reads what Klaviyo has recorded in a period, metric by metric.
//
// Place:     Klaviyo's side of `postbox report`.
// Threads:   the command's.
// Lifetime:  borrows the api.
// Failure:   a Finding: what was asked for is not all known, and what to do.
#pragma once

#include <chrono>
#include <functional>
#include <klaviyo/finding.hpp>
#include <optional>
#include <string>
#include <vector>

#include "api.hpp"
#include "comparison.hpp"

namespace postbox::cli {

struct Period {
  std::chrono::sys_days first{};
  std::chrono::sys_days last{};        // with all of it
  std::chrono::minutes utc_offset{0};  // what the clock of its days shows at midnight UTC

  [[nodiscard]] std::chrono::sys_seconds begin() const { return first - utc_offset; }
  [[nodiscard]] std::chrono::sys_seconds end() const {
    return last + std::chrono::days(1) - utc_offset;
  }
  [[nodiscard]] std::chrono::sys_days day_of(std::chrono::sys_seconds time) const {
    return std::chrono::floor<std::chrono::days>(time + utc_offset);
  }
};

// A metric of the account.
struct KnownMetric {
  std::string id;
  std::string name;
  std::string integration;  // "API" for what comes from Postbox and its like
};

class RecordedEvents {
 public:
  explicit RecordedEvents(Api& api) : api_(api) {}

  // All that the account has.
  [[nodiscard]] std::optional<klaviyo::Finding> read_metrics(std::vector<KnownMetric>& metrics);

  // Gives the events of the metric in the period to `take`. `note` is told how many there were so
  // far, after each ten thousand.
  using Take = std::function<void(SideEvent)>;
  using Note = std::function<void(std::uint64_t)>;
  [[nodiscard]] std::optional<klaviyo::Finding> read(const KnownMetric& metric,
                                                     const Period& period, const Take& take,
                                                     const Note& note);

 private:
  // Reads one page, and returns the cursor of the next; empty: it was the last.
  using Item = std::function<bool(const nlohmann::json&)>;
  [[nodiscard]] std::optional<klaviyo::Finding> read_pages(const std::string& target,
                                                           std::string_view scope,
                                                           const Item& item);

  Api& api_;
};

}  // namespace postbox::cli
