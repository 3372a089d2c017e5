// Which events travel together, in which order and how fast: the sender with two lanes.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "support/engine_harness.hpp"
#include "support/virtual_shops.hpp"

namespace postbox::tests {
namespace {

using namespace std::chrono_literals;

class Lanes : public EngineHarness {
 protected:
  void SetUp() override {
    outbox = open_outbox(OutboxOptions{.url = "memory:"}, clock).value();
    vendor = std::make_shared<FakeVendor>(klaviyo_lanes());
    restart();
    http->on_request([this](const HttpRequest& request) { return answer(request); });
  }

  virtual ScriptedHttpClient::Answer answer(const HttpRequest&) {
    return ScriptedHttpClient::answer(202);
  }

  void track_many(std::size_t events, const std::string& name, const Family& family = kNotes) {
    for (std::size_t i = 0; i < events; ++i) {
      ASSERT_EQ(track(name + std::to_string(i), "1", family), TrackStatus::kAccepted);
    }
  }

  static bool is_bulk(const HttpRequest& request) { return request.url.ends_with("bulk"); }
  static std::vector<std::string> lines_of(const HttpRequest& request) {
    std::vector<std::string> events;
    std::istringstream text(request.body);
    for (std::string line; std::getline(text, line);) events.push_back(line);
    return events;
  }
};

TEST_F(Lanes, WhatSingleRequestsCarryWithinSecondsGoesSingly) {
  track_many(300, "n");
  run_for(2s);
  EXPECT_EQ(http->requests().size(), 300U);
  for (const auto& request : http->requests()) EXPECT_FALSE(is_bulk(request));
}

TEST_F(Lanes, ABacklogGoesInBulkOfAtMostAThousandEventsEachOnce) {
  track_many(5'500, "n");
  run_for(2s);
  std::set<std::string> sent;
  std::size_t bulk = 0;
  for (const auto& request : http->requests()) {
    const auto events = lines_of(request);
    EXPECT_LE(events.size(), is_bulk(request) ? 1'000U : 1U);
    bulk += is_bulk(request) ? 1 : 0;
    for (const auto& event : events) EXPECT_TRUE(sent.insert(event).second) << event;
  }
  EXPECT_EQ(sent.size(), 5'500U);
  EXPECT_GE(bulk, 5U);
}

TEST_F(Lanes, ABulkRequestStaysBelowItsBytes) {
  for (int i = 0; i < 9; ++i) {
    const std::string large(1'400'000, static_cast<char>('a' + i));
    ASSERT_EQ(track(large), TrackStatus::kAccepted);
    tracker->run_once();
  }
  track_many(1'000, "n");
  run_for(20s);
  for (const auto& request : http->requests()) EXPECT_LE(request.body.size(), 4'800'000U);
  EXPECT_EQ(tracker->stats().delivered, 1'009U);
}

TEST_F(Lanes, AnOrderPassesABackfill) {
  track_many(9'000, "memo", kMemos);
  run_for(100ms);
  track("order");
  run_for(200ms);
  std::size_t place = 0;
  const auto requests = http->requests();
  while (place < requests.size() && requests[place].body != "order\n") ++place;
  EXPECT_LT(place, requests.size()) << "sent within 200 ms";
  EXPECT_FALSE(is_bulk(requests.at(place)));
  run_for(120s);
}

TEST_F(Lanes, FamiliesShareALaneByWeightAndNoneStarves) {
  hang(true);
  track_many(4'500, "memo", kMemos);
  tracker->run_once();
  track_many(4'500, "note", kNotes);
  hang(false);
  run_for(120s);
  std::string order;
  for (const auto& request : http->requests()) {
    if (is_bulk(request)) order += request.body.front();
  }
  EXPECT_EQ(tracker->stats().delivered, 9'000U);
  EXPECT_LT(order.find('m'), order.rfind('n')) << "memos are not left to the end: " << order;
  EXPECT_LT(order.find('n'), 2U) << "notes need not wait: " << order;
}

TEST_F(Lanes, ARateLimitPausesItsLaneAndSpendsNothing) {
  http->on_request([](const HttpRequest& request) {
    if (!is_bulk(request)) return ScriptedHttpClient::answer(202);
    return ScriptedHttpClient::answer(429, "", {{"retry-after", "30"}});
  });
  track_many(3'000, "memo", kMemos);
  run_for(1s);
  EXPECT_EQ(lines.count("paused 30000"), 1U);
  const auto asked = std::ranges::count_if(http->requests(), is_bulk);
  run_for(25s);
  EXPECT_EQ(std::ranges::count_if(http->requests(), is_bulk), asked);
  http->on_request([](const HttpRequest&) { return ScriptedHttpClient::answer(202); });
  run_for(30s);
  EXPECT_EQ(tracker->stats().delivered, 3'000U);
  EXPECT_EQ(tracker->stats().retries, 0U);
}

TEST_F(Lanes, WhileTheBulkLaneIsShutTheOtherCarriesWhatItCanAndAnOrderPasses) {
  http->on_request([](const HttpRequest& request) {
    if (!is_bulk(request)) return ScriptedHttpClient::answer(202);
    return ScriptedHttpClient::answer(429, "", {{"retry-after", "3600"}});
  });
  track_many(6'000, "memo", kMemos);
  run_for(150s);
  EXPECT_GT(tracker->stats().delivered, 1'000U) << "at the pace of single requests";
  const auto sent = bodies().size();
  track("order");
  run_for(1s);
  const auto all = bodies();
  EXPECT_NE(
      std::ranges::find(all.begin() + static_cast<std::ptrdiff_t>(sent), all.end(), "order\n"),
      all.end());
  EXPECT_EQ(tracker->stats().rate_limited, std::ranges::count_if(http->requests(), is_bulk));
  run_for(600s);
  EXPECT_EQ(tracker->stats().delivered, 6'001U);
}

TEST_F(Lanes, WhileTheSingleLaneIsShutTheBulkLaneCarriesAll) {
  http->on_request([](const HttpRequest& request) {
    if (is_bulk(request)) return ScriptedHttpClient::answer(202);
    return ScriptedHttpClient::answer(429, "", {{"retry-after", "3600"}});
  });
  track_many(3, "n");
  run_for(2s);
  EXPECT_EQ(tracker->stats().delivered, 3U);
  EXPECT_EQ(tracker->stats().retries, 0U);
}

// Memos have an endpoint of their own, which takes one at a time.
class OwnLane : public Lanes {
 protected:
  void SetUp() override {
    outbox = open_outbox(OutboxOptions{.url = "memory:"}, clock).value();
    auto lanes = klaviyo_lanes();
    lanes.push_back({.burst = {75, 1'000ms}, .steady = {750, 60'000ms}});
    vendor = std::make_shared<FakeVendor>(lanes);
    vendor->memo_route = {.single = 2, .bulk = 2};
    restart();
    http->on_request([this](const HttpRequest& request) { return answer(request); });
  }
  static bool is_memo_lane(const HttpRequest& request) { return request.url.ends_with("memos"); }
};

TEST_F(OwnLane, ItsEventsTakeNoOtherAndNoneTakesIt) {
  track_many(400, "memo", kMemos);
  track_many(2'000, "n");
  run_for(2s);
  for (const auto& request : http->requests()) {
    EXPECT_EQ(is_memo_lane(request), request.body.starts_with("memo")) << request.body;
    if (is_memo_lane(request)) {
      EXPECT_EQ(lines_of(request).size(), 1U);
    }
  }
  EXPECT_LE(std::ranges::count_if(http->requests(), is_memo_lane), 3 * 75);
  run_for(60s);
  EXPECT_EQ(tracker->stats().delivered, 2'400U);
  expect_conservation();
}

TEST_F(OwnLane, ARateLimitThereDelaysNoOther) {
  http->on_request([](const HttpRequest& request) {
    if (!is_memo_lane(request)) return ScriptedHttpClient::answer(202);
    return ScriptedHttpClient::answer(429, "", {{"retry-after", "30"}});
  });
  track_many(100, "memo", kMemos);
  run_for(1s);
  track("order");
  run_for(1s);
  EXPECT_EQ(bodies().back(), "order\n");
  EXPECT_EQ(tracker->stats().delivered, 1U);
  expect_conservation();
}

// A vendor that refuses every batch with a poison event in it, and names it or not.
TEST_F(OwnLane, WhatIsMissingForItAloneParksItUntilSettingsChange) {
  bool may_write = false;
  http->on_request([&](const HttpRequest& request) {
    return ScriptedHttpClient::answer(is_memo_lane(request) && !may_write ? 403 : 202);
  });
  track("memo", "1", kMemos);
  run_for(1s);
  track_many(3, "n");
  run_for(1s);
  EXPECT_EQ(tracker->stats().delivered, 3U);
  EXPECT_EQ(std::ranges::count_if(http->requests(), is_memo_lane), 1);
  EXPECT_EQ(tracker->stats().parked, 1U);
  may_write = true;
  ASSERT_TRUE(tracker->reload());
  run_for(1s);
  EXPECT_EQ(tracker->stats().delivered, 4U);
  EXPECT_EQ(tracker->stats().retries, 0U);
}

// The events that an answer names go alone on the single lane of their own route.
TEST_F(OwnLane, WhatAnAnswerBlamesGoesAloneOnItsOwnRoute) {
  auto lanes = klaviyo_lanes();
  lanes.push_back({.burst = {75, 1'000ms}, .steady = {750, 60'000ms}});
  lanes.back().max_events = 10;
  vendor = std::make_shared<FakeVendor>(lanes);
  vendor->memo_route = {.single = 2, .bulk = 2};
  restart();
  http->on_request([](const HttpRequest& request) {
    const bool bad = request.body.find("poison") != std::string::npos;
    const std::size_t place = lines_of(request).size() > 1 ? 1 : 0;
    return bad ? ScriptedHttpClient::answer(400, "culprits: " + std::to_string(place))
               : ScriptedHttpClient::answer(202);
  });
  track("memo 1", "1", kMemos);
  track("poison", "1", kMemos);
  track("memo 2", "1", kMemos);
  run_for(10s);
  for (const auto& request : http->requests()) EXPECT_TRUE(is_memo_lane(request)) << request.url;
  EXPECT_EQ(tracker->stats().delivered, 2U);
  EXPECT_EQ(tracker->stats().dead, 1U);
}

// A job has one list: what lies between does not cut it into small ones.
TEST_F(OwnLane, OnlyEventsOfOneGroupShareARequestAndNoMoreThanItSays) {
  auto lanes = klaviyo_lanes();
  lanes.push_back({.max_events = 10, .burst = {75, 1'000ms}, .steady = {750, 60'000ms}});
  vendor = std::make_shared<FakeVendor>(lanes);
  vendor->memo_route = {.single = 2, .bulk = 2};
  vendor->sharing_of = [](const EventRecord& event) {
    const bool is_odd = (event.payload.back() - '0') % 2 == 1;
    return is_odd ? Sharing{.group = 1, .most = 3} : Sharing{};
  };
  restart();
  track_many(20, "memo ", kMemos);
  run_for(10s);
  std::multiset<std::size_t> sizes;
  for (const auto& request : http->requests()) {
    const auto events = lines_of(request);
    sizes.insert(events.size());
    for (const auto& event : events) {
      EXPECT_EQ((event.back() - '0') % 2, (events.front().back() - '0') % 2);
    }
  }
  EXPECT_EQ(sizes, (std::multiset<std::size_t>{1, 3, 3, 3, 10}));
  EXPECT_EQ(tracker->stats().delivered, 20U);
}

class Poison : public Lanes, public ::testing::WithParamInterface<bool> {
 protected:
  ScriptedHttpClient::Answer answer(const HttpRequest& request) override {
    const auto events = lines_of(request);
    std::string culprits;
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (events[i].starts_with("poison")) culprits += " " + std::to_string(i);
    }
    if (culprits.empty()) return ScriptedHttpClient::answer(202);
    return ScriptedHttpClient::answer(400, GetParam() ? "culprits:" + culprits : "no reason");
  }
};

TEST_P(Poison, OneAmongAThousandCostsFewRequestsAndNobodyElse) {
  track_many(611, "n");
  track("poison");
  track_many(388, "m");
  run_for(60s);
  EXPECT_EQ(tracker->stats().delivered, 999U);
  EXPECT_EQ(tracker->stats().dead, 1U);
  EXPECT_LE(http->requests().size(), GetParam() ? 3U : 9U + 63U);
  EXPECT_LE(std::ranges::count_if(http->requests(), is_bulk), 9);
  EXPECT_EQ(tracker->stats().retries, 0U);
}

TEST_P(Poison, SeveralAreAllFound) {
  for (int i = 0; i < 1'000; ++i)
    track(i % 250 == 7 ? "poison" + std::to_string(i) : "n" + std::to_string(i));
  run_for(120s);
  EXPECT_EQ(tracker->stats().delivered, 996U);
  EXPECT_EQ(tracker->stats().dead, 4U);
  if (GetParam()) {
    EXPECT_LE(http->requests().size(), 6U);
  }
}

INSTANTIATE_TEST_SUITE_P(TheAnswer, Poison, ::testing::Values(true, false),
                         [](const auto& parameter) {
                           return parameter.param ? "NamesThem" : "NamesNobody";
                         });

double seconds_between(SteadyTime a, SteadyTime b) {
  return std::chrono::duration<double>(b - a).count();
}

TEST(QuotaOnVirtualTime, ABacklogDrainsAtTheQuotaShareWithoutA429) {
  VirtualShops shops({.share = 900, .phase = 23'400ms});
  constexpr std::size_t kEvents = 150'000;
  shops.add_backlog(0, kEvents);
  const SteadyTime start = shops.clock->now();
  shops.run_until([&] { return shops.account->recorded() >= kEvents; });
  // 135 bulk requests of a thousand a minute.
  EXPECT_LE(seconds_between(start, shops.clock->now()), kEvents / 2'250.0 / 0.98);
  EXPECT_EQ(shops.account->ours.refused, 0U);
  EXPECT_EQ(shops.account->duplicates, 0U);
  EXPECT_TRUE(shops.stats(0).conserved());
}

TEST(QuotaOnVirtualTime, InCompanyItTakesWhatTheOthersLeave) {
  VirtualShops shops({.share = 900, .phase = 41'000ms});
  constexpr std::size_t kEvents = 60'000;
  shops.add_backlog(0, kEvents);
  for (std::uint64_t user = 0; user < 3; ++user) {
    auto random = std::make_shared<std::mt19937_64>(user);
    shops.schedule(shops.clock->now(), [&shops, random](SteadyTime now) {
      shops.account->take_foreign(1, now);
      return now + std::chrono::milliseconds(1'000 + (*random)() % 4'000);
    });
  }
  const SteadyTime start = shops.clock->now();
  shops.run_until([&] { return shops.account->recorded() >= kEvents; });
  const double took = seconds_between(start, shops.clock->now());
  const double left = took / 60 * 150 - static_cast<double>(shops.account->foreign.requests);
  EXPECT_GE(static_cast<double>(shops.account->ours.requests), 0.9 * left);
  EXPECT_LE(static_cast<double>(shops.account->ours.refused), 0.001 * 60);
  EXPECT_LE(shops.account->foreign.refused, 1U);
}

TEST(QuotaOnVirtualTime, AnOrderDuringABackfillIsDeliveredWithinASecond) {
  VirtualShops shops({.share = 900});
  shops.add_backlog(0, 100'000, kMemos);
  std::map<std::string, SteadyTime> tracked;
  double slowest = 0;
  std::size_t arrived = 0;
  shops.account->on_recorded = [&](const std::string& event, SteadyTime now) {
    if (const auto found = tracked.find(event); found != tracked.end()) {
      slowest = std::max(slowest, seconds_between(found->second, now));
      ++arrived;
    }
  };
  std::size_t next = 0;
  shops.schedule(shops.clock->now(), [&](SteadyTime now) {
    const std::string order = "order " + std::to_string(next++);
    tracked[order] = now;
    shops.track(0, order);
    return now + 730ms;
  });
  shops.run_until([&] { return arrived >= 40; });
  EXPECT_LE(slowest, 1.0);
}

// A quota that somebody else hands out: a request each ten seconds on each lane.
class Metronome : public RateGate {
 public:
  void set_share(std::uint32_t) noexcept override {}
  SteadyTime next(SteadyTime, Pace) override { return next_; }
  std::size_t capacity(SteadyTime, std::chrono::milliseconds) override { return 1; }
  void started(SteadyTime now) override { next_ = now + 10s; }
  void ended(SteadyTime, SteadyTime, const std::optional<RateHint>&) override {}
  void refused(SteadyTime, std::chrono::milliseconds) override {}

 private:
  SteadyTime next_{};
};

TEST_F(Lanes, AGateOfTheProgramsOwnSaysWhenRequestsStart) {
  std::vector<std::size_t> places;
  rate_gate = [&](std::size_t place, const Lane&) {
    places.push_back(place);
    return std::make_unique<Metronome>();
  };
  restart();
  http->on_request([this](const HttpRequest& request) { return answer(request); });
  EXPECT_EQ(places, (std::vector<std::size_t>{0, 1}));
  track_many(1, "first");
  run_for(1s);
  track_many(2'500, "n");
  run_for(8s);
  const auto requests = http->requests();
  EXPECT_EQ(requests.size(), 2U) << "one on each lane";
  run_for(100s);
  EXPECT_EQ(tracker->stats().waiting, 0U);
}

}  // namespace
}  // namespace postbox::tests
