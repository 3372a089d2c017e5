// What stands around a shop in the simulation: a vendor that records each event once, the network
// to it, and broken parts to see that the checks notice.
//
// Place:     below World.
// Threads:   one.
// Lifetime:  a network dies with its process; the vendor lives as long as the world.
// Failure:   what the vendor saw that must not be is kept for World::problems().
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <postbox/http_client.hpp>
#include <postbox/outbox.hpp>
#include <postbox/testing/manual_clock.hpp>

#include "support/account_model.hpp"
#include "support/fake_vendor.hpp"

namespace postbox::simulation {

using std::chrono::milliseconds;
using tests::FakeVendor;

// What a test breaks on purpose, to see that it is noticed.
enum class Sabotage : std::uint8_t {
  kNone,
  kNoSync,              // the disk is not synced
  kSettleBeforeAnswer,  // a request counts as delivered when it is sent
  kNewIdPerRequest,     // a retry sends another id
  kNoLease,             // a claim excludes nobody
  kNoEnds,              // an order ends no timer
  kNoTimers,            // a cart starts none
};

// Whether the outbox is what is broken.
constexpr bool is_of_outbox(Sabotage sabotage) { return sabotage >= Sabotage::kNoLease; }

// The vendor: records an event once, whatever is sent twice.
struct Vendor {
  std::set<std::string> recorded;
  bool key_works = true;

  // How many requests there were, and which of them was the last with an event.
  struct Departure {
    std::size_t request = 0;
    SteadyTime at{};
  };
  std::size_t requests = 0;
  std::map<std::string, Departure> departed;

  // What is on its way here, and what was so twice at once.
  std::multiset<std::string> travelling;
  std::set<std::string> in_flight_twice;

  static std::vector<std::string> events_of(const std::string& body) {
    std::vector<std::string> events;
    for (std::size_t begin = 0; begin < body.size();) {
      const std::size_t end = body.find('\n', begin);
      events.push_back(body.substr(begin, end - begin));
      begin = end + 1;
    }
    return events;
  }

  void depart(const std::string& body, SteadyTime now) {
    ++requests;
    for (const std::string& event : events_of(body)) {
      departed[event] = {requests, now};
      if (travelling.contains(event)) in_flight_twice.insert(event);
      travelling.insert(event);
    }
  }
  void end_of_journey(const std::string& body) {
    for (const std::string& event : events_of(body)) travelling.erase(travelling.find(event));
  }

  HttpResponse take(const std::string& body) {
    if (!key_works) return {.status = 401};
    const std::vector<std::string> events = events_of(body);
    for (const std::string& event : events) {
      if (event.starts_with("poison")) return {.status = 400};
    }
    recorded.insert(events.begin(), events.end());
    return {.status = 202};
  }
};

// The way there and back. In bad weather requests or answers are lost, late, or replaced.
class Network final : public HttpClient {
 public:
  Network(Vendor& vendor, std::shared_ptr<testing::ManualClock> clock, std::mt19937_64& random,
          const bool& bad_weather, Sabotage sabotage)
      : vendor_(vendor),
        clock_(std::move(clock)),
        random_(random),
        bad_weather_(bad_weather),
        sabotage_(sabotage) {}

  // The process dies: what is on its way arrives, or does not.
  ~Network() override {
    for (const auto& [id, transfer] : transfers_) {
      if (random_() % 2 == 0) (void)vendor_.take(transfer.body);
      vendor_.end_of_journey(transfer.body);
    }
  }

  Result<TransferId> start(HttpRequest request) override {
    Transfer transfer{
        std::move(request.body), clock_->now() + milliseconds(1 + random_() % 80), {}};
    if (sabotage_ == Sabotage::kSettleBeforeAnswer) {
      done_.push_back({++last_id_, HttpResponse{.status = 202}});
      ghosts_.push_back(std::move(transfer));
      return last_id_;
    }
    vendor_.depart(transfer.body, clock_->now());
    transfers_.emplace(++last_id_, std::move(transfer));
    return last_id_;
  }

  std::vector<HttpCompletion> poll(std::chrono::nanoseconds) override {
    for (auto it = transfers_.begin(); it != transfers_.end();) {
      if (it->second.at > clock_->now()) {
        ++it;
        continue;
      }
      vendor_.end_of_journey(it->second.body);
      done_.push_back({it->first, arrive(it->second)});
      it = transfers_.erase(it);
    }
    std::erase_if(ghosts_, [this](const Transfer& ghost) {
      if (ghost.at > clock_->now()) return false;
      (void)arrive(ghost);
      return true;
    });
    return std::exchange(done_, {});
  }

