// Metrics is what GET /metrics shows: how long the handlers take, and what became of the events.
//
// Place:     written by every handler, read by GET /metrics.
// Threads:   every member may be called from several threads at once, without a lock.
// Lifetime:  must outlive the server's threads.
// Failure:   none.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <postbox/metrics.hpp>
#include <string>
#include <string_view>
#include <stripe/webhook.hpp>

namespace checkout {

// How long something takes, in buckets that are at most 1/16 wide: a quantile is that exact.
class Latency {
 public:
  void record(std::chrono::nanoseconds duration) noexcept;

  // Returns seconds; zero when nothing was recorded.
  [[nodiscard]] double quantile(double q) const noexcept;
  [[nodiscard]] double sum() const noexcept;
  [[nodiscard]] std::uint64_t count() const noexcept;

 private:
  static constexpr std::size_t kBuckets = 1024;

  std::array<std::atomic<std::uint64_t>, kBuckets> buckets_{};
  std::atomic<std::uint64_t> total_nanoseconds_{0};
};

enum class Handler : std::uint8_t {
  kCheckout,
  kCart,
  kSubscription,
  kWebhook,
  kRecovery,
  kConsent
};

class Metrics {
 public:
  void record(Handler handler, std::chrono::nanoseconds duration) noexcept {
    latencies_[static_cast<std::size_t>(handler)].record(duration);
  }

  // The text of GET /metrics, in Prometheus' format. `unhandled` counts webhooks by their type, see
  // stripe::Webhook::unhandled(), which bounds how many types there are.
  [[nodiscard]] std::string to_prometheus(
      const postbox::Metrics& metrics, const stripe::Counts& webhooks,
      const std::map<std::string, std::uint64_t>& unhandled) const;

 private:
  static constexpr std::array<std::string_view, 6> kHandlers = {
      "checkout", "cart", "subscription", "webhook", "cart_recovery", "consent"};

  std::array<Latency, kHandlers.size()> latencies_;
};

}  // namespace checkout
