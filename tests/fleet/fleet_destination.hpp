// FleetDestination sends events as lines of text to one of many accounts, by Klaviyo's lanes and
// rules; the events are a note, a step of a cart, and an update of a profile.
//
// Place:     Services of every simulated server.
// Threads:   one.
// Lifetime:  a server's.
// Failure:   none, but what a Sabotage asks for.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <klaviyo/destination.hpp>
#include <postbox/destination.hpp>

#include "simulation/sky.hpp"

#include "fleet_sabotage.hpp"

namespace postbox::fleet {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using tests::key_of;

inline constexpr Family kOrders = tests::kNotes;
inline constexpr Family kCarts = tests::kMemos;
inline constexpr Family kProfiles = simulation::kProfiles;

// Where a URL leads: "http://vendor.invalid/17/bulk".
struct Address {
  std::size_t account = 0;
  std::size_t lane = 0;
};
inline constexpr std::string_view kHost = "http://vendor.invalid/";
inline constexpr std::array<std::string_view, 3> kPaths{"/events", "/bulk", "/profiles"};

[[nodiscard]] inline Address address_of(const std::string& url) {
  const std::size_t slash = url.find('/', kHost.size());
  Address address{.account = std::stoul(url.substr(kHost.size(), slash - kHost.size()))};
  while (!url.ends_with(kPaths.at(address.lane))) ++address.lane;
  return address;
}

// Klaviyo's, with so many events in a bulk request.
[[nodiscard]] inline std::vector<Lane> fleet_lanes(std::size_t most_in_bulk) {
  const klaviyo::Destination rules{{"pk_simulated", "http://vendor.invalid", "2026-10-15"}};
  std::vector<Lane> lanes(rules.lanes().begin(), rules.lanes().end());
  lanes.at(simulation::kBulkLane).max_events = most_in_bulk;
  lanes.resize(kPaths.size());
  return lanes;
}

class FleetDestination final : public Destination {
 public:
  // `account` is its number on this server.
  FleetDestination(std::size_t account, std::vector<Lane> lanes, std::uint32_t share,
                   Sabotage sabotage)
      : account_(account), lanes_(std::move(lanes)), share_(share), sabotage_(sabotage) {}

  std::span<const Family> families() const noexcept override { return families_; }
  bool ready() const noexcept override { return true; }
  std::span<const Lane> lanes() const noexcept override { return lanes_; }
  std::uint32_t quota_per_mille() const noexcept override { return share_; }

  Route route(QueueId queue) const noexcept override {
    using simulation::kProfileLane;
    if (queue == kProfiles.queue) return {.single = kProfileLane, .bulk = kProfileLane};
    return {.single = simulation::kSingleLane, .bulk = simulation::kBulkLane};
  }

  HttpRequest request(std::size_t lane, std::span<const EventRecord* const> events) const override {
    HttpRequest request{.url = std::string(kHost), .headers = {}, .body = {}};
    request.url += std::to_string(account_);
    request.url += kPaths.at(lane);
    for (const EventRecord* event : events) request.body += event->payload + "\n";
    if (sabotage_ == Sabotage::kNewIdPerRequest && ++count_ % 10 == 0) {
      request.body.insert(request.body.size() - 1, " again " + std::to_string(count_));
    }
    return request;
  }

  Verdict verdict(const std::variant<HttpResponse, TransportFailure>& outcome,
                  std::span<const EventRecord* const> events, WallTime now) const override {
    Verdict verdict = rules_.verdict(outcome, events, now);
    const bool is_retry = verdict.kind == VerdictKind::kRetry;
    if (is_retry && sabotage_ == Sabotage::kFailureIsSuccess) {
      verdict.kind = VerdictKind::kDelivered;
    }
    if (is_retry && sabotage_ == Sabotage::kFailureBuries) verdict.kind = VerdictKind::kDead;
    return verdict;
  }

  std::string type_of(const EventRecord& event) const override {
    return event.payload.substr(0, event.payload.find(' '));
  }
  void mark_backfill(EventRecord&) const override {}
  LogLine log_line(const EventRecord&, const Verdict&) const override { return {}; }

 private:
  klaviyo::Destination rules_{{"pk_simulated", "http://vendor.invalid", "2026-10-15"}};
  std::size_t account_;
  std::vector<Lane> lanes_;
  std::uint32_t share_;
  Sabotage sabotage_;
  std::array<Family, 3> families_{kOrders, kCarts, kProfiles};
  mutable std::size_t count_ = 0;
};

// An event that concerns no other.
struct FleetNote {
  std::string text;
  [[nodiscard]] const Family& family() const noexcept { return kCarts; }
  [[nodiscard]] Key profile_key() const { return key_of(text); }
  [[nodiscard]] std::size_t size() const noexcept { return 1; }
  void encode(EventBatch& batch) const {
    batch.add({kCarts.queue, key_of(text), profile_key(), text, {}});
  }
};

// An update of a cart, or the order that pays for it; each cart has a shopper of its own.
struct FleetCart {
  std::string cart;  // its id
  std::size_t number = 0;
  bool is_order = false;
  milliseconds patience{};  // until it counts as abandoned

  [[nodiscard]] std::string text() const {
    return (is_order ? "order " : "cart ") + cart + "-" + std::to_string(number);
  }
  [[nodiscard]] std::string abandoned() const {
    return "abandoned " + cart + "-" + std::to_string(number);
  }
  [[nodiscard]] const Family& family() const noexcept { return is_order ? kOrders : kCarts; }
  [[nodiscard]] Key profile_key() const { return key_of("shopper " + cart); }
  [[nodiscard]] std::size_t size() const noexcept { return 1; }
  void encode(EventBatch& batch) const {
    Timing timing{.as_of = batch.now()};  // by the clock of the server that is told
    if (is_order) {
      timing.cancels = {key_of("slot " + cart), profile_key()};
    } else {
      timing.slot = key_of("slot " + cart);
      timing.debounce = milliseconds(5'000);
      timing.timer =
          Timer{.delay = patience, .cancelled_by = {profile_key()}, .event = record(abandoned())};
    }
    EventRecord own = record(text());
    own.timing = std::make_shared<Timing>(std::move(timing));
    batch.add(std::move(own));
  }

 private:
  [[nodiscard]] EventRecord record(const std::string& payload) const {
    return {.queue = family().queue,
            .dedup_key = key_of(payload),
            .profile_key = profile_key(),
            .payload = payload};
  }
};

}  // namespace postbox::fleet