  [[nodiscard]] SteadyTime next() const {
    SteadyTime next = done_.empty() ? SteadyTime::max() : clock_->now();
    for (const auto& [id, transfer] : transfers_) next = std::min(next, transfer.at);
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
  struct Transfer {
    std::string body;
    SteadyTime at;
    std::optional<Outcome> instead;
  };

  Outcome arrive(const Transfer& transfer) {
    if (!bad_weather_) return vendor_.take(transfer.body);
    switch (random_() % 9) {
      case 0:
        return TransportFailure{TransportFault::kConnect, "refused"};
      case 1:
        (void)vendor_.take(transfer.body);
        return TransportFailure{TransportFault::kReset, "the answer is lost"};
      case 2:
        return HttpResponse{.status = 503};
      case 3:
        (void)vendor_.take(transfer.body);
        return HttpResponse{.status = 504};
      case 4:
        return HttpResponse{.status = 429, .headers = {{"retry-after", "3"}}};
      case 5:
        return TransportFailure{TransportFault::kTimeout, "late"};
      default:
        return vendor_.take(transfer.body);
    }
  }

  Vendor& vendor_;
  std::shared_ptr<testing::ManualClock> clock_;
  std::mt19937_64& random_;
  const bool& bad_weather_;
  Sabotage sabotage_;
  std::map<TransferId, Transfer> transfers_;
  std::vector<Transfer> ghosts_;
  std::vector<HttpCompletion> done_;
  TransferId last_id_ = 0;
};

// A vendor's integration that gives each request another id.
class Forgetful final : public Destination {
 public:
  std::span<const Family> families() const noexcept override { return vendor_.families(); }
  bool ready() const noexcept override { return true; }
  std::span<const Lane> lanes() const noexcept override { return vendor_.lanes(); }
  HttpRequest request(std::size_t lane, std::span<const EventRecord* const> events) const override {
    HttpRequest request = vendor_.request(lane, events);
    const std::string id = " again " + std::to_string(++count_);
    if (events.front()->payload.size() % 2 == 0) request.body.insert(request.body.size() - 1, id);
    return request;
  }
  Verdict verdict(const std::variant<HttpResponse, TransportFailure>& outcome,
                  std::span<const EventRecord* const> events, WallTime now) const override {
    return vendor_.verdict(outcome, events, now);
  }
  std::string type_of(const EventRecord& event) const override { return vendor_.type_of(event); }
  void mark_backfill(EventRecord& event) const override { vendor_.mark_backfill(event); }
  LogLine log_line(const EventRecord&, const Verdict&) const override { return {}; }

 private:
  FakeVendor vendor_{tests::klaviyo_lanes()};
  mutable std::size_t count_ = 0;
};

// An outbox that leaves out one thing.
class BrokenOutbox final : public Outbox {
 public:
  BrokenOutbox(std::shared_ptr<Outbox> outbox, Sabotage sabotage)
      : outbox_(std::move(outbox)), sabotage_(sabotage) {}

  OutboxCaps caps() const noexcept override { return outbox_->caps(); }
  Result<Appended> append(std::span<const EventRecord> batch) override {
    std::vector<EventRecord> records(batch.begin(), batch.end());
    for (EventRecord& record : records) {
      if (record.timing == nullptr) continue;
      auto timing = std::make_shared<Timing>(*record.timing);
      if (sabotage_ == Sabotage::kNoEnds) timing->ends.clear();
      if (sabotage_ == Sabotage::kNoTimers) timing->timer.reset();
      record.timing = std::move(timing);
    }
    return outbox_->append(records);
  }
  Result<Claim> claim(QueueId queue, const ClaimLimits& limits, milliseconds lease) override {
    if (sabotage_ == Sabotage::kNoLease) lease = milliseconds(0);
    return outbox_->claim(queue, limits, lease);
  }
  Result<Settled> settle(ClaimToken token, std::span<const Outcome> outcomes) override {
    return outbox_->settle(token, outcomes);
  }
  Result<std::size_t> extend(ClaimToken token, std::span<const EventHandle> events,
                             milliseconds lease) override {
    return outbox_->extend(token, events, lease);
  }
  Result<std::vector<QueueId>> due_queues() override { return outbox_->due_queues(); }
  Result<Released> release_held(QueueId queue, Flag flag, EventHandle after) override {
    return outbox_->release_held(queue, flag, after);
  }
  Result<std::vector<DeadLetter>> dead(const EventFilter& filter, EventHandle after,
                                       std::size_t max) override {
    return outbox_->dead(filter, after, max);
  }
  Result<std::size_t> replay(const EventFilter& filter, std::size_t max,
                             const Rewrite& rewrite) override {
    return outbox_->replay(filter, max, rewrite);
  }
  Result<std::size_t> purge(const EventFilter& filter) override { return outbox_->purge(filter); }
  Result<std::size_t> purge_profile(const Key& profile) override {
    return outbox_->purge_profile(profile);
  }
  Result<Maintained> maintain(milliseconds retention) override {
    return outbox_->maintain(retention);
  }
  Result<OutboxStats> stats() override { return outbox_->stats(); }

 private:
  std::shared_ptr<Outbox> outbox_;
  Sabotage sabotage_;
};

}  // namespace postbox::simulation
