// ShopDestination sends events as lines of text to a vendor whose answers are judged by Klaviyo's
// rules: three families, of which profiles have an endpoint of their own, which takes jobs.
//
// Place:     Services::destination of every shop.
// Threads:   one.
// Lifetime:  one process of a shop.
// Failure:   none, but what a Sabotage asks for.
#pragma once

#include <array>
#include <sstream>
#include <string>
#include <vector>

#include <klaviyo/destination.hpp>
#include <postbox/destination.hpp>

#include "sabotage.hpp"
#include "sky.hpp"

namespace postbox::simulation {

class ShopDestination final : public Destination {
 public:
  explicit ShopDestination(Sabotage sabotage)
      : lanes_(rules_.lanes().begin(), rules_.lanes().end()), sabotage_(sabotage) {
    lanes_.at(kProfileLane).max_events = 20;  // in jobs, as consent
  }

  std::span<const Family> families() const noexcept override { return families_; }
  bool ready() const noexcept override { return true; }
  std::span<const Lane> lanes() const noexcept override { return lanes_; }

  // Updates that say the same share a job, four at most.
  Sharing sharing(const EventRecord& event) const noexcept override {
    if (event.queue != kProfiles.queue) return {};
    return {.group = static_cast<std::uint64_t>(event.payload.back()), .most = 4};
  }

  Route route(QueueId queue) const noexcept override {
    if (queue == kProfiles.queue) return {.single = kProfileLane, .bulk = kProfileLane};
    const bool together = sabotage_ == Sabotage::kOneLane;
    return {.single = together ? kBulkLane : kSingleLane, .bulk = kBulkLane};
  }

  HttpRequest request(std::size_t lane, std::span<const EventRecord* const> events) const override {
    HttpRequest request{.url = kUrls.at(lane), .headers = {}, .body = {}};
    for (const EventRecord* event : events) request.body += event->payload + "\n";
    if (sabotage_ == Sabotage::kNewIdPerRequest && events.front()->payload.size() % 2 == 0) {
      request.body.insert(request.body.size() - 1, " again " + std::to_string(++count_));
    }
    return request;
  }

  Verdict verdict(const std::variant<HttpResponse, TransportFailure>& outcome,
                  std::span<const EventRecord* const> events, WallTime now) const override {
    Verdict verdict = rules_.verdict(outcome, events, now);
    if (sabotage_ == Sabotage::kForeignBuries && verdict.foreign) verdict.kind = VerdictKind::kDead;
    const auto* response = std::get_if<HttpResponse>(&outcome);
    if (response == nullptr) return verdict;
    const std::size_t named = response->body.find(kNames);
    if (named == std::string::npos || events.size() == 1) return verdict;
    std::istringstream places(response->body.substr(named + kNames.size()));
    for (std::size_t place = 0; places >> place;) verdict.culprits.push_back(place);
    return verdict;
  }

  std::string type_of(const EventRecord& event) const override {
    return event.payload.substr(0, event.payload.find(' '));
  }
  void mark_backfill(EventRecord& event) const override { event.queue = kMemos.queue; }
  LogLine log_line(const EventRecord&, const Verdict&) const override { return {}; }

 private:
  static constexpr std::string_view kNames = "culprits:";
  static constexpr std::array kUrls{"http://vendor.invalid/", "http://vendor.invalid/bulk",
                                    "http://vendor.invalid/profiles"};

  klaviyo::Destination rules_{{"pk_simulated", "http://vendor.invalid", "2026-10-15"}};
  std::vector<Lane> lanes_;
  std::array<Family, 3> families_{kNotes, kMemos, kProfiles};
  Sabotage sabotage_;
  mutable std::size_t count_ = 0;
};

}  // namespace postbox::simulation
