// FleetVendor is one account at the vendor: its windows, what it has recorded, and what is wrong
// with it at the moment. Way is the network between one server and the accounts that it serves.
//
// Place:     behind every server of an account.
// Threads:   one.
// Lifetime:  a run's; a Way dies with its server, and what is on its way then arrives all the same.
// Failure:   as VendorWeather says.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <postbox/http_client.hpp>
#include <postbox/testing/manual_clock.hpp>

#include "support/account_model.hpp"

#include "fleet_destination.hpp"

namespace postbox::fleet {

struct VendorWeather {
  bool is_down = false;         // 503
  bool is_silent = false;       // takes requests and does not answer
  unsigned lost_one_in = 0;     // answers; zero: none
  unsigned refuses_one_in = 0;  // 429: somebody else has used the window up; zero: none

  [[nodiscard]] bool is_fine() const noexcept {
    return !is_down && !is_silent && lost_one_in == 0 && refuses_one_in == 0;
  }
};

class FleetVendor {
 public:
  struct Record {
    SteadyTime at{};        // when it came first
    SteadyTime last{};      // and last
    std::size_t takes = 0;  // how often it was taken
  };

  FleetVendor(std::span<const Lane> lanes, std::uint64_t seed)
      : windows_({lanes.begin(), lanes.end()}, milliseconds(seed % 60'000)), random_(seed) {
    windows_.on_recorded = [this](const std::string& event, SteadyTime now) { record(event, now); };
  }

  VendorWeather weather;
  std::unordered_map<std::string, Record> recorded;
  std::map<std::string, std::string> profiles;  // the last update of each
  std::vector<std::string> sent_twice;          // while it was being sent
  std::size_t requests = 0;

  // 429 answers because the account's windows were used up.
  [[nodiscard]] std::uint64_t refused() const noexcept { return windows_.ours.refused; }
  [[nodiscard]] std::uint64_t random() { return random_(); }

  void depart(const std::string& body) {
    ++requests;
    for_each(body, [this](const std::string& event) {
      if (++travelling_[event] == 2) sent_twice.push_back(event);
    });
  }
  void end_of_journey(const std::string& body) {
    for_each(body, [this](const std::string& event) {
      const auto found = travelling_.find(event);
      if (--found->second == 0) travelling_.erase(found);
    });
  }

  // The answer, or none.
  std::variant<HttpResponse, TransportFailure> take(std::size_t lane, const std::string& body,
                                                    SteadyTime now) {
    if (weather.is_down) return own({.status = 503});
    if (one_in(weather.refuses_one_in)) {
      return own({.status = 429, .headers = {{"retry-after", "3"}}});
    }
    HttpResponse answer = own(windows_.take(lane, body, now));
    if (weather.is_silent) return TransportFailure{TransportFault::kTimeout, "late"};
    if (one_in(weather.lost_one_in)) return TransportFailure{TransportFault::kReset, "lost"};
    return answer;
  }

 private:
  bool one_in(unsigned sides) { return sides > 0 && random_() % sides == 0; }

  static HttpResponse own(HttpResponse answer) {
    answer.headers.emplace_back("content-type", "application/vnd.api+json");
    return answer;
  }

  template <class Work>
  static void for_each(const std::string& body, Work work) {
    for (std::size_t begin = 0; begin < body.size();) {
      const std::size_t end = body.find('\n', begin);
      work(body.substr(begin, end - begin));
      begin = end + 1;
    }
  }

  void record(const std::string& event, SteadyTime now) {
    Record& record = recorded.try_emplace(event, Record{.at = now}).first->second;
    record.last = now;
    ++record.takes;
    if (!event.starts_with("profile ")) return;
    const std::size_t value = event.rfind(' ');
    profiles[event.substr(0, value)] = event.substr(value + 1);
  }

  tests::AccountModel windows_;
  std::mt19937_64 random_;
  std::unordered_map<std::string, int> travelling_;
};

class Way final : public HttpClient {
 public:
  using Accounts = std::vector<FleetVendor*>;  // by the number in the host's name

