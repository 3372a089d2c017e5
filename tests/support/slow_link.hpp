// SlowLink is an HTTP client on virtual time whose uplink carries so many bytes a second, shared by
// the requests under way. One that does not end in its time fails; the vendor may have taken it.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include <postbox/http_client.hpp>
#include <postbox/testing/manual_clock.hpp>

namespace postbox::tests {

class SlowLink final : public HttpClient {
 public:
  SlowLink(std::shared_ptr<testing::ManualClock> clock, double bytes_per_second)
      : clock_(std::move(clock)), bytes_per_second_(bytes_per_second) {}

  // Whole requests, in the order of their arrival, and how many ran out of time.
  [[nodiscard]] const std::vector<HttpRequest>& arrived() const noexcept { return arrived_; }
  [[nodiscard]] std::size_t timeouts() const noexcept { return timeouts_; }

  Result<TransferId> start(HttpRequest request) override {
    move_on();
    const SteadyTime until = clock_->now() + std::max(request.timeout, kLeast);
    const auto left = static_cast<double>(request.body.size());
    transfers_.emplace(++last_id_, Transfer{std::move(request), left, until});
    return last_id_;
  }

  std::vector<HttpCompletion> poll(std::chrono::nanoseconds) override {
    move_on();
    return std::exchange(done_, {});
  }

  // When something happens next.
  [[nodiscard]] SteadyTime next() const {
    SteadyTime next = done_.empty() ? SteadyTime::max() : clock_->now();
    for (const auto& [id, transfer] : transfers_) {
      next = std::min({next, transfer.until, moved_ + time_for(transfer.left)});
    }
    return next;
  }

  void wake() noexcept override {}
  void cancel_all() noexcept override { transfers_.clear(); }

 private:
  static constexpr std::chrono::milliseconds kLeast{15'000};

  struct Transfer {
    HttpRequest request;
    double left;  // bytes
    SteadyTime until;
  };

  [[nodiscard]] std::chrono::nanoseconds time_for(double bytes) const {
    const double takes = bytes * static_cast<double>(transfers_.size()) / bytes_per_second_;
    return std::chrono::nanoseconds(static_cast<std::int64_t>(takes * 1e9) + 1);
  }

  template <class Outcome>
  void end(TransferId id, Outcome outcome) {
    HttpCompletion& completion = done_.emplace_back();
    completion.id = id;
    completion.outcome = std::move(outcome);
  }

  void move_on() {
    const double passed = std::chrono::duration<double>(clock_->now() - moved_).count();
    moved_ = clock_->now();
    const double each = passed * bytes_per_second_ / static_cast<double>(transfers_.size());
    for (auto it = transfers_.begin(); it != transfers_.end();) {
      Transfer& transfer = it->second;
      transfer.left -= each;
      if (transfer.left <= 0) {
        end(it->first, HttpResponse{.status = 202});
        arrived_.push_back(std::move(transfer.request));
      } else if (transfer.until <= clock_->now()) {
        end(it->first, TransportFailure{TransportFault::kTimeout, "slow"});
        ++timeouts_;
      } else {
        ++it;
        continue;
      }
      it = transfers_.erase(it);
    }
  }

  std::shared_ptr<testing::ManualClock> clock_;
  double bytes_per_second_;
  SteadyTime moved_{};
  std::map<TransferId, Transfer> transfers_;
  std::vector<HttpCompletion> done_;
  std::vector<HttpRequest> arrived_;
  std::size_t timeouts_ = 0;
  TransferId last_id_ = 0;
};

}  // namespace postbox::tests
