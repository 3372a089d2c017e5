// Network is one process's way to the vendor and back, over an uplink that its requests share. In
// bad weather requests or answers are lost, late, or replaced.
//
// Place:     Services::http of one shop.
// Threads:   one.
// Lifetime:  dies with its process: what is on its way then arrives, or does not.
// Failure:   as the Sky says.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <postbox/http_client.hpp>
#include <postbox/testing/manual_clock.hpp>

#include "sabotage.hpp"
#include "vendor.hpp"

namespace postbox::simulation {

class Network final : public HttpClient {
 public:
  Network(Vendor& vendor, const Sky& sky, std::shared_ptr<testing::ManualClock> clock,
          std::mt19937_64& random, Sabotage sabotage)
      : vendor_(vendor),
        sky_(sky),
        clock_(std::move(clock)),
        random_(random),
        sabotage_(sabotage),
        moved_(clock_->now()) {}

  ~Network() override {
    for (const auto& [id, transfer] : transfers_) {
      if (random_() % 2 == 0) (void)take(transfer);
      vendor_.end_of_journey(transfer.body);
    }
  }

  Result<TransferId> start(HttpRequest request) override {
    move_on();
    Transfer transfer;
    transfer.lane = lane_of(request.url);
    transfer.body = std::move(request.body);
    transfer.until = clock_->now() + (request.timeout.count() > 0 ? request.timeout : kUsual);
    transfer.bytes_left = sky_.uplink == 0 ? 0 : static_cast<double>(transfer.body.size());
    transfer.way = milliseconds(1 + random_() % 80);
    transfer.at = clock_->now() + way_of(transfer);
    if (sabotage_ == Sabotage::kSettleBeforeAnswer) {
      HttpCompletion& completion = done_.emplace_back();
      completion.id = ++last_id_;
      completion.outcome.emplace<HttpResponse>().status = 202;
      ghosts_.push_back(std::move(transfer));
      return last_id_;
    }
    vendor_.depart(transfer.body, clock_->now());
    transfers_.emplace(++last_id_, std::move(transfer));
    return last_id_;
  }

  std::vector<HttpCompletion> poll(std::chrono::nanoseconds) override {
    move_on();
    for (auto it = transfers_.begin(); it != transfers_.end();) {
      HttpCompletion& completion = done_.emplace_back();
      completion.id = it->first;
      if (!ends(it->second, completion.outcome)) {
        done_.pop_back();
        ++it;
        continue;
      }
      vendor_.end_of_journey(it->second.body);
      if (!is_taken(completion.outcome)) vendor_.failed(it->second.body);
      it = transfers_.erase(it);
    }
    std::erase_if(ghosts_, [this](const Transfer& ghost) {
      if (ghost.at > clock_->now()) return false;
      Outcome nobody_sees;
      (void)arrives(ghost, nobody_sees);
      return true;
    });
    return std::exchange(done_, {});
  }

  [[nodiscard]] SteadyTime next() const {
    SteadyTime next = done_.empty() ? SteadyTime::max() : clock_->now();
    for (const auto& [id, transfer] : transfers_) {
      const SteadyTime at = transfer.bytes_left > 0 ? uploaded(transfer) : transfer.at;
      next = std::min({next, at, transfer.until});
    }
    for (const Transfer& ghost : ghosts_) next = std::min(next, ghost.at);
    return next;
  }

  void wake() noexcept override {}
  void cancel_all() noexcept override {
    for (const auto& [id, transfer] : transfers_) vendor_.end_of_journey(transfer.body);
    transfers_.clear();
    done_.clear();
  }