  Way(Accounts accounts, std::shared_ptr<testing::ManualClock> clock, bool is_narrow)
      : accounts_(std::move(accounts)), clock_(std::move(clock)), is_narrow_(is_narrow) {}
  Way(const Way&) = delete;
  Way& operator=(const Way&) = delete;
  ~Way() override { cancel_all(); }

  Result<TransferId> start(HttpRequest request) override {
    const Address address = address_of(request.url);
    FleetVendor& vendor = *accounts_.at(address.account);
    vendor.depart(request.body);
    const auto timeout = request.timeout.count() > 0 ? request.timeout : milliseconds(15'000);
    SteadyTime leaves = clock_->now();
    if (is_narrow_) leaves = std::max(leaves, free_at_);
    Transfer transfer{.id = ++last_id_, .vendor = &vendor, .lane = address.lane};
    transfer.body = std::move(request.body);
    transfer.until = clock_->now() + timeout;
    transfer.at = leaves + way(vendor);
    if (is_narrow_) free_at_ = vendor.weather.is_silent ? transfer.until : transfer.at;
    arrivals_.push(std::move(transfer));
    return last_id_;
  }

  // The next moment at which something happens on the way.
  [[nodiscard]] SteadyTime next() const { return std::min(next_arrival(), next_answer()); }
  [[nodiscard]] SteadyTime next_answer() const {
    return answers_.empty() ? SteadyTime::max() : answers_.top().at;
  }

  // Lets the requests arrive that do so by now.
  void deliver() {
    while (next_arrival() <= clock_->now()) {
      Transfer transfer = arrivals_.top();
      arrivals_.pop();
      const SteadyTime now = transfer.at;
      transfer.outcome = transfer.vendor->take(transfer.lane, transfer.body, now);
      const auto* failure = std::get_if<TransportFailure>(&transfer.outcome);
      const bool is_late = failure != nullptr && failure->fault == TransportFault::kTimeout;
      transfer.at = is_late ? transfer.until : now + way(*transfer.vendor);
      answers_.push(std::move(transfer));
    }
  }

  std::vector<HttpCompletion> poll(std::chrono::nanoseconds) override {
    deliver();
    std::vector<HttpCompletion> finished;
    while (next_answer() <= clock_->now()) {
      const Transfer& transfer = answers_.top();
      transfer.vendor->end_of_journey(transfer.body);
      finished.push_back({transfer.id, transfer.outcome});
      answers_.pop();
    }
    return finished;
  }

  void wake() noexcept override {}

  // What is under way reaches the vendor, and nobody hears of it.
  void cancel_all() noexcept override {
    for (; !arrivals_.empty(); arrivals_.pop()) {
      const Transfer& transfer = arrivals_.top();
      (void)transfer.vendor->take(transfer.lane, transfer.body, clock_->now());
      transfer.vendor->end_of_journey(transfer.body);
    }
    for (; !answers_.empty(); answers_.pop()) {
      answers_.top().vendor->end_of_journey(answers_.top().body);
    }
  }

 private:
  struct Transfer {
    TransferId id = 0;
    FleetVendor* vendor = nullptr;
    std::size_t lane = 0;
    std::string body{};
    SteadyTime at{};     // of the arrival, then of the answer
    SteadyTime until{};  // the client hangs up
    std::variant<HttpResponse, TransportFailure> outcome{};
    friend bool operator>(const Transfer& a, const Transfer& b) { return a.at > b.at; }
  };
  using Road = std::priority_queue<Transfer, std::vector<Transfer>, std::greater<>>;

  [[nodiscard]] SteadyTime next_arrival() const {
    return arrivals_.empty() ? SteadyTime::max() : arrivals_.top().at;
  }

  // 15 to 35 ms.
  static std::chrono::nanoseconds way(FleetVendor& vendor) {
    return std::chrono::microseconds(15'000 + vendor.random() % 20'000);
  }

  Accounts accounts_;
  std::shared_ptr<testing::ManualClock> clock_;
  const bool is_narrow_;  // a sabotage: one transfer at a time, of all accounts
  SteadyTime free_at_{};
  Road arrivals_;
  Road answers_;
  TransferId last_id_ = 0;
};

}  // namespace postbox::fleet
