// A model of a vendor's account on virtual time: two fixed windows for each endpoint, counted for
// everybody who uses the account, and clients that reach it over a network with latency.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include <postbox/destination.hpp>
#include <postbox/http_client.hpp>
#include <postbox/testing/manual_clock.hpp>

namespace postbox::tests {

// Klaviyo's limits, as the destination states them.
inline std::vector<Lane> klaviyo_lanes() {
  using std::chrono::minutes;
  using std::chrono::seconds;
  return {{.burst = {350, seconds(1)}, .steady = {3'500, minutes(1)}},
          {.max_events = 1'000,
           .max_bytes = Bytes{4'700'000},
           .burst = {10, seconds(1)},
           .steady = {150, minutes(1)},
           .max_in_flight = 4}};
}

class AccountModel {
 public:
  // The windows begin `phase` before the clock's zero.
  AccountModel(std::vector<Lane> lanes, std::chrono::milliseconds phase)
      : phase_(phase), endpoints_(lanes.size()) {
    for (std::size_t i = 0; i < lanes.size(); ++i) endpoints_[i].lane = lanes[i];
  }

  // One request at `now`. Returns the answer; records the events of the body when it is taken.
  HttpResponse take(std::size_t endpoint, const std::string& body, SteadyTime now) {
    const HttpResponse answer = count(endpoint, now, ours);
    if (answer.status != 202) return answer;
    for (std::size_t begin = 0; begin < body.size();) {
      const std::size_t end = body.find('\n', begin);
      const std::string event = body.substr(begin, end - begin);
      if (!recorded_.insert(std::hash<std::string>{}(event)).second) ++duplicates;
      if (on_recorded) on_recorded(event, now);
      begin = end + 1;
    }
    return answer;
  }

  // One request of somebody else.
  void take_foreign(std::size_t endpoint, SteadyTime now) { count(endpoint, now, foreign); }

  struct Counts {
    std::uint64_t requests = 0;
    std::uint64_t refused = 0;
  };

  Counts ours;
  Counts foreign;
  std::uint64_t duplicates = 0;
  std::function<void(const std::string& event, SteadyTime now)> on_recorded;

  [[nodiscard]] std::size_t recorded() const { return recorded_.size(); }

 private:
  struct Window {
    std::int64_t index = -1;
    std::uint32_t used = 0;
  };
  struct Endpoint {
    Lane lane;
    Window burst;
    Window steady;
  };

  // Returns how long the window still lasts.
  std::chrono::nanoseconds enter(Window& window, std::chrono::nanoseconds length, SteadyTime now) {
    const auto time = now.time_since_epoch() + phase_;
    if (window.index != time / length) window = {time / length, 0};
    return length - time % length;
  }

  HttpResponse count(std::size_t index, SteadyTime now, Counts& counts) {
    using std::chrono::ceil;
    using std::chrono::seconds;
    Endpoint& endpoint = endpoints_.at(index);
    const auto burst_left = enter(endpoint.burst, endpoint.lane.burst.length, now);
    const auto steady_left = enter(endpoint.steady, endpoint.lane.steady.length, now);
    ++counts.requests;
    const bool steady_full = endpoint.steady.used >= endpoint.lane.steady.requests;
    if (steady_full || endpoint.burst.used >= endpoint.lane.burst.requests) {
      ++counts.refused;
      const auto wait = ceil<seconds>(steady_full ? steady_left : burst_left);
      return {.status = 429, .headers = {{"retry-after", std::to_string(wait.count())}}};
    }
    ++endpoint.burst.used;
    ++endpoint.steady.used;
    const std::uint32_t limit = endpoint.lane.steady.requests;
    return {.status = 202,
            .headers = {{"ratelimit-limit", std::to_string(limit)},
                        {"ratelimit-remaining", std::to_string(limit - endpoint.steady.used)},
                        {"ratelimit-reset", std::to_string(ceil<seconds>(steady_left).count())}}};
  }

  std::chrono::nanoseconds phase_;
  std::vector<Endpoint> endpoints_;
  std::unordered_set<std::size_t> recorded_;
};

// One process's way to the account. Requests arrive after half of a latency that varies, and are
// counted there at that moment.
class ModelClient final : public HttpClient {
 public:
  ModelClient(std::shared_ptr<AccountModel> account, std::shared_ptr<testing::ManualClock> clock,
              std::uint64_t seed)
      : account_(std::move(account)), clock_(std::move(clock)), random_(seed) {}

  Result<TransferId> start(HttpRequest request) override {
    const SteadyTime arrival = clock_->now() + half_latency();
    arrivals_.push({arrival, ++last_id_, std::move(request)});
    return last_id_;
  }

  // The next moment at which something happens on the way.
  [[nodiscard]] SteadyTime next() const {
    const SteadyTime arrival = arrivals_.empty() ? SteadyTime::max() : arrivals_.top().at;
    const SteadyTime answer = answers_.empty() ? SteadyTime::max() : answers_.top().at;
    return std::min(arrival, answer);
  }

  // Lets the requests arrive that do so by now.
  void deliver() {
    while (!arrivals_.empty() && arrivals_.top().at <= clock_->now()) {
      const InTransit<HttpRequest>& arrival = arrivals_.top();
      const std::size_t endpoint = arrival.what.url.ends_with("bulk") ? 1 : 0;
      HttpResponse answer = account_->take(endpoint, arrival.what.body, arrival.at);
      answers_.push({arrival.at + half_latency(), arrival.id, std::move(answer)});
      arrivals_.pop();
    }
  }

  std::vector<HttpCompletion> poll(std::chrono::nanoseconds) override {
    deliver();
    std::vector<HttpCompletion> finished;
    while (!answers_.empty() && answers_.top().at <= clock_->now()) {
      finished.push_back({answers_.top().id, answers_.top().what});
      answers_.pop();
    }
    return finished;
  }

  void wake() noexcept override {}
  void cancel_all() noexcept override {
    arrivals_ = {};
    answers_ = {};
  }

 private:
  template <class What>
  struct InTransit {
    SteadyTime at;
    TransferId id;
    What what;
    friend bool operator>(const InTransit& a, const InTransit& b) { return a.at > b.at; }
  };
  template <class What>
  using Road = std::priority_queue<InTransit<What>, std::vector<InTransit<What>>, std::greater<>>;

  // 15 to 35 ms, now and then up to 100.
  std::chrono::nanoseconds half_latency() {
    const std::uint64_t most = random_() % 20 == 0 ? 85'000 : 20'000;
    return std::chrono::microseconds(15'000 + random_() % most);
  }

  std::shared_ptr<AccountModel> account_;
  std::shared_ptr<testing::ManualClock> clock_;
  std::mt19937_64 random_;
  Road<HttpRequest> arrivals_;
  Road<HttpResponse> answers_;
  TransferId last_id_ = 0;
};

}  // namespace postbox::tests