 private:
  using Outcome = std::variant<HttpResponse, TransportFailure>;
  static constexpr milliseconds kUsual{15'000};

  struct Transfer {
    std::size_t lane = 0;
    std::string body;
    double bytes_left = 0;  // of the body, on the uplink
    milliseconds way{};
    SteadyTime at{};  // when the answer is there, once nothing is left
    SteadyTime until{};
  };

  static std::size_t lane_of(const std::string& url) {
    return url.ends_with("bulk")       ? kBulkLane
           : url.ends_with("profiles") ? kProfileLane
                                       : kSingleLane;
  }

  static bool is_taken(const Outcome& outcome) {
    const auto* response = std::get_if<HttpResponse>(&outcome);
    return response != nullptr && response->status == 202;
  }

  [[nodiscard]] milliseconds way_of(const Transfer& transfer) const {
    const bool slow = sky_.lanes.at(transfer.lane) == LaneFault::kSlow;
    return slow ? transfer.way + milliseconds(10'000) : transfer.way;
  }

  [[nodiscard]] double share() const {
    const auto uploads = std::ranges::count_if(
        transfers_, [](const auto& entry) { return entry.second.bytes_left > 0; });
    return static_cast<double>(sky_.uplink) / static_cast<double>(std::max<long>(1, uploads));
  }

  [[nodiscard]] SteadyTime uploaded(const Transfer& transfer) const {
    if (sky_.uplink == 0) return clock_->now();
    return moved_ + std::chrono::nanoseconds(
                        static_cast<std::int64_t>(transfer.bytes_left / share() * 1e9) + 1);
  }

  // The uplink carries what it can between two moments at which something changes.
  void move_on() {
    const double passed = std::chrono::duration<double>(clock_->now() - moved_).count();
    const double carried = sky_.uplink == 0 ? 1e18 : passed * share();
    moved_ = clock_->now();
    for (auto& [id, transfer] : transfers_) {
      if (transfer.bytes_left <= 0) continue;
      transfer.bytes_left -= carried;
      if (transfer.bytes_left <= 0) transfer.at = clock_->now() + way_of(transfer);
    }
  }

  // Whether it is over. Out of time the client hangs up, and does not know that the vendor has it.
  bool ends(Transfer& transfer, Outcome& outcome) {
    const bool is_there = transfer.bytes_left <= 0;
    if (is_there && transfer.at <= clock_->now()) {
      if (arrives(transfer, outcome)) return true;
      transfer.at = SteadyTime::max();  // it never answers
    }
    if (transfer.until > clock_->now()) return false;
    if (is_there && transfer.at < SteadyTime::max()) (void)take(transfer);
    outcome = TransportFailure{TransportFault::kTimeout, "late"};
    return true;
  }

  std::optional<HttpResponse> take(const Transfer& transfer) {
    return vendor_.take(transfer.lane, transfer.body, clock_->now());
  }

  // False when there is no answer.
  bool arrives(const Transfer& transfer, Outcome& outcome) {
    const std::uint64_t fate = sky_.bad_weather ? random_() % 9 : 9;
    std::optional<HttpResponse> answer;
    if (fate == 1 || fate == 3 || fate > 5) answer = take(transfer);
    if (fate == 0) outcome = TransportFailure{TransportFault::kConnect, "refused"};
    if (fate == 1) outcome = TransportFailure{TransportFault::kReset, "the answer is lost"};
    if (fate == 2) outcome = HttpResponse{.status = 503};
    if (fate == 3) outcome = HttpResponse{.status = 504};
    if (fate == 4) outcome = HttpResponse{.status = 429, .headers = {{"retry-after", "3"}}};
    if (fate == 5) outcome = TransportFailure{TransportFault::kTimeout, "late"};
    if (fate > 5 && answer) outcome = *std::move(answer);
    return fate <= 5 || answer.has_value();
  }

  Vendor& vendor_;
  const Sky& sky_;
  std::shared_ptr<testing::ManualClock> clock_;
  std::mt19937_64& random_;
  Sabotage sabotage_;
  SteadyTime moved_;
  std::map<TransferId, Transfer> transfers_;
  std::vector<Transfer> ghosts_;
  std::vector<HttpCompletion> done_;
  TransferId last_id_ = 0;
};

}  // namespace postbox::simulation
